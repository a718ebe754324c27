//! The keys of a partition's state, relative to the partition, and what each holds. The README's table says the same for operators.
//!
//! A key's kind is its last segment. Quest names have no dot, so every key parses from its right end, whatever the context is called.

/// Hash: quest to instance id. One a context.
pub fn active_quests(context: &str) -> String {
    format!("{context}.active_quests")
}

/// Hash: quest to [`crate::record::Instance`]; [`ZONE`] to the name of the context's time zone, if one was set. One a context.
pub fn instances(context: &str) -> String {
    format!("{context}.instances")
}

/// Hash: variable to its value as MessagePack. One an instance.
pub fn variables(context: &str, quest: &str) -> String {
    format!("{context}.{quest}.variables")
}

/// Hash: `$quest.$timer` to [`crate::record::Timer`]. One a context.
pub fn timers(context: &str) -> String {
    format!("{context}.timers")
}

/// Hash: `$quest.$pattern` to [`crate::record::Pattern`]. One a context.
pub fn patterns(context: &str) -> String {
    format!("{context}.patterns")
}

/// Hash: quest to [`crate::record::Before`]: what its instance was before its last upgrade. One a context.
pub fn before(context: &str) -> String {
    format!("{context}.before")
}

/// List of [`crate::record::Waiting`]: what a turn could not process of a context, oldest first.
pub fn backlog(context: &str) -> String {
    format!("{context}.backlog")
}

/// List of [`crate::record::Waiting`]: deliveries behind (and with, as the first) one that failed transiently.
pub fn held(context: &str, quest: &str) -> String {
    format!("{context}.{quest}.held")
}

/// Sorted set: ids of a context's dead letters, by when they died.
pub fn dead_of(context: &str) -> String {
    format!("{context}.dead")
}

/// Hash: call's id to [`crate::model::Outcome`]. One a context: producers choose ids, and each context has its own.
pub fn outcomes(context: &str) -> String {
    format!("{context}.outcomes")
}

/// A call's place in [`OUTCOMES_ORDER`]. A context has no control characters, so the first line is the context.
pub fn outcome_place(context: &str, id: &str) -> Vec<u8> {
    format!("{context}\n{id}").into_bytes()
}

/// The context and the id of a place in [`OUTCOMES_ORDER`].
pub fn outcome_at(place: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(place).ok()?.split_once('\n')
}

/// Sorted set, all of score 0: the contexts that have a quest. What broadcasts go through.
pub fn contexts(quest: &str) -> String {
    format!("{quest}.contexts")
}

/// List of [`crate::model::Entry`]: on their way to another partition. The number of its first is in [`CURSORS`].
pub fn relay(destination: u16) -> String {
    format!("{destination}.relay")
}

/// Set: quests that a context of the partition has, or had. What broadcasts go through beside the quests that are served.
pub const QUESTS: &str = "quests";
/// Set: ids of all living instances of the partition.
pub const ACTIVE_INSTANCES: &str = "active_quest_instances";
/// Sorted set: context to the time at which its next timer or retry is due.
pub const TIMERS: &str = "timers";
/// Set: contexts that have a backlog.
pub const BACKLOGS: &str = "backlogs";
/// List of [`crate::record::Message`], oldest first. The number of its first is in [`CURSORS`].
pub const MESSAGES: &str = "messages";
/// List: inbox entries that this version could not read (a newer one wrote them, or they are damaged), as they came.
pub const UNREADABLE: &str = "unreadable";
/// Hash: dead letter's id to [`crate::model::DeadLetter`].
pub const DEAD: &str = "dead";
/// Sorted set: dead letter's id to when it died.
pub const DEAD_ORDER: &str = "dead_order";
/// Sorted set: [`outcome_place`] of a call to when its outcome was stored.
pub const OUTCOMES_ORDER: &str = "outcomes_order";
/// Hash: the partition's own counters and positions, as MessagePack. Fields stand below.
pub const CURSORS: &str = "cursors";

/// Field of [`CURSORS`], u64: number of the first message in the list.
pub const MESSAGES_FIRST: &str = "messages_first";
/// Field of [`CURSORS`], u64: number of the next message.
pub const MESSAGES_NEXT: &str = "messages_next";
/// Field of [`CURSORS`], u64: counts everything that needs a place in the partition's order (adds, broadcasts reached).
pub const SEQUENCE: &str = "sequence";
/// Field of [`CURSORS`], [`crate::record::BroadcastCursor`].
pub const BROADCAST: &str = "broadcast";
/// Field of [`CURSORS`], map of destination to [`crate::record::RelayCursor`].
pub const RELAYS: &str = "relays";

/// Field of [`CURSORS`], map of quest to [`crate::record::Surveyed`].
pub const SURVEYED: &str = "surveyed";

/// Field of [`instances`], text: the context's time zone. No quest has a dot in its name.
pub const ZONE: &str = ".zone";

/// The field of a timer, or of a pattern, in its context's hash.
pub fn timer_field(quest: &str, timer: &str) -> String {
    format!("{quest}.{timer}")
}
