//! A Redis Cluster.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::RedisServer;
use crate::process::until;

const TRIES: u32 = 5;
/// For all of them to start and find each other.
const PATIENCE: Duration = Duration::from_secs(20);
/// A master talks to the others on the port 10,000 above its own.
const MAX_PORT: u16 = 55_000;

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
        let mut last = io::Error::other("never tried");
        // The ports of the cluster's own talk are found by adding: somebody else may have one.
        for _ in 0..TRIES {
            match timeout(PATIENCE, Self::try_start()).await {
                Ok(Ok(servers)) => return Ok(servers),
                Ok(Err(error)) => last = error,
                Err(_) => {
                    last = io::Error::new(io::ErrorKind::TimedOut, "the masters do not find each other")
                }
            }
        }
        Err(last)
    }

    async fn try_start() -> io::Result<Self> {
        let mut masters = Vec::new();
        for _ in 0..MASTERS {
            let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
            masters.push(RedisServer::start_below(MAX_PORT, &settings).await?);
        }
        let addresses = masters.iter().map(|master| format!("127.0.0.1:{}", master.port()));
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(addresses).arg("--cluster-yes");
        create.stdin(Stdio::null()).kill_on_drop(true);
        let created = create.output().await?;
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
        until("a Redis Cluster", Path::new(""), is_whole).await?;
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
