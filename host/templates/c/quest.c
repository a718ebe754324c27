// Greets whoever comes for the third time, and misses whoever stays away for a week.
#include <quest_sdk.h>

// What is remembered of a context, of a user, say: variables, by name.
static int64_t visits(void) { return q_as_integer(q_get("visits"), 0); }

static bool visit(void) {
  int64_t count = visits() + 1;
  Q_TRY(q_set("visits", q_integer(count)));
  if (count == 3) Q_TRY(q_publish("welcome-back", q_integer(count)));
  // A timer. Set again it moves.
  return q_timer_after("absent", "miss", Q_DAYS(7), q_null());
}

// Called by the timer.
static bool miss(void) { return q_publish("missed-you", q_integer(visits())); }

// Reads and answers: quest-host query ada hello total
static bool total(void) { return q_reply(q_integer(visits())); }

static const q_quest greeter = {
    .name = "hello",
    .description = "Greets the third visit, misses who stays away",
    // The event that adds the quest to a context.
    .add_on = Q_NAMES("visited"),
    .actions = (const q_action[]){{"visit", visit, .on = Q_NAMES("visited")}, {"miss", miss}, {0}},
    .queries = (const q_action[]){{"total", total}, {0}},
};

const q_quest *const q_module[] = {&greeter, NULL};
