//! The declared objects as a node works with them: a snapshot, replaced whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use matcher::{BadTopic, TopicIndex};
use model::{Host, JobId, JobKind, Name, Planned, Source, SourceState, Timestamp};
use scheduler::Schedule;
use store::{SourceRecord, Store, StoreError};
use url::Url;

/// The declared objects at one moment.
#[derive(Default)]
pub struct Roster {
    /// The version of the objects in the store.
    pub(crate) version: i64,
    pub(crate) topics: Arc<TopicIndex>,
    sources: HashMap<Name, Arc<Source>>,
    groups: HashMap<Host, Host>,
    bad_topics: Vec<BadTopic>,
}

impl Roster {
    /// The objects that the store holds now.
    pub async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        // The version is read first: objects that change meanwhile make it stale, and it is loaded again.
        let version = store.objects_version().await?;
        let records = store.sources().await?;
        let topics = store.topics().await?.into_iter().map(|record| record.topic).collect();
        let (index, bad_topics) = TopicIndex::new(topics);
        let sources: Vec<Source> = records.into_iter().map(|record| record.source).collect();
        Ok(Self {
            version,
            topics: Arc::new(index),
            groups: groups(&sources),
            sources: sources.into_iter().map(|source| (source.name.clone(), Arc::new(source))).collect(),
            bad_topics,
        })
    }

    /// A source that is declared and not paused.
    pub(crate) fn source(&self, name: &Name) -> Option<Arc<Source>> {
        self.sources.get(name).filter(|source| !source.paused).cloned()
    }

    /// What politeness is owed to at an address: its host, or the group that a source on it declares.
    pub(crate) fn host_of(&self, url: &Url) -> Option<Host> {
        let host = Host::of(url)?;
        Some(self.groups.get(&host).cloned().unwrap_or(host))
    }

    /// Topics whose queries cannot be understood.
    pub fn bad_topics(&self) -> &[BadTopic] {
        &self.bad_topics
    }

    fn poll_host(&self, source: &Source) -> Option<Host> {
        self.host_of(&source.url)
    }
}

fn groups(sources: &[Source]) -> HashMap<Host, Host> {
    let grouped =
        |source: &Source| Some((Host::of(&source.url)?, Host::group(source.politeness_group.as_ref()?)));
    sources.iter().filter_map(grouped).collect()
}

/// Plans the polls of all sources, and the pages that wait: what a schedule needs to begin, or to
/// begin anew. `all_now` makes every poll due at once (never against a host's delay).
pub async fn plan_sources(
    store: &dyn Store,
    schedule: &dyn Schedule,
    delay: Duration,
    now: Timestamp,
    all_now: bool,
) -> Result<(), String> {
    let roster = Roster::load(store).await.map_err(|error| error.to_string())?;
    let records = store.sources().await.map_err(|error| error.to_string())?;
    let mut planned: Vec<Planned> =
        records.iter().filter_map(|record| poll_of(&roster, record, delay, now, all_now)).collect();
    for (source, host, not_before) in store.page_queues().await.map_err(|error| error.to_string())? {
        if let Some(declared) = roster.source(&source) {
            let id = JobId { source, kind: JobKind::Pages, host };
            planned.push(Planned { id, due: not_before, delay: declared.delay.unwrap_or(delay) });
        }
    }
    schedule.plan(&planned).await.map_err(|error| error.to_string())
}

fn poll_of(
    roster: &Roster,
    record: &SourceRecord,
    delay: Duration,
    now: Timestamp,
    all_now: bool,
) -> Option<Planned> {
    let source = &record.source;
    if source.paused || record.state == SourceState::Quarantined {
        return None;
    }
    let id = JobId { source: source.name.clone(), kind: JobKind::Poll, host: roster.poll_host(source)? };
    let due = record.next_poll.filter(|_| !all_now).unwrap_or(now);
    Some(Planned { id, due, delay: source.delay.unwrap_or(delay) })
}

/// Plans what a change of the objects asks for: sources that are new, edited, paused or gone.
pub(crate) async fn replan(
    store: &dyn Store,
    schedule: &dyn Schedule,
    before: &Roster,
    after: &Roster,
    delay: Duration,
    now: Timestamp,
) -> Result<(), String> {
    let stopped: Vec<Name> = before
        .sources
        .iter()
        .filter(|(name, source)| !source.paused && after.source(name).is_none_or(|now| now != **source))
        .map(|(name, _)| name.clone())
        .collect();
    if !stopped.is_empty() {
        schedule.remove(&stopped).await.map_err(|error| error.to_string())?;
    }
    plan_sources(store, schedule, delay, now, false).await
}
