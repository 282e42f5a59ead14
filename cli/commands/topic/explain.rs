//! `qyran topic explain`: explains a match, or the lack of one, of a stored item and a topic.

use serde_json::{Value, json};
use service::ExplanationView;

use super::{find_topic, query_failure, search_failure};
use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::{Format, object};

/// Explain why a stored item does or does not match a topic
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic explain caspian 01JDA7Y5R3
  qyran topic explain --query 'банк NEAR/3 ставка' 01JDA7Y5R3 -o json

`qyran material search` and `qyran material list -o wide` show ids.")]
pub(super) struct Args {
    /// Name of the topic; with --query, id of the item
    topic_or_id: String,
    /// Id of the item
    #[arg(required_unless_present = "query", conflicts_with = "query")]
    id: Option<String>,
    /// Query to use instead of a topic
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let data = Backend::open_read_only(global).await?;
    let id = args.id.as_deref().unwrap_or(&args.topic_or_id);
    let topic = match &args.query {
        Some(_) => None,
        None => Some(find_topic(&*data.store, &args.topic_or_id).await?.topic),
    };
    let query =
        args.query.as_deref().or(topic.as_ref().map(|topic| topic.query.as_str())).unwrap_or_default();
    service::check_query(query).map_err(|error| query_failure(query, &error))?;
    let Some((stored, _)) = data.store.item(id).await? else {
        let hint = "qyran material list -o wide shows ids";
        return Err(Failure::not_found(format!("no item {id:?}")).hint(hint).into());
    };
    let explanation = service::explain(&*data.store, query, topic.as_ref(), &stored).await;
    let explanation = explanation.map_err(|error| search_failure(query, error))?;
    let output = explanation_json(&explanation, global);
    Ok(object(&mut std::io::stdout().lock(), global.output, &output, "matched")?)
}

fn explanation_json(explanation: &ExplanationView, global: &Global) -> Value {
    if !matches!(global.output, Format::Table | Format::Wide) {
        return json!(explanation);
    }
    let leaf = |leaf: &matcher::LeafResult| {
        let places = leaf.spans.len();
        let result = match (leaf.holds, places) {
            (true, 0) => "matches".to_owned(),
            (true, 1) => "matches in one place".to_owned(),
            (true, _) => format!("matches in {places} places"),
            (false, _) => "does not match".to_owned(),
        };
        let condition = if leaf.excluded { " (excluded by the query)" } else { "" };
        format!("{}: {result}{condition}", leaf.leaf)
    };
    let leaves: Vec<String> = explanation.leaves.iter().map(leaf).collect();
    let matched = if explanation.matched { "yes" } else { "no" };
    json!({"matched": matched, "because": explanation.because, "leaves": leaves})
}
