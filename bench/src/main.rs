//! The benchmarks of Qyran. Each figure is printed with a baseline, a peer or a bound of the same run. Only loopback is
//! used.
//!
//! Each measured crawl is a separate process of the `qyran` binary, so the work of the simulated internet does not
//! count.

mod baseline;
mod bullmq;
mod cadence;
mod crawl;
mod edit;
mod generator;
mod idle;
mod laboratory;
mod lucene;
mod matching;
mod morphology;
mod report;
mod schedule;
mod soak;
mod store;
mod yardstick;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use model::{Clock, SystemClock};

/// The allocator of the product. Reading and matching pages allocates many small strings.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure Qyran and print the figures as JSON
#[derive(Parser)]
#[command(name = "bench", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  cargo build --release --workspace && cargo run --release -p bench -- crawl
  cargo run --release -p bench -- edit --topics 100000 --sources 10000

Benchmarks of whole crawls start the binary qyran in the folder of bench. QYRAN_BIN sets another path.")]
struct Cli {
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
    Edit(edit::Args),
    Morphology(morphology::Args),
    Match(matching::Args),
    Cadence(cadence::Args),
    /// Run the bare loop of `bench crawl`
    #[command(hide = true)]
    Yardstick(yardstick::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(cli.command)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match command {
        Command::Crawl(args) => crawl::run(&args, &clock).await,
        Command::Idle(args) => idle::run(&args, &clock).await,
        Command::Schedule(args) => schedule::run(&args, &clock).await,
        Command::Store(args) => store::run(&args, &clock).await,
        Command::Edit(args) => edit::run(&args, &clock).await,
        Command::Cadence(args) => cadence::run(&args),
        Command::Match(args) => matching::run(&args),
        Command::Morphology(args) => morphology::run(&args),
        Command::Soak(args) => soak::run(&args, &clock).await,
        Command::Yardstick(args) => yardstick::run(&args).await,
    }
}
