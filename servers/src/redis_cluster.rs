//! A Redis Cluster.

use std::io;
use std::process::{Command, Stdio};

use crate::RedisServer;
use crate::process::until;

/// Masters; a Redis Cluster has at least three.
const MASTERS: usize = 3;

/// Three masters that share the slots of a Redis Cluster.
#[derive(Debug)]
pub struct RedisClusterServers {
    masters: Vec<RedisServer>,
}

impl RedisClusterServers {
    /// Starts them and spreads the slots.
    pub async fn start() -> io::Result<Self> {
        let mut masters = Vec::new();
        for _ in 0..MASTERS {
            masters.push(
                RedisServer::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]).await?,
            );
        }
        let addresses: Vec<String> =
            masters.iter().map(|master| format!("127.0.0.1:{}", master.port())).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(&addresses).args(["--cluster-yes"]).stdin(Stdio::null());
        let created = create.output()?;
        if !created.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&created.stdout).into_owned()));
        }
        let is_whole = async || {
            for master in &masters {
                let info = master.tell("CLUSTER INFO").await.unwrap_or_default();
                if !info.contains("cluster_state:ok") {
                    return false;
                }
            }
            true
        };
        until("a Redis Cluster", std::path::Path::new(""), is_whole).await?;
        Ok(Self { masters })
    }

    /// The address that clients are given.
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.masters.iter().map(|master| format!("127.0.0.1:{}", master.port())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// One of the masters.
    pub fn master(&self, number: usize) -> Option<&RedisServer> {
        self.masters.get(number)
    }
}
