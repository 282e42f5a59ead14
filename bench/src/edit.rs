//! `bench edit`: the cost of an edit of one topic among many, for the node and for the command.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::Object;
use model::{Clock, Name, Topic};
use serde_json::json;
use servers::{PostgresServer, RedisServer};
use store::{Postgres, Sqlite, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::idle::{idle_source, mark_polled};
use crate::laboratory::{background, qyran, spread};
use crate::report;

/// The interval between requests for the version that the node works with.
const VERSION_INTERVAL: Duration = Duration::from_millis(50);
/// Upper bound on the wait for an edit to take effect, and for the node to start.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// Measure the CPU of a node and of the command for one edit of a topic, and the time until the edit takes effect
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench edit --topics 1000
  bench edit --topics 100000 --sources 10000 --cluster

--cluster starts a PostgreSQL and a Redis server of its own (Debian: postgresql, redis-server).
The CPU that the node uses while nothing is edited is subtracted.")]
pub(super) struct Args {
    /// Number of declared topics
    #[arg(long, value_name = "N", default_value_t = 1000)]
    topics: usize,
    /// Number of declared sources, none of which is due
    #[arg(long, value_name = "N", default_value_t = 1000)]
    sources: usize,
    /// Number of measured edits
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(2..))]
    edits: u16,
    /// Use PostgreSQL and Redis instead of SQLite
    #[arg(long)]
    cluster: bool,
}

/// The backends of the measured node, and the arguments that name them.
struct Backends {
    store: Arc<dyn Store>,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
    _servers: Option<(PostgresServer, RedisServer)>,
}

pub(super) async fn run(args: &Args, clock: &Arc<dyn Clock>) -> anyhow::Result<()> {
    let backends = Backends::start(args.cluster).await?;
    let store = &*backends.store;
    report::progress("declaring objects");
    let objects = objects(args)?;
    service::declare(store, objects, false, clock.now()).await?;
    mark_polled(store, clock.now()).await?;
    service::rematch(store, clock.now(), |_| ()).await?;
    let node = MeasuredNode::start(&backends).await?;
    node.wait_for_version(store.objects_version().await?).await?;
    // The first poll of changes, planning and merges of the index are not part of an edit.
    sleep(Duration::from_secs(3)).await;
    let (mut node_cpu, mut command_cpu, mut seconds, mut idle) = (vec![], vec![], vec![], vec![]);
    for edit in 0..args.edits {
        report::progress(&format!("edit {} of {}", edit + 1, args.edits));
        let (before, started) = (node.cpu()?, Instant::now());
        sleep(Duration::from_secs(1)).await;
        idle.push((node.cpu()? - before) / started.elapsed().as_secs_f64());
        let file = backends.folder.path().join("edit.yaml");
        std::fs::write(&file, edited_topic(edit))?;
        let (before, children, started) = (node.cpu()?, children_cpu()?, Instant::now());
        backends.declare(&file).await?;
        let apply_end = Instant::now();
        command_cpu.push((children_cpu()? - children) * 1000.0);
        node.wait_for_version(store.objects_version().await?).await?;
        seconds.push(apply_end.elapsed().as_secs_f64());
        // Planning follows the new snapshot.
        sleep(Duration::from_millis(200)).await;
        node_cpu.push((node.cpu()? - before, started.elapsed().as_secs_f64()));
    }
    report::clear_progress();
    idle.sort_by(f64::total_cmp);
    let idle = idle.get(idle.len() / 2).copied().unwrap_or(0.0);
    let node_cpu =
        node_cpu.into_iter().map(|(cpu, elapsed)| (cpu - idle * elapsed).max(0.0) * 1000.0).collect();
    report::print(&json!({
        "store": if args.cluster { "postgresql" } else { "sqlite" },
        "topics": args.topics,
        "sources": args.sources,
        "edits": args.edits,
        "node_cpu_milliseconds": spread(node_cpu),
        "node_idle_cpu_milliseconds_per_second": idle * 1000.0,
        "command_cpu_milliseconds": spread(command_cpu),
        "seconds_until_effective": spread(seconds),
    }))
}

