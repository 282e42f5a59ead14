//! A Redis with a replica, and Sentinels that watch them.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::RedisServer;
use crate::process::{Process, free_port, until};
use crate::redis::tell;

/// Sentinels, and how many must agree.
const SENTINELS: usize = 3;
const QUORUM: usize = 2;

/// A master, a replica, and three Sentinels.
#[derive(Debug)]
pub struct SentinelServers {
    /// The master, as long as no failover has happened.
    pub master: RedisServer,
    /// The replica, which a failover makes the master.
    pub replica: RedisServer,
    sentinels: Vec<(Process, u16)>,
    _folder: TempDir,
}

impl SentinelServers {
    /// Starts them all; a master counts as gone after a second of silence.
    pub async fn start() -> io::Result<Self> {
        Self::around(RedisServer::start(&[]).await?).await
    }

    /// The same, with a master that nobody makes a replica: after a failover it goes on as if it were cut off
    /// from the Sentinels, and there are two.
    pub async fn start_with_stubborn_master() -> io::Result<Self> {
        let refuses = ["--rename-command", "REPLICAOF", "", "--rename-command", "SLAVEOF", ""];
        Self::around(RedisServer::start(&refuses).await?).await
    }

    async fn around(master: RedisServer) -> io::Result<Self> {
        let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &master.port().to_string()]).await?;
        let folder = TempDir::new()?;
        let mut sentinels = Vec::new();
        for number in 0..SENTINELS {
            sentinels.push(sentinel(&folder, number, master.port()).await?);
        }
        let servers = Self { master, replica, sentinels, _folder: folder };
        let knows_all = async || {
            let Ok(known) = servers.ask("SENTINEL MASTER qyran").await else { return false };
            follows(&known, "num-slaves", 1) && follows(&known, "num-other-sentinels", SENTINELS - 1)
        };
        until("Sentinels", &PathBuf::new(), knows_all).await?;
        let is_linked = async || {
            servers
                .replica
                .tell("INFO replication")
                .await
                .is_ok_and(|info| info.contains("master_link_status:up"))
        };
        until("the replica", &PathBuf::new(), is_linked).await?;
        Ok(servers)
    }

    /// The address that clients are given.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/qyran", hosts.join(","))
    }

    /// Asks the Sentinels to make the replica the master, while the master still answers.
    pub async fn fail_over(&self) -> io::Result<()> {
        let done = self.ask("SENTINEL FAILOVER qyran").await?;
        if done.starts_with("+OK") { Ok(()) } else { Err(io::Error::other(done)) }
    }

    /// The port of who the Sentinels say is the master.
    pub async fn master_port(&self) -> io::Result<u16> {
        let answer = self.ask("SENTINEL GET-MASTER-ADDR-BY-NAME qyran").await?;
        let port = answer.lines().filter_map(|line| line.trim().parse().ok()).next_back();
        port.ok_or_else(|| io::Error::other(answer))
    }

    async fn ask(&self, question: &str) -> io::Result<String> {
        let port = self.sentinels.first().map_or(0, |(_, port)| *port);
        tell(port, question).await
    }
}

/// Whether a field of an answer, which stands on the line after the next one, has a value.
fn follows(answer: &str, field: &str, value: usize) -> bool {
    let mut lines = answer.lines().map(str::trim).skip_while(|line| *line != field);
    lines.nth(2).is_some_and(|found| found.parse() == Ok(value))
}

async fn sentinel(folder: &TempDir, number: usize, master: u16) -> io::Result<(Process, u16)> {
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
    until("a Sentinel", &log, async || {
        tell(port, "PING").await.is_ok_and(|answer| answer.starts_with("+PONG"))
    })
    .await?;
    Ok((process, port))
}
