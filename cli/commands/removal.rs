//! `qyran material remove`: what must not be kept. It is not collected again: what identifies it stays known.

use std::process::ExitCode;

use model::Name;
use serde_json::json;
use service::{RemovalError, RemovalTarget};
use store::Suppression;

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output;
use crate::terminal::output::{column, object, time};

/// Remove items for good, with what they matched; they are not collected again
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran material remove 01JDA7Y5R3ZK --reason 'a court order of 3 November'
  qyran material remove --author 'А. Нұрлан' --future --reason 'asked to be forgotten' --yes
  qyran material suppressions

An author is meant letter by letter, as materials show the name. What is removed stays known by its identifier and its address,
so that it is not stored again when its source still shows it; new publications of the same author or source are, unless --future
leaves a suppression: then nothing of them is stored, in whatever way it comes. A source that is not to be asked at all any more is
retired (`qyran source retire`). The audit trail keeps who removed how much, and why.")]
pub(crate) struct Args {
    /// Ids of items
    ids: Vec<String>,
    /// Everything of this author
    #[arg(long, value_name = "NAME", conflicts_with = "ids", value_parser = filled)]
    author: Option<String>,
    /// Everything of this source; with --author what is of both
    #[arg(long, value_name = "NAME", conflicts_with = "ids", value_parser = filled)]
    source: Option<String>,
    /// Store nothing of this author, or source, from now on
    #[arg(long, conflicts_with = "ids")]
    future: bool,
    /// Really remove; without it, it is only told how much would go
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    reason: Reason,
}

/// A variable of a shell that is not set must not mean everything.
fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    if args.ids.is_empty() && args.author.is_none() && args.source.is_none() {
        return Err(Failure::usage("say what is to be removed").hint("ids, --author or --source").into());
    }
    if args.yes && args.reason.reason.trim().is_empty() {
        return Err(Failure::usage("a removal needs a reason").hint("--reason TEXT").into());
    }
    let data = Backend::open(global).await?;
    let removal = removal_target(args)?;
    let found = removal.rows(&*data.store).await.map_err(unknown_item)?;
    let mut removed = 0;
    if args.yes {
        // First, and looked for once more then: what comes meanwhile would stay.
        if let Some(suppression) = removal.suppression(global.clock.now()).filter(|_| args.future) {
            data.store.suppress(&suppression).await?;
        }
        // Noted first: what is gone must never be gone without a word.
        let future = if args.future { ", and what comes of it" } else { "" };
        let target = format!("{} items: {}{future}", found.len(), target(args));
        args.reason.note(&data, "material remove", &target, global).await?;
        let rows =
            if args.future { removal.rows(&*data.store).await.map_err(unknown_item)? } else { found.clone() };
        removed = service::remove(&*data.store, &rows, global.clock.now()).await?;
    } else {
        let future = if args.future { ", and nothing of it would be stored from now on" } else { "" };
        print_message(&format!("{} items would be removed{future}; add --yes and a --reason", found.len()));
    }
    let shown = json!({"found": found.len(), "removed": removed});
    object(&mut std::io::stdout().lock(), global.output, &shown, "found")?;
    let is_partial = args.yes && removed < found.len() as u64;
    Ok(ExitCode::from(if is_partial { 6 } else { 0 }))
}

fn removal_target(args: &Args) -> anyhow::Result<RemovalTarget> {
    if !args.ids.is_empty() {
        return Ok(RemovalTarget::Items(args.ids.clone()));
    }
    let source = args.source.as_deref().map(Name::new).transpose();
    let source = source.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(RemovalTarget::Publications { author: args.author.clone(), source })
}

fn unknown_item(error: RemovalError) -> anyhow::Error {
    match error {
        RemovalError::UnknownItem(_) => Failure::not_found(error.to_string()).into(),
        RemovalError::Store(error) => error.into(),
    }
}

/// Show whose publications are not stored, or store them again
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran material suppressions
  qyran material suppressions --lift --author 'А. Нұрлан' --reason 'they changed their mind'

What was met meanwhile is not stored again: only what is new.")]
pub(crate) struct SuppressionsArgs {
    /// Take one back: the one of this author, of this source, or of both
    #[arg(long)]
    lift: bool,
    /// Of this author
    #[arg(long, value_name = "NAME", requires = "lift", value_parser = filled)]
    author: Option<String>,
    /// Of this source
    #[arg(long, value_name = "NAME", requires = "lift", value_parser = filled)]
    source: Option<String>,
    #[command(flatten)]
    reason: Reason,
}

pub(crate) async fn suppressions(args: &SuppressionsArgs, global: &Global) -> anyhow::Result<()> {
    if args.lift {
        return lift(args, global).await;
    }
    let data = Backend::to_read(global).await?;
    let mut rows =
        output::rows(global.output, &[column("since"), column("source"), column("author")], "author");
    for Suppression { source, author, at } in data.store.suppressions().await? {
        rows.row(json!({"since": time(Some(at)), "source": source, "author": author}))?;
    }
    rows.finish("whatever is read is stored: nobody's publications are kept out")?;
    Ok(())
}

async fn lift(args: &SuppressionsArgs, global: &Global) -> anyhow::Result<()> {
    if args.author.is_none() && args.source.is_none() {
        return Err(Failure::usage("name the suppression to lift")
            .hint("--author, --source, or both")
            .into());
    }
    let data = Backend::open(global).await?;
    let source = args.source.as_deref().map(Name::new).transpose();
    let source = source.map_err(|error| Failure::usage(error.to_string()))?;
    let suppression = Suppression { source, author: args.author.clone(), at: global.clock.now() };
    if !data.store.lift_suppression(&suppression).await? {
        return Err(Failure::not_found("no such suppression")
            .hint("qyran material suppressions lists them")
            .into());
    }
    let named = [("author", &args.author), ("source", &args.source)];
    let named = named.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} {value}")));
    args.reason
        .note(&data, "material suppressions --lift", &named.collect::<Vec<_>>().join(", "), global)
        .await?;
    print_message("what is new of it is stored again");
    Ok(())
}

fn target(args: &Args) -> String {
    let named = [("author", &args.author), ("source", &args.source)];
    let named = named.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} {value}")));
    args.ids.iter().cloned().chain(named).collect::<Vec<_>>().join(", ")
}
