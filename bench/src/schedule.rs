//! `bench schedule`: the cost of claims and settlements on a Redis server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Host, JobId, Name, Planned, Settlement, Tenant, Timestamp};
use scheduler::{Claim, JobPlan, Lease, Redis, Settle, Turns};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bullmq;
use crate::laboratory::spread;

/// The number of nodes that claim at the same time.
const NODES: usize = 8;
/// The duration of a lease of a host.
const LEASE_DURATION: Duration = Duration::from_secs(60);
/// The measured sizes of a claim: hosts, and jobs per host.
const CLAIM_SIZES: [(usize, usize); 3] = [(1, 1), (1, 10), (10, 10)];

/// Measure claimed and settled jobs per CPU-second of a Redis server, and its memory per job
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  redis-server --port 7379 --save '' &
  bench schedule --redis redis://127.0.0.1:7379
  bench schedule --redis redis://127.0.0.1:7379 --hosts 200 --jobs 5000
  (mkdir -p /tmp/peer && cd /tmp/peer && npm install bullmq ioredis)
  bench schedule --redis redis://127.0.0.1:7379 --bullmq /tmp/peer     also measures BullMQ

The benchmark does not delete its keys, so use a temporary Redis server. CPU-seconds and memory are the
figures of the server (INFO).")]
pub(super) struct Args {
    /// Address of the Redis server to measure, on this machine
    #[arg(long, value_name = "URL")]
    redis: String,
    /// Number of hosts
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    hosts: u32,
    /// Number of jobs per host
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    jobs: u32,
    /// Number of jobs claimed and settled in one measurement
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    turns: usize,
    /// Folder in which `npm install bullmq ioredis` was run, to measure BullMQ as well
    #[arg(long, value_name = "DIR")]
    bullmq: Option<PathBuf>,
    /// Number of rounds; each measures all sizes of claims
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
}

pub(super) async fn run(args: &Args, clock: &std::sync::Arc<dyn model::Clock>) -> anyhow::Result<()> {
    let namespace = format!("bench-{:x}", clock.now().as_millisecond());
    let connect = async |node: String| -> anyhow::Result<Redis> {
        let address = args
            .redis
            .parse()
            .map_err(|error: scheduler::AddressError| anyhow::anyhow!(error.to_string()))?;
        Ok(Redis::connect(address, &namespace, &node, clock.clone()).await?)
    };
    let redis = connect("planner".to_owned()).await?;
    redis.set_planned(1).await?;
    let usage_before = redis.usage().await?;
    plan(&redis, args).await?;
    let usage_after = redis.usage().await?;
    let job_count = f64::from(args.hosts) * f64::from(args.jobs);
    let mut nodes = Vec::new();
    for number in 0..NODES {
        nodes.push(Arc::new(connect(format!("bench-{number}")).await?));
    }
    warm_up(&nodes).await?;
    let mut results: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); CLAIM_SIZES.len()];
    let mut bullmq_rates = Vec::new();
    for round in 1..=args.repeats {
        for ((hosts, jobs), (per_cpu, per_second)) in CLAIM_SIZES.iter().zip(&mut results) {
            crate::report::progress(&format!(
                "round {round} of {}: {hosts} hosts, {jobs} jobs per host",
                args.repeats
            ));
            let (start, cpu_before) = (Instant::now(), redis.usage().await?.cpu_seconds);
            let settled_jobs = run_nodes(&nodes, *hosts, *jobs, args.turns).await?;
            per_second.push(settled_jobs as f64 / start.elapsed().as_secs_f64());
            per_cpu.push(settled_jobs as f64 / (redis.usage().await?.cpu_seconds - cpu_before));
        }
        if let Some(folder) = &args.bullmq {
            crate::report::progress(&format!("round {round} of {}: BullMQ", args.repeats));
            let prefix = format!("{namespace}-bullmq-{round}");
            let rate = bullmq::jobs_per_cpu_second(folder, &redis, port(&args.redis)?, &prefix).await?;
            bullmq_rates.push(rate);
        }
    }
    crate::report::clear_progress();
    let batches = CLAIM_SIZES.iter().zip(&results).map(|((hosts, jobs), (per_cpu, per_second))| {
        let figures = json!({
            "jobs_per_cpu_second": spread(per_cpu.clone()),
            "jobs_per_second": spread(per_second.clone()),
        });
        (format!("{hosts}x{jobs}"), figures)
    });
    let batches: serde_json::Map<String, Value> = batches.collect();
    let memory = (usage_after.memory_bytes - usage_before.memory_bytes) / job_count;
    let mut figures = json!({
        "hosts": args.hosts,
        "jobs_of_each": args.jobs,
        "memory_bytes_per_job": (memory * 10.0).round() / 10.0,
        "batches": batches,
    });
    if let (false, Some(figures)) = (bullmq_rates.is_empty(), figures.as_object_mut()) {
        // BullMQ takes one job per call. Qyran usually takes ten jobs of a host. Ratios are those of the same round.
        for (name, size) in [("1x1_to_bullmq", 0), ("1x10_to_bullmq", 1)] {
            let ratios = results[size].0.iter().zip(&bullmq_rates).map(|(qyran, bullmq)| qyran / bullmq);
            figures.insert(name.to_owned(), spread(ratios.collect()));
        }
        figures.insert("bullmq_jobs_per_cpu_second".to_owned(), spread(bullmq_rates));
    }
    crate::report::print(&figures)
}

