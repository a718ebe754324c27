/// <reference path="../../host/engines/js/quest.d.ts" />
// A free trial: two weeks, a letter three days before they end, and what follows is decided by when the user paid, not by when anybody looked.

type Trial = { state: "running" | "paid" | "over"; ends: number; extended: number };

const DAY = 24 * 60 * 60_000;
const DAYS = 14;

/** When it ends, and the letter before that; set again they move. */
function plan(q: QuestContext<Trial>): void {
  q.timers.at("end", "end", q.vars.ends);
  q.timers.at("letter", "remind", q.vars.ends - 3 * DAY);
}

quest<Trial>("trial", {
  description: "A free trial of two weeks, which may be extended once",
  addOn: "signed-up",
  on: { paid: "pay", "more-time-asked": "extend" },
  init(q) {
    q.vars.state = "running";
    q.vars.ends = q.event.acceptedAt + DAYS * DAY;
    q.vars.extended = 0;
    plan(q);
  },
  actions: {
    pay(q, { plan: name = "monthly" }: { plan?: string } = {}) {
      const before = q.vars.state;
      q.vars.state = "paid";
      q.timers.cancel("end");
      q.timers.cancel("letter");
      q.publish(before === "over" ? "came-back" : "converted", { plan: name, after: q.event.acceptedAt - (q.vars.ends - DAYS * DAY) });
    },
    extend(q, { days }: { days: number }) {
      if (q.vars.state !== "running") fail("too-late", `the trial is ${q.vars.state}`);
      if (q.vars.extended > 0) fail("once-only", "a trial is extended once");
      if (!Number.isInteger(days) || days < 1 || days > 14) fail("invalid-days", "a trial is extended by 1 to 14 days");
      q.vars.extended = days;
      q.vars.ends += days * DAY;
      plan(q);
      return q.vars.ends;
    },
    remind(q) {
      q.publish("mail", { letter: "trial-ends-soon", on: q.clock.local(q.vars.ends).slice(0, 10) });
    },
    end(q) {
      q.vars.state = "over";
      q.publish("access-closed");
    },
  },
  queries: {
    status: (q) => ({ state: q.vars.state, days_left: Math.max(0, Math.ceil((q.vars.ends - q.event.acceptedAt) / DAY)) }),
  },
});
