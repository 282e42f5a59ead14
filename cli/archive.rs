//! What is stored, looked through with a query: the archive is matched as what comes in is.

use std::collections::HashMap;
use std::sync::Arc;

use matcher::{Analysis, Query, facts};
use model::{Match, Name, Source, Span, Zone, excerpt_around};
use store::{Store, StoredItem};

use crate::global::Global;
use crate::live::StatusLine;
use crate::output::Format;

/// Items read from the store at once.
const PAGE: usize = 500;
/// Characters of an excerpt.
const EXCERPT: usize = 300;

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
    let all = Arc::new((queries, sources, Analysis::default(), global.clock.now()));
    let mut line = StatusLine::new(global.output == Format::Table);
    let (mut after, mut seen) = (0, 0);
    loop {
        let items = store.items(after, PAGE).await?;
        let Some(last) = items.last() else { break };
        after = last.row;
        seen += items.len() as u64;
        let shared = all.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let (queries, sources, analysis, now) = &*shared;
            let look = |stored: StoredItem| {
                let document = analysis.item(&stored.item);
                let facts = facts(&stored.item, sources.get(&stored.item.source), &document, *now);
                let found = queries.iter().map(|query| query.matches(&document, &facts)).collect();
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

/// A match of a query that belongs to no topic.
pub(crate) fn unnamed_match(stored: &StoredItem, spans: Vec<Span>, name: Name) -> Match {
    let zone = |zone| match zone {
        Zone::Title => stored.item.title.as_deref().unwrap_or(""),
        Zone::Text => stored.item.text.as_str(),
    };
    let text_of = |span: &Span| zone(span.zone).get(span.start..span.end).unwrap_or("").to_owned();
    let spans: Vec<Span> = spans.into_iter().map(|span| Span { text: text_of(&span), ..span }).collect();
    let best =
        spans.iter().find(|span| span.zone == Zone::Text).map_or((0, 0), |span| (span.start, span.end));
    let excerpt = excerpt_around(&stored.item.text, best.0, best.1, EXCERPT);
    Match { topic: name, spans, excerpt }
}
