# What a quest in Ruby is written with: docs/languages/ruby.md. `Q` is the engine's own; what of it is written in C is in glue.c.

# Ends an action with a code of its own: raise Failure.new("out-of-stock", "none is left")
class Failure < StandardError
  attr_reader :code
  attr_accessor :place

  def initialize(code, message = nil)
    @code = code.to_s
    super(message.nil? ? @code : message.to_s)
  end
end

# What the host refused: an unknown action, an invalid name, …
class Refusal < Failure; end

# Has the action tried again later: raise Transient, "not yet"
class Transient < Failure
  def initialize(message = "not now")
    super("transient", message)
  end
end

class SystemStackError
  def message; "calls are nested too deep: does a method call itself without end?"; end
end

class NoMemoryError
  def message; "there is no memory left for this action (limit memory_bytes_max)"; end
end

# Bytes that are no text: "…".b
class Binary
  def length; bytesize; end
  def encoding; "ASCII-8BIT"; end
  def b; self; end
  def inspect; "#{String.new(self).inspect}.b"; end
  alias size length
  alias [] byteslice
end

class String
  def b; Binary.new(self); end
end

module Q
  @quests = {}
  @said = []
  WORDS = %w[action query every pattern describe version add_on]
  TOP = %w[quest add_quest_to_context remove_quest_from_context call_quest]
  FRAMES = 100
  NAMED = {"event_name" => "current.event-name", "event_context" => "current.context"}
  # @event["amount"], @event[:amount], and what the original's events had
  EVENT = proc do |event, key|
    key = key.to_s
    event.key?(key) ? event[key] : NAMED[key] && call(NAMED[key])
  end

  class << self
    attr_accessor :answered

    # ── What the script defines.

    def quest(name, options, body)
      raise "a quest is defined at the top level of a script" if acting? || @open
      raise ArgumentError, "quest #{name} has no block: write  quest :#{name} do … end" unless body
      say("quest", name.to_s)
      @open = @quests[name.to_s] = made = Class.new(Quest)
      made.begin_quest(name.to_s)
      options.each do |option, value|
        made.unknown("option #{option}:", option, %w[version describe add_on]) unless [:version, :describe, :add_on].include?(option)
        made.__send__(option, *value)
      end
      made.class_exec(&body)
      made.end_quest
      @open = nil
    end

    def say(function, *args)
      call("definition.#{function}", *args)
      @said << [function, args]
    end

    def define
      wrong("no-quest", "there is no quest in this script: write  quest :name do … end") if @quests.empty?
    end

    # What is wrong with the script, at a place that is not the one that runs.
    def wrong(code, message, place = "")
      failure = Failure.new(code, message)
      failure.place = place
      raise failure
    end

    def define_again
      @said.each { |function, args| call("definition.#{function}", *args) }
    end

    # ── Runs.

    def perform(name)
      kind = @quests[call("current.quest")]
      method = kind.actions[name] || kind.queries[name]
      unless method
        return if name == "init"
        raise Failure.new("unknown-action", "quest #{kind.quest_name} has no action #{name}")
      end
      @answered = false
      $! = nil
      srand(call("random.below", 0x7fffffff))
      quest = load(kind.new)
      payload = call("current.payload")
      quest.begin_action(payload, call("current.context"), name)
      value = method[1] ? quest.__send__(method[0], payload) : quest.__send__(method[0])
      store(quest)
      call("reply.set", value) if kind.queries.key?(name) && !@answered
    end

    def not_stored(variable, error)
      raise Refusal.new(error.code, "#{variable}: #{error.message}") if error.is_a?(Failure)
      raise error.class, "#{variable}: #{error.message}"
    end

    # ── What goes wrong.

    # [code, message, what to log]
    def told(error)
      # Of endless recursion the newest calls say enough.
      frames = (error.backtrace || []).first(FRAMES).reject { |frame| frame.start_with?("(unknown)") }
      place = error.is_a?(Failure) && error.place || place_of(frames[0])
      place += ": " unless place.empty?
      message = error.message.to_s
      message = message.inspect unless message.valid_encoding?
      if error.is_a?(Failure)
        return [error.code, acting? && !error.is_a?(Refusal) ? message : place + message, nil]
      end
      message = "#{place}#{message} (#{error.class})"
      ["exception", message, frames.size > 1 ? message + trace_of(frames) : nil]
    end

    # Calls that repeat stand there once.
    def trace_of(frames)
      lines = []
      frames[1..-1].each { |frame| frame == lines.last&.first ? lines.last[1] += 1 : lines << [frame, 1] }
      lines.first(12).map { |frame, times| "\n    from #{frame}#{" (#{times} times)" if times > 1}" }.join
    end

    # "name.rb:3" of a backtrace's line.
    def place_of(frame)
      frame.to_s.split(":")[0, 2].join(":")
    end

    # Of the words that are known the one that was perhaps meant.
    def meant(word, known)
      word = word.to_s
      best = known.min_by { |one| distance(word, one) }
      best && distance(word, best) <= [word.size / 3, 1].max ? "; did you mean '#{best}'?" : ""
    end

    # How many letters differ, one that changed places with its neighbour as one.
    def distance(one, other)
      rows = [(0..other.size).to_a]
      one.each_char.with_index do |letter, i|
        row = [i + 1]
        other.each_char.with_index do |its, j|
          steps = [rows[-1][j + 1] + 1, row[j] + 1, rows[-1][j] + (letter == its ? 0 : 1)]
          steps << rows[-2][j - 1] + 1 if i > 0 && j > 0 && letter == other[j - 1] && one[i - 1] == its
          row << steps.min
        end
        rows << row
      end
      rows[-1][-1]
    end

    # ── Times: a Time, seconds since 1970, or a text of the context's clock.

    def at(time)
      return call("clock.instant", time) if time.is_a?(String)
      milliseconds(time)
    end

    def milliseconds(time)
      return time.to_i * 1000 + time.usec / 1000 if time.is_a?(Time)
      return time * 1000 if time.is_a?(Integer)
      raise TypeError, "a time is a Time, a number of seconds or a text, not #{time.inspect}" unless time.is_a?(Numeric)
      (time * 1000).round
    end

    def time(milliseconds)
      milliseconds && Time.at(milliseconds / 1000, milliseconds % 1000 * 1000)
    end
  end

  # The variables of a quest by name; those whose name Ruby can write are its instance variables too.
  class Variables
    include Enumerable

    def initialize(quest); @quest = quest; end

    def [](name)
      kept?(name) ? Q.call("variables.get", name.to_s) : Q.get_variable(@quest, :"@#{name}")
    end

    def []=(name, value)
      Q.call("variables.set", name.to_s, value)
      Q.set_variable(@quest, :"@#{name}", value) unless kept?(name)
    end

    def delete(name)
      value = self[name]
      Q.call("variables.remove", name.to_s)
      Q.remove_variable(@quest, :"@#{name}") unless kept?(name)
      value
    end

    def names
      kept = Q.call("variables.names").select { |name| kept?(name) }
      (kept + @quest.instance_variables.map { |name| name.to_s[1..-1] }.reject { |name| kept?(name) }).sort
    end

    def key?(name); names.include?(name.to_s); end
    def each(&block); names.each { |name| block.call(name, self[name]) }; end
    def to_h; names.map { |name| [name, self[name]] }.to_h; end
    alias keys names

    private

    # Names of the engine's own instance variables.
    def kept?(name); %w[event context quest_name action_name].include?(name.to_s); end
  end

  # A quest of the script is a class of its own; each action runs in a new instance of it, with its variables.
  class Quest
    class << self
      attr_reader :actions, :queries, :quest_name

      def begin_quest(name)
        @quest_name = name
        @actions = {}
        @queries = {}
        @wanted = {}
      end

      def end_quest
        @wanted.each do |name, (by, place)|
          next if @actions[name]
          Q.wrong("unknown-action", "quest #{quest_name} has no action #{name}, which #{by} calls#{Q.meant(name, @actions.keys)}", place)
        end
      end

      def describe(text); Q.say("describe", text.to_s); end
      def version(number); Q.say("version", number); end
      def add_on(*events); events.flatten.each { |event| Q.say("add-on", event.to_s) }; end

      def action(name, options = {}, &body)
        raise ArgumentError, "action #{name} has no block: write  action :#{name} do … end" unless body
        options.each_key { |option| unknown("option #{option}:", option, %w[on every]) unless [:on, :every].include?(option) }
        name = name.to_s
        keep(@actions, name, body)
        Q.say("action", name) unless name == "init"
        [options[:on]].flatten.compact.each { |event| Q.say("on", name, event.to_s) }
        every(options[:every], name) if options[:every]
      end

      def query(name, &body)
        raise ArgumentError, "query #{name} has no block: write  query :#{name} do … end" unless body
        keep(@queries, name.to_s, body)
        Q.say("query", name.to_s)
      end

      def every(schedule, action, name: action)
        @wanted[action.to_s] = ["every #{schedule.inspect}", Q.place]
        Q.say("every", name.to_s, action.to_s, schedule.to_s)
      end

      def pattern(name, spec)
        Q.say("pattern", name.to_s, spec)
        ["action", "else"].each { |part| (to = spec[part] || spec[part.to_sym]) && @wanted[to.to_s] = ["pattern #{name}", Q.place] }
      end

      def unknown(what, word, known)
        raise ArgumentError, "unknown #{what} (known are #{known.join(", ")})#{Q.meant(word, known)}"
      end

      def method_missing(name, *args, &block)
        raise NoMethodError, "undefined method '#{name}' in quest #{quest_name}#{Q.meant(name, WORDS)}"
      end

      private

      # The block as a method, so that `return` ends the action.
      def keep(all, name, body)
        raise ArgumentError, "quest #{quest_name} has an action or a query #{name} already" if @actions[name] || @queries[name]
        method = :"action #{name}"
        define_method(method, &body)
        all[name] = [method, body.arity != 0]
      end
    end

    attr_reader :event, :context, :quest_name, :action_name

    def begin_action(payload, context, name)
      @context = context
      @quest_name = self.class.quest_name
      @action_name = name
      @event = payload.is_a?(Hash) ? payload : payload.nil? ? {} : {"payload" => payload}
      @event.default_proc = EVENT
    end

    # ── Timers.

    def at(time, action, payload = nil, name: action)
      Q.call("timers.at", name.to_s, action.to_s, Q.at(time), payload)
    end

    def after(seconds, action, payload = nil, name: action)
      Q.call("timers.after", name.to_s, action.to_s, Q.milliseconds(seconds), payload)
    end

    def every(schedule, action, payload = nil, name: action)
      Q.call("timers.every", name.to_s, action.to_s, schedule.to_s, payload)
    end

    def cancel(name); Q.call("timers.cancel", name.to_s); end
    def timers; Q.call("timers.names"); end
    def due(name); Q.time(Q.call("timers.due", name.to_s)); end
    def timer_payload(name); Q.call("timers.payload", name.to_s); end
    def schedule(name); Q.call("timers.schedule", name.to_s); end

    # ── Patterns over events.

    def start_pattern(name, spec); Q.call("patterns.start", name.to_s, spec); end
    def cancel_pattern(name); Q.call("patterns.cancel", name.to_s); end
    def patterns; Q.call("patterns.names"); end
    def pattern_state(name); Q.call("patterns.state", name.to_s); end

    # ── The clock of the context.

    def now; Time.now; end
    def zone; Q.call("clock.zone"); end
    def zone=(name); Q.call("clock.set-zone", name.to_s); end
    def local(time = Time.now); Q.call("clock.local", Q.milliseconds(time)); end
    def instant(text); Q.time(Q.call("clock.instant", text)); end

    # ── Events, quests, messages.

    def emit(name, payload = nil, context: @context); Q.call("events.emit", context.to_s, name.to_s, payload); end
    def broadcast(name, payload = nil); Q.call("events.broadcast", name.to_s, payload); end
    def active_quests; Q.call("quests.active"); end
    def publish(topic, payload = nil); Q.call("messages.publish", topic.to_s, payload); end

    def reply(value)
      Q.answered = true
      Q.call("reply.set", value)
    end

    # ── The event in hand.

    def payload; Q.call("current.payload"); end
    def field(pointer); Q.call("current.field", pointer.to_s); end
    def event_name; Q.call("current.event-name"); end
    def event_id; Q.call("current.event-id"); end
    def cause; Q.call("current.cause"); end
    def attempt; Q.call("current.attempt"); end
    def missed; Q.call("current.missed"); end
    def quest_instance; Q.call("current.instance"); end
    def accepted_at; Q.time(Q.call("current.accepted-at")); end
    def processed_at; Q.time(Q.call("current.processed-at")); end

    # ── The rest.

    def config(name); Q.call("config.get", name.to_s); end
    def log(text, level = :info); Q.call("log.write", level.to_s, text.to_s); end
    def variables; Variables.new(self); end
    def inspect; "#<#{@quest_name} of #{@context}>"; end
    alias to_s inspect

    def method_missing(name, *args, &block)
      words = Quest.instance_methods(false).map(&:to_s) + TOP
      raise NoMethodError, "undefined method '#{name}' in quest #{@quest_name}#{Q.meant(name, words)}"
    end
  end
end

module Kernel
  def quest(name, options = {}, &body); Q.quest(name, options, body); end

  # At the top level of a script these do nothing when it is loaded: `quest-host exec` performs them.
  def add_quest_to_context(name, context = nil)
    return Q.call("script.statement", "add", name.to_s, "", context.to_s, "") unless Q.acting?
    Q.call("quests.add", name.to_s, (context || Q.call("current.context")).to_s)
  end

  def remove_quest_from_context(name, context = nil)
    return Q.call("script.statement", "remove", name.to_s, "", context.to_s, "") unless Q.acting?
    Q.call("quests.remove", name.to_s, (context || Q.call("current.context")).to_s)
  end

  def call_quest(quest_name:, action_name:, context: nil, event: {})
    unless Q.acting?
      return Q.call("script.statement", "call", quest_name.to_s, action_name.to_s, context.to_s, JSON.generate(event))
    end
    Q.call("events.send", (context || Q.call("current.context")).to_s, quest_name.to_s, action_name.to_s, event)
  end

  # Random numbers come from the event: each try draws the same ones.
  def rand(max = nil)
    case max
    when nil, 0 then Q.call("random.unit")
    when Range
      first = max.first
      return first + Q.call("random.unit") * (max.last - first) unless first.is_a?(Integer) && max.last.is_a?(Integer)
      count = max.last - first + (max.exclude_end? ? 0 : 1)
      count > 0 ? first + rand(count) : nil
    when Float then Q.call("random.unit") * max
    else
      max = max.to_i.abs
      max <= 0xffffffff ? Q.call("random.below", max) : (Q.call("random.unit") * max).to_i
    end
  end

  def require(name)
    return false if %w[json set time date ruby-quest ruby_quest].include?(name)
    raise LoadError, "require \"#{name}\": a script has no libraries but those of the engine (docs/languages/ruby.md)"
  end
  alias require_relative require

  def pp(*all); p(*all); end
  def printf(*all); print(sprintf(*all)); end
  def warn(*all); all.flatten.each { |one| Q.call("log.write", "warn", one.to_s) }; nil; end
  def sleep(*) raise NotImplementedError, "an action does not wait: have it called later, with after or at"; end
end

class Random
  class << self
    def rand(max = nil); Kernel.rand(max); end
    def bytes(count); Q.call("random.bytes", count); end
    def new_seed; Q.call("random.below", 0x7fffffff); end
    alias __new new
    def new(seed = new_seed); __new(seed); end
  end
end

module SecureRandom
  def self.random_number(max = 0); Kernel.rand(max); end
  def self.bytes(count); Q.call("random.bytes", count); end
  def self.hex(count = 16); bytes(count).bytes.map { |byte| "%02x" % byte }.join; end
  def self.uuid
    hex = self.hex
    "#{hex[0, 8]}-#{hex[8, 4]}-4#{hex[13, 3]}-#{"89ab"[hex[16].to_i(16) % 4]}#{hex[17, 3]}-#{hex[20, 12]}"
  end
end

class LoadError < ScriptError; end unless Object.const_defined?(:LoadError)

# At the top level.
def self.method_missing(name, *args, &block)
  raise NoMethodError, "undefined method '#{name}' at the top level#{Q.meant(name, Q::TOP)}"
end
