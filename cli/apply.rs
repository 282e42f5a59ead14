//! `qyran apply`: makes what is stored equal to what is declared.

use std::path::PathBuf;
use std::process::ExitCode;

use config::Object;
use model::{Name, Source, Topic};
use serde_json::json;
use store::{Applied, Store};

use crate::check::declared;
use crate::data_folder::DataFolder;
use crate::failure::Failure;
use crate::global::Global;
use crate::live::StatusLine;
use crate::output::{Format, column, rows};

/// Declare sources and topics
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran apply -f sources/            add and edit what the folder declares
  qyran apply -f sources/ --prune    and remove everything else
  qyran diff -f sources/             what it would do

With any problem in any file nothing is applied. New and edited topics see what is stored already.")]
pub(crate) struct Args {
    /// A file or folder of declared objects; repeatable
    #[arg(short, long, value_name = "PATH", required = true)]
    file: Vec<PathBuf>,
    /// Remove objects that are not among them
    #[arg(long)]
    prune: bool,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let objects = declared(&args.file)?;
    let data = DataFolder::create(&global.settings)?;
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
    Ok(ExitCode::SUCCESS)
}

/// Declares objects, and lets new and edited topics see what is stored already.
pub(crate) async fn apply(
    store: &dyn Store,
    objects: Vec<Object>,
    prune: bool,
    global: &Global,
) -> anyhow::Result<Applied> {
    let (sources, topics) = parted(objects);
    check_references(store, &sources, &topics, prune).await?;
    let applied = store.declare(&sources, &topics, prune, global.clock.now()).await?;
    match_again(store, global).await?;
    Ok(applied)
}

/// Matches what is stored against topics that have not seen it, with progress on a terminal.
pub(crate) async fn match_again(store: &dyn Store, global: &Global) -> anyhow::Result<()> {
    let items = store.totals().await?.items;
    let mut line = StatusLine::new(global.output == Format::Table);
    actors::rematch(store, global.clock.now(), |progress| {
        line.show(&format!(
            "matching what is stored: {} of {items} items, {} new matches",
            progress.items, progress.new_matches
        ));
    })
    .await?;
    line.clear();
    Ok(())
}

fn parted(objects: Vec<Object>) -> (Vec<Source>, Vec<Topic>) {
    let mut parts = (Vec::new(), Vec::new());
    for object in objects {
        match object {
            Object::Source(source) => parts.0.push(source),
            Object::Topic(topic) => parts.1.push(topic),
        }
    }
    parts
}

/// A topic that names a source which does not exist would silently match nothing.
async fn check_references(
    store: &dyn Store,
    sources: &[Source],
    topics: &[Topic],
    prune: bool,
) -> anyhow::Result<()> {
    let mut known: Vec<Name> = sources.iter().map(|source| source.name.clone()).collect();
    if !prune {
        known.extend(store.sources().await?.into_iter().map(|record| record.source.name));
    }
    let mut problems = Vec::new();
    for topic in topics {
        for name in topic.sources.iter().chain(&topic.exclude_sources).filter(|name| !known.contains(name)) {
            let hint = config::nearest(name.as_str(), known.iter().map(Name::as_str))
                .map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            problems.push(format!(
                "topic {:?} names the source {name:?}, which is not declared{hint}",
                topic.name.as_str(),
                name = name.as_str()
            ));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!("nothing was applied\n{}", problems.join("\n"))).into())
}
