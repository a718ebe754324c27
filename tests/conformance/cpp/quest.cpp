// The conformance quest (tests/conformance/README.md), in C++: it does what it is told.
#include <quest_sdk.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace {

using std::string_view;

// What a call takes: the first item is its name.
class Call {
 public:
  explicit Call(q_value given) : given_(given) {}

  q_value value(std::uint32_t n) const { return q_at(given_, n); }
  const char *text(std::uint32_t n) const { return q_as_text(value(n), ""); }
  std::uint64_t number(std::uint32_t n) const { return static_cast<std::uint64_t>(q_as_integer(value(n), 0)); }
  string_view name() const { return text(0); }

 private:
  q_value given_;
};

// What a call gives, or that the host refused it.
struct Answer {
  bool is_done = true;
  q_value value = q_null();

  Answer(q_value given) : value(given) {}
  Answer(bool done) : is_done(done) {}
  Answer(bool done, q_value given) : is_done(done), value(given) {}
  Answer(const char *text) : value(text == nullptr ? q_null() : q_text(text)) {}
};

q_value whole(std::uint64_t number) { return q_integer(static_cast<std::int64_t>(number)); }

q_value array(const std::vector<q_value> &items) { return q_array(items.size(), items.data()); }

q_value names(const char *const *given) {
  std::vector<q_value> items;
  for (; *given != nullptr; ++given) items.push_back(q_text(*given));
  return array(items);
}

// Whether something was there to be taken away.
Answer was(bool (*take)(const char *, bool *), const Call &call) {
  auto is_there = false;
  const auto is_done = take(call.text(1), &is_there);
  return {is_done, q_boolean(is_there)};
}

// What was remembered before, in the program's own memory.
Answer remember(const Call &call) {
  static std::array<char, 64> remembered{};
  const auto before = remembered[0] == 0 ? q_null() : q_text(Q_JOIN(remembered.data(), ""));
  std::snprintf(remembered.data(), remembered.size(), "%s", call.text(1));
  return before;
}

Answer set_bytes(const Call &call) {
  const auto list = call.value(2);
  std::vector<std::uint8_t> bytes;
  for (std::uint32_t i = 0; i < list.count; ++i) bytes.push_back(static_cast<std::uint8_t>(q_as_integer(q_at(list, i), 0)));
  return q_set(call.text(1), q_binary(bytes.data(), bytes.size()));
}

Answer get_bytes(const Call &call) {
  const auto bytes = q_get(call.text(1));
  std::vector<q_value> items;
  for (const auto byte : std::span(bytes.at, bytes.size)) items.push_back(q_integer(static_cast<std::uint8_t>(byte)));
  return array(items);
}

Answer write_log(const Call &call) {
  constexpr std::array<string_view, 4> levels = {"debug", "info", "warn", "error"};
  const auto level = std::ranges::find(levels, string_view(call.text(1)));
  if (level != levels.end()) q_log(static_cast<q_level>(level - levels.begin()), call.text(2));
  return true;
}

Answer random_bytes(const Call &call) {
  std::vector<std::uint8_t> bytes(call.number(1));
  q_random_bytes(bytes.data(), bytes.size());
  return whole(bytes.size());
}

Answer instant(const Call &call) {
  std::uint64_t time = 0;
  const auto is_done = q_instant(call.text(1), &time);
  return {is_done, whole(time)};
}

Answer due(const Call &call) {
  std::uint64_t time = 0;
  return q_timer_due(call.text(1), &time) ? whole(time) : q_null();
}

int deeper(int n) {
  volatile char here[64] = {static_cast<char>(n)};
  return n < 0 ? 0 : deeper(n + 1) + here[n % 64];
}

// Where all of it is seen from, so that none is left out.
char *volatile filled;

Answer fill(const Call &) {
  constexpr std::size_t size = 1 << 20;
  for (;;) {
    filled = new char[size];
    std::memset(filled, 1, size);
  }
}

Answer loop(const Call &) {
  for (volatile auto is_on = true; is_on;) {
  }
  return true;
}

