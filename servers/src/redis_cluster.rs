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

/// Three masters that share the slots of a Redis Cluster, each with a replica where these are wanted.
#[derive(Debug)]
pub struct RedisClusterServers {
    masters: Vec<RedisServer>,
    replicas: Vec<RedisServer>,
}

impl RedisClusterServers {
    /// Starts the masters and spreads the slots.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(0).await
    }

    /// The same with a replica of each.
    pub async fn start_with_replicas() -> io::Result<Self> {
        Self::start_with(1).await
    }

    async fn start_with(replicas: usize) -> io::Result<Self> {
        let mut last = io::Error::other("never tried");
        // The ports of the cluster's own talk are found by adding: somebody else may have one.
        for _ in 0..TRIES {
            match timeout(PATIENCE, Self::try_start(replicas)).await {
                Ok(Ok(servers)) => return Ok(servers),
                Ok(Err(error)) => last = error,
                Err(_) => {
                    last = io::Error::new(io::ErrorKind::TimedOut, "the masters do not find each other")
                }
            }
        }
        Err(last)
    }

    async fn try_start(replicas: usize) -> io::Result<Self> {
        let mut masters = Vec::new();
        for _ in 0..MASTERS * (1 + replicas) {
            let settings = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1000",
                "--repl-diskless-sync-delay",
                "0",
            ];
            masters.push(RedisServer::start_below(MAX_PORT, &settings).await?);
        }
        let addresses = masters.iter().map(|master| format!("127.0.0.1:{}", master.port()));
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(addresses).arg("--cluster-yes");
        create.args(["--cluster-replicas", &replicas.to_string()]);
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
        let replicas = masters.split_off(MASTERS);
        let servers = Self { masters, replicas };
        let are_linked = async || {
            for replica in &servers.replicas {
                let info = replica.tell("INFO replication").await.unwrap_or_default();
                if !info.contains("master_link_status:up") {
                    return false;
                }
            }
            true
        };
        until("the replicas", Path::new(""), are_linked).await?;
        Ok(servers)
    }

    /// The address that clients are given.
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.masters.iter().map(|master| format!("127.0.0.1:{}", master.port())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// From now on replicas see nothing of what their masters are told, as in a network that swallows it.
    pub async fn cut_replicas_off(&self) -> io::Result<()> {
        for replica in &self.replicas {
            replica.tell("CONFIG SET masterauth nobody-knows").await?;
        }
        for master in &self.masters {
            master.tell("CLIENT KILL TYPE replica").await?;
        }
        Ok(())
    }

    /// Kills a master, and waits until a replica has taken its place.
    pub async fn kill_master(&mut self, number: usize) -> io::Result<()> {
        if let Some(master) = self.masters.get_mut(number) {
            master.kill();
        }
        let replicas = &self.replicas;
        let is_replaced = async || {
            for replica in replicas {
                let info = replica.tell("INFO replication").await.unwrap_or_default();
                if info.contains("role:master") {
                    return true;
                }
            }
            false
        };
        until("the replica", Path::new(""), is_replaced).await
    }

    /// One of the masters.
    pub fn master(&self, number: usize) -> Option<&RedisServer> {
        self.masters.get(number)
    }
}
