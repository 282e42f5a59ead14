//! `qyran material remove`: what must not be kept. It is not collected again: what identifies it stays known.

use std::process::ExitCode;

use serde_json::json;
use store::Store;

use crate::audit::Reason;
use crate::backend::Backend;
use crate::failure::{Failure, say};
use crate::global::Global;
use crate::output::object;

/// Items looked at, and removed, at once.
const PAGE: usize = 500;

/// Remove items for good, with what they matched; they are not collected again
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran material remove 01JDA7Y5R3ZK --reason 'a court order of 3 November'
  qyran material remove --source agency --author 'А. Нұрлан' --reason 'asked to be forgotten' --yes

An author is meant letter by letter, as materials show the name. What is removed stays known by its identifier, so that it is not
stored again when its source still shows it (but for sources that invent another identifier each time); new publications of the same author or source are. To stop those: retire the
source, or exclude the author in topics. The audit trail keeps who removed how much, and why.")]
pub(crate) struct Args {
    /// Ids of items
    ids: Vec<String>,
    /// Everything of this author
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    author: Option<String>,
    /// Everything of this source; with --author what is of both
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    source: Option<String>,
    /// Really remove; without it, it is only told how much would go
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    reason: Reason,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    if args.ids.is_empty() && args.author.is_none() && args.source.is_none() {
        return Err(Failure::usage("say what is to be removed").hint("ids, --author or --source").into());
    }
    if args.yes && args.reason.reason.trim().is_empty() {
        return Err(Failure::usage("a removal needs a reason").hint("--reason TEXT").into());
    }
    let data = Backend::open(global).await?;
    let rows = rows(args, &*data.store).await?;
    let mut removed = 0;
    if args.yes {
        // Noted first: what is gone must never be gone without a word.
        let target = format!("{} items: {}", rows.len(), target(args));
        args.reason.note(&data, "material remove", &target, global).await?;
        for rows in rows.chunks(PAGE) {
            removed += data.store.take_down(rows, global.clock.now()).await?;
        }
    } else {
        say(&format!("{} items would be removed; add --yes and a --reason", rows.len()));
    }
    let shown = json!({"found": rows.len(), "removed": removed});
    object(&mut std::io::stdout().lock(), global.output, &shown, "found")?;
    let is_partial = args.yes && removed < rows.len() as u64;
    Ok(ExitCode::from(if is_partial { 6 } else { 0 }))
}

fn target(args: &Args) -> String {
    let named = [("author", &args.author), ("source", &args.source)];
    let named = named.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} {value}")));
    args.ids.iter().cloned().chain(named).collect::<Vec<_>>().join(", ")
}

/// The rows of what is meant.
async fn rows(args: &Args, store: &dyn Store) -> anyhow::Result<Vec<i64>> {
    let mut rows = Vec::new();
    for id in &args.ids {
        let Some((item, _)) = store.item(id).await? else {
            return Err(Failure::not_found(format!("there is no item {id:?}; nothing was removed")).into());
        };
        rows.push(item.row);
    }
    if !args.ids.is_empty() {
        return Ok(rows);
    }
    let mut after = 0;
    loop {
        let page = store.items(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.row;
        let is_meant = |one: &&store::StoredItem| {
            args.source.as_ref().is_none_or(|source| one.item.source.as_str() == source)
                && args.author.as_ref().is_none_or(|author| one.item.author.as_ref() == Some(author))
        };
        rows.extend(page.iter().filter(is_meant).map(|one| one.row));
    }
    Ok(rows)
}
