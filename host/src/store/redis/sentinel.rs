//! A server that sentinels name: the master of today. They are asked anew whenever the connection ends, or the server turns out to be
//! no master any more.
//!
//! Must not know: what is sent.

use futures_util::FutureExt as _;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo as _, RedisError, RedisResult,
    aio::MultiplexedConnection,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};

use super::{
    address::{Address, Kind},
    connection::{CONNECT_TIMEOUT, RESPONSE_TIMEOUT, tcp},
    link::Link,
};

/// A connection to whoever is master.
pub async fn open(address: &Address) -> RedisResult<Link<MultiplexedConnection>> {
    let address = address.clone();
    Link::open(move || connect(address.clone()).boxed(), is_elsewhere).await
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
