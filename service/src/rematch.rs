//! A new or edited topic sees what is stored already.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use matcher::{Definitions, RejectedTopic, TopicIndex};
use model::{Name, Source, Timestamp, Topic};
use store::{ItemMatches, Store, StoreError, StoredItem, TopicRecord};
use tokio::time::Instant;

/// Items matched in one step: small enough for harvests to be stored in between.
const STEP: usize = 500;
/// How often it is noted how far it has come: what was done since is done again after an interruption.
const NOTE: Duration = Duration::from_secs(5);

/// How far matching again has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Items looked at.
    pub items: u64,
    /// Matches that are new.
    pub new_matches: u64,
}

/// Matches everything stored against the topics that have not seen it yet. Tells `progress` after
/// each step. Interrupted, it goes on where it was the next time; nothing is doubled.
pub async fn rematch(
    store: &dyn Store,
    now: Timestamp,
    mut progress: impl FnMut(Progress),
) -> Result<Progress, StoreError> {
    let mut done = Progress::default();
    let behind: Vec<TopicRecord> =
        store.topics().await?.into_iter().filter(|record| !record.is_matched).collect();
    if behind.is_empty() {
        return Ok(done);
    }
    let archive = Archive::of(store, behind.iter().map(|record| record.topic.clone()).collect()).await?;
    // What cannot be understood by this build keeps what it has.
    let is_read = |record: &&TopicRecord| archive.bad.iter().all(|bad| bad.topic.name != record.topic.name);
    let read: Vec<&TopicRecord> = behind.iter().filter(is_read).collect();
    // What some have seen already does no harm twice.
    let Some(mut after) = read.iter().map(|record| record.rematch_row).min() else { return Ok(done) };
    let versions: Vec<(Name, i64)> =
        read.iter().map(|record| (record.topic.name.clone(), record.version)).collect();
    let mut noted = Instant::now();
    while let Some((items, matched)) = archive.step(store, after).await? {
        after = items.last().map_or(after, |last| last.row);
        done.items += items.len() as u64;
        done.new_matches += store.rematch(&versions, &matched, now).await?;
        if noted.elapsed() >= NOTE {
            store.save_rematch_progress(&versions, after).await?;
            noted = Instant::now();
        }
        progress(done);
    }
    store.mark_matched(&versions).await?;
    Ok(done)
}

/// What is stored, matched against some topics step by step. However much there is, one step of it is held.
pub struct Archive {
    index: Arc<TopicIndex>,
    sources: Arc<HashMap<Name, Source>>,
    /// Topics that this build cannot understand: nothing is matched against them.
    pub bad: Vec<RejectedTopic>,
}

impl Archive {
    /// Topics, and the sources that are declared.
    pub async fn of(store: &dyn Store, topics: Vec<Topic>) -> Result<Self, StoreError> {
        let sources = store.sources().await?.into_iter().map(|record| record.source);
        let sources = sources.map(|source| (source.name.clone(), source)).collect();
        let all = store.topics().await?;
        let definitions = Definitions::new(store.lists().await?, all.iter().map(|record| &record.topic));
        let (index, bad) = TopicIndex::with_definitions(&topics, &definitions);
        Ok(Self { index: Arc::new(index), sources: Arc::new(sources), bad })
    }

    /// The next items behind a row, and what each of them matches; `None` behind the last. Items of sources that are no
    /// longer declared are not among those matched.
    pub async fn step(
        &self,
        store: &dyn Store,
        after: i64,
    ) -> Result<Option<(Vec<StoredItem>, Vec<ItemMatches>)>, StoreError> {
        let items = store.items(after, STEP).await?;
        if items.is_empty() {
            return Ok(None);
        }
        let (index, sources) = (self.index.clone(), self.sources.clone());
        let matched = tokio::task::spawn_blocking(move || {
            let matched = items.iter().filter_map(|stored| matched(&index, &sources, stored)).collect();
            (items, matched)
        });
        Ok(Some(matched.await.map_err(|error| StoreError::Other(error.to_string()))?))
    }
}

fn matched(index: &TopicIndex, sources: &HashMap<Name, Source>, stored: &StoredItem) -> Option<ItemMatches> {
    let source = sources.get(&stored.item.source)?;
    let matches = index.matches(&stored.item, source, stored.sight()).1;
    // Whoever links it decides these, and may have done so by now.
    let waiting = || index.deferred().cloned().collect();
    let deferred_topics = stored.originality.map_or_else(waiting, |_| [].into());
    Some(ItemMatches { row: stored.row, version: stored.version, matches, deferred_topics })
}