/// Returns the declared sources and topics.
fn objects(args: &Args) -> anyhow::Result<Vec<Object>> {
    let mut objects = Vec::new();
    for number in 0..args.sources {
        objects.push(Object::Source(idle_source(number)?));
    }
    for number in 0..args.topics {
        let name = Name::new(format!("topic-{number:06}").as_str())?;
        // One topic in a hundred references another one.
        let query = match number % 100 {
            99 => format!("topic:topic-{:06} ипотека", number - 1),
            _ => format!("сөз{number} OR (банк AND ставка{})", number % 997),
        };
        objects.push(Object::Topic(Topic::new(name, query)));
    }
    Ok(objects)
}

/// Returns the declaration of the edited topic, as YAML. Each edit gives it another query.
fn edited_topic(edit: u16) -> String {
    format!(
        "apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: topic-000000}}\n\
         spec: {{query: 'сөз OR банк{edit}'}}\n"
    )
}

impl Backends {
    async fn start(cluster: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        if !cluster {
            let data = folder.path().join("data");
            std::fs::create_dir_all(&data)?;
            let store = Arc::new(Sqlite::open(&data.join("store.db"), 50)?);
            let arguments = vec!["--data".to_owned(), data.display().to_string()];
            return Ok(Self { store, arguments, folder, _servers: None });
        }
        let postgres = PostgresServer::start().await.map_err(anyhow::Error::msg)?;
        let redis = RedisServer::start(&[]).await.map_err(anyhow::Error::msg)?;
        postgres.create_database("bench").map_err(anyhow::Error::msg)?;
        let url = postgres.url("bench");
        Postgres::to_migrate(&url, 50).await?.migrate().await?;
        let store = Arc::new(Postgres::connect(&url, 50).await?);
        let arguments = ["--store", &url, "--schedule", &redis.url()].map(str::to_owned).to_vec();
        Ok(Self { store, arguments, folder, _servers: Some((postgres, redis)) })
    }

    /// Returns a command of the `qyran` binary with the arguments of the backends.
    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(qyran()?);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QYRAN_"))
        {
            command.env_remove(name);
        }
        command.args(&self.arguments).kill_on_drop(true);
        Ok(command)
    }

    /// Declares the objects of a file with `qyran apply`.
    async fn declare(&self, file: &PathBuf) -> anyhow::Result<()> {
        let output = self.command()?.args(["apply", "-f"]).arg(file).output().await?;
        anyhow::ensure!(output.status.success(), "apply failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

/// A running node whose CPU is measured.
struct MeasuredNode {
    _process: Child,
    pid: u32,
    listen: SocketAddr,
}

impl MeasuredNode {
    async fn start(backends: &Backends) -> anyhow::Result<Self> {
        let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = backends.command()?;
        command.args(["run", "--listen", &listen.to_string()]);
        let process = background(command)?;
        let pid = process.id().ok_or_else(|| anyhow::anyhow!("the node ended early"))?;
        Ok(Self { _process: process, pid, listen })
    }

    /// Waits until the node works with a version of the declared objects.
    async fn wait_for_version(&self, version: i64) -> anyhow::Result<()> {
        let end = Instant::now() + MAX_WAIT;
        while Instant::now() < end {
            if self.version().await.is_some_and(|current| current >= version) {
                return Ok(());
            }
            sleep(VERSION_INTERVAL).await;
        }
        anyhow::bail!("the node did not reach version {version} of the objects")
    }

    /// Returns the version that the startup probe reports.
    async fn version(&self) -> Option<i64> {
        let mut stream = TcpStream::connect(self.listen).await.ok()?;
        let request = "GET /startupz?verbose HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_, rest) = answer.split_once("version ")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Returns the CPU time of all threads of the node, in seconds (proc(5), schedstat).
    fn cpu(&self) -> anyhow::Result<f64> {
        let mut nanoseconds = 0_u64;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let stat = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanoseconds += stat.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(nanoseconds as f64 / 1e9)
    }
}

/// Returns the CPU time of ended child processes, in seconds, in steps of 10 ms (proc(5), stat).
fn children_cpu() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(13) + ticks(14)) / 100.0)
}
