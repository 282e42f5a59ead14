//! A private Redis Cluster.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::RedisServer;
use crate::process::wait_until;

/// Upper bound on the attempts to start the cluster.
const MAX_START_ATTEMPTS: u32 = 5;
/// Timeout of one attempt: all servers start and connect to each other.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Upper bound on the port of a server: its cluster bus uses the port 10,000 above it.
const MAX_PORT: u16 = 55_000;

/// The number of masters; a Redis Cluster needs at least three.
const MASTERS: usize = 3;

/// Three masters that share the slots of a Redis Cluster, optionally with one replica each.
#[derive(Debug)]
pub struct RedisClusterServers {
    masters: Vec<RedisServer>,
    replicas: Vec<RedisServer>,
}

impl RedisClusterServers {
    /// Starts the masters and assigns the slots.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(0).await
    }

    /// Starts the masters with one replica each.
    pub async fn start_with_replicas() -> io::Result<Self> {
        Self::start_with(1).await
    }

    async fn start_with(replicas: usize) -> io::Result<Self> {
        let mut last_error = io::Error::other("the cluster was not started");
        // The port of a cluster bus is fixed by the server's port, so another process may occupy it.
        for _ in 0..MAX_START_ATTEMPTS {
            match timeout(START_TIMEOUT, Self::try_start(replicas)).await {
                Ok(Ok(servers)) => return Ok(servers),
                Ok(Err(error)) => last_error = error,
                Err(_) => {
                    last_error =
                        io::Error::new(io::ErrorKind::TimedOut, "the masters did not connect to each other")
                }
            }
        }
        Err(last_error)
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
        let output = create.output().await?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stdout).into_owned()));
        }
        let is_complete = async || {
            for master in &masters {
                let info = master.tell("CLUSTER INFO").await.unwrap_or_default();
                if !info.contains("cluster_state:ok") {
                    return false;
                }
            }
            true
        };
        wait_until("the Redis Cluster", Path::new(""), is_complete).await?;
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
        wait_until("the replicas", Path::new(""), are_linked).await?;
        Ok(servers)
    }

    /// Returns the address for clients.
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.masters.iter().map(|master| format!("127.0.0.1:{}", master.port())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Stops replication from the masters to the replicas, as in a network partition.
    pub async fn cut_replicas_off(&self) -> io::Result<()> {
        for replica in &self.replicas {
            replica.tell("CONFIG SET masterauth invalid-password").await?;
        }
        for master in &self.masters {
            master.tell("CLIENT KILL TYPE replica").await?;
        }
        Ok(())
    }

    /// Kills a master, and waits until a replica is promoted.
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
        wait_until("the replica", Path::new(""), is_replaced).await
    }

    /// Returns a master by number.
    pub fn master(&self, number: usize) -> Option<&RedisServer> {
        self.masters.get(number)
    }
}
