//! The keys of a scenario file. `docs/scenario.schema.json` is held to them by a test.

/// Of a file.
pub const FILE: &[&str] = &["module", "zone", "start", "context", "config", "scenario"];
/// Of a scenario.
pub const SCENARIO: &[&str] = &["name", "zone", "start", "context", "config", "steps"];
/// Of a step: when, what, with what, and what comes of it.
pub const STEP: &[&str] = &[
    "after",
    "at",
    "repeat",
    "add",
    "remove",
    "send",
    "send_to",
    "broadcast",
    "call",
    "query",
    "set_zone",
    "payload",
    "context",
    "expect",
    "exactly",
    "fails",
];
/// Of a step: what it does. At most one of them.
pub const VERBS: &[&str] = &["add", "remove", "send", "send_to", "broadcast", "call", "query", "set_zone"];
/// Of `expect` and `exactly`, where they are not an answer.
pub const EXPECT: &[&str] = &["quests", "zone", "variables", "timers", "patterns", "messages", "events", "dead", "log"];
/// Of an expected timer.
pub const TIMER: &[&str] = &["at", "in", "action", "payload", "schedule"];
/// Of an expected message; a text alone is its topic.
pub const MESSAGE: &[&str] = &["topic", "payload", "quest"];
/// Of an expected event; a text alone is its name.
pub const EVENT: &[&str] = &["event", "broadcast", "send_to", "add", "remove", "to", "by", "payload"];
/// Of an expected dead letter; a text alone is its code.
pub const DEAD: &[&str] = &["code", "message", "quest", "action", "attempts"];
/// Of an expected log line; a text alone is its message.
pub const LOG: &[&str] = &["message", "level", "quest"];
/// Of `fails`; a text alone is the code.
pub const FAILS: &[&str] = &["code", "message"];
/// What stands for a value: any, none, null, a text that holds another, or bytes.
pub const MATCHERS: &[&str] = &["$any", "$absent", "$null", "$contains", "$binary"];
