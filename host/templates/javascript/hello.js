/// <reference path="quest.d.ts" />
// Greets whoever comes for the third time, and misses whoever stays away for a week.

const WEEK = 7 * 24 * 60 * 60_000;

quest("hello", {
  description: "Greets the third visit, misses who stays away",
  // The event that adds the quest to a context: to a user, say.
  addOn: "visited",
  // By event: the action that it runs.
  on: { visited: "visit" },
  // Runs when it is added. What is in `vars` is remembered, of each context its own.
  init(q) {
    q.vars.visits = 0;
  },
  actions: {
    visit(q) {
      q.vars.visits += 1;
      if (q.vars.visits === 3) q.publish("welcome-back", q.vars.visits);
      // A timer. Set again it moves.
      q.timers.after("absent", "miss", WEEK);
    },
    // Called by the timer.
    miss(q) {
      q.publish("missed-you", q.vars.visits);
    },
  },
  // They read and answer: quest-host query ada hello total
  queries: {
    total(q) {
      return q.vars.visits;
    },
  },
});
