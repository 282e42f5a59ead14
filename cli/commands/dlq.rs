//! `qyran dlq`: the dead letters, sources in quarantine after repeated crashes of their jobs.

use std::process::ExitCode;

use clap::Subcommand;
use model::{Name, SourceState, Watch};
use serde_json::json;
use store::SourceRecord;

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::commands::source::{find_source, plan_now};
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output::{column, rows, time};

/// Show and replay sources whose jobs crashed repeatedly
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran dlq list
  qyran dlq replay --all --reason 'fixed in 0.2'
  qyran dlq drop odd-blog --reason 'not needed'     pause it; it stays declared")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the sources in quarantine with the reasons
    List,
    /// Take sources out of quarantine and make them due now
    Replay {
        /// Sources to replay
        #[arg(value_name = "SOURCE", required_unless_present = "all")]
        sources: Vec<String>,
        /// Replay all sources in quarantine
        #[arg(long, conflicts_with = "sources")]
        all: bool,
        #[command(flatten)]
        reason: Reason,
    },
    /// Take sources out of quarantine and pause them
    Drop {
        /// Sources to pause
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
            let records = if all { dead_letters(&data).await? } else { quarantined(&data, &sources).await? };
            for record in &records {
                data.store.watch(&record.source.name, Watch::On, global.clock.now()).await?;
                plan_now(&data, record, global).await?;
                reason.note(&data, "dlq replay", &target(&record.source.name), global).await?;
            }
            print_message(&format!("{} sources are due now", records.len()));
        }
        Command::Drop { sources, reason } => {
            let data = Backend::open(global).await?;
            for record in quarantined(&data, &sources).await? {
                data.store.watch(&record.source.name, Watch::Paused, global.clock.now()).await?;
                reason.note(&data, "dlq drop", &target(&record.source.name), global).await?;
                print_message(&format!("{} is paused", record.source.name));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(global: &Global) -> anyhow::Result<()> {
    let data = Backend::open_read_only(global).await?;
    let mut rows = rows(global.output, &[column("source"), column("since"), column("reason")], "source");
    for record in dead_letters(&data).await? {
        rows.row(json!({
            "source": record.source.name.as_str(),
            "since": time(Some(record.since)),
            "reason": record.reason,
        }))?;
    }
    Ok(rows.finish("no sources are in quarantine")?)
}

/// Returns all sources in quarantine.
async fn dead_letters(data: &Backend) -> anyhow::Result<Vec<SourceRecord>> {
    let all = data.store.sources().await?;
    Ok(all.into_iter().filter(|record| record.state == SourceState::Quarantined).collect())
}

/// Returns the named sources. Fails if one is not in quarantine.
async fn quarantined(data: &Backend, names: &[String]) -> anyhow::Result<Vec<SourceRecord>> {
    let mut records = Vec::new();
    for name in names {
        let record = find_source(&*data.store, name).await?;
        if record.state != SourceState::Quarantined {
            let message =
                format!("{name} is {}, not in quarantine; nothing was changed", record.state.as_str());
            return Err(Failure::failed(message)
                .hint("qyran dlq list shows the sources in quarantine")
                .into());
        }
        records.push(record);
    }
    Ok(records)
}

fn target(name: &Name) -> String {
    format!("source/{name}")
}
