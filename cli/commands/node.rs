//! `qyran node`: the nodes of a cluster.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use config::format_duration;
use model::Timestamp;
use scheduler::Schedule;
use scheduler::membership::{BEAT, NodeView, Order};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::live::StatusLine;
use crate::terminal::message::print_message;
use crate::terminal::output::{Format, column, rows, show, time, wide};

/// Interval at which `node drain --wait` checks the node.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Show, cordon and drain the nodes of a cluster
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran node list
  qyran node drain qyran-2 --wait --reason 'new kernel'    the other nodes take its hosts
  qyran node uncordon qyran-2

A node is identified by its name: it stays cordoned or drained after a restart.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the nodes and the number of hosts they hold
    List {
        /// Refresh until interrupted
        #[arg(short, long)]
        watch: bool,
    },
    /// Stop a node from claiming hosts; it finishes those it holds
    Cordon {
        /// Name of the node
        node: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Stop a node from claiming hosts, and hand over those it holds
    Drain {
        /// Name of the node
        node: String,
        /// Wait until the node holds no hosts
        #[arg(long)]
        wait: bool,
        /// Maximum time to wait
        #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = config::parse_duration)]
        timeout: Duration,
        #[command(flatten)]
        reason: Reason,
    },
    /// Let a cordoned or drained node claim hosts again
    Uncordon {
        /// Name of the node
        node: String,
        #[command(flatten)]
        reason: Reason,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::open_cluster(global).await?;
    match args.command {
        Command::List { watch } => list(&data, watch, global).await?,
        Command::Cordon { node, reason } => {
            order(&data, &node, Order::Cordon, &reason, global).await?;
            print_message(&format!("{node} is cordoned: it claims no new hosts"));
        }
        Command::Uncordon { node, reason } => {
            order(&data, &node, Order::Work, &reason, global).await?;
            print_message(&format!("{node} is uncordoned: it claims hosts again"));
        }
        Command::Drain { node, wait, timeout, reason } => {
            order(&data, &node, Order::Drain, &reason, global).await?;
            if wait {
                return wait_until_drained(&data, &node, timeout, global).await;
            }
            print_message(&format!("{node} is draining: it hands over its hosts"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(data: &Backend, watch: bool, global: &Global) -> anyhow::Result<()> {
    show(watch, async |out, width| {
        let columns = [
            column("node"),
            column("state"),
            column("hosts"),
            column("room"),
            column("up"),
            column("version"),
            column("listen"),
            wide("since"),
            wide("seen"),
            wide("id"),
        ];
        let mut rows = crate::terminal::output::Rows::new(global.output, &columns, "node", out, width);
        for node in data.schedule.nodes().await? {
            rows.row(row(&node, global.clock.now()))?;
        }
        Ok(rows.finish("no nodes were seen in the last hour")?)
    })
    .await
}

fn row(node: &NodeView, now: Timestamp) -> Value {
    let beat = &node.beat;
    let up = now.duration_since(beat.since).as_secs().max(0).unsigned_abs();
    json!({
        "node": node.name(),
        "state": state(node),
        "hosts": beat.hosts,
        "room": beat.room,
        "up": format_duration(Duration::from_secs(up)),
        "version": beat.version,
        "listen": beat.listen,
        "since": time(Some(beat.since)),
        "seen": time(Some(node.seen)),
        "id": beat.node,
    })
}

/// Returns the state of a node in one word.
pub(crate) fn state(node: &NodeView) -> &'static str {
    match (node.is_alive, node.order) {
        (false, _) => "silent",
        (true, Order::Work) => "alive",
        (true, Order::Cordon) => "cordoned",
        (true, Order::Drain) if node.beat.hosts == 0 => "drained",
        (true, Order::Drain) => "draining",
    }
}

async fn order(
    data: &Backend,
    name: &str,
    order: Order,
    reason: &Reason,
    global: &Global,
) -> anyhow::Result<()> {
    check_exists(&*data.schedule, name).await?;
    data.schedule.order(name, order).await?;
    let action = match order {
        Order::Work => "node uncordon",
        Order::Cordon => "node cordon",
        Order::Drain => "node drain",
    };
    reason.note(data, action, &format!("node/{name}"), global).await
}

/// Fails if no node of that name was seen in the last hour.
async fn check_exists(schedule: &dyn Schedule, name: &str) -> anyhow::Result<()> {
    let nodes = schedule.nodes().await?;
    if nodes.iter().any(|node| node.name() == name) {
        return Ok(());
    }
    let hint = match config::nearest(name, nodes.iter().map(NodeView::name)) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => "qyran node list shows the nodes".to_owned(),
    };
    Err(Failure::not_found(format!("no node {name:?} was seen in the last hour")).hint(hint).into())
}

/// Waits until a node holds no hosts. Returns exit code 5 if it still holds hosts at the timeout.
async fn wait_until_drained(
    data: &Backend,
    name: &str,
    timeout: Duration,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    // The node receives the order with one beat and reports its hosts with the next.
    let effective_at = global.clock.now().saturating_add(BEAT * 2)?;
    let mut line = StatusLine::new(global.output == Format::Table);
    loop {
        let nodes = data.schedule.nodes().await?;
        let hosts: usize = nodes
            .iter()
            .filter(|node| node.name() == name && node.is_alive)
            .map(|node| if node.seen >= effective_at { node.beat.hosts } else { 1 })
            .sum();
        let spread = data.schedule.spread().await?;
        let leased = spread.iter().find(|spread| spread.node == name).map_or(0, |spread| spread.held);
        if hosts == 0 && leased == 0 {
            line.clear();
            print_message(&format!("{name} is drained ({:.1} s)", began.elapsed().as_secs_f64()));
            return Ok(ExitCode::SUCCESS);
        }
        if began.elapsed() >= timeout {
            line.clear();
            print_message(&format!("{name} still holds {leased} hosts"));
            return Ok(ExitCode::from(5));
        }
        line.show(&format!("{name} holds {leased} hosts"));
        sleep(DRAIN_POLL_INTERVAL).await;
    }
}

/// Show how hosts would be distributed over the current nodes
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran rebalance --plan

Hosts move automatically: each shard has a preferred node. A node that joins takes over its share of the shards; a node that leaves gives up its share. There is nothing to start.")]
pub(crate) struct RebalanceArgs {
    /// Show the distribution (required)
    #[arg(long, required = true)]
    plan: bool,
}

pub(crate) async fn rebalance(_args: &RebalanceArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::open_cluster(global).await?;
    let columns = [column("node"), column("shards"), column("leased_host_count"), column("hosts_preferred")];
    let mut rows = rows(global.output, &columns, "node");
    for spread in data.schedule.spread().await? {
        rows.row(json!({
            "node": spread.node,
            "shards": spread.shards,
            "leased_host_count": spread.held,
            "hosts_preferred": spread.preferred,
        }))?;
    }
    rows.finish("no nodes")?;
    Ok(ExitCode::SUCCESS)
}
