//! `qyran schedule`: rebuilds the schedule.

use std::process::ExitCode;

use clap::Subcommand;
use scheduler::Share;
use service::plan_sources;

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::message::print_message;

/// Rebuild the schedule from the store
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran schedule rebuild --reason 'Redis was replaced'

Nodes rebuild an empty schedule automatically. A rebuild is safe to repeat: existing jobs keep their times, and hosts that are new to the schedule first wait for one delay.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plan all declared sources and all queued pages
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
    print_message(&format!("the schedule is rebuilt: {hosts} hosts with jobs"));
    Ok(ExitCode::SUCCESS)
}
