//! Messages that quests published, read by cursor.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quest_engine::{
    keys,
    record::{Message, Record as _},
};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::{Error, Kind, Result, Service};
use crate::store::{Read, Reply};

/// How often new messages are looked for while a reader waits.
const LOOK: Duration = Duration::from_millis(200);

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
            let page = self.page(&mut positions, max).await?;
            if !page.messages.is_empty() || page.missed > 0 || Instant::now() >= until {
                return Ok(page);
            }
            tokio::time::sleep_until((Instant::now() + LOOK).min(until)).await;
        }
    }

    /// The cursor behind all messages there are now.
    pub async fn messages_end(&self) -> Result<String> {
        let mut positions = Vec::new();
        for partition in 0..self.partitions {
            positions.push(self.number(partition, keys::MESSAGES_NEXT).await?);
        }
        Ok(encode(&positions))
    }

    async fn page(&self, positions: &mut [u64], max: usize) -> Result<Page> {
        let mut messages = Vec::new();
        let mut missed = 0;
        for (partition, position) in (0..self.partitions).zip(positions.iter_mut()) {
            let room = max.saturating_sub(messages.len()) as u64;
            if room == 0 {
                break;
            }
            let first = self.number(partition, keys::MESSAGES_FIRST).await?;
            let from = position.saturating_sub(first);
            let read = Read::List { key: keys::MESSAGES.to_owned(), from, count: room };
            let replies = self.store.read(partition, vec![read]).await?;
            let Some(Reply::Items(items)) = replies.into_iter().next() else { continue };
            for bytes in items {
                let message = Message::from_bytes(&bytes)
                    .map_err(|error| Error::new(Kind::Unavailable, "store-unusable", error.to_string()))?;
                // The list may have been trimmed between the two reads: each message says its own number.
                if message.number < *position {
                    continue;
                }
                missed += message.number - *position;
                *position = message.number + 1;
                messages.push(PublishedMessage {
                    key: message.key,
                    context: message.context,
                    quest: message.quest,
                    topic: message.topic,
                    payload: message.payload.to_json_lossy(),
                    at: message.at,
                });
            }
        }
        Ok(Page { messages, cursor: encode(positions), missed })
    }

    async fn number(&self, partition: u16, field: &str) -> Result<u64> {
        let read = Read::HashField { key: keys::CURSORS.to_owned(), field: field.as_bytes().to_vec() };
        match self.store.read(partition, vec![read]).await?.into_iter().next() {
            Some(Reply::Value(Some(bytes))) => u64::from_bytes(&bytes)
                .map_err(|error| Error::new(Kind::Unavailable, "store-unusable", error.to_string())),
            _ => Ok(0),
        }
    }

    fn positions(&self, cursor: Option<&str>) -> Result<Vec<u64>> {
        let Some(cursor) = cursor else { return Ok(vec![0; usize::from(self.partitions)]) };
        let decoded = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| Vec::<u64>::from_bytes(&bytes).ok());
        decoded.filter(|positions| positions.len() == usize::from(self.partitions)).ok_or_else(|| {
            let error = Error::new(Kind::Invalid, "invalid-cursor", "the cursor is none that this store gave");
            error.hint("leave it out to begin with the oldest message kept")
        })
    }
}

fn encode(positions: &[u64]) -> String {
    URL_SAFE_NO_PAD.encode(positions.to_vec().to_bytes())
}
