//! `qyran material remove` and `suppressions`: removes items permanently. Their identifiers are kept, so that they are not
//! stored again.

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

/// Remove items and their matches permanently; removed items are not stored again
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran material remove 01JDA7Y5R3ZK --reason 'a court order of 3 November'
  qyran material remove --author 'А. Нұрлан' --future --reason 'asked to be forgotten' --yes
  qyran material suppressions

The name of an author must be written exactly as materials show it.

The store keeps the identifier and the address of a removed item, so that the item is not stored again while its source still shows it. New publications of the author or source are stored, unless --future adds a suppression, which applies to crawled and imported publications. Use `qyran source retire` to stop polling a source.

The audit trail records who removed how many items, and the reason.")]
pub(crate) struct Args {
    /// Ids of the items
    ids: Vec<String>,
    /// Remove all items of this author
    #[arg(long, value_name = "NAME", conflicts_with = "ids", value_parser = parse_name)]
    author: Option<String>,
    /// Remove all items of this source; with --author, only those of both
    #[arg(long, value_name = "NAME", conflicts_with = "ids", value_parser = parse_name)]
    source: Option<String>,
    /// Also suppress future publications of this author or source
    #[arg(long, conflicts_with = "ids")]
    future: bool,
    /// Remove the items; without this option, only their number is shown
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    reason: Reason,
}

/// Rejects an empty name: an unset shell variable must not select all items.
fn parse_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("the name is empty".to_owned()) } else { Ok(text.to_owned()) }
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    if args.ids.is_empty() && args.author.is_none() && args.source.is_none() {
        return Err(Failure::usage("no items are selected").hint("give ids, --author or --source").into());
    }
    if args.yes && args.reason.reason.trim().is_empty() {
        return Err(Failure::usage("a removal requires a reason").hint("give one with --reason TEXT").into());
    }
    let data = Backend::open(global).await?;
    let removal = removal_target(args)?;
    let selected = removal.rows(&*data.store).await.map_err(removal_failure)?;
    let mut removed = 0;
    if args.yes {
        // Suppress first, and select the items again below: otherwise, items stored in between would stay.
        if let Some(suppression) = removal.suppression(global.clock.now()).filter(|_| args.future) {
            data.store.suppress(&suppression).await?;
        }
        // Add the audit record before the removal, so that no removal lacks a record.
        let future = if args.future { ", and future publications" } else { "" };
        let target = format!("{} items: {}{future}", selected.len(), describe_target(args));
        args.reason.note(&data, "material remove", &target, global).await?;
        let rows = if args.future {
            removal.rows(&*data.store).await.map_err(removal_failure)?
        } else {
            selected.clone()
        };
        removed = service::remove(&*data.store, &rows, global.clock.now()).await?;
    } else {
        let future = if args.future { " and future publications suppressed" } else { "" };
        let count = selected.len();
        print_message(&format!("{count} items would be removed{future}; confirm with --yes and --reason"));
    }
    let output = json!({"found": selected.len(), "removed": removed});
    object(&mut std::io::stdout().lock(), global.output, &output, "found")?;
    let is_partial = args.yes && removed < selected.len() as u64;
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

fn removal_failure(error: RemovalError) -> anyhow::Error {
    match error {
        RemovalError::UnknownItem(_) => Failure::not_found(error.to_string()).into(),
        RemovalError::Store(error) => error.into(),
    }
}

/// List the suppressed authors and sources, or lift a suppression
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran material suppressions
  qyran material suppressions --lift --author 'А. Нұрлан' --reason 'they changed their mind'

Publications seen during a suppression are not stored after it is lifted; only new ones are.")]
pub(crate) struct SuppressionsArgs {
    /// Lift the suppression of --author, --source or both
    #[arg(long)]
    lift: bool,
    /// Author of the suppression
    #[arg(long, value_name = "NAME", requires = "lift", value_parser = parse_name)]
    author: Option<String>,
    /// Source of the suppression
    #[arg(long, value_name = "NAME", requires = "lift", value_parser = parse_name)]
    source: Option<String>,
    #[command(flatten)]
    reason: Reason,
}

pub(crate) async fn suppressions(args: &SuppressionsArgs, global: &Global) -> anyhow::Result<()> {
    if args.lift {
        return lift(args, global).await;
    }
    let data = Backend::open_read_only(global).await?;
    let mut rows =
        output::rows(global.output, &[column("since"), column("source"), column("author")], "author");
    for Suppression { source, author, at } in data.store.suppressions().await? {
        rows.row(json!({"since": time(Some(at)), "source": source, "author": author}))?;
    }
    rows.finish("no authors or sources are suppressed")?;
    Ok(())
}

async fn lift(args: &SuppressionsArgs, global: &Global) -> anyhow::Result<()> {
    if args.author.is_none() && args.source.is_none() {
        return Err(Failure::usage("no suppression is selected")
            .hint("give --author, --source or both")
            .into());
    }
    let data = Backend::open(global).await?;
    let source = args.source.as_deref().map(Name::new).transpose();
    let source = source.map_err(|error| Failure::usage(error.to_string()))?;
    let suppression = Suppression { source, author: args.author.clone(), at: global.clock.now() };
    if !data.store.lift_suppression(&suppression).await? {
        return Err(Failure::not_found("no suppression has this author and source")
            .hint("qyran material suppressions lists them")
            .into());
    }
    let names = [("author", &args.author), ("source", &args.source)];
    let names = names.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} {value}")));
    args.reason
        .note(&data, "material suppressions --lift", &names.collect::<Vec<_>>().join(", "), global)
        .await?;
    print_message("the suppression is lifted; new publications are stored again");
    Ok(())
}

/// Returns the ids or names of a removal, for the audit trail.
fn describe_target(args: &Args) -> String {
    let names = [("author", &args.author), ("source", &args.source)];
    let names = names.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} {value}")));
    args.ids.iter().cloned().chain(names).collect::<Vec<_>>().join(", ")
}
