//! `bench schedule`: what a claim and its end cost a Redis.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Host, JobId, Name, Planned, Settlement, Tenant, Timestamp};
use scheduler::{Claim, Lease, Redis, Schedule, Settle};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bullmq;
use crate::laboratory::spread;

/// Nodes that claim at the same time.
const NODES: usize = 8;
const LEASE: Duration = Duration::from_secs(60);
/// Hosts and jobs of each, in one claim.
const BATCHES: [(usize, usize); 3] = [(1, 1), (1, 10), (10, 10)];

/// Claims and settles per CPU-second of a Redis, and its memory for a job
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  redis-server --port 7379 --save '' &
  bench schedule --redis redis://127.0.0.1:7379
  bench schedule --redis redis://127.0.0.1:7379 --hosts 200 --jobs 5000
  (mkdir -p /tmp/peer && cd /tmp/peer && npm install bullmq ioredis)
  bench schedule --redis redis://127.0.0.1:7379 --bullmq /tmp/peer     beside a peer, in the same rounds

Everything is under keys of its own, which are left there: name a Redis that you can throw away. CPU-seconds and
memory are the server's own figures (INFO).")]
pub(super) struct Args {
    /// The Redis to measure, on this machine
    #[arg(long, value_name = "URL")]
    redis: String,
    /// Hosts
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    hosts: u32,
    /// Jobs of each
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    jobs: u32,
    /// Jobs claimed and settled in one measurement
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    turns: usize,
    /// Measure BullMQ as well: the folder where `npm install bullmq ioredis` was run
    #[arg(long, value_name = "DIR")]
    bullmq: Option<PathBuf>,
    /// How often each is measured, in turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
}

pub(super) async fn run(args: &Args, clock: &std::sync::Arc<dyn model::Clock>) -> anyhow::Result<()> {
    let space = format!("bench-{:x}", clock.now().as_millisecond());
    let connect = async |node: String| -> anyhow::Result<Redis> {
        let address = args
            .redis
            .parse()
            .map_err(|error: scheduler::AddressError| anyhow::anyhow!(error.to_string()))?;
        Ok(Redis::connect(address, &space, &node, clock.clone()).await?)
    };
    let redis = connect("planner".to_owned()).await?;
    redis.set_planned(1).await?;
    let before = redis.usage().await?;
    plan(&redis, args).await?;
    let planned = redis.usage().await?;
    let count = f64::from(args.hosts) * f64::from(args.jobs);
    let mut nodes = Vec::new();
    for number in 0..NODES {
        nodes.push(Arc::new(connect(format!("bench-{number}")).await?));
    }
    warm_up(&nodes).await?;
    let mut results: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); BATCHES.len()];
    let mut peer = Vec::new();
    for round in 1..=args.repeats {
        for ((hosts, jobs), (per_cpu, per_second)) in BATCHES.iter().zip(&mut results) {
            crate::report::progress(&format!(
                "round {round} of {}: {hosts} hosts, {jobs} jobs of each",
                args.repeats
            ));
            let (began, spent) = (Instant::now(), redis.usage().await?.cpu_seconds);
            let done = drive(&nodes, *hosts, *jobs, args.turns).await?;
            per_second.push(done as f64 / began.elapsed().as_secs_f64());
            per_cpu.push(done as f64 / (redis.usage().await?.cpu_seconds - spent));
        }
        if let Some(folder) = &args.bullmq {
            crate::report::progress(&format!("round {round} of {}: BullMQ", args.repeats));
            let prefix = format!("{space}-bullmq-{round}");
            peer.push(bullmq::jobs_per_cpu_second(folder, &redis, port(&args.redis)?, &prefix).await?);
        }
    }
    crate::report::clear_progress();
    let batches = BATCHES.iter().zip(&results).map(|((hosts, jobs), (per_cpu, per_second))| {
        let figures = json!({"jobs_per_cpu_second": spread(per_cpu.clone()), "jobs_per_second": spread(per_second.clone())});
        (format!("{hosts}x{jobs}"), figures)
    });
    let batches: serde_json::Map<String, Value> = batches.collect();
    let memory = (planned.memory_bytes - before.memory_bytes) / count;
    let mut figures = json!({
        "hosts": args.hosts,
        "jobs_of_each": args.jobs,
        "memory_bytes_per_job": (memory * 10.0).round() / 10.0,
        "batches": batches,
    });
    if let (false, Some(figures)) = (peer.is_empty(), figures.as_object_mut()) {
        // One job a call, as BullMQ has it, and ten jobs a host, as we have them: round by round.
        for (name, batch) in [("1x1_to_bullmq", 0), ("1x10_to_bullmq", 1)] {
            let ratios = results[batch].0.iter().zip(&peer).map(|(ours, theirs)| ours / theirs);
            figures.insert(name.to_owned(), spread(ratios.collect()));
        }
        figures.insert("bullmq_jobs_per_cpu_second".to_owned(), spread(peer));
    }
    crate::report::print(&figures)
}

