//! `qyran topic explain`: why a stored item matches a topic, or what it fails by.

use serde_json::{Value, json};
use service::ExplanationView;

use super::{bad_query, known, search_failure};
use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::{Format, object};

/// Why a stored item matches a topic, or what it fails by
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic explain caspian 01JDA7Y5R3
  qyran topic explain --query 'банк NEAR/3 ставка' 01JDA7Y5R3 -o json

`qyran material search` and `qyran material list -o wide` show ids.")]
pub(super) struct Args {
    /// The topic; with --query, the item's id instead
    topic_or_id: String,
    /// The item's id
    #[arg(required_unless_present = "query", conflicts_with = "query")]
    id: Option<String>,
    /// A query that belongs to no topic
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let data = Backend::to_read(global).await?;
    let id = args.id.as_deref().unwrap_or(&args.topic_or_id);
    let topic = match &args.query {
        Some(_) => None,
        None => Some(known(&*data.store, &args.topic_or_id).await?.topic),
    };
    let query =
        args.query.as_deref().or(topic.as_ref().map(|topic| topic.query.as_str())).unwrap_or_default();
    service::check_query(query).map_err(|error| bad_query(query, &error))?;
    let Some((stored, _)) = data.store.item(id).await? else {
        let hint = "qyran material list -o wide shows ids";
        return Err(Failure::not_found(format!("no item {id:?}")).hint(hint).into());
    };
    let explanation = service::explain(&*data.store, query, topic.as_ref(), &stored).await;
    let explanation = explanation.map_err(|error| search_failure(query, error))?;
    let shown = shown(&explanation, global);
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "matched")?)
}

fn shown(explained: &ExplanationView, global: &Global) -> Value {
    if !matches!(global.output, Format::Table | Format::Wide) {
        return json!(explained);
    }
    let leaf = |leaf: &matcher::LeafResult| {
        let places = leaf.spans.len();
        let found = match (leaf.holds, places) {
            (true, 0) => "holds".to_owned(),
            (true, 1) => "in one place".to_owned(),
            (true, _) => format!("in {places} places"),
            (false, _) => "not there".to_owned(),
        };
        let wanted = if leaf.excluded { ", must not be" } else { "" };
        format!("{}: {found}{wanted}", leaf.leaf)
    };
    let leaves: Vec<String> = explained.leaves.iter().map(leaf).collect();
    let matched = if explained.matched { "yes" } else { "no" };
    json!({"matched": matched, "because": explained.because, "leaves": leaves})
}
