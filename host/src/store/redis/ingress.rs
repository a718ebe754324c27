//! The list that existing producers push to (`LPUSH`, so the oldest entry is at the right end).
//!
//! It is global, so it has its own lease and its own numbers: entry `base` is the oldest in it. Beside the list `L` stand `{L}.lease`,
//! `{L}.base`, `{L}.stream` and `{L}.rejected`: a hash tag `{L}` falls into the slot of the untagged key `L`, so one script may touch them all.
//!
//! Must not know: what an entry means, where it goes.

use super::{
    Redis,
    connection::{ACQUIRE, ADVANCE, Call, PEEK, RELEASE, RENEW},
    encode::number,
};
use crate::store::{Result, Token, draw_id};

/// The ingress list of one store.
pub struct IngressList<'a> {
    store: &'a Redis,
    list: String,
}

impl Redis {
    /// The ingress list with this full key (the setting; by default the original's `ruby_quest://queue`).
    pub fn ingress_list(&self, list: &str) -> IngressList<'_> {
        IngressList { store: self, list: list.to_owned() }
    }
}

/// An entry that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its index among the entries advanced over.
    pub index: u64,
    /// Why.
    pub reason: String,
    /// The entry.
    pub bytes: Vec<u8>,
}

impl IngressList<'_> {
    fn beside(&self, name: &str) -> String {
        format!("{{{}}}.{name}", self.list)
    }

    /// Takes the list's lease for `ttl_ms`; none if somebody holds it.
    pub async fn claim(&self, nonce: u64, ttl_ms: u64) -> Result<Option<Token>> {
        let keys = ["lease", "epoch", "head", "base", "clock"].map(|name| self.beside(name));
        let mut call = Call::new(&ACQUIRE, &keys);
        call.arg(format!("{nonce:016x}")).arg(ttl_ms);
        let granted: Option<(String, String, String, String)> = self.store.connection.run(&call).await?;
        granted.map(|(epoch, ..)| Ok(Token { epoch: number(&epoch)?, nonce })).transpose()
    }

    /// The id of the list's numbers: drawn when it is first moved, kept beside its base. Another list has another one.
    pub async fn stream(&self) -> Result<String> {
        let key = self.beside("stream");
        let mut draw = redis::cmd("SETNX");
        draw.arg(&key).arg(draw_id());
        self.store.connection.send::<()>(&draw).await?;
        let mut get = redis::cmd("GET");
        get.arg(&key);
        self.store.connection.send(&get).await
    }

    /// Prolongs it; whether it is still held.
    pub async fn renew(&self, token: Token, ttl_ms: u64) -> Result<bool> {
        let mut call = Call::new(&RENEW, &[self.beside("lease")]);
        call.arg(token.to_string()).arg(ttl_ms);
        self.store.connection.run(&call).await
    }

    /// Gives it up.
    pub async fn release(&self, token: Token) -> Result<()> {
        let mut call = Call::new(&RELEASE, &[self.beside("lease")]);
        let bell = self.store.bells.message(&crate::store::Bell::Members);
        call.arg(token.to_string()).arg(self.store.prefix.channel()).arg(bell);
        self.store.connection.run(&call).await
    }

    /// The number of the oldest entry, and at most `count` entries, oldest first.
    pub async fn peek(&self, count: u64) -> Result<(u64, Vec<Vec<u8>>)> {
        let mut call = Call::new(&PEEK, &[self.list.clone(), self.beside("base")]);
        call.arg(count);
        let (base, mut entries): (String, Vec<Vec<u8>>) = self.store.connection.run(&call).await?;
        entries.reverse();
        Ok((number(&base)?, entries))
    }

    /// Drops the `count` oldest entries, which begin at `base`, and keeps the rejected ones in `{L}.rejected`, the newest at its left,
    /// as JSON (`number`, `reason`, and `entry` as text or `entry_base64`). False, and nothing done, if the lease is not held or the list stands elsewhere.
    pub async fn advance(&self, token: Token, base: u64, count: u64, rejected: &[Rejected]) -> Result<bool> {
        let keys = [self.list.clone(), self.beside("base"), self.beside("lease"), self.beside("rejected")];
        let mut call = Call::new(&ADVANCE, &keys);
        call.arg(token.to_string()).arg(base).arg(count);
        for rejected in rejected {
            call.arg(told(base, rejected));
        }
        self.store.connection.run(&call).await
    }
}

fn told(base: u64, rejected: &Rejected) -> String {
    use base64::Engine as _;
    let mut text = serde_json::json!({ "number": base + rejected.index, "reason": rejected.reason });
    match std::str::from_utf8(&rejected.bytes) {
        Ok(entry) => text["entry"] = entry.into(),
        Err(_) => {
            text["entry_base64"] = base64::engine::general_purpose::STANDARD.encode(&rejected.bytes).into();
        }
    }
    text.to_string()
}
