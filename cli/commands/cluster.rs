//! `qyran cluster`: how a cluster is doing.

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
use crate::terminal::failure::say;
use crate::terminal::output::{Format, object, show};

/// How often a cluster that is to become healthy is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A host that has been ready for longer finds no node.
const LATE: i64 = 30;

/// Show how a cluster is doing
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran cluster status
  qyran cluster health -w --exit-when-healthy --timeout 5m     for scripts that wait for a rollout

Exit code of health: 0 healthy, 5 not.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Nodes, work, store
    Status {
        /// Look again and again
        #[arg(short, long)]
        watch: bool,
    },
    /// Whether it is well, and what is wrong
    Health {
        /// Look again and again
        #[arg(short, long)]
        watch: bool,
        /// Wait until it is healthy, then end
        #[arg(long)]
        exit_when_healthy: bool,
        /// Wait no longer than this
        #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = config::parse_duration)]
        timeout: Duration,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Status { watch } => {
            let data = Backend::of_cluster(global).await?;
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
            Backend::check_is_cluster(global)?;
            let is_well = std::cell::Cell::new(true);
            show(watch, async |out, _| {
                let wrongs = wrongs(global).await;
                is_well.set(wrongs.is_empty());
                let health = if is_well.get() { "healthy" } else { "unhealthy" };
                let health = json!({"health": health, "wrong": wrongs});
                Ok(object(out, global.output, &health, "health")?)
            })
            .await?;
            Ok(ExitCode::from(if is_well.get() { 0 } else { 5 }))
        }
    }
}

async fn wait(most: Duration, global: &Global) -> anyhow::Result<ExitCode> {
    Backend::check_is_cluster(global)?;
    let began = Instant::now();
    loop {
        let wrongs = wrongs(global).await;
        if wrongs.is_empty() {
            say("healthy");
            return Ok(ExitCode::SUCCESS);
        }
        if began.elapsed() >= most {
            say(&format!("not healthy: {}", wrongs.join("; ")));
            return Ok(ExitCode::from(5));
        }
        sleep(LOOK).await;
    }
}

async fn status(data: &Backend, global: &Global) -> anyhow::Result<Value> {
    let now = global.clock.now();
    let wrongs = of(data, global).await;
    let nodes = data.schedule.nodes().await?;
    let count = |wanted: &str| nodes.iter().filter(|node| state(node) == wanted).count();
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
        "health": if wrongs.is_empty() { "healthy" } else { "unhealthy" },
        "wrong": wrongs,
        "place": data.place.to_string(),
        "nodes": {"alive": count("alive"), "cordoned": count("cordoned"), "draining": count("draining") + count("drained"), "silent": count("silent")},
        "hosts": {"waiting": hosts.waiting, "ready": hosts.ready, "leased": hosts.leased, "oldest_ready_seconds": late},
        "sources": states,
        "stored": {"items": totals.items, "materials": totals.materials, "matches": totals.matches, "pages_waiting": totals.pages},
    }))
}

/// What is wrong with a cluster, in words; that it cannot be reached included.
async fn wrongs(global: &Global) -> Vec<String> {
    match Backend::of_cluster(global).await {
        Ok(data) => of(&data, global).await,
        Err(error) => vec![format!("{error:#}")],
    }
}

async fn of(data: &Backend, global: &Global) -> Vec<String> {
    let mut wrongs = Vec::new();
    let now = global.clock.now();
    match data.schedule.nodes().await {
        Err(error) => wrongs.push(error.to_string()),
        Ok(nodes) if !nodes.iter().any(|node| state(node) == "alive") => {
            wrongs.push("no node is alive".to_owned());
        }
        Ok(_) => (),
    }
    match (data.schedule.planned().await, data.store.objects_version().await) {
        (Err(error), _) => wrongs.push(error.to_string()),
        (_, Err(error)) => wrongs.push(error.to_string()),
        (Ok(planned), Ok(version)) if planned != Some(version) => {
            wrongs.push("the schedule has not seen all declared objects yet".to_owned());
        }
        _ => (),
    }
    if let Ok(counts) = data.schedule.counts(Share::All, now).await
        && let Some(since) = counts.oldest_ready
        && now.duration_since(since).as_secs() > LATE
    {
        let seconds = now.duration_since(since).as_secs();
        wrongs.push(format!("a host has been ready for {seconds} s, and no node takes it"));
    }
    wrongs
}

/// Inner objects as text, so that people can read them.
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
