//! Calls, commands and queries: what has an answer.

use std::{sync::Arc, time::Duration};

use quest_engine::{
    action::{Export, Invocation, LogLine},
    keys,
    model::{Body, Cause, Command, Entry, Outcome, ReplyTo, Value, check_context, check_name, partition_of},
    record::{Instance, Record as _, Timer},
};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{Error, Kind, Result, Service, draw_id};
use crate::store::{Bell, Read, Reply};

/// How often an answer is looked for although no bell rang.
const LOOK: Duration = Duration::from_millis(250);

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The id under which the outcome is kept for a while.
    pub id: String,
    /// The answer.
    pub value: Value,
}

impl Service {
    /// Calls an action and waits for its answer.
    pub async fn call(
        &self,
        context: &str,
        quest: &str,
        action: &str,
        payload: &Json,
        id: Option<String>,
        wait: Duration,
    ) -> Result<Answered> {
        check_name("quest", quest).and_then(|()| check_name("action", action)).map_err(|error| invalid(&error))?;
        let payload = Value::from_json_value(payload).map_err(|error| invalid(&error))?;
        let (quest, action) = (quest.to_owned(), action.to_owned());
        self.ask(context, Body::Send { quest, action, instance: None, name: None, payload }, id, wait).await
    }

    /// Adds a quest to a context; whether it was not there before.
    pub async fn add(&self, context: &str, quest: &str, wait: Duration) -> Result<Answered> {
        check_name("quest", quest).map_err(|error| invalid(&error))?;
        if self.quests.catalog().get(quest).is_none() {
            let error = Error::new(Kind::NotFound, "unknown-quest", format!("no module defines a quest {quest:?}"));
            return Err(error.hint("`quest-host list` shows the quests that are served"));
        }
        self.ask(context, Body::Add { quest: quest.to_owned() }, None, wait).await
    }

    /// Removes a quest from a context; whether it was there.
    pub async fn remove(&self, context: &str, quest: &str, wait: Duration) -> Result<Answered> {
        check_name("quest", quest).map_err(|error| invalid(&error))?;
        self.ask(context, Body::Remove { quest: quest.to_owned() }, None, wait).await
    }

    /// Carries out an operator's command on a context.
    pub async fn operate(&self, context: &str, command: Command, wait: Duration) -> Result<Answered> {
        self.ask(context, Body::Operate(command), None, wait).await
    }

