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
use crate::terminal::failure::{Failure, say};
use crate::terminal::live::StatusLine;
use crate::terminal::output::{Format, column, rows, show, time, wide};

/// How often a node that is drained is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Show the nodes of a cluster, and take hosts from them
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran node list
  qyran node drain qyran-2 --wait --reason 'new kernel'    its hosts go to the others at once
  qyran node uncordon qyran-2

A node is known by its name: what is asked of it holds when it starts again.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List nodes and what they hold
    List {
        /// Look again and again
        #[arg(short, long)]
        watch: bool,
    },
    /// Let a node claim nothing new; what it has, it finishes
    Cordon {
        /// Which node
        node: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Let a node hand over what it has, and claim nothing new
    Drain {
        /// Which node
        node: String,
        /// Wait until it holds nothing
        #[arg(long)]
        wait: bool,
        /// Wait no longer than this
        #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = config::parse_duration)]
        timeout: Duration,
        #[command(flatten)]
        reason: Reason,
    },
    /// Let a node work again
    Uncordon {
        /// Which node
        node: String,
        #[command(flatten)]
        reason: Reason,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::of_cluster(global).await?;
    match args.command {
        Command::List { watch } => list(&data, watch, global).await?,
        Command::Cordon { node, reason } => {
            order(&data, &node, Order::Cordon, &reason, global).await?;
            say(&format!("{node} claims nothing new"));
        }
        Command::Uncordon { node, reason } => {
            order(&data, &node, Order::Work, &reason, global).await?;
            say(&format!("{node} works again"));
        }
        Command::Drain { node, wait, timeout, reason } => {
            order(&data, &node, Order::Drain, &reason, global).await?;
            if wait {
                return drained(&data, &node, timeout, global).await;
            }
            say(&format!("{node} hands over what it has"));
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
        Ok(rows.finish("no nodes within the last hour")?)
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

/// In one word.
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
    known(&*data.schedule, name).await?;
    data.schedule.order(name, order).await?;
    let action = match order {
        Order::Work => "node uncordon",
        Order::Cordon => "node cordon",
        Order::Drain => "node drain",
    };
    reason.note(data, action, &format!("node/{name}"), global).await
}

async fn known(schedule: &dyn Schedule, name: &str) -> anyhow::Result<()> {
    let nodes = schedule.nodes().await?;
    if nodes.iter().any(|node| node.name() == name) {
        return Ok(());
    }
    let hint = match config::nearest(name, nodes.iter().map(NodeView::name)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "qyran node list shows them".to_owned(),
    };
    Err(Failure::not_found(format!("there was no node {name:?} within the last hour")).hint(hint).into())
}

/// Waits until a node holds nothing. Exit code 5: it holds something yet.
async fn drained(data: &Backend, name: &str, most: Duration, global: &Global) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    // It learns of the order with one beat, and says what it holds with the next.
    let obeyed = global.clock.now().saturating_add(BEAT * 2)?;
    let mut line = StatusLine::new(global.output == Format::Table);
    loop {
        let nodes = data.schedule.nodes().await?;
        let held: usize = nodes
            .iter()
            .filter(|node| node.name() == name && node.is_alive)
            .map(|node| if node.seen >= obeyed { node.beat.hosts } else { 1 })
            .sum();
        let spread = data.schedule.spread().await?;
        let leased = spread.iter().find(|spread| spread.node == name).map_or(0, |spread| spread.held);
        if held == 0 && leased == 0 {
            line.clear();
            say(&format!("{name} holds nothing any more ({:.1} s)", began.elapsed().as_secs_f64()));
            return Ok(ExitCode::SUCCESS);
        }
        if began.elapsed() >= most {
            line.clear();
            say(&format!("{name} still holds {leased} hosts"));
            return Ok(ExitCode::from(5));
        }
        line.show(&format!("{name} holds {leased} hosts"));
        sleep(LOOK).await;
    }
}

/// Show where hosts would go, with all nodes as they are
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran rebalance --plan

Hosts move by themselves: each shard has a node that looks after it first, and one that comes or goes takes
over, or leaves, its share of them. There is nothing to start.")]
pub(crate) struct RebalanceArgs {
    /// Show it
    #[arg(long, required = true)]
    plan: bool,
}

pub(crate) async fn rebalance(_args: &RebalanceArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::of_cluster(global).await?;
    let columns = [column("node"), column("shards"), column("hosts_held"), column("hosts_preferred")];
    let mut rows = rows(global.output, &columns, "node");
    for spread in data.schedule.spread().await? {
        rows.row(json!({
            "node": spread.node,
            "shards": spread.shards,
            "hosts_held": spread.held,
            "hosts_preferred": spread.preferred,
        }))?;
    }
    rows.finish("no nodes")?;
    Ok(ExitCode::SUCCESS)
}
