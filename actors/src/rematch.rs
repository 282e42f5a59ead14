//! A new or edited topic sees what is stored already.

use matcher::TopicIndex;
use model::{Name, Source, Timestamp, Topic};
use std::collections::HashMap;
use std::sync::Arc;
use store::{Rematched, Store, StoreError, StoredItem};

/// Items matched in one step: small enough for harvests to be stored in between.
const STEP: usize = 500;

/// How far matching again has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Items looked at.
    pub items: u64,
    /// Matches that are new.
    pub new_matches: u64,
}

/// Matches everything stored against the topics that have not seen it yet. Tells `progress` after
/// each step. Interrupted, it begins anew the next time; nothing is doubled.
pub async fn rematch(
    store: &dyn Store,
    now: Timestamp,
    mut progress: impl FnMut(Progress),
) -> Result<Progress, StoreError> {
    let behind: Vec<(Topic, i64)> = store
        .topics()
        .await?
        .into_iter()
        .filter(|record| !record.is_matched)
        .map(|record| (record.topic, record.version))
        .collect();
    let mut done = Progress::default();
    if behind.is_empty() {
        return Ok(done);
    }
    let names: Vec<Name> = behind.iter().map(|(topic, _)| topic.name.clone()).collect();
    let (index, _) = TopicIndex::new(behind.iter().map(|(topic, _)| topic.clone()).collect());
    let index = Arc::new(index);
    let sources: HashMap<Name, Source> = store
        .sources()
        .await?
        .into_iter()
        .map(|record| (record.source.name.clone(), record.source))
        .collect();
    let sources = Arc::new(sources);
    let mut after = 0;
    loop {
        let items = store.items(after, STEP).await?;
        let Some(last) = items.last() else { break };
        after = last.row;
        done.items += items.len() as u64;
        let (index, sources) = (index.clone(), sources.clone());
        let matched = tokio::task::spawn_blocking(move || matched(&index, &sources, &items)).await;
        let matched = matched.map_err(|error| StoreError::Other(error.to_string()))?;
        done.new_matches += store.rematch(&names, &matched, now).await?;
        progress(done);
    }
    let versions: Vec<(Name, i64)> =
        behind.into_iter().map(|(topic, version)| (topic.name, version)).collect();
    store.set_matched(&versions).await?;
    Ok(done)
}

/// What these items match. Items of sources that are no longer declared match nothing new.
fn matched(index: &TopicIndex, sources: &HashMap<Name, Source>, items: &[StoredItem]) -> Vec<Rematched> {
    let of = |stored: &StoredItem| {
        let source = sources.get(&stored.item.source)?;
        let matches = index.matches(&stored.item, source, stored.first_seen).1;
        Some(Rematched { row: stored.row, version: stored.version, matches })
    };
    items.iter().filter_map(of).collect()
}
