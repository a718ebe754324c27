// The conformance quest (README.md), in JavaScript: it does what it is told.

const deeper = (n) => 1 + deeper(n + 1);

let remembered = null;

const calls = {
  "current.quest": (q) => q.quest,
  "current.action": (q) => q.action,
  "current.context": (q) => q.context,
  "current.event-name": (q) => q.event.name,
  "current.cause": (q) => q.event.cause,
  "current.accepted-at": (q) => q.event.acceptedAt,
  "current.attempt": (q) => q.event.attempt,
  "current.missed": (q) => q.event.missed,
  "current.has-ids": (q) => q.instance !== "" && q.event.id !== "" && q.event.processedAt >= q.event.acceptedAt && Date.now() === q.event.acceptedAt,
  "current.field": (q, pointer) => q.event.field(pointer),
  "variables.get": (q, name) => q.variables.get(name),
  "variables.set": (q, name, value) => q.variables.set(name, value),
  "variables.remove": (q, name) => q.variables.remove(name),
  "variables.names": (q) => q.variables.names(),
  "variables.set-bytes": (q, name, list) => q.variables.set(name, Uint8Array.from(list)),
  "variables.get-bytes": (q, name) => [...q.variables.get(name)],
  "variables.set-nan": (q, name) => q.variables.set(name, NaN),
  "timers.at": (q, name, action, time, payload) => q.timers.at(name, action, new Date(time), payload),
  "timers.after": (q, ...given) => q.timers.after(...given),
  "timers.every": (q, ...given) => q.timers.every(...given),
  "timers.cancel": (q, name) => q.timers.cancel(name),
  "timers.names": (q) => q.timers.names(),
  "timers.due": (q, name) => q.timers.due(name),
  "timers.payload": (q, name) => q.timers.payload(name),
  "timers.schedule": (q, name) => q.timers.schedule(name),
  "patterns.start": (q, name, spec) => q.patterns.start(name, spec),
  "patterns.cancel": (q, name) => q.patterns.cancel(name),
  "patterns.names": (q) => q.patterns.names(),
  "patterns.state": (q, name) => q.patterns.state(name),
  "clock.zone": (q) => q.clock.zone(),
  "clock.set-zone": (q, zone) => q.clock.setZone(zone),
  "clock.local": (q, time) => q.clock.local(time),
  "clock.instant": (q, civil) => q.clock.instant(civil),
  "events.emit": (q, context, name, payload) => q.emit(name, payload, context),
  "events.send": (q, ...given) => q.send(...given),
  "events.broadcast": (q, name, payload) => q.broadcast(name, payload),
  "quests.add": (q, quest, context) => q.quests.add(quest, context),
  "quests.remove": (q, quest, context) => q.quests.remove(quest, context),
  "quests.active": (q) => q.quests.active(),
  "messages.publish": (q, topic, payload) => q.publish(topic, payload),
  "config.get": (q, name) => q.config(name),
  "log.write": (q, level, text) => q.log[level](text),
  print: (q, text) => console.log(text),
  "random.below": (q, bound) => q.random.below(bound),
  "random.unit": () => {
    const drawn = Math.random();
    return drawn >= 0 && drawn < 1;
  },
  "random.bytes": (q, count) => q.random.bytes(count).length,
  fail: (q, code, text) => fail(code, text),
  transient: (q, text) => transient(text),
  remember: (q, text) => {
    const before = remembered;
    remembered = text;
    return before;
  },
  trap: () => undefined.field,
  loop: () => {
    for (;;) {}
  },
  recurse: () => deeper(1),
  fill: () => {
    for (const all = [];;) all.push("x".repeat(1_000_000) + all.length);
  },
};

const make = (q, [name, ...given]) => {
  if (!Object.hasOwn(calls, name)) fail("unknown-call", name);
  return calls[name](q, ...given) ?? null;
};

const ENDS = ["fail", "transient", "trap", "recurse", "fill"];

const each = (q, list, isCaught) => (list ?? []).map((call) => {
  try {
    return make(q, call);
  } catch (error) {
    if (!isCaught || ENDS.includes(call[0]) || !(error instanceof Failure)) throw error;
    return { error: error.code };
  }
});

const act = (isCaught) => (q, list) => {
  const given = each(q, list, isCaught);
  q.publish("did", given);
  return given;
};

quest("conformance", {
  description: "does what it is told",
  version: 2,
  addOn: "begin",
  on: { do: "do", raise: "raise", note: "note" },
  every: { note: "every day at 09:00" },
  patterns: { pair: { kind: "within", after: "a", expect: "b", within: "10 minutes", action: "note", else: "note" } },
  init(q) {
    q.publish("init");
  },
  dealloc(q) {
    q.publish("gone");
  },
  upgrade(q, from) {
    q.publish("upgraded", from);
  },
  actions: {
    do: act(true),
    raise: act(false),
    note(q, payload) {
      q.publish("noted", { name: q.event.name, cause: q.event.cause, payload: payload ?? null, missed: q.event.missed });
    },
  },
  queries: { ask: (q, list) => each(q, list, true) },
});

quest("conformance-two", {
  addOn: "two",
  on: { two: "do" },
  init: (q) => q.publish("init"),
  actions: { do: act(true) },
});
