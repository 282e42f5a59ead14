//! The `qyran` command. Wires the crates together and decides nothing itself.
//!
//! One command is one file. What they share: [`global`] (flags and settings), [`backend`] (where
//! things are kept), [`output`] (how they are printed), [`failure`] (how they fail), [`wiring`] (how
//! a node is put together).

mod backend;
mod commands;
mod data_folder;
mod documents;
mod global;
mod node_api;
mod terminal;
mod wiring;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::{
    apply, audit, backup, check, client, cluster, completion, delete, demo, diff, dlq, export, extract, feed,
    host, import, job, list, material, migrate, node, queue, robots, run, schedule, source, topic,
};
use crate::global::{Global, GlobalArgs};
use crate::terminal::failure;
use crate::terminal::failure::Failure;

/// Pages and matches are made of many small strings; the allocators of C libraries spend a third of the matcher's time
/// on those.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Watches public sources and keeps what they publish about your topics.
#[derive(Parser)]
#[command(name = "qyran", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  qyran demo                                 see it work, on a simulated internet
  qyran source test https://site.kz/rss      what would be read there; stores nothing
  qyran run -f sources/ --once               one pass over the sources declared in a folder
  qyran material list -o jsonl               what was found

Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 server unreachable, 5 differences, 6 partly failed, 130 interrupted.")]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Run(run::Args),
    Check(check::Args),
    Apply(apply::Args),
    Diff(diff::Args),
    Export(export::Args),
    Delete(delete::Args),
    Import(import::Args),
    Backup(backup::Args),
    Source(source::Args),
    Topic(topic::Args),
    Client(client::Args),
    List(list::Args),
    Material(material::Args),
    Cluster(cluster::Args),
    Node(node::Args),
    Queue(queue::Args),
    Host(host::Args),
    Job(job::Args),
    Dlq(dlq::Args),
    Rebalance(node::RebalanceArgs),
    Schedule(schedule::Args),
    Migrate(migrate::Args),
    Audit(audit::Args),
    Extract(extract::Args),
    Feed(feed::Args),
    Robots(robots::Args),
    Completion(completion::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error),
    };
    let format = cli.global.output;
    match start(cli) {
        Ok(code) => code,
        Err(error) => failure::report(&error, format),
    }
}

fn start(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Command::Completion(args) = cli.command {
        return completion::run(&args, &mut Cli::command());
    }
    let global = Global::resolve(cli.global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))?;
    let done = runtime.block_on(dispatch(cli.command, &global));
    // What still hangs in a blocking call is not waited for: everything that matters is stored.
    runtime.shutdown_background();
    done
}

async fn dispatch(command: Command, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args, global).await,
        Command::Run(args) => run::run(args, global).await,
        Command::Check(args) => check::run(&args, global).await,
        Command::Apply(args) => apply::run(&args, global).await,
        Command::Diff(args) => diff::run(&args, global).await,
        Command::Export(args) => export::run(&args, global).await,
        Command::Delete(args) => delete::run(&args, global).await,
        Command::Backup(args) => backup::run(&args, global).await,
        Command::Source(args) => source::run(args, global).await,
        Command::Topic(args) => topic::run(args, global).await,
        Command::Client(args) => client::run(&args, global).await,
        Command::List(args) => list::run(&args, global).await,
        Command::Material(args) => material::run(args, global).await,
        Command::Cluster(args) => cluster::run(args, global).await,
        Command::Node(args) => node::run(args, global).await,
        Command::Queue(args) => queue::run(&args, global).await,
        Command::Host(args) => host::run(args, global).await,
        Command::Job(args) => job::run(args, global).await,
        Command::Dlq(args) => dlq::run(args, global).await,
        Command::Rebalance(args) => node::rebalance(&args, global).await,
        Command::Schedule(args) => schedule::run(args, global).await,
        Command::Audit(args) => audit::run(&args, global).await,
        Command::Migrate(args) => migrate::run(&args, global).await,
        Command::Import(args) => import::run(&args, global).await,
        Command::Extract(args) => extract::run(&args, global),
        Command::Feed(args) => feed::run(&args, global),
        Command::Robots(args) => robots::run(&args, global),
        Command::Completion(_) => Ok(ExitCode::SUCCESS),
    }
}
