def helper(n)
  n.times { |i| [1].each { |x| raise ArgumentError, "bad #{i}" if i == 1 } }
end

limit = [10]
word = "seven"

quest :odd do
  action(:early) { |n| return reply("early") if n == 1; reply "late" }
  action(:two) { |both| reply both }
  action(:helped) { |n| helper(n) }
  action(:unknown) { publsh "x" }
  action :misuse do
    after 5, :nobody
  end
  action(:caught) { begin; after 5, :nobody; rescue Refusal => e; reply e.code; end }
  action(:time) { @at = Time.now }
  action(:object) { @x = {list: [Object.new]} }
  action(:nan) { @n = 0.0 / 0 }
  action(:big) { @n = 2 ** 64 }
  action(:both) { @h = {a: 1, "a" => 2} }
  action(:holds_itself) { a = []; a << a; @a = a }
  action(:keys) { @h = {a: 1, 2 => "two", "c" => {d: :e}} }
  action(:read) { reply @h.inspect }
  action(:unset) { remove_instance_variable :@h }
  query(:changes) { @h = 1 }
  query(:answer) { reply [1]; 2 }
  action(:wait) { sleep 5 }
  action(:endless) {
    i = 0
    i += 1 while true }
  action(:regexp) { ("a" * 50) =~ /(a+)+$b/ }
  action(:recursion) { def again(n) = again(n + 1); again(0) }
  action(:through_c) { def sorting(n) = [1, 2].sort { |a, b| sorting(n + 1) }; sorting(0) }
  action(:memory) { a = []; loop { a << "x" * 100_000 } }
  action(:text_without_end) { s = "x"; loop { s << s } }
  action(:fiber) { f = Fiber.new { raise "inside" }; f.resume }
  action(:bytes) { raise "bytes \xff" }
  action(:event) { reply [@event[:a], @event["a"], @event["event_name"], @event["event_context"], @event[:none]] }
  action(:closure) { limit << 1; reply [word, limit] }
  action(:global) { $seen = ($seen || 0) + 1; reply $seen }
  action(:reserved) { variables["event"] = "mine"; reply variables["event"] }
  action(:reserved_again) { reply [variables["event"], @event["payload"]] }
  action(:through_text) { Endless.new.to_s }
  action(:rescued) { begin; Endless.new.to_s; rescue SystemStackError; reply [word, "é".length]; end }
  action(:shown) { a = []; 100_000.times { a = [a] }; a.inspect }
  action(:parentheses) { Regexp.new("(?:" * 9000 + ")" * 9000) }
end
after_all = "last"
class Endless
  def to_s; "a" + "#{self}"; end
end