    async fn ask(&self, context: &str, body: Body, id: Option<String>, wait: Duration) -> Result<Answered> {
        check_context(context).map_err(|error| invalid(&error))?;
        let id = id.unwrap_or_else(draw_id);
        let reply = Some(ReplyTo { host: self.host.clone() });
        let entry = Entry { context: context.to_owned(), id: id.clone(), hops: 0, reply: None, body };
        let digest = blake3::hash(&entry.to_bytes()).as_bytes()[..16].to_vec();
        let mut bells = self.store.bells();
        self.accept(&Entry { reply, ..entry }, digest).await?;
        let until = Instant::now() + wait;
        loop {
            if let Some(outcome) = self.outcome(context, &id).await? {
                return answered(id, outcome);
            }
            let look = (Instant::now() + LOOK).min(until);
            // The bell is a hint: the stored outcome is what counts, and it is looked for in any case.
            let rung = async {
                loop {
                    match bells.recv().await {
                        Ok(Bell::Outcome { id: rung, .. }) if rung == id => return,
                        Ok(_) => {}
                        Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
                        Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            let _ = tokio::time::timeout_at(look, rung).await;
            if Instant::now() >= until {
                if let Some(outcome) = self.outcome(context, &id).await? {
                    return answered(id, outcome);
                }
                let message = format!("no answer within {} ms; it is accepted and may still happen", wait.as_millis());
                let hint = format!("ask for the outcome later by its id, {id}");
                return Err(Error::new(Kind::Unavailable, "no-answer-yet", message).hint(&hint));
            }
        }
    }

    /// What became of a call, if that is known (still, or yet).
    pub async fn outcome(&self, context: &str, id: &str) -> Result<Option<Outcome>> {
        let partition = partition_of(context, self.partitions);
        let read = Read::HashField { key: keys::outcomes(context), field: id.as_bytes().to_vec() };
        let replies = self.store.read(partition, vec![read]).await?;
        let Some(Reply::Value(Some(bytes))) = replies.into_iter().next() else { return Ok(None) };
        Outcome::from_bytes(&bytes).map(Some).map_err(|error| unreadable(&error))
    }

    /// Runs a query on committed state, here. Its log lines come with the answer.
    pub async fn query(
        &self,
        context: &str,
        quest: &str,
        query: &str,
        payload: &Json,
    ) -> Result<(Value, Vec<LogLine>)> {
        check_context(context).map_err(|error| invalid(&error))?;
        let payload = Value::from_json_value(payload).map_err(|error| invalid(&error))?;
        let catalog = self.quests.catalog();
        let known = catalog.get(quest).is_some_and(|definition| definition.queries.iter().any(|name| name == query));
        if !known {
            let error = Error::new(
                Kind::NotFound,
                "unknown-query",
                format!("no quest {quest:?} with a query {query:?} is served"),
            );
            return Err(error.hint("`quest-host list` shows the quests and their queries"));
        }
        let partition = partition_of(context, self.partitions);
        let reads = vec![
            Read::Hash { key: keys::instances(context) },
            Read::Hash { key: keys::variables(context, quest) },
            Read::Hash { key: keys::timers(context) },
        ];
        let mut replies = self.store.read(partition, reads).await?.into_iter().map(super::reads::fields);
        let instances = replies.next().unwrap_or_default();
        let variables = replies.next().unwrap_or_default();
        let timers = replies.next().unwrap_or_default();
        let active: Vec<String> = instances.iter().map(|(name, _)| name.clone()).collect();
        let Some((_, record)) = instances.iter().find(|(name, _)| name == quest) else {
            return Err(Error::new(
                Kind::NotFound,
                "not-active",
                format!("the context does not have the quest {quest:?}"),
            ));
        };
        let instance = Instance::from_bytes(record).map_err(|error| unreadable(&error))?;
        let variables = variables
            .into_iter()
            .map(|(name, value)| Ok((name, Value::decode(&value).map_err(|error| unreadable(&error))?)));
        let timers = timers.into_iter().filter_map(|(field, bytes)| {
            let name = field.strip_prefix(quest)?.strip_prefix('.')?.to_owned();
            Some((name, Timer::from_bytes(&bytes).ok()?.due))
        });
        let now = super::reads::now();
        let invocation = Invocation {
            export: Export::Perform,
            quest: quest.to_owned(),
            action: query.to_owned(),
            context: context.to_owned(),
            instance: instance.id,
            event_name: String::new(),
            event_id: draw_id(),
            cause: Cause::Query,
            accepted_at: now,
            processed_at: now,
            attempt: 1,
            hops: 0,
            payload,
            variables: Arc::new(variables.collect::<Result<_>>()?),
            timers: Arc::new(timers.collect()),
            active: Arc::new(active),
            config: self.config.get(quest).cloned().unwrap_or_default(),
        };
        let quests = Arc::clone(&self.quests);
        let ran = tokio::task::spawn_blocking(move || quests.invoke(invocation)).await;
        let ran = ran.map_err(|error| Error::new(Kind::Failed, "host-bug", error.to_string()))?;
        match ran.result {
            Ok(changes) => Ok((changes.reply.unwrap_or_default(), ran.logs)),
            Err(failure) => Err(Error { code: failure.code, ..Error::new(Kind::Failed, "", failure.message) }),
        }
    }
}

fn answered(id: String, outcome: Outcome) -> Result<Answered> {
    match outcome {
        Outcome::Answered(value) => Ok(Answered { id, value }),
        Outcome::Failed { code, message } => {
            let missing = [
                "not-active",
                "instance-gone",
                "unknown-action",
                "unknown-quest",
                "no-such-timer",
                "no-such-dead-letter",
            ];
            let kind = if missing.contains(&code.as_str()) { Kind::NotFound } else { Kind::Failed };
            Err(Error { code, ..Error::new(kind, "", message) })
        }
    }
}

/// An outcome as JSON for people.
pub(crate) fn outcome_json(outcome: &Outcome) -> Json {
    match outcome {
        Outcome::Answered(value) => json!({ "answer": value.to_json_lossy() }),
        Outcome::Failed { code, message } => json!({ "error": { "code": code, "message": message } }),
    }
}

fn invalid(error: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Invalid, "invalid-request", error.to_string())
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Unavailable, "store-unusable", error.to_string())
}
