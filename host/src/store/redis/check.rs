//! What Redis is like: its version, whether it evicts, what a crash can lose.
//!
//! A managed Redis may forbid CONFIG; then INFO says less, and a warning says so.
//!
//! Must not know: keys and scripts.

use std::collections::HashMap;

use redis::{
    Value,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo},
};

use super::{
    address::Address,
    connection::{Connection, failed},
};
use crate::store::{Error, Result};

/// What was found, of the weakest server.
pub struct Found {
    /// The version.
    pub version: String,
    /// What a crash can lose.
    pub promise: String,
    /// What to mend.
    pub warnings: Vec<String>,
}

/// Asks all servers.
pub async fn look(connection: &Connection, address: &Address) -> Result<Found> {
    let infos = ask(connection, redis::cmd("INFO").clone()).await?;
    let mut configs = redis::cmd("CONFIG");
    configs.arg("GET").arg("maxmemory-policy").arg("appendonly").arg("appendfsync").arg("save");
    let configs = ask(connection, configs).await;
    let forbidden = configs.is_err();
    let configs = configs.unwrap_or_default();
    let mut weakest: Option<(u8, Found)> = None;
    for (at, info) in infos.into_iter().enumerate() {
        let info: String = redis::from_redis_value(info).map_err(|error| Error::Unusable(error.to_string()))?;
        let mut known: HashMap<String, String> = info
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        if let Some(config) = configs.get(at)
            && let Ok(config) = redis::from_redis_value::<HashMap<String, String>>(config.clone())
        {
            known.extend(config);
        }
        let (rank, found) = judge(&known, forbidden, address)?;
        if weakest.as_ref().is_none_or(|(least, _)| rank < *least) {
            weakest = Some((rank, found));
        }
    }
    weakest.map(|(_, found)| found).ok_or_else(|| Error::Unavailable("no Redis server answered".to_owned()))
}

/// The share of its `maxmemory` that the fullest server uses; 0 where there is no such bound.
pub async fn memory_used(connection: &Connection) -> Result<f64> {
    let servers = memory(connection).await?;
    let bounded = servers.into_iter().filter(|(_, max)| *max > 0.0);
    Ok(bounded.map(|(used, max)| used / max).fold(0.0, f64::max))
}

/// The bytes that all servers use.
pub async fn memory_bytes(connection: &Connection) -> Result<f64> {
    Ok(memory(connection).await?.into_iter().map(|(used, _)| used).sum())
}

/// Of each server the bytes that it uses, and its bound; 0 where it has none.
async fn memory(connection: &Connection) -> Result<Vec<(f64, f64)>> {
    let mut info = redis::cmd("INFO");
    info.arg("memory");
    let figures = |answer| {
        let text: String = redis::from_redis_value(answer).map_err(|error| Error::Unusable(error.to_string()))?;
        Ok((number(&text, "used_memory:"), number(&text, "maxmemory:")))
    };
    ask(connection, info).await?.into_iter().map(figures).collect()
}

/// A figure of INFO; 0 where it has none.
fn number(info: &str, name: &str) -> f64 {
    info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.parse().ok()).unwrap_or_default()
}

/// Judges one server; a higher rank loses less.
fn judge(known: &HashMap<String, String>, forbidden: bool, address: &Address) -> Result<(u8, Found)> {
    let get = |name: &str| known.get(name).map_or("", String::as_str);
    let version = get("redis_version").to_owned();
    if version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0u32) < 7 {
        return Err(Error::Unusable(format!(
            "{} is Redis {version}; hint: quest-host needs Redis 7.0 or newer",
            address.shown()
        )));
    }
    if get("cluster_enabled") == "1" && !address.is_cluster() {
        return Err(Error::Unusable(format!(
            "{} is a node of a Redis Cluster; hint: write the URL as redis-cluster://host:port,host:port",
            address.shown()
        )));
    }
    let policy = if get("maxmemory-policy").is_empty() { get("maxmemory_policy") } else { get("maxmemory-policy") };
    if policy != "noeviction" {
        return Err(Error::Unusable(format!(
            "Redis may evict keys (maxmemory-policy is {policy:?}), which would lose state; hint: CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"
        )));
    }
    let mut warnings = Vec::new();
    if forbidden {
        warnings.push("CONFIG is forbidden on this Redis, so its persistence is known from INFO only".to_owned());
    }
    let appends = get("appendonly") == "yes" || get("aof_enabled") == "1";
    let (rank, promise) = if appends {
        match get("appendfsync") {
            "always" => (4, "appendonly, fsync always: a crash of the server loses nothing that was acknowledged"),
            "no" => {
                (2, "appendonly, fsync left to the system: a crash of its machine can lose about the last 30 seconds")
            }
            _ => (3, "appendonly, fsync every second: a crash of its machine can lose up to the last two seconds"),
        }
    } else if !get("save").is_empty() || (forbidden && !get("rdb_last_save_time").is_empty()) {
        (1, "snapshots only (RDB): a crash loses everything since the last snapshot")
    } else {
        (0, "no persistence: a restart of Redis loses everything")
    };
    if rank <= 1 {
        warnings.push(format!("{promise}; hint: CONFIG SET appendonly yes, and the same in redis.conf"));
    }
    Ok((rank, Found { version, promise: promise.to_owned(), warnings }))
}

/// One answer from each server.
async fn ask(connection: &Connection, command: redis::Cmd) -> Result<Vec<Value>> {
    match connection {
        Connection::Single(_) | Connection::Sentinel(_) => Ok(vec![connection.send(&command).await?]),
        Connection::Cluster(cluster) => {
            let routing = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
            let asked = cluster.with(async |mut cluster| cluster.route_command(command, routing).await);
            let value = asked.await.map_err(failed)?;
            match value {
                Value::Map(of_nodes) => Ok(of_nodes.into_iter().map(|(_, value)| value).collect()),
                Value::Array(values) => Ok(values),
                other => Ok(vec![other]),
            }
        }
    }
}
