//! `qyran dlq`: the dead letters: sources whose jobs crashed again and again, and were put aside.

use std::process::ExitCode;

use clap::Subcommand;
use model::{Name, SourceState, Watch};
use serde_json::json;
use store::SourceRecord;

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::commands::source::{find_source, plan_now};
use crate::global::Global;
use crate::terminal::failure::{Failure, say};
use crate::terminal::output::{column, rows, time};

/// Show and try again what crashed too often
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran dlq list
  qyran dlq replay --all --reason 'fixed in 0.2'
  qyran dlq drop odd-blog --reason 'nobody needs it'     it stays declared, and paused")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List sources in quarantine, and why they are there
    List,
    /// Try sources again
    Replay {
        /// Which sources
        #[arg(value_name = "SOURCE", required_unless_present = "all")]
        sources: Vec<String>,
        /// All that are in quarantine
        #[arg(long, conflicts_with = "sources")]
        all: bool,
        #[command(flatten)]
        reason: Reason,
    },
    /// Give sources up: they are paused
    Drop {
        /// Which sources
        #[arg(value_name = "SOURCE", required = true)]
        sources: Vec<String>,
        #[command(flatten)]
        reason: Reason,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List => list(global).await?,
        Command::Replay { sources, all, reason } => {
            let data = Backend::open(global).await?;
            let dead = if all { dead_letters(&data).await? } else { named(&data, &sources).await? };
            for record in &dead {
                data.store.watch(&record.source.name, Watch::On, global.clock.now()).await?;
                plan_now(&data, record, global).await?;
                reason.note(&data, "dlq replay", &target(&record.source.name), global).await?;
            }
            say(&format!("{} sources are due now", dead.len()));
        }
        Command::Drop { sources, reason } => {
            let data = Backend::open(global).await?;
            for record in named(&data, &sources).await? {
                data.store.watch(&record.source.name, Watch::Paused, global.clock.now()).await?;
                reason.note(&data, "dlq drop", &target(&record.source.name), global).await?;
                say(&format!("{} is paused", record.source.name));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(global: &Global) -> anyhow::Result<()> {
    let data = Backend::to_read(global).await?;
    let mut rows = rows(global.output, &[column("source"), column("since"), column("reason")], "source");
    for record in dead_letters(&data).await? {
        rows.row(json!({
            "source": record.source.name.as_str(),
            "since": time(Some(record.since)),
            "reason": record.reason,
        }))?;
    }
    Ok(rows.finish("no dead letters")?)
}

async fn dead_letters(data: &Backend) -> anyhow::Result<Vec<SourceRecord>> {
    let all = data.store.sources().await?;
    Ok(all.into_iter().filter(|record| record.state == SourceState::Quarantined).collect())
}

async fn named(data: &Backend, names: &[String]) -> anyhow::Result<Vec<SourceRecord>> {
    let mut records = Vec::new();
    for name in names {
        let record = find_source(&*data.store, name).await?;
        if record.state != SourceState::Quarantined {
            let message = format!("{name} is {}, no dead letter; nothing was changed", record.state.as_str());
            return Err(Failure::failed(message).hint("qyran dlq list shows those that are").into());
        }
        records.push(record);
    }
    Ok(records)
}

fn target(name: &Name) -> String {
    format!("source/{name}")
}
