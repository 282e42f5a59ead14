//! `qyran apply`: declares the objects of files.

use std::path::PathBuf;
use std::process::ExitCode;

use config::Object;
use serde_json::json;
use store::{AppliedChanges, Store};

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::commands::check::checked_objects;
use crate::global::Global;
use crate::terminal::live::StatusLine;
use crate::terminal::output::{Format, column, rows};

/// Declare sources, topics, clients and lists
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran apply -f sources/            add and edit the objects of a folder
  qyran apply -f sources/ --prune    also remove all other objects
  qyran diff -f sources/             show what apply would change

If any file has a problem, nothing is applied. New and edited topics are matched against stored items, and so are topics that reference an edited list or topic (site:@media, topic:bank).

A list:
  apiVersion: qyran.dev/v1alpha1
  kind: List
  metadata: {name: media}
  spec: {values: [nur.kz, zakon.kz]}")]
pub(crate) struct Args {
    /// File or folder of declared objects; repeatable
    #[arg(short, long, value_name = "PATH", required = true)]
    file: Vec<PathBuf>,
    /// Remove the objects that the files do not declare
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    reason: Reason,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    // With --prune, only the objects of the files exist afterwards.
    let objects = checked_objects(&args.file, args.prune, global).await?;
    let data = Backend::create(global).await?;
    let applied = apply(&*data.store, objects, args.prune, global).await?;
    let mut rows = rows(global.output, &[column("object"), column("change")], "object");
    for (change, objects) in
        [("added", &applied.added), ("edited", &applied.edited), ("removed", &applied.removed)]
    {
        for object in objects {
            rows.row(json!({"object": object, "change": change}))?;
        }
    }
    rows.finish("nothing has changed")?;
    if applied != AppliedChanges::default() {
        args.reason.note(&data, "apply", &summary(&applied), global).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a one-line summary of the changes, with the names of the first objects.
fn summary(applied: &AppliedChanges) -> String {
    const MAX_NAMED_OBJECTS: usize = 10;
    let signed = [("+", &applied.added), ("~", &applied.edited), ("-", &applied.removed)];
    let all: Vec<String> = signed
        .iter()
        .flat_map(|(sign, objects)| objects.iter().map(move |object| format!("{sign}{object}")))
        .collect();
    let more = all.len().saturating_sub(MAX_NAMED_OBJECTS);
    let names = all.into_iter().take(MAX_NAMED_OBJECTS).collect::<Vec<_>>().join(" ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// Declares objects, and matches stored items against the new and edited topics.
pub(crate) async fn apply(
    store: &dyn Store,
    objects: Vec<Object>,
    prune: bool,
    global: &Global,
) -> anyhow::Result<AppliedChanges> {
    let changes = service::declare(store, objects, prune, global.clock.now()).await?;
    match_again(store, global).await?;
    Ok(changes)
}

/// Matches stored items against the topics that they were not matched against yet. Shows progress on a terminal.
pub(crate) async fn match_again(store: &dyn Store, global: &Global) -> anyhow::Result<service::Progress> {
    let items = store.totals().await?.items;
    let mut line = StatusLine::new(global.output == Format::Table);
    let progress = service::rematch(store, global.clock.now(), |progress| {
        line.show(&format!(
            "matching stored items: {} of {items}, {} new matches",
            progress.items, progress.new_matches
        ));
    })
    .await?;
    line.clear();
    Ok(progress)
}
