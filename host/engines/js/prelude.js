// What a quest in JavaScript is written with: docs/languages/javascript.md, quest.d.ts. Evaluates to a function of the host's `call`.
(function (call) {
  "use strict";

  /** A failure with a code: what the host's refusals are thrown as, and what ends an action with a code of its own. */
  class Failure extends Error {
    constructor(code, message = "") {
      super(message);
      this.code = String(code);
    }
  }
  Failure.prototype.name = "Failure";
  const fail = (code, message) => { throw new Failure(code, message); };
  const transient = (message) => fail("transient", message);

  // ── What an action is given.

  const bound = (group, names) => Object.freeze(Object.fromEntries(names.map((name) => {
    const whole = `${group}.${name.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase())}`;
    return [name, (...given) => call(whole, ...given)];
  })));
  const millis = (time) => typeof time === "object" && time !== null ? time.getTime() : time;
  const here = () => call("current.context");

  const timers = Object.freeze({
    ...bound("timers", ["every", "cancel", "names", "due", "payload", "schedule"]),
    at: (name, action, time, payload) => call("timers.at", name, action, millis(time), payload),
    after: (name, action, delay, payload) => call("timers.after", name, action, delay, payload),
  });
  const patterns = bound("patterns", ["start", "cancel", "names", "state"]);
  const clock = Object.freeze({
    ...bound("clock", ["zone", "setZone", "instant"]),
    local: (time) => call("clock.local", millis(time)),
  });
  const quests = Object.freeze({
    add: (quest, context = here()) => call("quests.add", quest, context),
    remove: (quest, context = here()) => call("quests.remove", quest, context),
    active: () => call("quests.active"),
  });
  const random = bound("random", ["below", "unit", "bytes"]);
  const variables = bound("variables", ["get", "set", "remove", "names"]);
  const shown = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return value.stack ? `${value}\n${value.stack}`.trimEnd() : String(value);
    try {
      return JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? `${inner}n` : inner) ?? String(value);
    } catch {
      return String(value);
    }
  };
  const line = (level) => (...values) => { call("log.write", level, values.map(shown).join(" ")); };
  const log = Object.freeze({ debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") });
  const event = Object.freeze(Object.defineProperties({ field: (pointer) => call("current.field", pointer) },
    Object.fromEntries(["eventName:name", "eventId:id", "cause", "acceptedAt", "processedAt", "attempt", "missed", "payload"].map((names) => {
      const [name, shown = name] = names.split(":");
      const whole = `current.${name.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase())}`;
      return [shown, { get: () => call(whole), enumerable: true }];
    }))));

  // Made once, not for each action: that would be most of what one costs.
  const shared = Object.freeze(Object.defineProperties({
    variables, event, timers, patterns, clock, quests, random, log,
    emit: (name, payload, context = here()) => call("events.emit", context, name, payload),
    send: (context, quest, action, payload) => call("events.send", context, quest, action, payload),
    broadcast: (name, payload) => call("events.broadcast", name, payload),
    publish: (topic, payload) => call("messages.publish", topic, payload),
    reply: (value) => call("reply.set", value),
    config: (name) => call("config.get", name),
  }, Object.fromEntries(["context", "quest", "action", "instance"].map((name) => [name, { get: () => call(`current.${name}`), enumerable: true }]))));
  const made = (vars) => Object.freeze(Object.create(shared, { vars: { value: vars, enumerable: true } }));

  // ── What every script has.

  globalThis.console = Object.freeze({ debug: log.debug, log: log.info, info: log.info, warn: log.warn, error: log.error, trace: log.debug });
  Object.assign(globalThis, { print: log.info, Failure, fail, transient });
  // Numbers by chance repeat at each try, and differ from event to event.
  Math.random = () => call("random.unit");

  // ── The quests of the script.

  const defined = new Map();
  const PARTS = {
    description: "string", version: "number", addOn: "names", on: "object", every: "object", patterns: "object", actions: "object",
    queries: "object", init: "function", dealloc: "function", upgrade: "function",
  };
  const RESERVED = ["init", "dealloc", "upgrade"];
  const list = (value) => value === undefined ? [] : Array.isArray(value) ? value : [value];

  const check = (name, parts) => {
    if (typeof parts !== "object" || parts === null) throw new TypeError('a quest is written  quest("name", { … })');
    for (const [key, value] of Object.entries(parts)) {
      const wanted = PARTS[key];
      if (wanted === undefined) {
        const hint = typeof value === "function" ? "; actions stand in `actions`" : `; it has ${Object.keys(PARTS).join(", ")}`;
        throw new TypeError(`quest ${name} has no part ${key}${hint}`);
      }
      const is = value === undefined || (wanted === "names" ? list(value).every((it) => typeof it === "string") : typeof value === wanted && value !== null);
      if (!is) throw new TypeError(`${key} of quest ${name} is ${wanted === "names" ? "a name or a list of names" : `a ${wanted}`}`);
    }
    for (const [kind, handlers] of [["action", parts.actions], ["query", parts.queries]]) {
      for (const [key, value] of Object.entries(handlers ?? {})) {
        if (typeof value !== "function") throw new TypeError(`the ${kind} ${key} of quest ${name} is a function`);
        if (RESERVED.includes(key)) throw new TypeError(`${key} of quest ${name} stands beside \`actions\`, not in it`);
      }
    }
  };

  globalThis.quest = (name, parts) => {
    check(name, parts);
    if (defined.has(name)) fail("duplicate", `there is a quest named ${JSON.stringify(name)} already`);
    defined.set(name, parts);
  };
  // At the top level of a script these do nothing until `quest-host exec`; in an action they are what `q` has.
  let isRunning = false;
  const statement = (kind, quest, action, context, payload = null) => {
    call("script.statement", kind, String(quest), String(action), String(context), JSON.stringify(payload) ?? "null");
  };
  Object.assign(globalThis, {
    addQuest: (quest, context) => isRunning ? quests.add(quest, context) : statement("add", quest, "", context),
    removeQuest: (quest, context) => isRunning ? quests.remove(quest, context) : statement("remove", quest, "", context),
    callQuest: (quest, action, context, payload) =>
      isRunning ? call("events.send", context, quest, action, payload) : statement("call", quest, action, context, payload),
  });

  const declare = (name, parts) => {
    const actions = parts.actions ?? {};
    const known = (action, where) => {
      if (!Object.hasOwn(actions, action)) fail("unknown-action", `quest ${name} has no action ${action}, which is named in \`${where}\``);
    };
    call("definition.quest", name);
    if (parts.description !== undefined) call("definition.describe", parts.description);
    if (parts.version !== undefined) call("definition.version", parts.version);
    for (const on of list(parts.addOn)) call("definition.add-on", on);
    for (const action of Object.keys(actions)) call("definition.action", action);
    for (const handler of ["dealloc", "upgrade"]) if (parts[handler]) call("definition.action", handler);
    for (const [on, names] of Object.entries(parts.on ?? {})) {
      for (const action of list(names)) {
        known(action, "on");
        call("definition.on", action, on);
      }
    }
    for (const [action, schedule] of Object.entries(parts.every ?? {})) {
      known(action, "every");
      call("definition.every", action, action, schedule);
    }
    for (const [pattern, spec] of Object.entries(parts.patterns ?? {})) call("definition.pattern", pattern, spec);
    for (const query of Object.keys(parts.queries ?? {})) call("definition.query", query);
  };

  const define = () => {
    if (defined.size === 0) fail("no-quest", 'there is no quest in this script: write  quest("name", { … })');
    for (const [name, parts] of defined) declare(name, parts);
  };

  const perform = (name) => {
    const parts = defined.get(call("current.quest"));
    const own = (of) => of !== undefined && Object.hasOwn(of, name) ? of[name] : undefined;
    const action = RESERVED.includes(name) ? parts[name] : own(parts.actions);
    const run = action ?? own(parts.queries);
    if (run === undefined) {
      if (name === "init") return;
      fail("unknown-action", `quest ${call("current.quest")} has no action ${name}`);
    }
    isRunning = true;
    const vars = call("variables.load");
    // Without a payload, default values of parameters count.
    const answer = run.call(parts, made(vars), call("current.payload") ?? undefined);
    if (typeof answer?.then === "function") {
      throw new TypeError(`${name} gives a promise: an action does all that it does before it returns, so it is no async function`);
    }
    if (action !== undefined) call("variables.store", vars);
    if (answer !== undefined) call("reply.set", answer);
  };

  // Code, message, and the stack for the log.
  const describeError = (thrown) => {
    if (thrown instanceof Failure) return [thrown.code, thrown.message, ""];
    if (!(thrown instanceof Error)) return ["exception", `it threw ${shown(thrown)}`, ""];
    const own = (thrown.stack ?? "").split("\n").filter((at) => at && !at.includes("<prelude>") && !at.includes("native"));
    const place = own[0]?.match(/([^\s(]+):(\d+):(\d+)\)?$/);
    const where = place ? `${place[1]}:${place[2]}: ` : "";
    const code = thrown instanceof SyntaxError && own.length <= 1 ? "syntax" : "exception";
    return [code, `${where}${thrown.name}: ${thrown.message}`, own.length > 1 ? `${thrown}\n${own.join("\n")}` : ""];
  };

  return { define, perform, describeError, makeError: (code, message) => new Failure(code, message) };
})
