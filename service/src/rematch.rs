//! Matching of stored items against new and edited topics.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use matcher::{RejectedTopic, TopicIndex};
use model::{Name, Source, Timestamp, Topic};
use store::{ItemMatches, Store, StoreError, StoredItem, TopicRecord};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::references::Surroundings;
use crate::source_cache::SourceCache;

/// Upper bound on the items matched in one step. Harvests are stored between steps.
const STEP_ITEMS: usize = 500;
/// The interval at which progress is recorded. An interruption repeats the work since then.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// The progress of rematching.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Items matched.
    pub items: u64,
    /// New matches.
    pub new_matches: u64,
}

/// Matches all stored items against the topics that have not been matched yet, and calls `progress` after each step.
/// After an interruption, the next call resumes. Repeated work stores nothing twice.
pub async fn rematch(
    store: &dyn Store,
    now: Timestamp,
    mut progress: impl FnMut(Progress),
) -> Result<Progress, StoreError> {
    let mut total = Progress::default();
    let unmatched = store.unmatched_topics().await?;
    if unmatched.is_empty() {
        return Ok(total);
    }
    let archive = Archive::new(store, unmatched.iter().map(|record| record.topic.clone()).collect()).await?;
    // A topic that this build cannot compile keeps its matches.
    let is_compiled = |record: &&TopicRecord| {
        archive.rejected.iter().all(|rejected| rejected.topic.name != record.topic.name)
    };
    let records: Vec<&TopicRecord> = unmatched.iter().filter(is_compiled).collect();
    // Topics with more progress are matched with some items again, which changes nothing.
    let Some(mut row) = records.iter().map(|record| record.rematch_row).min() else { return Ok(total) };
    let versions: Vec<(Name, i64)> =
        records.iter().map(|record| (record.topic.name.clone(), record.version)).collect();
    let mut last_record = Instant::now();
    while let Some((items, matches)) = archive.step(store, row).await? {
        row = items.last().map_or(row, |last| last.row);
        total.items += items.len() as u64;
        total.new_matches += store.rematch(&versions, &matches, now).await?;
        if last_record.elapsed() >= PROGRESS_INTERVAL {
            store.save_rematch_progress(&versions, row).await?;
            last_record = Instant::now();
        }
        progress(total);
    }
    store.mark_matched(&versions).await?;
    Ok(total)
}

/// All stored items, matched against some topics step by step. Memory is bounded by one step.
pub struct Archive {
    index: Arc<TopicIndex>,
    sources: Mutex<SourceCache>,
    /// Topics that this build cannot compile. Nothing is matched against them.
    pub rejected: Vec<RejectedTopic>,
}

impl Archive {
    /// Compiles topics, with the lists and topics that they reference.
    pub async fn new(store: &dyn Store, topics: Vec<Topic>) -> Result<Self, StoreError> {
        let definitions = Surroundings::of_topics(store, &topics).await?.definitions();
        let (index, rejected) = TopicIndex::with_definitions(&topics, &definitions);
        Ok(Self { index: Arc::new(index), sources: Mutex::default(), rejected })
    }

    /// Returns the next items after a row, with the matches of each; `None` at the end. Items of undeclared sources
    /// have no entry among the matches.
    pub async fn step(
        &self,
        store: &dyn Store,
        after: i64,
    ) -> Result<Option<(Vec<StoredItem>, Vec<ItemMatches>)>, StoreError> {
        let items = store.items(after, STEP_ITEMS).await?;
        if items.is_empty() {
            return Ok(None);
        }
        let sources = self.sources.lock().await.of_items(store, &items).await?;
        let index = self.index.clone();
        let step = tokio::task::spawn_blocking(move || {
            let matches = items.iter().filter_map(|stored| match_item(&index, &sources, stored)).collect();
            (items, matches)
        });
        Ok(Some(step.await.map_err(|error| StoreError::Other(error.to_string()))?))
    }
}

fn match_item(
    index: &TopicIndex,
    sources: &HashMap<Name, Arc<Source>>,
    stored: &StoredItem,
) -> Option<ItemMatches> {
    let source = sources.get(&stored.item.source)?;
    let matches = index.matches(&stored.item, source, stored.sight()).1;
    // Topics that depend on originality are decided when the item is linked to a story.
    let deferred = || index.deferred().cloned().collect();
    let deferred_topics = stored.originality.map_or_else(deferred, |_| [].into());
    Some(ItemMatches { row: stored.row, version: stored.version, matches, deferred_topics })
}
