//! `qyran migrate`: the shape of a cluster's database.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use store::Postgres;

use crate::backend::{is_cluster, store_address};
use crate::global::Global;
use crate::terminal::failure::{Failure, say};
use crate::terminal::output::{column, rows, time};

/// Bring a cluster's database to the shape that this build needs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran --store postgres://qyran@db/qyran --schedule redis://redis migrate up
  qyran --context kz migrate status

Nodes of this build and of the one before it work on the database meanwhile and afterwards.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the migrations that are to come; several at a time do no harm
    Up,
    /// Show which are made
    Status,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    if !is_cluster(&global.settings) {
        return Err(Failure::usage("there is no database to migrate: a data folder migrates itself")
            .hint("name a cluster's with --store URL --schedule URL, or --context NAME")
            .into());
    }
    let store =
        Postgres::to_migrate(&store_address(&global.settings)?, global.settings.store.history).await?;
    if matches!(args.command, Command::Up) {
        match store.migrate().await?.as_slice() {
            [] => say("nothing to migrate"),
            [_] => say("1 migration made"),
            made => say(&format!("{} migrations made", made.len())),
        }
    }
    let mut rows = rows(global.output, &[column("version"), column("name"), column("made_at")], "version");
    for migration in store.migrations().await? {
        let made_at = time(migration.made_at);
        rows.row(json!({"version": migration.version, "name": migration.name, "made_at": made_at}))?;
    }
    rows.finish("this build knows no migrations")?;
    Ok(ExitCode::SUCCESS)
}
