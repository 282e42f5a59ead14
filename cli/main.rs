//! The `qyran` command. Parses arguments, connects the crates and dispatches to the commands; the logic is in the crates.
//!
//! Each command has its own file. Shared parts: [`global`] (flags and settings), [`backend`] (store and schedule),
//! [`terminal`] (output, errors, signals), [`wiring`] (construction of a node).

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

/// The global allocator. Pages and matches consist of many small strings: with the allocator of a C library, the
/// matcher spends a third of its time on allocation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Monitor public sources and store what matches your topics
#[derive(Parser)]
#[command(name = "qyran", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  qyran demo                                 run a demo on a simulated internet
  qyran source test https://site.kz/rss      show what would be read; stores nothing
  qyran run -f sources/ --once               read the sources declared in a folder once
  qyran material list -o jsonl               list the stored materials

Exit codes: 0 success, 1 failure, 2 usage error, 3 not found, 4 server unreachable, 5 differences, 6 partial failure, 130 interrupted.")]
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
        .map_err(|error| Failure::failed(format!("could not start the async runtime: {error}")))?;
    let result = runtime.block_on(dispatch(cli.command, &global));
    // Do not wait for blocking calls that hang: everything that matters is already stored.
    runtime.shutdown_background();
    result
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
