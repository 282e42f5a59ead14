//! A private Redis server with a replica, monitored by Sentinels.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::RedisServer;
use crate::process::{Process, free_port, wait_until};
use crate::redis::send_command;

/// The number of Sentinels.
const SENTINELS: usize = 3;
/// The number of Sentinels that must agree on a failover.
const QUORUM: usize = 2;

/// A master, a replica, and three Sentinels.
#[derive(Debug)]
pub struct SentinelServers {
    /// The initial master.
    pub master: RedisServer,
    /// The initial replica, which a failover promotes.
    pub replica: RedisServer,
    sentinels: Vec<(Process, u16)>,
    _folder: TempDir,
}

impl SentinelServers {
    /// Starts all servers. A master counts as down after one second without a response.
    pub async fn start() -> io::Result<Self> {
        Self::start_for(RedisServer::start(&[]).await?).await
    }

    /// Starts all servers with a master that rejects its demotion: after a failover it continues as if it were cut
    /// off from the Sentinels, so there are two masters.
    pub async fn start_with_stubborn_master() -> io::Result<Self> {
        let settings = ["--rename-command", "REPLICAOF", "", "--rename-command", "SLAVEOF", ""];
        Self::start_for(RedisServer::start(&settings).await?).await
    }

    async fn start_for(master: RedisServer) -> io::Result<Self> {
        let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &master.port().to_string()]).await?;
        let folder = TempDir::new()?;
        let mut sentinels = Vec::new();
        for number in 0..SENTINELS {
            sentinels.push(start_sentinel(&folder, number, master.port()).await?);
        }
        let servers = Self { master, replica, sentinels, _folder: folder };
        let has_discovered_all = async || {
            let Ok(reply) = servers.send_command("SENTINEL MASTER qyran").await else { return false };
            has_field(&reply, "num-slaves", 1) && has_field(&reply, "num-other-sentinels", SENTINELS - 1)
        };
        wait_until("the Sentinels", &PathBuf::new(), has_discovered_all).await?;
        let is_linked = async || {
            servers
                .replica
                .tell("INFO replication")
                .await
                .is_ok_and(|info| info.contains("master_link_status:up"))
        };
        wait_until("the replica", &PathBuf::new(), is_linked).await?;
        Ok(servers)
    }

    /// Returns the address for clients.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/qyran", hosts.join(","))
    }

    /// Starts a manual failover to the replica, while the master still responds.
    pub async fn fail_over(&self) -> io::Result<()> {
        let reply = self.send_command("SENTINEL FAILOVER qyran").await?;
        if reply.starts_with("+OK") { Ok(()) } else { Err(io::Error::other(reply)) }
    }

    /// Returns the port of the current master according to the Sentinels.
    pub async fn master_port(&self) -> io::Result<u16> {
        let reply = self.send_command("SENTINEL GET-MASTER-ADDR-BY-NAME qyran").await?;
        let port = reply.lines().filter_map(|line| line.trim().parse().ok()).next_back();
        port.ok_or_else(|| io::Error::other(reply))
    }

    /// Sends a command to the first Sentinel.
    async fn send_command(&self, command: &str) -> io::Result<String> {
        let port = self.sentinels.first().map_or(0, |(_, port)| *port);
        send_command(port, command).await
    }
}

/// Returns true if a field of a reply has this value. The value is two lines below the name, after its length.
fn has_field(reply: &str, field: &str, value: usize) -> bool {
    let mut lines = reply.lines().map(str::trim).skip_while(|line| *line != field);
    lines.nth(2).is_some_and(|text| text.parse() == Ok(value))
}

/// Starts a Sentinel that monitors the master on a port.
async fn start_sentinel(folder: &TempDir, number: usize, master: u16) -> io::Result<(Process, u16)> {
    let port = free_port()?;
    let settings = folder.path().join(format!("sentinel-{number}.conf"));
    let log = folder.path().join(format!("sentinel-{number}.log"));
    std::fs::write(
        &settings,
        format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor qyran 127.0.0.1 {master} {QUORUM}\n\
             sentinel down-after-milliseconds qyran 1000\nsentinel failover-timeout qyran 5000\n",
            folder.path().display()
        ),
    )?;
    let mut command = Command::new("redis-server");
    command.arg(&settings).arg("--sentinel");
    let process = Process::start(command, &log, "redis-server")?;
    wait_until("the Sentinel", &log, async || {
        send_command(port, "PING").await.is_ok_and(|reply| reply.starts_with("+PONG"))
    })
    .await?;
    Ok((process, port))
}
