//! `qyran delete`: removes declared objects.

use std::path::PathBuf;
use std::process::ExitCode;

use config::Object;
use model::{Name, Topic};
use serde_json::json;
use service::{jobs_of, object_references};
use store::{ObjectNames, ObjectReference, Store};

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::commands::check::checked_objects;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::{column, rows};

/// Remove declared objects; a topic's matches are removed too, items are kept
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran delete source/akorda-news topic/caspian
  qyran delete -f sources/old.yaml")]
pub(crate) struct Args {
    /// Objects to remove
    #[arg(value_name = "KIND/NAME", required_unless_present = "file")]
    objects: Vec<String>,
    /// Remove the objects that this file or folder declares; repeatable
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
    #[command(flatten)]
    reason: Reason,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let mut names = ObjectNames::default();
    for object in checked_objects(&args.file, false, global).await? {
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
    check_declared(&*data.store, &names).await?;
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

/// Adds an object, written as `KIND/NAME`, to the names. Fails if the kind is unknown or the name is invalid.
fn add_reference(text: &str, names: &mut ObjectNames) -> anyhow::Result<()> {
    let usage_error = |message: String| {
        Failure::usage(message).hint("use source/NAME, topic/NAME, client/NAME or list/NAME")
    };
    let (kind, name) =
        text.split_once('/').ok_or_else(|| usage_error(format!("{text:?} does not name an object")))?;
    let list = match kind.to_ascii_lowercase().as_str() {
        "source" => &mut names.sources,
        "topic" => &mut names.topics,
        "client" => &mut names.clients,
        "list" => &mut names.lists,
        other => return Err(usage_error(format!("unknown kind of object {other:?}")).into()),
    };
    list.push(Name::new(name).map_err(|error| usage_error(error.to_string()))?);
    Ok(())
}

/// Fails if an object is not declared. Nothing is removed in that case.
async fn check_declared(store: &dyn Store, names: &ObjectNames) -> anyhow::Result<()> {
    let mut unknown = Vec::new();
    for name in &names.sources {
        if store.source(name).await?.is_none() {
            unknown.push(format!("source/{name}"));
        }
    }
    let topics = store.topics_named(&names.topics).await?;
    let lists = store.lists_named(&names.lists).await?;
    let clients = if names.clients.is_empty() { Vec::new() } else { store.clients().await? };
    let missing = |kind: &str, names: &[Name], is_declared: &dyn Fn(&Name) -> bool| -> Vec<String> {
        names.iter().filter(|name| !is_declared(name)).map(|name| format!("{kind}/{name}")).collect()
    };
    unknown.extend(missing("topic", &names.topics, &|name| topics.iter().any(|one| one.topic.name == *name)));
    unknown.extend(missing("client", &names.clients, &|name| clients.iter().any(|one| one.name == *name)));
    unknown.extend(missing("list", &names.lists, &|name| lists.iter().any(|one| one.name == *name)));
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::not_found(format!("not declared: {}; nothing was removed", unknown.join(", ")))
        .hint("qyran export -o name lists the declared objects")
        .into())
}

/// Fails if a remaining topic references a removed object: that topic would match less, or nothing.
async fn check_unused(store: &dyn Store, names: &ObjectNames) -> anyhow::Result<()> {
    let removed: Vec<ObjectReference> = names
        .sources
        .iter()
        .map(|name| ObjectReference::Source(name.to_string()))
        .chain(names.topics.iter().map(|name| ObjectReference::Topic(name.to_string())))
        .chain(names.lists.iter().map(|name| ObjectReference::List(name.to_string())))
        .collect();
    let mut topics = store.topics_referencing(&removed).await?;
    let references_removed = |topic: &Topic| object_references(topic).iter().any(|one| removed.contains(one));
    topics.extend(store.topics_without_references().await?.into_iter().filter(references_removed));
    topics.sort_by(|one, other| one.name.cmp(&other.name));
    topics.dedup_by(|one, other| one.name == other.name);
    let remaining: Vec<String> = topics
        .iter()
        .filter(|topic| !names.topics.contains(&topic.name))
        .map(|topic| format!("topic/{}", topic.name))
        .collect();
    if remaining.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "nothing was removed: these objects are referenced by {}",
        remaining.join(", ")
    ))
    .hint("edit these topics first, or delete them in the same command")
    .into())
}