struct Function {
  string_view name;
  Answer (*call)(const Call &);
};

constexpr Function functions[] = {
    {"current.quest", [](const Call &) -> Answer { return q_quest_name(); }},
    {"current.action", [](const Call &) -> Answer { return q_action_name(); }},
    {"current.context", [](const Call &) -> Answer { return q_context(); }},
    {"current.event-name", [](const Call &) -> Answer { return q_event_name(); }},
    {"current.cause", [](const Call &) -> Answer { return q_cause(); }},
    {"current.accepted-at", [](const Call &) -> Answer { return whole(q_accepted_at()); }},
    {"current.attempt", [](const Call &) -> Answer { return whole(q_attempt()); }},
    {"current.missed", [](const Call &) -> Answer { return whole(q_missed()); }},
    {"current.field", [](const Call &call) -> Answer { return q_field(call.text(1)); }},
    {"current.has-ids", [](const Call &) -> Answer {
       return q_boolean(*q_instance() != 0 && *q_event_id() != 0 && q_processed_at() >= q_accepted_at());
     }},
    {"variables.get", [](const Call &call) -> Answer { return q_get(call.text(1)); }},
    {"variables.set", [](const Call &call) -> Answer { return q_set(call.text(1), call.value(2)); }},
    {"variables.remove", [](const Call &call) { return was(q_remove, call); }},
    {"variables.names", [](const Call &) -> Answer { return names(q_names()); }},
    {"variables.set-bytes", set_bytes},
    {"variables.get-bytes", get_bytes},
    {"variables.set-nan",
     [](const Call &call) -> Answer { return q_set(call.text(1), q_number(std::numeric_limits<double>::quiet_NaN())); }},
    {"timers.at",
     [](const Call &call) -> Answer { return q_timer_at(call.text(1), call.text(2), call.number(3), call.value(4)); }},
    {"timers.after",
     [](const Call &call) -> Answer { return q_timer_after(call.text(1), call.text(2), call.number(3), call.value(4)); }},
    {"timers.every",
     [](const Call &call) -> Answer { return q_timer_every(call.text(1), call.text(2), call.text(3), call.value(4)); }},
    {"timers.cancel", [](const Call &call) { return was(q_timer_cancel, call); }},
    {"timers.names", [](const Call &) -> Answer { return names(q_timer_names()); }},
    {"timers.due", due},
    {"timers.payload", [](const Call &call) -> Answer { return q_timer_payload(call.text(1)); }},
    {"timers.schedule", [](const Call &call) -> Answer { return q_timer_schedule(call.text(1)); }},
    {"patterns.start", [](const Call &call) -> Answer { return q_pattern_start(call.text(1), call.value(2)); }},
    {"patterns.cancel", [](const Call &call) { return was(q_pattern_cancel, call); }},
    {"patterns.names", [](const Call &) -> Answer { return names(q_pattern_names()); }},
    {"patterns.state", [](const Call &call) -> Answer { return q_pattern_state(call.text(1)); }},
    {"clock.zone", [](const Call &) -> Answer { return q_zone(); }},
    {"clock.set-zone", [](const Call &call) -> Answer { return q_set_zone(call.text(1)); }},
    {"clock.local", [](const Call &call) -> Answer { return q_local(call.number(1)); }},
    {"clock.instant", instant},
    {"events.emit", [](const Call &call) -> Answer { return q_emit(call.text(1), call.text(2), call.value(3)); }},
    {"events.send",
     [](const Call &call) -> Answer { return q_send(call.text(1), call.text(2), call.text(3), call.value(4)); }},
    {"events.broadcast", [](const Call &call) -> Answer { return q_broadcast(call.text(1), call.value(2)); }},
    {"quests.add", [](const Call &call) -> Answer { return q_add_quest(call.text(1), call.text(2)); }},
    {"quests.remove", [](const Call &call) -> Answer { return q_remove_quest(call.text(1), call.text(2)); }},
    {"quests.active", [](const Call &) -> Answer { return names(q_active_quests()); }},
    {"messages.publish", [](const Call &call) -> Answer { return q_publish(call.text(1), call.value(2)); }},
    {"config.get", [](const Call &call) -> Answer { return q_config(call.text(1)); }},
    {"log.write", write_log},
    {"print", [](const Call &call) -> Answer { return std::printf("%s\n", call.text(1)) > 0; }},
    {"random.below",
     [](const Call &call) -> Answer { return whole(q_random_below(static_cast<std::uint32_t>(call.number(1)))); }},
    {"random.unit",
     [](const Call &) -> Answer {
       const auto drawn = q_random_unit();
       return q_boolean(drawn >= 0 && drawn < 1);
     }},
    {"random.bytes", random_bytes},
    {"fail", [](const Call &call) -> Answer { return q_fail(call.text(1), call.text(2)); }},
    {"transient", [](const Call &call) -> Answer { return q_transient(call.text(1)); }},
    {"remember", remember},
    {"trap", [](const Call &) -> Answer { std::abort(); }},
    {"loop", loop},
    {"recurse", [](const Call &) -> Answer { return q_integer(deeper(1)); }},
    {"fill", fill},
};

