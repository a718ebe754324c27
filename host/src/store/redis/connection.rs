//! The connection to Redis, to whom its sentinels name, or to a Redis Cluster; the scripts, and what their errors mean.
//!
//! Must not know: what a script does.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use futures_util::FutureExt as _;
use redis::{
    Client, Cmd, FromRedisValue, IntoConnectionInfo as _, RedisError,
    aio::{ConnectionLike as _, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    io::tcp::{TcpSettings, socket2},
};

use super::{
    address::{Address, Kind},
    link::Link,
    sentinel,
};
use crate::store::{Error, Result};

/// How long a connection may take: a store in the same network answers in milliseconds.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take. Longer than any script runs, shorter than a lease.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be silent, with something sent that was not acknowledged, before it counts as dead.
const SILENCE_MAX: Duration = Duration::from_secs(8);
/// How often a command is sent again that a cluster's client did not get to the right node: slots move in less.
const REDIRECTIONS_MAX: usize = 5;
/// Pause before that: the client asks for the slots meanwhile.
const REDIRECTION_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two tries to connect.
const RETRY_DELAY_MAX: Duration = Duration::from_millis(500);
/// Tries to connect before a call fails; the next call tries again.
const RETRIES_MAX: usize = 4;

/// A script: its text, and the digest by which Redis knows it.
pub struct Script(LazyLock<(String, String)>);

impl Script {
    /// The text of the script, and its digest.
    fn get(&self) -> &(String, String) {
        &self.0
    }
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal, $flags:literal;)*) => {$(
        $(#[$doc])*
        pub static $name: Script = Script(LazyLock::new(|| {
            let text = concat!("#!lua", $flags, "\n", include_str!("lua/prelude.lua"), include_str!(concat!("lua/", $file, ".lua"))).to_owned();
            let digest = redis::Script::new(&text).get_hash().to_owned();
            (text, digest)
        }));
    )*};
}

// `allow-oom` where work on what is stored goes on when memory is full; what brings more in is refused.
scripts! {
    /// `Store::accept` and `Store::broadcast`.
    ACCEPT = "accept", "";
    /// `Store::relay`. What it brings is dropped at its source.
    RELAY = "relay", " flags=allow-oom";
    /// `Store::commit`.
    COMMIT = "commit", " flags=allow-oom";
    /// Forgets expired ids.
    FORGET = "forget", " flags=allow-oom";
    /// `Store::acquire`.
    ACQUIRE = "acquire", " flags=allow-oom";
    /// `Store::renew`, one lease.
    RENEW = "renew", " flags=allow-oom";
    /// `Store::release`.
    RELEASE = "release", " flags=allow-oom";
    /// `Store::take`.
    TAKE = "take", " flags=allow-oom";
    /// `Store::read`.
    READ = "read", " flags=no-writes";
    /// `Store::broadcasts`.
    LOG = "log", " flags=no-writes";
    /// `Store::trim_broadcasts`.
    TRIM = "trim", " flags=allow-oom";
    /// `Store::heartbeat`.
    HEARTBEAT = "heartbeat", " flags=allow-oom";
    /// The store's id, partitions and format.
    IDENTITY = "identity", "";
    /// The ingress list's next entries.
    PEEK = "peek", " flags=no-writes";
    /// Moves the ingress list's base.
    ADVANCE = "advance", " flags=allow-oom";
}

/// A call of a script: keys first, then arguments.
pub struct Call {
    script: &'static Script,
    command: Cmd,
}

impl Call {
    /// A call with these keys.
    pub fn new<K: AsRef<str>>(script: &'static Script, keys: &[K]) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get().1.as_str()).arg(keys.len());
        for key in keys {
            command.arg(key.as_ref());
        }
        Self { script, command }
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl redis::ToRedisArgs) -> &mut Self {
        self.command.arg(arg);
        self
    }

    /// The same call with the script's text, for a server that does not know it (a new one, or after SCRIPT FLUSH).
    fn with_text(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.script.get().0.as_str());
        for arg in self.command.args_iter().skip(2) {
            if let redis::Arg::Simple(bytes) = arg {
                command.arg(bytes);
            }
        }
        command
    }
}

/// A connection that reconnects by itself; cheap to clone.
#[derive(Clone)]
pub enum Connection {
    /// One server.
    Single(ConnectionManager),
    /// A cluster.
    Cluster(Arc<Link<ClusterConnection>>),
    /// Whom the sentinels name.
    Sentinel(Arc<Link<MultiplexedConnection>>),
}

