//! The declared objects as a node works with them: a snapshot, replaced whole.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use matcher::{BadTopic, TopicIndex};
use model::{Client, Host, JobId, JobKind, Name, Planned, Source, SourceState, Tenant, Timestamp};
use scheduler::Schedule;
use store::{SourceRecord, Store, StoreError};
use url::Url;

/// The declared objects at one moment.
#[derive(Default)]
pub(crate) struct Roster {
    /// The version of the objects in the store.
    pub(crate) version: i64,
    pub(crate) topics: Arc<TopicIndex>,
    sources: HashMap<Name, Arc<Source>>,
    groups: HashMap<Host, Host>,
    clients: HashMap<Name, Client>,
    bad_topics: Vec<BadTopic>,
}

impl Roster {
    /// The objects that the store holds now, and how each source is doing.
    pub(crate) async fn load(store: &dyn Store) -> Result<(Self, Vec<SourceRecord>), StoreError> {
        // The version is read first: objects that change meanwhile make it stale, and it is loaded again.
        let version = store.objects_version().await?;
        let records = store.sources().await?;
        let topics = store.topics().await?.into_iter().map(|record| record.topic).collect();
        let clients = store.clients().await?;
        let (index, bad_topics) = TopicIndex::new(topics);
        let named = |record: &SourceRecord| (record.source.name.clone(), Arc::new(record.source.clone()));
        let roster = Self {
            version,
            topics: Arc::new(index),
            groups: groups(&records),
            clients: clients.into_iter().map(|client| (client.name.clone(), client)).collect(),
            sources: records.iter().map(named).collect(),
            bad_topics,
        };
        Ok((roster, records))
    }

    /// A source that is declared and not paused.
    pub(crate) fn source(&self, name: &Name) -> Option<Arc<Source>> {
        self.sources.get(name).filter(|source| !source.paused).cloned()
    }

    /// A source that is declared, paused or not.
    pub(crate) fn declared(&self, name: &Name) -> Option<Arc<Source>> {
        self.sources.get(name).cloned()
    }

    /// What politeness is owed to at an address: its host, or the group that a source on it declares.
    pub(crate) fn host_of(&self, url: &Url) -> Option<Host> {
        let host = Host::of(url)?;
        Some(self.groups.get(&host).cloned().unwrap_or(host))
    }

    /// Topics whose queries cannot be understood.
    pub(crate) fn bad_topics(&self) -> &[BadTopic] {
        &self.bad_topics
    }

    /// Whose share of a host the jobs of a source are.
    pub(crate) fn tenant_of(&self, source: &Source) -> Tenant {
        let Some(name) = &source.client else { return Tenant::common() };
        let undeclared = || Tenant { client: name.to_string(), weight: Client::LEAST };
        self.clients.get(name).map_or_else(undeclared, Client::tenant)
    }

    /// The poll of a source: at the host of its address.
    pub(crate) fn poll_of(&self, source: &Source) -> Option<JobId> {
        let host = self.host_of(&source.url)?;
        Some(JobId { source: source.name.clone(), kind: JobKind::Poll, host })
    }
}

fn groups(records: &[SourceRecord]) -> HashMap<Host, Host> {
    let grouped = |SourceRecord { source, .. }: &SourceRecord| {
        Some((Host::of(&source.url)?, Host::group(source.politeness_group.as_ref()?)))
    };
    records.iter().filter_map(grouped).collect()
}

/// How jobs are planned: the delay where nobody asks for longer, and the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) delay: Duration,
    pub(crate) now: Timestamp,
    /// Every poll is due at once, never against a host's delay.
    pub(crate) all_now: bool,
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
    let (roster, records) = Roster::load(store).await.map_err(|error| error.to_string())?;
    plan_all(store, schedule, (&roster, &records), Terms { delay, now, all_now }).await
}

/// Plans everything, and notes of which version of the objects.
pub(crate) async fn plan_all(
    store: &dyn Store,
    schedule: &dyn Schedule,
    (roster, records): (&Roster, &[SourceRecord]),
    terms: Terms,
) -> Result<(), String> {
    let all: Vec<&SourceRecord> = records.iter().collect();
    plan(store, schedule, (roster, &all), terms).await?;
    schedule.set_planned(roster.version).await.map_err(|error| error.to_string())
}

