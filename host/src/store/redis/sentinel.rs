//! A server that sentinels name: the master of today. They are asked anew whenever the connection ends, or the server turns out to be
//! no master any more.
//!
//! Must not know: what is sent.

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, IntoConnectionInfo as _, RedisError, RedisResult, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};

use super::{
    address::{Address, Kind},
    connection::{CONNECT_TIMEOUT, RESPONSE_TIMEOUT, tcp},
};

/// The connection to whoever is master. All callers share one, and one search for it.
pub struct Master {
    address: Address,
    link: Mutex<Link>,
}

/// A connection, or the search for one; and its number, so that a late failure of an old one does not end the next.
#[derive(Clone)]
struct Link {
    number: u64,
    connecting: Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>,
}

impl Link {
    fn new(number: u64, address: Address) -> Self {
        Self { number, connecting: connect(address).boxed().shared() }
    }
}

impl Master {
    /// Finds the master and connects.
    pub async fn open(address: &Address) -> RedisResult<Self> {
        let link = Link::new(0, address.clone());
        link.connecting.clone().await?;
        Ok(Self { address: address.clone(), link: Mutex::new(link) })
    }

    /// Sends one command, once: whether a command whose answer was lost was done is for the caller to find out.
    pub async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let Link { number, connecting } = self.link.lock().clone();
        let mut connection = match connecting.await {
            Ok(connection) => connection,
            Err(error) => {
                self.search_after(number);
                return Err(error);
            }
        };
        let answer = connection.req_packed_command(command).await.and_then(Value::extract_error);
        if answer.as_ref().is_err_and(is_elsewhere) {
            self.search_after(number);
        }
        answer
    }

    /// Searches anew, unless that was done since connection `number` was the one in use.
    fn search_after(&self, number: u64) {
        let mut link = self.link.lock();
        if link.number == number {
            *link = Link::new(number + 1, self.address.clone());
        }
    }
}

/// A client of the master of this moment.
pub async fn master(address: &Address) -> RedisResult<Client> {
    let Kind::Sentinel { name, server } = &address.kind else { return Err(not_named()) };
    if name.is_empty() || address.nodes.is_empty() {
        return Err(not_named());
    }
    let settings = server.as_str().into_connection_info()?.redis_settings().clone();
    let of_node = SentinelNodeConnectionInfo::default().set_redis_connection_info(settings).set_tcp_settings(tcp());
    let sentinels = address.nodes.iter().map(String::as_str).collect();
    let mut found = SentinelClient::build(sentinels, name.clone(), Some(of_node), SentinelServerType::Master)?;
    found.async_get_client().await.map_err(|error| match error.kind() {
        ErrorKind::MasterNameNotFoundBySentinel => {
            (error.kind(), "the sentinels know no such master", name.clone()).into()
        }
        _ => error,
    })
}

async fn connect(address: Address) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    master(&address).await?.get_multiplexed_async_connection_with_config(&config).await
}

/// Whether the master may be another server now.
fn is_elsewhere(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.is_io_error() || error.code() == Some("READONLY")
}

fn not_named() -> RedisError {
    (ErrorKind::InvalidClientConfig, "sentinels and the name of their master are needed").into()
}