/// Returns the port of a Redis address.
fn port(address: &str) -> anyhow::Result<u16> {
    let url: url::Url =
        address.parse().map_err(|_| anyhow::anyhow!("--redis is not a URL; use redis://HOST:PORT"))?;
    Ok(url.port().unwrap_or(6379))
}

fn job_id(host: u32, job: u32) -> JobId {
    JobId::poll(
        Name::from_stored(format!("s{host}-{job}")),
        Host::from_stored(format!("host-{host}.example")),
    )
}

/// Plans the jobs of all hosts, due now.
async fn plan(redis: &Redis, args: &Args) -> anyhow::Result<()> {
    let now = Timestamp::now();
    for first in (0..args.hosts).step_by(1000) {
        crate::report::progress(&format!("planning: {first} of {} hosts", args.hosts));
        let hosts = first..(first + 1000).min(args.hosts);
        let planned =
            hosts.flat_map(|host| (0..args.jobs).map(move |job| (host, job))).map(|(host, job)| Planned {
                id: job_id(host, job),
                due: now,
                delay: Duration::from_secs(2),
                robots_delay: Duration::ZERO,
                tenant: Tenant::shared(),
            });
        redis.plan(&planned.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Waits until each node can claim, since a server refuses the first claims for a while.
async fn warm_up(nodes: &[Arc<Redis>]) -> anyhow::Result<()> {
    for (number, node) in nodes.iter().enumerate() {
        let end = Instant::now() + Duration::from_secs(30);
        while claim_and_settle(node, number, 1, 1).await? == 0 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// Claims and settles jobs on all nodes until a number of jobs is settled. Returns the actual number.
async fn run_nodes(nodes: &[Arc<Redis>], hosts: usize, jobs: usize, target: usize) -> anyhow::Result<usize> {
    let mut workers = JoinSet::new();
    for (number, node) in nodes.iter().cloned().enumerate() {
        workers.spawn(async move {
            let (mut settled_jobs, mut empty_claims) = (0, 0);
            // All hosts may be held for a moment. Many empty claims in a row mean that no host becomes free.
            while settled_jobs < target / NODES && empty_claims < 1000 {
                let count = claim_and_settle(&node, number, hosts, jobs).await?;
                empty_claims = if count == 0 { empty_claims + 1 } else { 0 };
                settled_jobs += count;
            }
            anyhow::Ok(settled_jobs)
        });
    }
    let mut settled_jobs = 0;
    while let Some(worker) = workers.join_next().await {
        settled_jobs += worker.map_err(anyhow::Error::from)??;
    }
    Ok(settled_jobs)
}

/// Claims jobs and settles them, so that they are due again at once. Returns their number.
async fn claim_and_settle(redis: &Redis, number: usize, hosts: usize, jobs: usize) -> anyhow::Result<usize> {
    let now = Timestamp::now();
    let claim =
        Claim { node: format!("bench-{number}"), now, due_by: now, lease: LEASE_DURATION, hosts, jobs };
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
            new_jobs: Vec::new(),
            release_until: Some(now),
        })
        .collect();
    redis.settle_all(&settles).await?;
    Ok(turns.iter().map(|turn| turn.jobs.len()).sum())
}
