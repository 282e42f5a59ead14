//! `qyran schedule`: building the schedule anew.

use std::process::ExitCode;

use clap::Subcommand;
use scheduler::Share;
use service::plan_sources;

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::failure::say;

/// Build the schedule anew from the store
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran schedule rebuild --reason 'Redis was replaced'

Nodes do so by themselves when they find a schedule that is empty. Nothing is lost by doing it once more:
known jobs keep their times, and hosts that are new to the schedule rest for one delay first.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plan everything that is declared, and all pages that wait
    Rebuild {
        #[command(flatten)]
        reason: Reason,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let Command::Rebuild { reason } = args.command;
    let data = Backend::open(global).await?;
    let now = global.clock.now();
    plan_sources(&*data.store, &*data.schedule, crate::commands::source::plan_terms(global)).await?;
    reason.note(&data, "schedule rebuild", "schedule", global).await?;
    let counts = data.schedule.counts(Share::All, now).await?;
    let hosts = counts.waiting + counts.ready + counts.leased;
    say(&format!("everything is planned: {hosts} hosts with jobs"));
    Ok(ExitCode::SUCCESS)
}