impl Connection {
    /// Connects.
    pub async fn open(address: &Address) -> Result<Self> {
        if matches!(address.kind, Kind::Sentinel { .. }) {
            return Ok(Self::Sentinel(Arc::new(sentinel::open(address).await.map_err(opening)?)));
        }
        if address.is_cluster() {
            let client = ClusterClient::builder(address.nodes.clone())
                .connection_timeout(CONNECT_TIMEOUT)
                .response_timeout(RESPONSE_TIMEOUT)
                .tcp_settings(tcp())
                .retries(4)
                .build()
                .map_err(bad_url)?;
            // It finds masters that moved by itself. Only should it fall silent, which it did after a failover, is it made anew.
            let connect = move || {
                let client = client.clone();
                async move { client.get_async_connection().await }.boxed()
            };
            let link = Link::open(connect, RedisError::is_timeout).await.map_err(failed)?;
            return Ok(Self::Cluster(Arc::new(link)));
        }
        let node = address.nodes.first().map_or("", String::as_str);
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(RETRIES_MAX)
            .set_max_delay(RETRY_DELAY_MAX);
        let client = client(node).map_err(bad_url)?;
        Ok(Self::Single(client.get_connection_manager_with_config(config).await.map_err(failed)?))
    }

    /// Sends one command.
    pub async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        self.try_send(command).await.map_err(failed)
    }

    /// Runs a script; all or nothing of it happens.
    pub async fn run<T: FromRedisValue>(&self, call: &Call) -> Result<T> {
        match self.try_send(&call.command).await {
            Err(error) if error.code() == Some("NOSCRIPT") => self.send(&call.with_text()).await,
            other => other.map_err(failed),
        }
    }

    async fn try_send<T: FromRedisValue>(&self, command: &Cmd) -> std::result::Result<T, RedisError> {
        let value = match self {
            Self::Single(connection) => connection.clone().req_packed_command(command).await?,
            Self::Cluster(link) => send_to_cluster(link, command).await?,
            Self::Sentinel(link) => link.send(command).await?,
        };
        Ok(T::from_redis_value(value.extract_error()?)?)
    }
}

/// Sends a command to a cluster. A redirection that the client gives up on was not done: by the next try it knows who holds the slot.
async fn send_to_cluster(link: &Link<ClusterConnection>, command: &Cmd) -> redis::RedisResult<redis::Value> {
    for _ in 0..REDIRECTIONS_MAX {
        match link.send(command).await {
            Err(error) if error.redirect_node().is_some() => tokio::time::sleep(REDIRECTION_PAUSE).await,
            other => return other,
        }
    }
    link.send(command).await
}

/// A client of one server.
pub fn client(url: &str) -> redis::RedisResult<Client> {
    let info = url.into_connection_info()?;
    Client::open(info.set_tcp_settings(tcp()))
}

/// A server that vanishes without a word is noticed in seconds, not when the system's own patience ends after a quarter of an hour.
/// Commands are small and waited for, so they are sent at once.
pub fn tcp() -> TcpSettings {
    let keepalive = socket2::TcpKeepalive::new().with_time(SILENCE_MAX / 2).with_interval(SILENCE_MAX / 4);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(SILENCE_MAX)
}

fn bad_url(error: RedisError) -> Error {
    Error::Unusable(format!(
        "{error}; hint: redis://[user:password@]host:port[/database], redis-cluster://host:port,host:port, or redis-sentinel://host:port,host:port/master"
    ))
}

/// An error of a first connection: of the URL, or of the server.
fn opening(error: RedisError) -> Error {
    if error.kind() == redis::ErrorKind::InvalidClientConfig { bad_url(error) } else { failed(error) }
}

/// A client's error as the store's.
pub fn failed(error: RedisError) -> Error {
    let text = error.to_string();
    match error.code() {
        // A script that is refused for memory says OOM in its text, under ERR.
        Some("OOM" | "READONLY" | "MISCONF" | "NOREPLICAS") => Error::ReadOnly(text),
        Some("LOADING" | "CLUSTERDOWN" | "TRYAGAIN" | "MASTERDOWN" | "BUSY" | "MOVED" | "ASK" | "UNBLOCKED") => {
            Error::Unavailable(text)
        }
        Some(_) if text.contains("OOM ") => Error::ReadOnly(text),
        Some(_) => Error::Unusable(text),
        None if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() => Error::Unavailable(text),
        None if error.kind() == redis::ErrorKind::UnexpectedReturnType => Error::Unusable(text),
        None => Error::Unavailable(text),
    }
}
