//! A real Redis Cluster: masters that share all slots, replicas of theirs, and a proxy before each node where a test asks for it.
//!
//! Must not know: what is stored in it.

use anyhow::{Context as _, Result};

use crate::{
    proxy::Proxy,
    redis_server::{RedisOptions, RedisServer, poll},
};

/// A running cluster.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    replicas: Vec<RedisServer>,
    proxies: Vec<Proxy>,
}

impl RedisCluster {
    /// Starts that many masters and waits until each finds the cluster whole.
    pub fn start(masters: u16) -> Result<Self> {
        Self::build(masters, 0, false)
    }

    /// The same, with a replica of each of the first `replicas` masters.
    pub fn with_replicas(masters: u16, replicas: u16) -> Result<Self> {
        Self::build(masters, replicas, false)
    }

    /// The same without replicas; clients reach each master by a proxy only.
    pub fn behind_proxies(masters: u16) -> Result<Self> {
        Self::build(masters, 0, true)
    }

    fn build(masters: u16, replicas: u16, proxied: bool) -> Result<Self> {
        let more = vec!["cluster-enabled yes".to_owned(), "cluster-node-timeout 2000".to_owned()];
        let options = RedisOptions { more, ..RedisOptions::default() };
        let start = |count: u16| (0..count).map(|_| RedisServer::start(options.clone())).collect::<Result<Vec<_>>>();
        let mut cluster = Self { nodes: start(masters)?, replicas: start(replicas)?, proxies: Vec::new() };
        if proxied {
            cluster.proxies = cluster.nodes.iter().map(|node| Proxy::to(node.port())).collect::<Result<_>>()?;
            for (node, proxy) in cluster.nodes.iter().zip(&cluster.proxies) {
                node.set("cluster-announce-port", &proxy.port().to_string())?;
            }
        }
        cluster.share_slots()?;
        cluster.follow()?;
        Ok(cluster)
    }

    fn share_slots(&self) -> Result<()> {
        let masters = self.nodes.len() as u32;
        let first = self.nodes.first().context("a cluster without nodes")?.port().to_string();
        for (at, node) in (0u32..).zip(&self.nodes) {
            let slot = |at: u32| (16384 * at / masters).to_string();
            let last = (16384 * (at + 1) / masters - 1).to_string();
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &slot(at), &last])?;
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()])?;
        }
        for node in self.nodes.iter().skip(1).chain(&self.replicas) {
            node.command(&["CLUSTER", "MEET", "127.0.0.1", &first])?;
        }
        let known = format!("cluster_known_nodes:{}", self.nodes.len() + self.replicas.len());
        self.whole(Some(&known))
    }

    /// Makes the replicas replicas, and waits until they have everything.
    fn follow(&self) -> Result<()> {
        for (replica, master) in self.replicas.iter().zip(&self.nodes) {
            let id = master.command(&["CLUSTER", "MYID"])?;
            let id = id.lines().nth(1).context("an id")?.to_owned();
            replica.command(&["CLUSTER", "REPLICATE", &id])?;
        }
        poll("the replicas to follow", || {
            let follows = |replica: &RedisServer| replica.command(&["INFO", "replication"]).unwrap_or_default();
            self.replicas.iter().all(|replica| follows(replica).contains("master_link_status:up"))
        })
    }

    /// Waits until each node finds the cluster whole.
    fn whole(&self, known: Option<&str>) -> Result<()> {
        poll("the cluster to be whole", || {
            self.nodes.iter().chain(&self.replicas).all(|node| {
                let info = node.command(&["CLUSTER", "INFO"]).unwrap_or_default();
                info.contains("cluster_state:ok") && known.is_none_or(|known| info.contains(known))
            })
        })
    }

    /// Its URL, with all nodes.
    pub fn url(&self) -> String {
        let ports: Vec<u16> = match self.proxies.is_empty() {
            true => self.nodes.iter().chain(&self.replicas).map(RedisServer::port).collect(),
            false => self.proxies.iter().map(Proxy::port).collect(),
        };
        let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// Its masters, as they began.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The proxies, one before each master.
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// Kills the first master, and waits until its replica has taken its place.
    pub fn fail_over(&mut self) -> Result<()> {
        self.nodes.first_mut().context("a master")?.kill9();
        let replica = self.replicas.first().context("a replica of the first master")?;
        poll("the replica to take over", || replica.command(&["ROLE"]).is_ok_and(|role| role.contains("master")))
    }

    /// Starts the killed master again: it follows the other now. From then on they have changed places.
    pub fn bring_back(&mut self) -> Result<()> {
        let old = self.nodes.first_mut().context("a master")?;
        old.restart()?;
        poll("the old master to follow", || {
            old.command(&["INFO", "replication"]).is_ok_and(|info| info.contains("master_link_status:up"))
        })?;
        let (Some(old), Some(new)) = (self.nodes.first_mut(), self.replicas.first_mut()) else { return Ok(()) };
        std::mem::swap(old, new);
        self.whole(None)
    }
}
