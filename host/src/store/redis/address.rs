//! Where the servers are: what a URL names.
//!
//! Must not know: what is sent to them.

use redis::{Client, RedisResult};

use super::{connection::client, sentinel};

/// Where the servers are, by the URL.
#[derive(Debug, Clone)]
pub struct Address {
    /// One URL, or one for each known node of a cluster, or for each known sentinel.
    pub nodes: Vec<String>,
    /// What is there.
    pub kind: Kind,
}

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One server.
    Single,
    /// A cluster.
    Cluster,
    /// Sentinels, which know who is master.
    Sentinel {
        /// The master's name.
        name: String,
        /// How to log in to it and which database to take, as a URL whose host means nothing.
        server: String,
    },
}

impl Address {
    /// `redis-cluster://[user:password@]host:port,host:port` is a cluster; `redis-sentinel://[user:password@]host:port,host:port/name[/database]`
    /// names sentinels, and the login is the servers'; anything else is for the client to read.
    pub fn parse(url: &str) -> Self {
        let split = |rest: &str| {
            let (login, hosts) = rest.rfind('@').map_or(("", rest), |at| rest.split_at(at + 1));
            (login.to_owned(), hosts.to_owned())
        };
        let nodes = |login: &str, hosts: &str| {
            hosts.split(',').filter(|host| !host.is_empty()).map(|host| format!("redis://{login}{host}")).collect()
        };
        if let Some(rest) = url.strip_prefix("redis-cluster://") {
            let (login, hosts) = split(rest);
            return Self { nodes: nodes(&login, hosts.trim_end_matches('/')), kind: Kind::Cluster };
        }
        if let Some(rest) = url.strip_prefix("redis-sentinel://") {
            let (login, rest) = split(rest);
            let (hosts, name) = rest.split_once('/').unwrap_or((&rest, ""));
            let (name, database) = name.split_once('/').unwrap_or((name, ""));
            let server = format!("redis://{login}master/{database}");
            return Self { nodes: nodes("", hosts), kind: Kind::Sentinel { name: name.to_owned(), server } };
        }
        Self { nodes: vec![url.to_owned()], kind: Kind::Single }
    }

    /// Whether it is a cluster.
    pub fn is_cluster(&self) -> bool {
        self.kind == Kind::Cluster
    }

    /// What replicas add to the promise of the servers.
    pub fn failover(&self) -> &'static str {
        match self.kind {
            Kind::Single => "",
            Kind::Cluster | Kind::Sentinel { .. } => "; a failover loses what the promoted replica had not received",
        }
    }

    /// The servers without passwords, for people.
    pub fn shown(&self) -> String {
        // The URL of a socket has the login in its query.
        let plain = self.nodes.iter().map(|node| node.split_once('?').map_or(node.as_str(), |(plain, _)| plain));
        let shown = plain.map(|node| match (node.split_once("://"), node.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            _ => node.to_owned(),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        match &self.kind {
            Kind::Sentinel { name, .. } => format!("the master {name:?} of the sentinels {shown}"),
            Kind::Single | Kind::Cluster => shown,
        }
    }

    /// A client for listening: of this node, or of whom the sentinels name.
    pub async fn listener(&self, node: &str) -> RedisResult<Client> {
        match self.kind {
            Kind::Sentinel { .. } => sentinel::master(self).await,
            Kind::Single | Kind::Cluster => client(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Kind};

    #[test]
    fn urls_name_a_server_a_cluster_or_sentinels() {
        let named = |name: &str, server: &str| Kind::Sentinel { name: name.to_owned(), server: server.to_owned() };
        for (url, nodes, kind) in [
            ("redis://u:p@a:1/2", &["redis://u:p@a:1/2"][..], Kind::Single),
            ("redis-cluster://a:1,b:2/", &["redis://a:1", "redis://b:2"], Kind::Cluster),
            ("redis-cluster://u:p%40@a:1,b:2", &["redis://u:p%40@a:1", "redis://u:p%40@b:2"], Kind::Cluster),
            ("redis-sentinel://a:1,b:2/main", &["redis://a:1", "redis://b:2"], named("main", "redis://master/")),
            ("redis-sentinel://u:p@a:1/main/3", &["redis://a:1"], named("main", "redis://u:p@master/3")),
            ("redis-sentinel://a:1", &["redis://a:1"], named("", "redis://master/")),
        ] {
            let address = Address::parse(url);
            assert_eq!(
                (address.nodes, address.kind),
                (nodes.iter().map(|node| (*node).to_owned()).collect(), kind),
                "{url}"
            );
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for url in ["redis://u:secret@a:1", "redis-cluster://u:secret@a:1,b:2", "redis-sentinel://u:secret@a:1/main"] {
            let shown = Address::parse(url).shown();
            assert!(shown.contains("redis://a:1") && !shown.contains("secret"), "{shown}");
        }
        assert_eq!(Address::parse("redis+unix:///run/r.sock?user=u&pass=secret").shown(), "redis+unix:///run/r.sock");
    }
}