/// Plans the polls of some sources, and their pages that wait.
async fn plan(
    store: &dyn Store,
    schedule: &dyn Schedule,
    (roster, records): (&Roster, &[&SourceRecord]),
    terms: Terms,
) -> Result<(), String> {
    let robots_delays: HashMap<Host, Duration> =
        store.robots_delays().await.map_err(|error| error.to_string())?.into_iter().collect();
    let mut planned: Vec<Planned> =
        records.iter().filter_map(|record| poll_of(roster, record, terms)).collect();
    let read: HashSet<&Name> = records
        .iter()
        .filter(|record| record.state != SourceState::Quarantined)
        .map(|record| &record.source.name)
        .collect();
    for (source, host, not_before) in store.page_queues().await.map_err(|error| error.to_string())? {
        if let Some(declared) = roster.source(&source).filter(|_| read.contains(&source)) {
            let id = JobId { source, kind: JobKind::Pages, host };
            let delay = declared.delay.unwrap_or(terms.delay);
            let tenant = roster.tenant_of(&declared);
            planned.push(Planned { id, due: not_before, delay, robots_delay: Duration::ZERO, tenant });
        }
    }
    for planned in &mut planned {
        planned.robots_delay = robots_delays.get(&planned.id.host).copied().unwrap_or_default();
    }
    schedule.plan(&planned).await.map_err(|error| error.to_string())
}

fn poll_of(roster: &Roster, record: &SourceRecord, terms: Terms) -> Option<Planned> {
    let source = &record.source;
    if source.paused || record.state == SourceState::Quarantined {
        return None;
    }
    let id = roster.poll_of(source)?;
    let due = record.next_poll.filter(|_| !terms.all_now).unwrap_or(terms.now);
    let delay = source.delay.unwrap_or(terms.delay);
    Some(Planned { id, due, delay, robots_delay: Duration::ZERO, tenant: roster.tenant_of(source) })
}

/// Whose share of a host the jobs of a source are.
pub async fn tenant_of(store: &dyn Store, source: &Source) -> Result<Tenant, StoreError> {
    let clients = store.clients().await?.into_iter().map(|client| (client.name.clone(), client)).collect();
    Ok(Roster { clients, ..Roster::default() }.tenant_of(source))
}

/// The jobs of sources: their polls, and the pages that wait.
pub async fn jobs_of(store: &dyn Store, sources: &[Name]) -> Result<Vec<JobId>, StoreError> {
    let (roster, _) = Roster::load(store).await?;
    let declared = sources.iter().filter_map(|name| roster.declared(name));
    let mut jobs: Vec<JobId> = declared.filter_map(|source| roster.poll_of(&source)).collect();
    for (source, host, _) in store.page_queues().await? {
        if sources.contains(&source) {
            jobs.push(JobId { source, kind: JobKind::Pages, host });
        }
    }
    Ok(jobs)
}

/// Plans what a change of the objects asks for: sources that are new, edited, paused or gone. A job that
/// is left behind all the same, as by a change while no node ran, is ended by whoever claims it.
pub(crate) async fn plan_changes(
    store: &dyn Store,
    schedule: &dyn Schedule,
    before: &Roster,
    (after, records): (&Roster, &[SourceRecord]),
    terms: Terms,
) -> Result<(), String> {
    let poll = |roster: &Roster, source: &Arc<Source>| roster.poll_of(source).filter(|_| !source.paused);
    let stopped: Vec<JobId> = before
        .sources
        .iter()
        .filter_map(|(name, source)| {
            let was = poll(before, source)?;
            let is = after.declared(name).and_then(|now| poll(after, &now));
            (is.as_ref() != Some(&was)).then_some(was)
        })
        .collect();
    if !stopped.is_empty() {
        schedule.remove(&stopped).await.map_err(|error| error.to_string())?;
    }
    let is_changed = |record: &&SourceRecord| {
        let known = before.sources.get(&record.source.name);
        // One without a poll may have been removed and declared again since we looked.
        record.next_poll.is_none()
            || known.is_none_or(|known| **known != record.source)
            || known.and_then(|known| before.poll_of(known)) != after.poll_of(&record.source)
            || known.is_none_or(|known| before.tenant_of(known) != after.tenant_of(&record.source))
    };
    let changed: Vec<&SourceRecord> = records.iter().filter(is_changed).collect();
    if !changed.is_empty() {
        plan(store, schedule, (after, &changed), terms).await?;
    }
    schedule.set_planned(after.version).await.map_err(|error| error.to_string())
}
