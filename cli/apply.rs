//! `qyran apply`: makes what is stored equal to what is declared.

use std::path::PathBuf;
use std::process::ExitCode;

use config::Object;
use serde_json::json;
use store::{AppliedChanges, Objects, Store, StoreError};

use crate::audit::Reason;
use crate::backend::Backend;
use crate::check::declared;
use crate::global::Global;
use crate::live::StatusLine;
use crate::named::Known;
use crate::output::{Format, column, rows};

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
    let known = if args.prune { Known::default() } else { Known::read(global).await? };
    let objects = declared(&args.file, known)?;
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

/// How often it is begun anew where others declare at the same time.
const TRIES: usize = 10;

/// Declares objects, and lets new and edited topics see what is stored already.
pub(crate) async fn apply(
    store: &dyn Store,
    objects: Vec<Object>,
    prune: bool,
    global: &Global,
) -> anyhow::Result<AppliedChanges> {
    let mut tries = 0;
    let applied = loop {
        let seen = Some(store.objects_version().await?);
        let affected_topics = Known::of(store).await?.naming_what_changes(&objects);
        let declared = Objects { affected_topics, seen, ..by_kind(objects.clone()) };
        tries += 1;
        match store.declare(&declared, prune, global.clock.now()).await {
            // Someone else declared meanwhile: what is touched may be more.
            Err(StoreError::StaleObjects) if tries < TRIES => (),
            declared => break declared?,
        }
    };
    match_again(store, global).await?;
    Ok(applied)
}

/// Matches what is stored against topics that have not seen it, with progress on a terminal.
pub(crate) async fn match_again(store: &dyn Store, global: &Global) -> anyhow::Result<actors::Progress> {
    let items = store.totals().await?.items;
    let mut line = StatusLine::new(global.output == Format::Table);
    let done = actors::rematch(store, global.clock.now(), |progress| {
        line.show(&format!(
            "matching what is stored: {} of {items} items, {} new matches",
            progress.items, progress.new_matches
        ));
    })
    .await?;
    line.clear();
    Ok(done)
}

pub(crate) fn by_kind(objects: Vec<Object>) -> Objects {
    let mut sorted = Objects::default();
    for object in objects {
        match object {
            Object::Source(source) => sorted.sources.push(source),
            Object::Topic(topic) => sorted.topics.push(topic),
            Object::Client(client) => sorted.clients.push(client),
            Object::List(list) => sorted.lists.push(list),
        }
    }
    sorted
}