Answer make(const Call &call) {
  const auto function = std::ranges::find(functions, call.name(), &Function::name);
  return function == std::end(functions) ? Answer(q_fail("unknown-call", call.text(0))) : function->call(call);
}

// Makes the calls of the payload; a refusal is what one gave, where it is caught.
Answer each(bool is_caught) {
  std::vector<q_value> given;
  auto walk = q_begin(q_payload());
  for (q_value item; q_next(&walk, &item);) {
    const Call call(item);
    auto answer = make(call);
    if (!answer.is_done) {
      if (!is_caught || call.name() == "fail" || call.name() == "transient") return false;
      answer = Q_MAP({"error", q_text(q_refusal().code)});
    }
    given.push_back(answer.value);
  }
  return array(given);
}

bool tell(const Answer &answer) { return answer.is_done && q_publish("did", answer.value) && q_reply(answer.value); }

bool act() { return tell(each(true)); }
bool raise() { return tell(each(false)); }

bool ask() {
  const auto answer = each(true);
  return answer.is_done && q_reply(answer.value);
}

bool note() {
  return q_publish("noted", Q_MAP({"name", q_text(q_event_name())}, {"cause", q_text(q_cause())}, {"payload", q_payload()},
                                  {"missed", whole(q_missed())}));
}

bool init() { return q_publish("init", q_null()); }
bool dealloc() { return q_publish("gone", q_null()); }
bool upgrade(std::uint32_t from) { return q_publish("upgraded", q_integer(from)); }

constexpr q_action actions[] = {
    {.name = "do", .run = act, .on = Q_NAMES("do")},
    {.name = "raise", .run = raise, .on = Q_NAMES("raise")},
    {.name = "note", .run = note, .on = Q_NAMES("note"), .every = "every day at 09:00"},
    {},
};
constexpr q_action queries[] = {{.name = "ask", .run = ask}, {}};
constexpr q_pattern patterns[] = {
    {.name = "pair",
     .spec = R"({"kind": "within", "after": "a", "expect": "b", "within": "10 minutes", "action": "note", "else": "note"})"},
    {},
};

constexpr q_quest conformance = {
    .name = "conformance",
    .description = "does what it is told",
    .version = 2,
    .add_on = Q_NAMES("begin"),
    .actions = actions,
    .queries = queries,
    .patterns = patterns,
    .init = init,
    .dealloc = dealloc,
    .upgrade = upgrade,
};

constexpr q_action actions_of_two[] = {{.name = "do", .run = act, .on = Q_NAMES("two")}, {}};
constexpr q_quest two = {.name = "conformance-two", .add_on = Q_NAMES("two"), .actions = actions_of_two, .init = init};

}  // namespace

const q_quest *const q_module[] = {&conformance, &two, nullptr};
