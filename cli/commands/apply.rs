//! `qyran apply`: makes what is stored equal to what is declared.

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
  qyran apply -f sources/            add and edit what the folder declares
  qyran apply -f sources/ --prune    and remove everything else
  qyran diff -f sources/             what it would do

With any problem in any file nothing is applied. New and edited topics see what is stored already;
so do those that name a list or topic (site:@media, topic:bank) that is edited:
  apiVersion: qyran.dev/v1alpha1
  kind: List
  metadata: {name: media}
  spec: {values: [nur.kz, zakon.kz]}")]
pub(crate) struct Args {
    /// A file or folder of declared objects; repeatable
    #[arg(short, long, value_name = "PATH", required = true)]
    file: Vec<PathBuf>,
    /// Remove objects that are not among them
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    reason: Reason,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    // With --prune only what the files declare is there afterwards.
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

/// What was changed, in a line: the first objects by name.
fn summary(applied: &AppliedChanges) -> String {
    const NAMED: usize = 10;
    let signed = [("+", &applied.added), ("~", &applied.edited), ("-", &applied.removed)];
    let all: Vec<String> = signed
        .iter()
        .flat_map(|(sign, objects)| objects.iter().map(move |object| format!("{sign}{object}")))
        .collect();
    let more = all.len().saturating_sub(NAMED);
    let named = all.into_iter().take(NAMED).collect::<Vec<_>>().join(" ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// Declares objects, and matches stored items against new and edited topics.
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

/// Matches what is stored against topics that have not seen it, with progress on a terminal.
pub(crate) async fn match_again(store: &dyn Store, global: &Global) -> anyhow::Result<service::Progress> {
    let items = store.totals().await?.items;
    let mut line = StatusLine::new(global.output == Format::Table);
    let done = service::rematch(store, global.clock.now(), |progress| {
        line.show(&format!(
            "matching what is stored: {} of {items} items, {} new matches",
            progress.items, progress.new_matches
        ));
    })
    .await?;
    line.clear();
    Ok(done)
}
