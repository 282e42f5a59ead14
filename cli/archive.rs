//! What is stored, looked through with a query: the archive is matched as what comes in is.

use std::collections::HashMap;
use std::sync::Arc;

use matcher::{Analysis, Query, field_values};
use model::{Name, Source, Span};
use store::{Store, StoredItem};

use crate::global::Global;
use crate::live::StatusLine;
use crate::output::Format;

/// Items read from the store at once.
const PAGE: usize = 500;

/// What some queries make of a stored item, in their order.
pub(crate) struct Looked {
    pub(crate) stored: StoredItem,
    /// Where each query's words stand, if it matches.
    pub(crate) found: Vec<Option<Vec<Span>>>,
}

/// Tries queries on everything stored, in the order of storing, with progress on a terminal. However much there is, a
/// page of it is held.
pub(crate) async fn look_through(
    store: &dyn Store,
    queries: Vec<Query>,
    global: &Global,
    mut tell: impl FnMut(Looked),
) -> anyhow::Result<u64> {
    let total = store.totals().await?.items;
    let sources: HashMap<Name, Source> = store
        .sources()
        .await?
        .into_iter()
        .map(|record| (record.source.name.clone(), record.source))
        .collect();
    let all = Arc::new((queries, sources, Analysis::default()));
    let mut line = StatusLine::new(global.output == Format::Table);
    let (mut after, mut seen) = (0, 0);
    loop {
        let items = store.items(after, PAGE).await?;
        let Some(last) = items.last() else { break };
        after = last.row;
        seen += items.len() as u64;
        let shared = all.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let (queries, sources, analysis) = &*shared;
            let look = |stored: StoredItem| {
                let document = analysis.item(&stored.item);
                // Ages are counted from first sight, as they were then.
                let facts =
                    field_values(&stored.item, sources.get(&stored.item.source), &document, stored.sight());
                let is_known = stored.originality.is_some();
                let found = queries.iter().map(|query| {
                    // As live matching, which waits until it is known.
                    let found = query.matches(&document, &facts);
                    found.filter(|_| is_known || !query.needs_originality())
                });
                let found = found.collect();
                Looked { stored, found }
            };
            items.into_iter().map(look).collect::<Vec<_>>()
        });
        looked.await?.into_iter().for_each(&mut tell);
        line.show(&format!("looking through what is stored: {seen} of {total} items"));
    }
    line.clear();
    Ok(seen)
}
