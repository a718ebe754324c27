//! Bells over Redis's publish and subscribe: hints between hosts.
//!
//! Plain PUBLISH also in a cluster, where it reaches every node. A message is the sender's id, a space, and the bell; a host
//! hears its own bells without the round trip, and leaves their echo out.
//!
//! Must not know: what a bell makes a host do.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::{sync::broadcast, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::address::Address;
use crate::store::{BELLS_MAX, Bell, draw_id};

/// Pauses between tries to subscribe: at once after a hiccup, and no flood while the server is away.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Listens and tells; ends when it is dropped.
pub struct Bells {
    sender: broadcast::Sender<Bell>,
    /// Tells our messages from those of other hosts.
    origin: String,
    stop: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Bells {
    /// Starts to listen on a channel.
    pub fn start(address: Address, channel: String) -> Self {
        let sender = broadcast::channel(BELLS_MAX).0;
        let origin = draw_id();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (told, own, stopped) = (sender.clone(), origin.clone(), stop.clone());
        tasks.spawn(async move {
            // Cancel-safe: a subscription that is dropped midway is closed.
            tokio::select! {
                () = listen(&address, &channel, &own, &told) => {}
                () = stopped.cancelled() => {}
            }
        });
        Self { sender, origin, stop, _tasks: tasks }
    }

    /// A bell as it is published.
    pub fn message(&self, bell: &Bell) -> String {
        format!("{} {}", self.origin, write(bell))
    }

    /// Rings it for this process.
    pub fn tell(&self, bell: Bell) {
        // No listener is no error: bells are hints.
        let _ = self.sender.send(bell);
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Bell> {
        self.sender.subscribe()
    }
}

impl Drop for Bells {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(address: &Address, channel: &str, own: &str, told: &broadcast::Sender<Bell>) {
    let mut pause = RETRY_MIN;
    for node in address.nodes.iter().cycle() {
        match subscribe(address, node, channel).await {
            Ok(mut messages) => {
                pause = RETRY_MIN;
                // What rang while nobody listened is lost: look at everything.
                let _ = told.send(Bell::Members);
                while let Some(message) = messages.next().await {
                    let Ok(text) = message.get_payload::<String>() else { continue };
                    match text.split_once(' ') {
                        Some((origin, bell)) if origin != own => {
                            if let Some(bell) = read(bell) {
                                let _ = told.send(bell);
                            }
                        }
                        _ => {}
                    }
                }
                tracing::debug!(node, "the subscription to bells ended, subscribing again");
            }
            Err(error) => tracing::debug!(node, %error, "cannot subscribe to bells yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

async fn subscribe(address: &Address, node: &str, channel: &str) -> redis::RedisResult<redis::aio::PubSubStream> {
    let mut subscription = address.listener(node).await?.get_async_pubsub().await?;
    subscription.subscribe(channel).await?;
    Ok(subscription.into_on_message())
}

fn write(bell: &Bell) -> String {
    match bell {
        Bell::Inbox(partition) => format!("inbox {partition}"),
        Bell::Broadcast => "broadcast".to_owned(),
        Bell::Members => "members".to_owned(),
        Bell::Messages => "messages".to_owned(),
        Bell::Released(partition) => format!("released {partition}"),
        Bell::Outcome { host, partition, id } => format!("outcome {partition} {host} {id}"),
    }
}

fn read(text: &str) -> Option<Bell> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(match kind {
        "inbox" => Bell::Inbox(rest.parse().ok()?),
        "broadcast" => Bell::Broadcast,
        "members" => Bell::Members,
        "messages" => Bell::Messages,
        "released" => Bell::Released(rest.parse().ok()?),
        "outcome" => {
            let mut parts = rest.splitn(3, ' ');
            let partition = parts.next()?.parse().ok()?;
            Bell::Outcome { partition, host: parts.next()?.to_owned(), id: parts.next()?.to_owned() }
        }
        _ => return None,
    })
}
