//! Explanations: why a stored item matches a topic, or which condition fails.

use matcher::{Analysis, LeafResult, QueryError, field_values};
use model::{Item, Source, Topic};
use serde::Serialize;
use store::{Store, StoredItem};

use crate::search::{SearchError, resolve_query};

/// The explanation of a match or mismatch.
#[derive(Debug, Clone, Serialize)]
pub struct ExplanationView {
    /// True if the item matches.
    pub matched: bool,
    /// The first condition that fails.
    pub because: Option<String>,
    /// The result of each leaf of the query.
    pub leaves: Vec<LeafResult>,
}

/// Explains a query on a stored item, together with the filters of a topic if one is given.
pub async fn explain(
    store: &dyn Store,
    query: &str,
    topic: Option<&Topic>,
    stored: &StoredItem,
) -> Result<ExplanationView, SearchError> {
    let query = resolve_query(store, query).await?;
    let source = store.source(&stored.item.source).await?.map(|record| record.source);
    let document = Analysis::default().item(&stored.item);
    let values = field_values(&stored.item, source.as_ref(), &document, stored.sight());
    let mut explanation = query.explain(&document, &values);
    if stored.originality.is_none() && query.needs_originality() {
        explanation.matched = false;
        explanation.because = Some("the item is not linked to a story yet; try again in a moment".to_owned());
    }
    let filter = topic.and_then(|topic| failed_filter(topic, &stored.item, source.as_ref()));
    Ok(ExplanationView {
        matched: explanation.matched && filter.is_none(),
        because: filter.or(explanation.because),
        leaves: explanation.leaves,
    })
}

/// Returns the filter of a topic that excludes an item.
fn failed_filter(topic: &Topic, item: &Item, source: Option<&Source>) -> Option<String> {
    let Some(source) = source else {
        return Some(format!("source {} is no longer declared", item.source));
    };
    if topic.admits(item, source) {
        return None;
    }
    let language = item.language.as_deref().unwrap_or("unknown");
    Some(if topic.admits_source(source) {
        format!("the topic admits {}; the language of the item is {language}", topic.languages.join(" or "))
    } else {
        format!("the topic does not admit source {} ({})", source.name, source.category.as_str())
    })
}

/// Parses a query without a store, to report its errors first.
pub fn check_query(text: &str) -> Result<(), QueryError> {
    matcher::Query::parse(text).map(drop)
}
