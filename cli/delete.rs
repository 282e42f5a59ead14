//! `qyran delete`: takes objects out of what is declared.

use std::path::PathBuf;
use std::process::ExitCode;

use actors::jobs_of;
use config::Object;
use matcher::QueryReference;
use model::Name;
use serde_json::json;
use store::{ObjectNames, Store};

use crate::audit::Reason;
use crate::backend::Backend;
use crate::check::declared;
use crate::diff::stored;
use crate::failure::Failure;
use crate::global::Global;
use crate::named::{Known, names as named_by};
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
    let mut names = ObjectNames::default();
    for object in declared(&args.file, Known::read(global).await?)? {
        match object {
            Object::Source(source) => names.sources.push(source.name),
            Object::Topic(topic) => names.topics.push(topic.name),
            Object::Client(client) => names.clients.push(client.name),
            Object::List(list) => names.lists.push(list.name),
        }
    }
    for text in &args.objects {
        add_reference(text, &mut names)?;
    }
    let data = Backend::open(global).await?;
    check_known(&*data.store, &names).await?;
    check_unused(&*data.store, &names).await?;
    let jobs = jobs_of(&*data.store, &names.sources).await?;
    let applied = data.store.undeclare(&names).await?;
    data.schedule.remove(&jobs).await?;
    let mut rows = rows(global.output, &[column("object"), column("change")], "object");
    for object in &applied.removed {
        rows.row(json!({"object": object, "change": "removed"}))?;
        args.reason.note(&data, "delete", object, global).await?;
    }
    rows.finish("nothing has changed")?;
    Ok(ExitCode::SUCCESS)
}

fn add_reference(text: &str, names: &mut ObjectNames) -> anyhow::Result<()> {
    let wrong = |message: String| {
        Failure::usage(message).hint("write source/NAME, topic/NAME, client/NAME or list/NAME")
    };
    let (kind, name) =
        text.split_once('/').ok_or_else(|| wrong(format!("{text:?} does not name an object")))?;
    let list = match kind.to_ascii_lowercase().as_str() {
        "source" => &mut names.sources,
        "topic" => &mut names.topics,
        "client" => &mut names.clients,
        "list" => &mut names.lists,
        other => return Err(wrong(format!("there are no objects of kind {other:?}")).into()),
    };
    list.push(Name::new(name).map_err(|error| wrong(error.to_string()))?);
    Ok(())
}

/// All or nothing: one unknown name, and nothing is removed.
async fn check_known(store: &dyn Store, names: &ObjectNames) -> anyhow::Result<()> {
    let known = stored(store).await?;
    let has =
        |kind: &str, name: &Name| known.iter().any(|object| object.kind() == kind && object.name() == name);
    let of_each = [
        ("Source", &names.sources),
        ("Topic", &names.topics),
        ("Client", &names.clients),
        ("List", &names.lists),
    ];
    let unknown: Vec<String> = of_each
        .into_iter()
        .flat_map(|(kind, names)| names.iter().map(move |name| (kind, name)))
        .filter(|(kind, name)| !has(kind, name))
        .map(|(kind, name)| format!("{}/{name}", kind.to_lowercase()))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::not_found(format!("not declared: {}; nothing was removed", unknown.join(", ")))
        .hint("qyran export -o name shows what is")
        .into())
}

/// A topic that names a source, a list or a topic which is gone would silently match less, or nothing.
async fn check_unused(store: &dyn Store, gone: &ObjectNames) -> anyhow::Result<()> {
    let records = store.topics().await?;
    let ObjectNames { sources, topics, lists, .. } = gone;
    let is_gone = |named: &QueryReference| match named {
        QueryReference::List(name) => lists.iter().any(|list| list.as_str() == name),
        QueryReference::Topic(name) => topics.iter().any(|topic| topic.as_str() == name),
    };
    let names = |topic: &model::Topic| {
        topic.sources.iter().chain(&topic.exclude_sources).any(|name| sources.contains(name))
            || named_by(topic).iter().any(is_gone)
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
