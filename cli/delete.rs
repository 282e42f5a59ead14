//! `qyran delete`: takes objects out of what is declared.

use std::path::PathBuf;
use std::process::ExitCode;

use actors::jobs_of;
use config::Object;
use model::Name;
use serde_json::json;
use store::Store;

use crate::audit::Reason;
use crate::backend::Backend;
use crate::check::{declared, stored_sources};
use crate::diff::stored;
use crate::failure::Failure;
use crate::global::Global;
use crate::output::{column, rows};

/// Remove declared objects; what a topic matched goes with it, items stay
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran delete source/akorda-news topic/caspian
  qyran delete -f sources/old.yaml")]
pub(crate) struct Args {
    /// Objects to remove
    #[arg(value_name = "KIND/NAME", required_unless_present = "file")]
    objects: Vec<String>,
    /// Remove what these files declare; repeatable
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
    #[command(flatten)]
    reason: Reason,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let (mut sources, mut topics) = (Vec::new(), Vec::new());
    for object in declared(&args.file, &stored_sources(global).await?)? {
        match object {
            Object::Source(source) => sources.push(source.name),
            Object::Topic(topic) => topics.push(topic.name),
        }
    }
    for text in &args.objects {
        match reference(text)? {
            ("source", name) => sources.push(name),
            (_, name) => topics.push(name),
        }
    }
    let data = Backend::open(global).await?;
    check_known(&*data.store, &sources, &topics).await?;
    check_unused(&*data.store, &sources, &topics).await?;
    let jobs = jobs_of(&*data.store, &sources).await?;
    let applied = data.store.undeclare(&sources, &topics).await?;
    data.schedule.remove(&jobs).await?;
    let mut rows = rows(global.output, &[column("object"), column("change")], "object");
    for object in &applied.removed {
        rows.row(json!({"object": object, "change": "removed"}))?;
        args.reason.note(&data, "delete", object, global).await?;
    }
    rows.finish("nothing has changed")?;
    Ok(ExitCode::SUCCESS)
}

fn reference(text: &str) -> anyhow::Result<(&'static str, Name)> {
    let wrong = |message: String| Failure::usage(message).hint("write source/NAME or topic/NAME");
    let (kind, name) =
        text.split_once('/').ok_or_else(|| wrong(format!("{text:?} does not name an object")))?;
    let kind = match kind.to_ascii_lowercase().as_str() {
        "source" => "source",
        "topic" => "topic",
        other => return Err(wrong(format!("there are no objects of kind {other:?}")).into()),
    };
    Ok((kind, Name::new(name).map_err(|error| wrong(error.to_string()))?))
}

/// All or nothing: one unknown name, and nothing is removed.
async fn check_known(store: &dyn Store, sources: &[Name], topics: &[Name]) -> anyhow::Result<()> {
    let known = stored(store).await?;
    let has =
        |kind: &str, name: &Name| known.iter().any(|object| object.kind() == kind && object.name() == name);
    let unknown: Vec<String> = sources
        .iter()
        .filter(|name| !has("Source", name))
        .map(|name| format!("source/{name}"))
        .chain(topics.iter().filter(|name| !has("Topic", name)).map(|name| format!("topic/{name}")))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::not_found(format!("not declared: {}; nothing was removed", unknown.join(", ")))
        .hint("qyran source list and qyran topic list show what is")
        .into())
}

/// A topic that names a source which is gone would silently match less, or nothing.
async fn check_unused(store: &dyn Store, sources: &[Name], topics: &[Name]) -> anyhow::Result<()> {
    let records = store.topics().await?;
    let names = |topic: &model::Topic| {
        topic.sources.iter().chain(&topic.exclude_sources).any(|name| sources.contains(name))
    };
    let still: Vec<String> = records
        .iter()
        .map(|record| &record.topic)
        .filter(|topic| !topics.contains(&topic.name) && names(topic))
        .map(|topic| format!("topic/{}", topic.name))
        .collect();
    if still.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!("named by {}; nothing was removed", still.join(", ")))
        .hint("edit these topics first, or delete them in the same call")
        .into())
}
