//! Calls, commands and queries: what has an answer.

use std::{sync::Arc, time::Duration};

use quest_engine::{
    action::{FailureKind, LogLine},
    keys,
    model::{Body, Command, Entry, Outcome, ReplyTo, Value, check_context, check_name},
    query::{self, Question},
};
use serde_json::{Value as Json, json};
use tokio::{sync::oneshot, time::Instant};

use super::{
    Error, Kind, Result, Service, draw_id,
    producer::{check_id, value},
    standing::{self, Standing},
};
use crate::store::Read;

/// How often an answer is looked for although nobody told of it.
const LOOK: Duration = Duration::from_millis(250);

/// How long a query waits for others to end.
const PATIENCE: Duration = Duration::from_secs(2);

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
        let payload = value(payload, self.accept.payload_bytes_max)?;
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

    /// Accepts an entry and waits for its answer. With an id of the caller's, the same call again gives the same answer.
    async fn ask(&self, context: &str, body: Body, id: Option<String>, wait: Duration) -> Result<Answered> {
        check_context(context).map_err(|error| invalid(&error))?;
        if let Some(id) = &id {
            check_id(id)?;
        }
        let is_remembered = id.is_some();
        let id = id.unwrap_or_else(draw_id);
        let reply = Some(ReplyTo { host: self.host.clone() });
        let entry = Entry { context: context.to_owned(), id, hops: 0, reply, body, left: None };
        let (answered, _waits) = self.waiters.wait(context, &entry.id);
        match self.ask_and_wait(&entry, is_remembered, answered, wait).await? {
            Outcome::Answered(value) => Ok(Answered { id: entry.id, value }),
            Outcome::Failed { code, message } => Err(failed(code, message)),
        }
    }

    async fn ask_and_wait(
        &self,
        entry: &Entry,
        is_remembered: bool,
        mut answered: oneshot::Receiver<Option<Outcome>>,
        wait: Duration,
    ) -> Result<Outcome> {
        let until = Instant::now() + wait;
        let receipt = self.accept(entry, is_remembered).await?;
        // A duplicate may have been answered long ago.
        let mut look = receipt.duplicate;
        loop {
            if look && let Some(outcome) = self.outcome(&entry.context, &entry.id).await? {
                return Ok(outcome);
            }
            if Instant::now() >= until || self.stop.is_cancelled() {
                let why = if self.stop.is_cancelled() { "the host stops" } else { "no answer in time" };
                let message = format!("{why}; the call is accepted and may still happen");
                let hint = format!("GET /v1/outcomes/{}/{} has the outcome once there is one", entry.context, entry.id);
                return Err(Error::new(Kind::Unavailable, "no-answer-yet", message).hint(&hint));
            }
            // Cancel-safe: a oneshot receiver, a token and a timer. The stored outcome is what counts: it is looked for in any case.
            tokio::select! {
                told = &mut answered, if !answered.is_terminated() => if let Ok(Some(outcome)) = told {
                    return Ok(outcome);
                },
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep_until((Instant::now() + LOOK).min(until)) => {}
            }
            look = true;
        }
    }

    /// What became of a call, if that is known (still, or yet).
    pub async fn outcome(&self, context: &str, id: &str) -> Result<Option<Outcome>> {
        let field = id.as_bytes().to_vec();
        let reads = vec![Read::HashField { key: keys::outcomes(context), field }];
        Ok(self.read_context(context, reads).await?.record()?)
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
        let payload = value(payload, self.accept.payload_bytes_max)?;
        let serving = self.quests.serving();
        let catalog = Arc::clone(serving.catalog());
        let known = catalog.get(quest).is_some_and(|definition| definition.queries.iter().any(|name| name == query));
        if !known {
            let error = Error::new(
                Kind::NotFound,
                "unknown-query",
                format!("no quest {quest:?} with a query {query:?} is served"),
            );
            return Err(error.hint("`quest-host list` shows the quests and their queries"));
        }
        let replies = self.read_context(context, standing::reads(context, quest)).await?;
        let Standing { mut instances, variables, timers, patterns, zone, config } =
            self.standing(replies, quest, &catalog)?;
        let active: Vec<String> = instances.keys().cloned().collect();
        let Some(instance) = instances.remove(quest) else {
            let message = format!("the context does not have the quest {quest:?}");
            return Err(Error::new(Kind::NotFound, "not-active", message));
        };
        let busy = || {
            let error = Error::new(Kind::Unavailable, "busy", "too many queries run already");
            error.hint("ask again in a moment")
        };
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.asking).acquire_owned()).await;
        let permit = permit.ok().and_then(std::result::Result::ok).ok_or_else(busy)?;
        let context = context.to_owned();
        let (quest, query) = (quest.to_owned(), query.to_owned());
        let ran = tokio::task::spawn_blocking(move || {
            // Until it has run, whether its caller still waits or not.
            let _permit = permit;
            let definition = catalog.get(&quest)?;
            let question = Question {
                definition,
                instance: &instance,
                context,
                query,
                payload,
                id: draw_id(),
                now: super::reads::now(),
                variables,
                timers,
                patterns,
                zone,
                active: Arc::new(active),
                config,
            };
            Some(query::answer(question, |invocation| serving.invoke(invocation)))
        });
        let ran = ran.await.map_err(|error| Error::new(Kind::Failed, "host-bug", error.to_string()))?;
        let ran = ran.ok_or_else(|| Error::new(Kind::NotFound, "unknown-query", "the quest is not served any more"))?;
        match ran.result {
            Ok(changes) => Ok((changes.reply.unwrap_or_default(), ran.logs)),
            Err(failure) => Err(match failure.kind {
                // Nobody tries it again but the caller.
                FailureKind::Transient => {
                    Error { code: failure.code, ..Error::new(Kind::Unavailable, "", failure.message) }
                }
                FailureKind::Permanent => failed(failure.code, failure.message),
            }),
        }
    }
}

/// What did not succeed, as its caller sees it.
fn failed(code: String, message: String) -> Error {
    let kind = match code.as_str() {
        "not-active"
        | "instance-gone"
        | "unknown-action"
        | "unknown-quest"
        | "unknown-query"
        | "no-such-timer"
        | "no-such-pattern"
        | "no-such-dead-letter" => Kind::NotFound,
        _ => Kind::Failed,
    };
    Error { code, ..Error::new(kind, "", message) }
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
