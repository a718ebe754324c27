# The conformance quest (README.md), in Ruby: it does what it is told.

CALLS = {
  "current.quest" => ->(q) { q.quest_name },
  "current.action" => ->(q) { q.action_name },
  "current.context" => ->(q) { q.context },
  "current.event-name" => ->(q) { q.event_name },
  "current.cause" => ->(q) { q.cause },
  "current.accepted-at" => ->(q) { milliseconds(q.accepted_at) },
  "current.attempt" => ->(q) { q.attempt },
  "current.missed" => ->(q) { q.missed },
  "current.has-ids" => ->(q) { !q.quest_instance.empty? && !q.event_id.empty? && q.processed_at >= q.accepted_at },
  "current.field" => ->(q, pointer) { q.field(pointer) },
  "variables.get" => ->(q, name) { q.variables[name] },
  "variables.set" => ->(q, name, value) { q.variables[name] = value; nil },
  "variables.remove" => ->(q, name) { had = q.variables.key?(name); q.variables.delete(name); had },
  "variables.names" => ->(q) { q.variables.names },
  "variables.set-bytes" => ->(q, name, bytes) { q.variables[name] = bytes.pack("C*").b; nil },
  "variables.get-bytes" => ->(q, name) { q.variables[name].bytes },
  "variables.set-nan" => ->(q, name) { q.variables[name] = 0.0 / 0; nil },
  "timers.at" => ->(q, name, action, time, payload) { q.at(Time.at(time / 1000, time % 1000 * 1000), action, payload, name: name) },
  "timers.after" => ->(q, name, action, delay, payload) { q.after(delay / 1000.0, action, payload, name: name) },
  "timers.every" => ->(q, name, action, schedule, payload) { q.every(schedule, action, payload, name: name) },
  "timers.cancel" => ->(q, name) { q.cancel(name) },
  "timers.names" => ->(q) { q.timers },
  "timers.due" => ->(q, name) { milliseconds(q.due(name)) },
  "timers.payload" => ->(q, name) { q.timer_payload(name) },
  "timers.schedule" => ->(q, name) { q.schedule(name) },
  "patterns.start" => ->(q, name, spec) { q.start_pattern(name, spec) },
  "patterns.cancel" => ->(q, name) { q.cancel_pattern(name) },
  "patterns.names" => ->(q) { q.patterns },
  "patterns.state" => ->(q, name) { q.pattern_state(name) },
  "clock.zone" => ->(q) { q.zone },
  "clock.set-zone" => ->(q, zone) { q.zone = zone; nil },
  "clock.local" => ->(q, time) { q.local(time / 1000) },
  "clock.instant" => ->(q, text) { milliseconds(q.instant(text)) },
  "events.emit" => ->(q, context, name, payload) { q.emit(name, payload, context: context) },
  "events.send" => ->(q, context, quest, action, payload) { call_quest(quest_name: quest, action_name: action, context: context, event: payload) },
  "events.broadcast" => ->(q, name, payload) { q.broadcast(name, payload) },
  "quests.add" => ->(q, quest, context) { add_quest_to_context(quest, context) },
  "quests.remove" => ->(q, quest, context) { remove_quest_from_context(quest, context) },
  "quests.active" => ->(q) { q.active_quests },
  "messages.publish" => ->(q, topic, payload) { q.publish(topic, payload) },
  "config.get" => ->(q, name) { q.config(name) },
  "log.write" => ->(q, level, text) { q.log(text, level) },
  "print" => ->(q, text) { puts text },
  "random.below" => ->(q, bound) { bound == 0 ? 0 : rand(bound) },
  "random.unit" => ->(q) { (0.0...1.0).include?(rand) },
  "random.bytes" => ->(q, count) { SecureRandom.bytes(count).bytesize },
  "remember" => ->(q, text) { before, $remembered = $remembered, text; before },
  "trap" => ->(q) { raise "as told" },
  "loop" => ->(q) { loop {} },
  "recurse" => ->(q) { deeper(1) },
  "fill" => ->(q) { all = []; loop { all << "x" * 1_000_000 } },
}

def milliseconds(time) = time && time.to_i * 1000 + time.usec / 1000

def deeper(n) = 1 + deeper(n + 1)

def make(quest, call)
  name, *args = call
  case name
  when "fail" then raise Failure.new(args[0], args[1])
  when "transient" then raise Transient, args[0]
  end
  made = CALLS[name] or raise Failure.new("unknown-call", name)
  made.call(quest, *args)
end

# Makes the calls; a refusal is what one gave.
def each_of(quest, calls)
  calls.map do |call|
    begin
      make(quest, call)
    rescue Failure => failure
      raise if %w[fail transient].include?(call[0])
      {"error" => failure.code}
    end
  end
end

quest :conformance do
  version 2
  describe "does what it is told"
  add_on "begin"
  every "every day at 09:00", :note
  pattern :pair, kind: "within", after: "a", expect: "b", within: "10 minutes", action: :note, else: :note

  def act(calls)
    given = each_of(self, calls || [])
    publish "did", given
    reply given
  end

  action(:init) { publish "init" }
  action(:do, on: "do") { |calls| act(calls) }

  action :raise, on: "raise" do |calls|
    given = (calls || []).map { |call| make(self, call) }
    publish "did", given
    reply given
  end

  action :note, on: "note" do |payload|
    publish "noted", {name: event_name, cause: cause, payload: payload, missed: missed}
  end

  action(:dealloc) { publish "gone" }
  action(:upgrade) { |from| publish "upgraded", from }
  query(:ask) { |calls| each_of(self, calls) }
end

quest "conformance-two" do
  add_on "two"
  action(:init) { publish "init" }

  action :do, on: "two" do |calls|
    given = each_of(self, calls || [])
    publish "did", given
    reply given
  end
end
