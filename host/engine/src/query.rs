//! Queries: read-only actions on committed state, outside of a partition's order, on whichever host was asked.
//!
//! Must not know: where the state was read.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    action::{Export, Failure, FailureKind, Invocation, PatternsSeen, Ran, TimersSeen, Variables},
    model::{Cause, Millis, QuestDefinition, Value},
    record::Instance,
    schedule::Zone,
};

/// A question to one instance, with the committed state that it is about.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The quest's code, as it is served now.
    pub definition: &'a QuestDefinition,
    /// The instance.
    pub instance: &'a Instance,
    /// The context.
    pub context: String,
    /// Which query.
    pub query: String,
    /// Its payload.
    pub payload: Value,
    /// Names this question, and seeds its random numbers.
    pub id: String,
    /// The clock that the query sees.
    pub now: Millis,
    /// The instance's variables.
    pub variables: Arc<Variables>,
    /// The instance's timers.
    pub timers: Arc<TimersSeen>,
    /// The instance's patterns.
    pub patterns: Arc<PatternsSeen>,
    /// The context's time zone.
    pub zone: Zone,
    /// The context's quests.
    pub active: Arc<Vec<String>>,
    /// The operator's settings for the quest.
    pub config: Arc<BTreeMap<String, String>>,
}

/// Answers a question: `run` runs an invocation. State that older code wrote meets `upgrade` first, as it would before an action; what
/// that changes is seen by the query, and kept by nobody.
///
/// Fails with `unknown-query`, `not-ready` (`init` has not succeeded yet), `older-code` (newer code wrote the state) or
/// `upgrade-failed`; and with whatever the query itself fails with.
pub fn answer(question: Question<'_>, mut run: impl FnMut(Invocation) -> Ran) -> Ran {
    if let Err(failure) = check(&question) {
        return failure.into();
    }
    let (definition, instance) = (question.definition, question.instance);
    let mut query = invocation(question);
    let mut logs = Vec::new();
    if definition.version > instance.version && definition.actions.contains_key("upgrade") {
        let ran = run(Invocation {
            action: "upgrade".to_owned(),
            cause: Cause::Lifecycle,
            payload: Value::Integer(i64::from(instance.version)),
            ..query.clone()
        });
        logs = ran.logs;
        match ran.result {
            Ok(changes) => {
                changes.overlay(Arc::make_mut(&mut query.variables), Arc::make_mut(&mut query.timers));
            }
            Err(failure) => {
                let message = format!("{}: {}", failure.code, failure.message);
                let failure = Failure { kind: FailureKind::Transient, code: "upgrade-failed".to_owned(), message };
                return Ran { result: Err(failure), logs };
            }
        }
    }
    let ran = run(query);
    logs.extend(ran.logs);
    Ran { result: ran.result, logs }
}

fn check(question: &Question<'_>) -> Result<(), Failure> {
    let Question { definition, instance, query, .. } = question;
    let refuse = |kind, code: &str, message: String| Err(Failure { kind, code: code.to_owned(), message });
    if !definition.queries.contains(query) {
        let message = format!("the quest {:?} has no query {query:?}", definition.name);
        return refuse(FailureKind::Permanent, "unknown-query", message);
    }
    if instance.starting {
        let message = "its init has not succeeded yet".to_owned();
        return refuse(FailureKind::Transient, "not-ready", message);
    }
    if instance.version > definition.version {
        let (written, served) = (instance.version, definition.version);
        let message = format!("version {written} of the quest wrote this state, version {served} is served here");
        return refuse(FailureKind::Transient, "older-code", message);
    }
    Ok(())
}

fn invocation(question: Question<'_>) -> Invocation {
    Invocation {
        export: Export::Perform,
        quest: question.definition.name.clone(),
        action: question.query,
        context: question.context,
        instance: question.instance.id.clone(),
        event_name: String::new(),
        event_id: question.id,
        cause: Cause::Query,
        accepted_at: question.now,
        processed_at: question.now,
        attempt: 1,
        hops: 0,
        payload: question.payload,
        variables: question.variables,
        timers: question.timers,
        patterns: question.patterns,
        zone: question.zone,
        missed: 0,
        active: question.active,
        config: question.config,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Changes;

    fn asked(served: u32, written: u32, starting: bool) -> (Result<Option<Value>, String>, Vec<String>) {
        let mut definition = QuestDefinition { name: "q".to_owned(), version: served, ..QuestDefinition::default() };
        definition.queries.push("total".to_owned());
        definition.actions.insert("upgrade".to_owned(), Vec::new());
        let (id, held) = ("i".to_owned(), None);
        let instance = Instance {
            id,
            version: written,
            added: 1,
            added_at: 1,
            starting,
            held,
            has_timers: false,
            has_patterns: false,
            declared: BTreeMap::new(),
            kept: None,
        };
        let question = Question {
            definition: &definition,
            instance: &instance,
            context: "c".to_owned(),
            query: "total".to_owned(),
            payload: Value::Null,
            id: "e".to_owned(),
            now: 7,
            variables: Arc::new(BTreeMap::from([("n".to_owned(), Value::Integer(1))])),
            timers: Arc::default(),
            patterns: Arc::default(),
            zone: Zone::utc(),
            active: Arc::default(),
            config: Arc::default(),
        };
        let mut runs = Vec::new();
        let ran = answer(question, |invocation| {
            runs.push(format!("{} {}", invocation.action, invocation.cause.as_str()));
            let changes = match invocation.action.as_str() {
                "upgrade" => {
                    let variables = BTreeMap::from([("n".to_owned(), Some(Value::Integer(10)))]);
                    Changes { variables, ..Changes::default() }
                }
                _ => Changes { reply: invocation.variables.get("n").cloned(), ..Changes::default() },
            };
            Ran { result: Ok(changes), logs: Vec::new() }
        });
        (ran.result.map(|changes| changes.reply).map_err(|failure| failure.code), runs)
    }

    #[test]
    fn a_query_sees_what_an_action_would_find() {
        let query = "total query".to_owned();
        assert_eq!(asked(1, 1, false), (Ok(Some(Value::Integer(1))), vec![query.clone()]));
        assert_eq!(asked(2, 1, false), (Ok(Some(Value::Integer(10))), vec!["upgrade lifecycle".to_owned(), query]));
        assert_eq!(asked(1, 2, false), (Err("older-code".to_owned()), Vec::new()));
        assert_eq!(asked(1, 1, true), (Err("not-ready".to_owned()), Vec::new()));
    }
}