fn port(address: &str) -> anyhow::Result<u16> {
    let url: url::Url = address.parse().map_err(|_| anyhow::anyhow!("--redis is no address"))?;
    Ok(url.port().unwrap_or(6379))
}

fn id(host: u32, job: u32) -> JobId {
    JobId::poll(
        Name::from_stored(format!("s{host}-{job}")),
        Host::from_stored(format!("host-{host}.example")),
    )
}

async fn plan(redis: &Redis, args: &Args) -> anyhow::Result<()> {
    let now = Timestamp::now();
    for first in (0..args.hosts).step_by(1000) {
        crate::report::progress(&format!("planning: {first} of {} hosts", args.hosts));
        let hosts = first..(first + 1000).min(args.hosts);
        let planned =
            hosts.flat_map(|host| (0..args.jobs).map(move |job| (host, job))).map(|(host, job)| Planned {
                id: id(host, job),
                due: now,
                delay: Duration::from_secs(2),
                robots_delay: Duration::ZERO,
                tenant: Tenant::shared(),
            });
        redis.plan(&planned.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// A server's first claims are refused for a while.
async fn warm_up(nodes: &[Arc<Redis>]) -> anyhow::Result<()> {
    for (number, node) in nodes.iter().enumerate() {
        let give_up = Instant::now() + Duration::from_secs(30);
        while turn(node, number, 1, 1).await? == 0 && Instant::now() < give_up {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// Claims and settles until so many jobs are done; how many it were.
async fn drive(nodes: &[Arc<Redis>], hosts: usize, jobs: usize, most: usize) -> anyhow::Result<usize> {
    let mut workers = JoinSet::new();
    for (number, node) in nodes.iter().cloned().enumerate() {
        workers.spawn(async move {
            let (mut done, mut empty) = (0, 0);
            // Hosts may all be held for a moment; for long, something is wrong.
            while done < most / NODES && empty < 1000 {
                let now = turn(&node, number, hosts, jobs).await?;
                empty = if now == 0 { empty + 1 } else { 0 };
                done += now;
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(worker) = workers.join_next().await {
        done += worker.map_err(anyhow::Error::from)??;
    }
    Ok(done)
}

/// One claim, and the end of what it handed out: everything is due again at once.
async fn turn(redis: &Redis, number: usize, hosts: usize, jobs: usize) -> anyhow::Result<usize> {
    let now = Timestamp::now();
    let claim = Claim { node: format!("bench-{number}"), now, due_by: now, lease: LEASE, hosts, jobs };
    let turns = redis.claim(&claim).await?;
    let settles: Vec<Settle> = turns
        .iter()
        .map(|turn| Settle {
            lease: Lease { host: turn.host.clone(), token: turn.token },
            now,
            jobs: turn
                .jobs
                .iter()
                .map(|job| Settlement { id: job.id.clone(), next_due: Some(now), exchanges: 1 })
                .collect(),
            crashed: Vec::new(),
            found: Vec::new(),
            release_until: Some(now),
        })
        .collect();
    redis.settle_all(&settles).await?;
    Ok(turns.iter().map(|turn| turn.jobs.len()).sum())
}
