//! Messages that quests published, read by cursor.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::try_join_all;
use quest_engine::{
    keys,
    record::{Message, Record as _},
};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::{Error, Kind, Result, Service};
use crate::{
    replies::{Replies, read},
    store::{PartitionId, Read},
};

/// How often messages are looked for while a reader waits, in case a bell was lost.
const LOOK: Duration = Duration::from_secs(1);

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedMessage {
    /// The same at each delivery: what a consumer remembers to act once.
    pub key: String,
    /// The context.
    pub context: String,
    /// The quest.
    pub quest: String,
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Json,
    /// When the event that caused it was accepted, in Unix milliseconds.
    pub at: u64,
}

/// Some messages, and where to go on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// The messages; of one context in their order.
    pub messages: Vec<PublishedMessage>,
    /// Where to go on reading.
    pub cursor: String,
    /// Messages that were dropped (the stream is bounded) before this reader came to them.
    pub missed: u64,
}

impl Service {
    /// Messages after `cursor` (none: from the oldest kept), at most `max`; waits up to `wait` for the first one.
    pub async fn messages(&self, cursor: Option<&str>, max: usize, wait: Duration) -> Result<Page> {
        let mut positions = self.positions(cursor)?;
        let until = Instant::now() + wait;
        loop {
            // Listens before it looks, so that nothing is published in between.
            let published = self.published.notified();
            let page = self.page(&mut positions, max).await?;
            let is_over = Instant::now() >= until || self.stop.is_cancelled();
            if !page.messages.is_empty() || page.missed > 0 || is_over {
                return Ok(page);
            }
            // Cancel-safe: a notification, a token and a timer. A bell that was lost is made up for by looking.
            tokio::select! {
                () = published => {}
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep_until((Instant::now() + LOOK).min(until)) => {}
            }
        }
    }

    /// The cursor behind all messages there are now.
    pub async fn messages_end(&self) -> Result<String> {
        let ends: Vec<u64> = self.stretches().await?.into_iter().map(|stretch| stretch.end).collect();
        Ok(encode(&ends))
    }

    /// One page: each partition that has something gets an equal part of it, so that none has to wait for another's flood.
    async fn page(&self, positions: &mut [u64], max: usize) -> Result<Page> {
        let stretches = self.stretches().await?;
        let mut behind = Vec::new();
        for ((partition, position), stretch) in (0..self.partitions).zip(positions.iter_mut()).zip(stretches) {
            // A store that lost its latest messages numbers the next ones anew: they are not to be passed over.
            *position = (*position).min(stretch.end);
            if *position < stretch.end {
                behind.push((partition, stretch.first));
            }
        }
        // With more partitions than room, chance decides who comes first, and nobody always last.
        fastrand::shuffle(&mut behind);
        behind.truncate(max);
        let share = (max / behind.len().max(1)).max(1) as u64;
        let reads = behind
            .iter()
            .map(|(partition, first)| self.slice(*partition, positions[usize::from(*partition)], *first, share));
        let (mut messages, mut missed) = (Vec::new(), 0);
        let slices = try_join_all(reads).await?;
        for ((partition, _), slice) in behind.iter().zip(slices) {
            let position = &mut positions[usize::from(*partition)];
            for message in slice {
                missed += message.number - *position;
                *position = message.number + 1;
                messages.push(PublishedMessage::from(message));
            }
        }
        Ok(Page { messages, cursor: encode(positions), missed })
    }

    /// Messages of one partition from `position` on, at most `count`. The list may be trimmed between the look at its first number and
    /// this, so both are read again at one moment; a list that is trimmed each time is left for the next page, and nothing is missed.
    async fn slice(&self, partition: PartitionId, position: u64, mut first: u64, count: u64) -> Result<Vec<Message>> {
        const TRIES: usize = 4;
        for _ in 0..TRIES {
            let from = position.saturating_sub(first);
            let list = Read::List { key: keys::MESSAGES.to_owned(), from, count };
            let mut replies = read(&*self.store, partition, vec![cursor(keys::MESSAGES_FIRST), list]).await?;
            let now_first = replies.record::<u64>()?.unwrap_or_default();
            if position.saturating_sub(now_first) == from {
                return Ok(replies.item_records()?);
            }
            first = now_first;
        }
        Ok(Vec::new())
    }

    /// The numbers of the messages that each partition holds.
    async fn stretches(&self) -> Result<Vec<Stretch>> {
        let reads = (0..self.partitions).map(|partition| {
            read(&*self.store, partition, vec![cursor(keys::MESSAGES_FIRST), cursor(keys::MESSAGES_NEXT)])
        });
        let stretch = |mut replies: Replies| {
            let mut number = || Ok::<_, Error>(replies.record::<u64>()?.unwrap_or_default());
            Ok(Stretch { first: number()?, end: number()? })
        };
        try_join_all(reads).await?.into_iter().map(stretch).collect()
    }

    fn positions(&self, cursor: Option<&str>) -> Result<Vec<u64>> {
        let Some(cursor) = cursor else { return Ok(vec![0; usize::from(self.partitions)]) };
        let decoded = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| Vec::<u64>::from_bytes(&bytes).ok());
        decoded.filter(|positions| positions.len() == usize::from(self.partitions)).ok_or_else(|| {
            let error = Error::new(Kind::Invalid, "invalid-cursor", "this cursor is not from this store");
            error.hint("leave it out to begin with the oldest message kept")
        })
    }
}

/// The messages of one partition: from `first` on, up to but not including `end`.
struct Stretch {
    first: u64,
    end: u64,
}

impl From<Message> for PublishedMessage {
    fn from(message: Message) -> Self {
        Self {
            key: message.key,
            context: message.context,
            quest: message.quest,
            topic: message.topic,
            payload: message.payload.to_json_lossy(),
            at: message.at,
        }
    }
}

/// One of a partition's own counters.
fn cursor(field: &str) -> Read {
    Read::HashField { key: keys::CURSORS.to_owned(), field: field.as_bytes().to_vec() }
}

fn encode(positions: &[u64]) -> String {
    URL_SAFE_NO_PAD.encode(positions.to_vec().to_bytes())
}
