//! `qyran bench`: figures, always beside a yardstick or a bound, on loopback only.
//!
//! Each measured crawl is a process of its own, so that the simulated internet's work is not counted.

mod bullmq;
mod cadence;
mod crawl;
mod idle;
mod laboratory;
mod lucene;
mod making;
mod matching;
mod morphology;
mod schedule;
mod soak;
mod store;
mod yardstick;

use std::process::ExitCode;

use clap::Subcommand;

use crate::global::Global;

/// Measure: pages per CPU-second, memory, the schedule, the store
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Crawl(crawl::Args),
    Idle(idle::Args),
    Soak(soak::Args),
    Schedule(schedule::Args),
    Store(store::Args),
    Morphology(morphology::Args),
    Match(matching::Args),
    Cadence(cadence::Args),
    /// The bare loop of `bench crawl`, started by it
    #[command(hide = true)]
    Yardstick(yardstick::Args),
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Crawl(args) => crawl::run(&args, global).await?,
        Command::Idle(args) => idle::run(&args, global).await?,
        Command::Schedule(args) => schedule::run(&args, global).await?,
        Command::Store(args) => store::run(&args, global).await?,
        Command::Cadence(args) => cadence::run(&args, global)?,
        Command::Match(args) => matching::run(&args, global)?,
        Command::Morphology(args) => morphology::run(&args, global)?,
        Command::Soak(args) => soak::run(&args, global).await?,
        Command::Yardstick(args) => yardstick::run(&args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
