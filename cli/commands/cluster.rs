//! `qyran cluster`: the status and the health of a cluster.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use model::SourceState;
use scheduler::Share;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::backend::Backend;
use crate::commands::node::state;
use crate::global::Global;
use crate::terminal::message::print_message;
use crate::terminal::output::{Format, object, show};

/// Interval of the health checks while waiting for a healthy cluster.
const HEALTH_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Upper bound on the time that a host stays ready, in seconds. A longer time means that no node takes the host.
const MAX_READY_SECONDS: i64 = 30;

/// Show the status and the health of a cluster
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran cluster status
  qyran cluster health -w --exit-when-healthy --timeout 5m     wait for a rollout

Exit codes of health: 0 healthy, 5 unhealthy.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show nodes, hosts, sources and stored items
    Status {
        /// Refresh until interrupted
        #[arg(short, long)]
        watch: bool,
    },
    /// Check the health and list the problems
    Health {
        /// Refresh until interrupted
        #[arg(short, long)]
        watch: bool,
        /// Wait until the cluster is healthy, then exit
        #[arg(long)]
        exit_when_healthy: bool,
        /// Maximum time to wait
        #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = config::parse_duration)]
        timeout: Duration,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Status { watch } => {
            let data = Backend::open_cluster(global).await?;
            show(watch, async |out, _| {
                let mut status = status(&data, global).await?;
                if matches!(global.output, Format::Table | Format::Wide) {
                    flatten(&mut status);
                }
                Ok(object(out, global.output, &status, "health")?)
            })
            .await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Health { watch: _, exit_when_healthy: true, timeout } => wait(timeout, global).await,
        Command::Health { watch, exit_when_healthy: false, .. } => {
            Backend::require_cluster(global)?;
            let is_healthy = std::cell::Cell::new(true);
            show(watch, async |out, _| {
                let problems = problems(global).await;
                is_healthy.set(problems.is_empty());
                let health = if is_healthy.get() { "healthy" } else { "unhealthy" };
                let health = json!({"health": health, "wrong": problems});
                Ok(object(out, global.output, &health, "health")?)
            })
            .await?;
            Ok(ExitCode::from(if is_healthy.get() { 0 } else { 5 }))
        }
    }
}

async fn wait(timeout: Duration, global: &Global) -> anyhow::Result<ExitCode> {
    Backend::require_cluster(global)?;
    let began = Instant::now();
    loop {
        let problems = problems(global).await;
        if problems.is_empty() {
            print_message("healthy");
            return Ok(ExitCode::SUCCESS);
        }
        if began.elapsed() >= timeout {
            print_message(&format!("unhealthy: {}", problems.join("; ")));
            return Ok(ExitCode::from(5));
        }
        sleep(HEALTH_CHECK_INTERVAL).await;
    }
}

async fn status(data: &Backend, global: &Global) -> anyhow::Result<Value> {
    let now = global.clock.now();
    let problems = problems_of(data, global).await;
    let nodes = data.schedule.nodes().await?;
    let count = |name: &str| nodes.iter().filter(|node| state(node) == name).count();
    let hosts = data.schedule.counts(Share::All, now).await?;
    let late = hosts.oldest_ready.map(|since| now.duration_since(since).as_secs());
    let totals = data.store.totals().await?;
    let sources = data.store.sources().await?;
    let in_state = |state: SourceState| sources.iter().filter(|record| record.state == state).count();
    let states: serde_json::Map<String, Value> = SourceState::ALL
        .iter()
        .map(|&state| (state.as_str().to_owned(), json!(in_state(state))))
        .filter(|(_, count)| *count != json!(0))
        .collect();
    Ok(json!({
        "health": if problems.is_empty() { "healthy" } else { "unhealthy" },
        "wrong": problems,
        "place": data.location.to_string(),
        "nodes": {"alive": count("alive"), "cordoned": count("cordoned"), "draining": count("draining") + count("drained"), "silent": count("silent")},
        "hosts": {"waiting": hosts.waiting, "ready": hosts.ready, "leased": hosts.leased, "oldest_ready_seconds": late},
        "sources": states,
        "stored": {"items": totals.items, "materials": totals.materials, "matches": totals.matches, "pages_waiting": totals.pages},
    }))
}

/// Returns the problems of a cluster as messages. An unreachable server is a problem, not an error.
async fn problems(global: &Global) -> Vec<String> {
    match Backend::open_cluster(global).await {
        Ok(data) => problems_of(&data, global).await,
        Err(error) => vec![format!("{error:#}")],
    }
}

async fn problems_of(data: &Backend, global: &Global) -> Vec<String> {
    let mut problems = Vec::new();
    let now = global.clock.now();
    match data.schedule.nodes().await {
        Err(error) => problems.push(error.to_string()),
        Ok(nodes) if !nodes.iter().any(|node| state(node) == "alive") => {
            problems.push("no node is alive".to_owned());
        }
        Ok(_) => (),
    }
    match (data.schedule.planned().await, data.store.objects_version().await) {
        (Err(error), _) => problems.push(error.to_string()),
        (_, Err(error)) => problems.push(error.to_string()),
        (Ok(planned), Ok(version)) if planned != Some(version) => {
            problems.push("the schedule does not include all declared objects yet".to_owned());
        }
        _ => (),
    }
    if let Ok(counts) = data.schedule.counts(Share::All, now).await
        && let Some(since) = counts.oldest_ready
        && now.duration_since(since).as_secs() > MAX_READY_SECONDS
    {
        let seconds = now.duration_since(since).as_secs();
        problems.push(format!("a host has been ready for {seconds} s, but no node takes it"));
    }
    problems
}

/// Converts nested values to text, for tables.
fn flatten(status: &mut Value) {
    let Some(object) = status.as_object_mut() else { return };
    for value in object.values_mut() {
        if let Value::Object(inner) = value {
            let parts: Vec<String> = inner.iter().map(|(key, value)| format!("{key} {value}")).collect();
            *value = Value::String(parts.join("   ").replace('_', " "));
        } else if let Value::Array(list) = value {
            let parts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            *value = Value::String(parts.join("; "));
        }
    }
}
