// Greets whoever comes for the third time, and misses whoever stays away for a week.
#include <quest_sdk.h>

#include <cstdint>

namespace {

// What is remembered of a context, of a user, say: variables, by name.
std::int64_t visits() { return q_as_integer(q_get("visits"), 0); }

bool visit() {
  const auto count = visits() + 1;
  Q_TRY(q_set("visits", q_integer(count)));
  if (count == 3) Q_TRY(q_publish("welcome-back", q_integer(count)));
  // A timer. Set again it moves.
  return q_timer_after("absent", "miss", Q_DAYS(7), q_null());
}

// Called by the timer.
bool miss() { return q_publish("missed-you", q_integer(visits())); }

// Reads and answers: quest-host query ada hello total
bool total() { return q_reply(q_integer(visits())); }

constexpr q_action actions[] = {
    {.name = "visit", .run = visit, .on = Q_NAMES("visited")},
    {.name = "miss", .run = miss},
    {},
};
constexpr q_action queries[] = {{.name = "total", .run = total}, {}};

constexpr q_quest greeter = {
    .name = "hello",
    .description = "Greets the third visit, misses who stays away",
    // The event that adds the quest to a context.
    .add_on = Q_NAMES("visited"),
    .actions = actions,
    .queries = queries,
};

}  // namespace

const q_quest *const q_module[] = {&greeter, nullptr};
