//! `qyran diff`: shows what `apply` would change.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use config::objects::{Change, compare};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::commands::check::checked_objects;
use crate::global::Global;
use crate::terminal::message::clean;
use crate::terminal::output::{Format, column, rows};

/// Show what apply would change; exit code 5 if there are changes
#[derive(clap::Args)]
#[command(after_help = "Example:\n  qyran diff -f sources/ || qyran apply -f sources/")]
pub(crate) struct Args {
    /// File or folder of declared objects; repeatable
    #[arg(short, long, value_name = "PATH", required = true)]
    file: Vec<PathBuf>,
    /// Include the removals of `apply --prune`
    #[arg(long)]
    prune: bool,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let objects = checked_objects(&args.file, args.prune, global).await?;
    let current = if Backend::exists(global) {
        service::declared_objects(&*Backend::open_read_only(global).await?.store).await?
    } else {
        Vec::new()
    };
    let changes = compare(&current, &objects);
    let would_change = changes.iter().any(|change| args.prune || !matches!(change, Change::Remove { .. }));
    if matches!(global.output, Format::Table | Format::Wide) {
        let mut out = std::io::stdout().lock();
        for change in &changes {
            write!(out, "{}", lines(change, args.prune))?;
        }
    } else {
        let mut rows = rows(global.output, &[column("object"), column("change")], "object");
        for change in changes.iter().filter(|change| args.prune || !matches!(change, Change::Remove { .. })) {
            rows.row(row(change))?;
        }
        rows.finish("")?;
    }
    Ok(ExitCode::from(if would_change { 5 } else { 0 }))
}

fn lines(change: &Change, prune: bool) -> String {
    match change {
        Change::Add { object } => format!("+ {object}\n"),
        Change::Remove { object } if prune => format!("- {object}\n"),
        Change::Remove { object } => format!("- {object}  (only with --prune)\n"),
        Change::Edit { object, fields } => {
            let first = format!("~ {object}\n");
            fields.iter().fold(first, |text, field| format!("{text}    {}\n", clean(field)))
        }
    }
}

fn row(change: &Change) -> Value {
    match change {
        Change::Add { object } => json!({"object": object, "change": "add", "fields": []}),
        Change::Remove { object } => json!({"object": object, "change": "remove", "fields": []}),
        Change::Edit { object, fields } => json!({"object": object, "change": "edit", "fields": fields}),
    }
}
