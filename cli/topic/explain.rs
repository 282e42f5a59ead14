//! `qyran topic explain`: why a stored item matches a topic, or what it fails by.

use matcher::{Analysis, Explanation, field_values};
use model::{Item, Source, Topic};
use serde_json::{Value, json};

use super::{bad_query, known};
use crate::backend::Backend;
use crate::failure::Failure;
use crate::global::Global;
use crate::named::definitions;
use crate::output::{Format, object};

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
    let text = args.query.as_deref().or(topic.as_ref().map(|topic| topic.query.as_str())).unwrap_or_default();
    let query = definitions(&*data.store).await?.query(text).map_err(|error| bad_query(text, &error))?;
    let Some((stored, _)) = data.store.item(id).await? else {
        let hint = "qyran material list -o wide shows ids";
        return Err(Failure::not_found(format!("there is no item {id:?}")).hint(hint).into());
    };
    let sources = data.store.sources().await?;
    let source =
        sources.into_iter().map(|record| record.source).find(|source| source.name == stored.item.source);
    let document = Analysis::default().item(&stored.item);
    let mut explained =
        query.explain(&document, &field_values(&stored.item, source.as_ref(), &document, stored.sight()));
    if stored.originality.is_none() && query.needs_originality() {
        explained.matched = false;
        explained.because =
            Some("whether it is a reprint is not known yet: it is looked at in a moment".to_owned());
    }
    let filter = topic.as_ref().and_then(|topic| filtered(topic, &stored.item, source.as_ref()));
    let shown = shown(&explained, filter, global);
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "matched")?)
}

/// What around the query keeps an item out of a topic.
fn filtered(topic: &Topic, item: &Item, source: Option<&Source>) -> Option<String> {
    let Some(source) = source else {
        return Some(format!("its source {} is no longer declared", item.source));
    };
    if topic.admits(item, source) {
        return None;
    }
    let language = item.language.as_deref().unwrap_or("not known");
    Some(if topic.admits_source(source) {
        format!("the topic wants {}, and the item's language is {language}", topic.languages.join(" or "))
    } else {
        format!("the topic does not want what comes from {} ({})", source.name, source.category.as_str())
    })
}

fn shown(explained: &Explanation, filter: Option<String>, global: &Global) -> Value {
    let matched = explained.matched && filter.is_none();
    let because = filter.or_else(|| explained.because.clone());
    if !matches!(global.output, Format::Table | Format::Wide) {
        return json!({"matched": matched, "because": because, "leaves": explained.leaves});
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
    json!({"matched": if matched { "yes" } else { "no" }, "because": because, "leaves": leaves})
}
