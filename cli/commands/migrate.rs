//! `qyran migrate`: migrations of a cluster's database schema.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use store::Postgres;

use crate::backend::{is_cluster, store_address};
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output::{column, rows, time};

/// Migrate a cluster's database to the schema of this build
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran --store postgres://qyran@db/qyran --schedule redis://redis migrate up
  qyran --context kz migrate status

Nodes of this build and of the previous one can use the database during and after a migration.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Apply the pending migrations; safe to run several times at once
    Up,
    /// List the migrations and when they were applied
    Status,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    if !is_cluster(&global.settings) {
        return Err(Failure::usage("no database to migrate: a data folder is migrated automatically")
            .hint("name a cluster with --store URL --schedule URL, or --context NAME")
            .into());
    }
    let store =
        Postgres::to_migrate(&store_address(&global.settings)?, global.settings.store.history).await?;
    if matches!(args.command, Command::Up) {
        match store.migrate().await?.as_slice() {
            [] => print_message("no pending migrations"),
            [_] => print_message("1 migration applied"),
            applied => print_message(&format!("{} migrations applied", applied.len())),
        }
    }
    let mut rows = rows(global.output, &[column("version"), column("name"), column("made_at")], "version");
    for migration in store.migrations().await? {
        let made_at = time(migration.made_at);
        rows.row(json!({"version": migration.version, "name": migration.name, "made_at": made_at}))?;
    }
    rows.finish("this build has no migrations")?;
    Ok(ExitCode::SUCCESS)
}
