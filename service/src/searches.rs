//! The searches of searched sources: what topics need, within the budgets of sources and clients.

use std::sync::Arc;
use std::time::Duration;

use model::{Name, Source, Topic};
use store::{Store, StoreError};

use crate::snapshot::Snapshot;

/// A search that is performed for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The searched source.
    pub source: Name,
    /// The search string.
    pub query: String,
    /// The number of topics that share it, including this one.
    pub topics: usize,
    /// The interval between searches.
    pub every: Duration,
}

/// The searches of sources for one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSearches {
    /// Searches that are performed.
    pub active: Vec<Search>,
    /// Searches that the topic needs and that exceed a budget, with their sources.
    pub over_budget: Vec<(Name, String)>,
    /// Sources that the topic's filters admit but that cannot be searched for it, because no set of strings covers
    /// its query.
    pub not_searchable: Vec<Name>,
}

/// Returns the searches of sources for one topic.
pub async fn searches_of(store: &dyn Store, topic: &Topic) -> Result<TopicSearches, StoreError> {
    let mut searches = TopicSearches::default();
    let records = store.sources().await?;
    let admits = |source: &Source| source.is_searched() && topic.admits_source(source);
    if !records.iter().any(|record| admits(&record.source)) {
        return Ok(searches);
    }
    let (snapshot, records) = Snapshot::load(store, Arc::default()).await?;
    for record in records.iter().filter(|record| !record.state.is_stopped() && admits(&record.source)) {
        let source = &record.source;
        let needed = snapshot.needed_searches(source);
        let of_topic =
            needed.into_iter().filter(|(_, topics)| topics.iter().any(|one| one.name == topic.name));
        let count = searches.active.len() + searches.over_budget.len();
        for (query, topics) in of_topic {
            if snapshot.has_search(&source.name, &query) {
                let (source, every, topics) = (source.name.clone(), source.every.min, topics.len());
                searches.active.push(Search { source, query, topics, every });
            } else {
                searches.over_budget.push((source.name.clone(), query));
            }
        }
        if searches.active.len() + searches.over_budget.len() == count {
            searches.not_searchable.push(source.name.clone());
        }
    }
    Ok(searches)
}
