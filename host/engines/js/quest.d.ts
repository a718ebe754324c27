// What a quest in JavaScript or TypeScript is written with: docs/languages/javascript.md.
// In a TypeScript file: /// <reference path="quest.d.ts" />

/** What can be stored and sent. An integer past 2^53 is a bigint, bytes are a Uint8Array; `undefined` in an object is left out. */
type QuestValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | readonly QuestValue[]
  | { readonly [name: string]: QuestValue };

/** Unix time in milliseconds, or a Date. */
type QuestTime = number | Date;

interface QuestEvent {
  /** The event's name; a timer's or a pattern's own. Empty when there is none: a call, a query. */
  readonly name: string;
  /** The same at each try. */
  readonly id: string;
  /** `event`, `timer`, `pattern`, `call`, `query` or `lifecycle`; more may come. */
  readonly cause: string;
  /** When it was accepted, or due, in Unix milliseconds: the clock to reckon with. `Date.now()` gives it too. */
  readonly acceptedAt: number;
  /** When this run began. It differs from try to try: let no decision rest on it. */
  readonly processedAt: number;
  /** 1 at the first try. */
  readonly attempt: number;
  /** Of a recurrence: how many runs were left out just before this one. */
  readonly missed: number;
  readonly payload: any;
  /** One place in the payload, as a JSON Pointer: `/items/0/name`; null if it is not there. */
  field(pointer: string): any;
}

interface QuestTimers {
  /** Sets a timer, or moves the one of that name. */
  at(name: string, action: string, time: QuestTime, payload?: QuestValue): void;
  /** As `at`, in milliseconds from the event's acceptance. */
  after(name: string, action: string, delay: number, payload?: QuestValue): void;
  /** A timer that comes again, by a schedule (docs/schedules.md). */
  every(name: string, action: string, schedule: string, payload?: QuestValue): void;
  /** Whether there was one. */
  cancel(name: string): boolean;
  names(): string[];
  due(name: string): number | null;
  payload(name: string): any;
  schedule(name: string): string | null;
}

interface QuestContext<Variables = any> {
  /** The instance's variables. What is changed here is kept when the action succeeds. */
  readonly vars: Variables;
  /** The variables by name, for those that are not to be loaded all. */
  readonly variables: {
    get(name: string): any;
    set(name: string, value: QuestValue): void;
    remove(name: string): boolean;
    names(): string[];
  };
  readonly event: QuestEvent;
  readonly context: string;
  readonly quest: string;
  readonly action: string;
  /** New each time that the quest is added to the context. */
  readonly instance: string;
  readonly timers: QuestTimers;
  /** Patterns over events (docs/patterns.md). */
  readonly patterns: {
    start(name: string, spec: { kind: string; [key: string]: QuestValue }): void;
    cancel(name: string): boolean;
    names(): string[];
    state(name: string): any;
  };
  /** The wall clock of the context. */
  readonly clock: {
    zone(): string;
    setZone(zone: string): void;
    /** `2026-03-28T09:00:00.000+01:00[Europe/Berlin]` */
    local(time: QuestTime): string;
    /** Of `2026-03-28 09:00`, in Unix milliseconds. */
    instant(civil: string): number;
  };
  readonly quests: {
    add(quest: string, context?: string): void;
    remove(quest: string, context?: string): void;
    active(): string[];
  };
  /** The same at each try of an event. Not for secrets. */
  readonly random: { below(bound: number): number; unit(): number; bytes(count: number): Uint8Array };
  readonly log: Record<"debug" | "info" | "warn" | "error", (...values: unknown[]) => void>;
  /** To every action of a context (this one, unless it is said) that is on that event. */
  emit(name: string, payload?: QuestValue, context?: string): void;
  send(context: string, quest: string, action: string, payload?: QuestValue): void;
  broadcast(name: string, payload?: QuestValue): void;
  /** To the world outside: at least once, with a stable key. */
  publish(topic: string, payload?: QuestValue): void;
  /** The answer of a call or a query; what a function returns is one too. */
  reply(value: QuestValue): void;
  /** A setting of the operator's; null if there is none. */
  config(name: string): string | null;
}

/** Runs to its end before it returns: no async function. What it returns is the answer of a call or a query. */
type QuestHandler<Variables = any> = (q: QuestContext<Variables>, payload: any) => QuestValue | void;

interface QuestParts<Variables = any> {
  description?: string;
  /** Of the variables' shape: raised when it changes. */
  version?: number;
  /** Events that add the quest to the context in which they arrive. */
  addOn?: string | string[];
  /** By event: the actions that are on it. */
  on?: Record<string, string | string[]>;
  /** By action: the schedule by which it comes again, from the add on (docs/schedules.md). */
  every?: Record<string, string>;
  /** By name: patterns that begin with the quest (docs/patterns.md). */
  patterns?: Record<string, { kind: string; [key: string]: QuestValue }>;
  init?: QuestHandler<Variables>;
  dealloc?: QuestHandler<Variables>;
  /** The payload is the version that the variables have. */
  upgrade?: QuestHandler<Variables>;
  actions?: Record<string, QuestHandler<Variables>>;
  /** Read-only: on committed state. */
  queries?: Record<string, QuestHandler<Variables>>;
}

/** Defines a quest. A file may define several. */
declare function quest<Variables = any>(name: string, parts: QuestParts<Variables>): void;

/** What a refusal of the host is thrown as; unhandled it ends the action with its code. */
declare class Failure extends Error {
  constructor(code: string, message?: string);
  readonly code: string;
}
/** Ends the action for good, with a code of its own. */
declare function fail(code: string, message?: string): never;
/** Ends this try: the action is tried again later. */
declare function transient(message?: string): never;

/** At the top level of a file: done once by `quest-host exec FILE`, not when it is loaded. In an action: as `q.quests.add`. */
declare function addQuest(quest: string, context: string): void;
declare function removeQuest(quest: string, context: string): void;
declare function callQuest(quest: string, action: string, context: string, payload?: QuestValue): void;

declare function print(...values: unknown[]): void;
declare const console: Record<"debug" | "log" | "info" | "warn" | "error" | "trace", (...values: unknown[]) => void>;
