//! Search of the stored items with queries, matched exactly as live items are.

use std::collections::VecDeque;
use std::sync::Arc;

use matcher::{Analysis, Query, QueryError, field_values, match_from_spans};
use model::{Name, Span};
use store::{Store, StoreError, StoredItem};

use crate::references::Surroundings;
use crate::source_cache::SourceCache;
use crate::views::{HitView, SourceRights};

/// Items read from the store at once.
const PAGE_ITEMS: usize = 500;

/// An error of a search.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The query is invalid.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A stored item with the result of each query.
#[derive(Debug)]
pub struct Evaluation {
    /// The item.
    pub stored: StoredItem,
    /// The matched spans of each query, in the order of the queries; `None` for a query that does not match.
    pub spans: Vec<Option<Vec<Span>>>,
}

/// Evaluates queries on all stored items, in the order of storing, and calls `progress` with the number of items
/// after each page. Memory is bounded by a page. Returns the number of items.
pub async fn evaluate_all(
    store: &dyn Store,
    queries: Vec<Query>,
    mut progress: impl FnMut(u64),
    mut each: impl FnMut(Evaluation),
) -> Result<u64, StoreError> {
    let shared = Arc::new((queries, Analysis::default()));
    let mut sources = SourceCache::default();
    let (mut row, mut count) = (0, 0);
    loop {
        let items = store.items(row, PAGE_ITEMS).await?;
        let Some(last) = items.last() else { return Ok(count) };
        row = last.row;
        count += items.len() as u64;
        let sources = sources.of_items(store, &items).await?;
        let shared = shared.clone();
        let page = tokio::task::spawn_blocking(move || {
            let (queries, analysis) = &*shared;
            let evaluate = |stored: StoredItem| {
                let document = analysis.item(&stored.item);
                let source = sources.get(&stored.item.source).map(|source| &**source);
                // Ages are counted from the first sight, as in live matching.
                let values = field_values(&stored.item, source, &document, stored.sight());
                let is_linked = stored.originality.is_some();
                let spans = queries.iter().map(|query| {
                    // Live matching defers these queries until the item is linked.
                    let spans = query.matches(&document, &values);
                    spans.filter(|_| is_linked || !query.needs_originality())
                });
                let spans = spans.collect();
                Evaluation { stored, spans }
            };
            items.into_iter().map(evaluate).collect::<Vec<_>>()
        });
        let page = page.await.map_err(|error| StoreError::Other(error.to_string()))?;
        page.into_iter().for_each(&mut each);
        progress(count);
    }
}

/// Parses a query and resolves the lists and topics that it references.
pub async fn resolve_query(store: &dyn Store, text: &str) -> Result<Query, SearchError> {
    Ok(Surroundings::of_query(store, text).await?.definitions().query(text)?)
}

/// Returns the newest stored items that match a query, at most `limit`, the newest first.
pub async fn search(
    store: &dyn Store,
    text: &str,
    limit: usize,
    progress: impl FnMut(u64),
) -> Result<Vec<HitView>, SearchError> {
    let query = resolve_query(store, text).await?;
    let rights = SourceRights::load(store).await?;
    let name = Name::from_stored("search".to_owned());
    let mut newest = VecDeque::new();
    evaluate_all(store, vec![query], progress, |evaluation| {
        let Some(spans) = evaluation.spans.into_iter().next().flatten() else { return };
        if newest.len() == limit {
            newest.pop_front();
        }
        let match_ = match_from_spans(name.clone(), &evaluation.stored.item, spans);
        newest.push_back(HitView::new(&evaluation.stored, &match_, &rights));
    })
    .await?;
    Ok(newest.into_iter().rev().collect())
}
