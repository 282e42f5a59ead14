//! The declared objects as a node works with them: a snapshot, replaced whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crawler::read;
use matcher::{Lists, RejectedTopic, TopicIndex};
use model::{
    Backfill, Client, Host, JobId, JobKind, Name, Planned, Source, SourceKind, SourceState, Tenant,
    Timestamp, Watch, after,
};
use scheduler::{Schedule, due};
use store::{SourceRecord, Store, StoreError};
use url::Url;

use crate::searches::{Allowances, within_budget};

/// How much longer than its interval the wait for a search may be: its spread, and a little for rounding.
const LONGEST_SPREAD: f64 = 1.11;

/// The declared objects at one moment.
#[derive(Clone, Default)]
pub(crate) struct Snapshot {
    /// The version of the objects in the store.
    pub(crate) version: i64,
    pub(crate) topics: Arc<TopicIndex>,
    /// Topics that are decided when an item was looked at beside others, with their versions.
    late: Arc<[(Name, i64)]>,
    /// The names of these.
    deferred_topics: Arc<[Name]>,
    sources: HashMap<Name, Arc<Source>>,
    groups: HashMap<Host, Host>,
    /// How many sources are read at each host.
    sources_at: HashMap<Host, usize>,
    clients: HashMap<String, Client>,
    /// What searched sources are asked, and whose the asking is.
    searches: HashMap<Name, BTreeMap<String, Tenant>>,
    rejected_topics: Vec<RejectedTopic>,
}

impl Snapshot {
    /// The objects that the store holds now, and how each source is doing. What did not change since `before` is not
    /// compiled again.
    pub(crate) async fn load(
        store: &dyn Store,
        before: Arc<TopicIndex>,
    ) -> Result<(Self, Vec<SourceRecord>), StoreError> {
        // The version is read first: objects that change meanwhile make it stale, and it is loaded again.
        let version = store.objects_version().await?;
        let records = store.sources().await?;
        let records_of_topics = store.topics().await?;
        let versions: HashMap<Name, i64> =
            records_of_topics.iter().map(|record| (record.topic.name.clone(), record.version)).collect();
        let topics = records_of_topics.into_iter().map(|record| record.topic).collect();
        let clients = store.clients().await?;
        let lists = store.lists().await?;
        let compiled = tokio::task::spawn_blocking(move || before.changed(topics, Lists::new(lists))).await;
        let (index, rejected_topics) = compiled.map_err(|error| StoreError::Other(error.to_string()))?;
        let named = |record: &SourceRecord| (record.source.name.clone(), Arc::new(record.source.clone()));
        let mut snapshot = Self {
            version,
            late: index.deferred().filter_map(|name| Some((name.clone(), *versions.get(name)?))).collect(),
            deferred_topics: index.deferred().cloned().collect(),
            topics: Arc::new(index),
            groups: groups(&records),
            clients: by_name(clients),
            sources: records.iter().map(named).collect(),
            sources_at: HashMap::new(),
            searches: HashMap::new(),
            rejected_topics,
        };
        snapshot.plan_searches();
        for source in snapshot.sources.values().filter(|source| source.watch() == Watch::On) {
            if let Some(host) = snapshot.host_of(&read_at(source)) {
                *snapshot.sources_at.entry(host).or_default() += 1;
            }
        }
        Ok((snapshot, records))
    }

    /// The same objects with another index of the same topics.
    pub(crate) fn with_topics(&self, index: TopicIndex) -> Self {
        Self { topics: Arc::new(index), ..self.clone() }
    }

    /// Topics that are decided when an item was looked at beside others, with their versions.
    pub(crate) fn deferred(&self) -> &[(Name, i64)] {
        &self.late
    }

    /// The names of these.
    pub(crate) fn deferred_topics(&self) -> Arc<[Name]> {
        self.deferred_topics.clone()
    }

    /// A source that is declared and not paused.
    pub(crate) fn source(&self, name: &Name) -> Option<Arc<Source>> {
        self.sources.get(name).filter(|source| source.watch() == Watch::On).cloned()
    }

    /// A source that is declared, paused or not.
    pub(crate) fn declared(&self, name: &Name) -> Option<Arc<Source>> {
        self.sources.get(name).cloned()
    }

    /// Names of the sources that are declared.
    pub(crate) fn names(&self) -> Vec<Name> {
        self.sources.keys().cloned().collect()
    }

    /// What politeness is owed to at an address: its host, or the group that a source on it declares.
    pub(crate) fn host_of(&self, url: &Url) -> Option<Host> {
        let host = Host::from_url(url)?;
        Some(self.groups.get(&host).cloned().unwrap_or(host))
    }

    /// How many sources are read at a host.
    pub(crate) fn sources_at(&self, host: &Host) -> usize {
        self.sources_at.get(host).copied().unwrap_or(0)
    }

    /// Topics whose queries cannot be understood.
    pub(crate) fn rejected_topics(&self) -> &[RejectedTopic] {
        &self.rejected_topics
    }

    /// Whose share of a host the jobs of a source are.
    pub(crate) fn tenant_of(&self, source: &Source) -> Tenant {
        source.client.as_ref().map_or_else(Tenant::shared, |client| self.tenant(client.as_str()))
    }

    fn tenant(&self, client: &str) -> Tenant {
        let undeclared = || Tenant { client: client.to_owned(), weight: Client::DEFAULT_WEIGHT };
        self.clients.get(client).map_or_else(undeclared, Client::tenant)
    }

    /// The jobs by which a source is read, with whose they are: its poll, or, where it is searched, a search for
    /// each string that a topic needs.
    pub(crate) fn jobs_of(&self, source: &Source) -> BTreeMap<JobId, Tenant> {
        if source.kind == SourceKind::Import {
            return BTreeMap::new(); // it is fed, never fetched
        }
        let Some(host) = self.host_of(&read_at(source)) else { return BTreeMap::new() };
        let Some(searches) = self.searches.get(&source.name) else {
            return BTreeMap::from([(JobId::poll(source.name.clone(), host), self.tenant_of(source))]);
        };
        let job = |query: &String| JobId::search(source.name.clone(), host.clone(), query.clone());
        searches.iter().map(|(query, tenant)| (job(query), tenant.clone())).collect()
    }

    /// Whether a source is read by this job, or it is about its pages.
    pub(crate) fn has_job(&self, source: &Source, job: &JobId) -> bool {
        let searches = self.searches.get(&source.name);
        if source.kind == SourceKind::Import {
            return false;
        }
        match job.kind {
            JobKind::Pages | JobKind::Backfill | JobKind::WebSub => true,
            JobKind::Poll => searches.is_none() && self.host_of(&read_at(source)).as_ref() == Some(&job.host),
            JobKind::Search => {
                self.host_of(&read_at(source)).as_ref() == Some(&job.host)
                    && searches.is_some_and(|searches| searches.contains_key(&job.query))
            }
        }
    }

    /// Whether a source is asked for a query.
    pub(crate) fn has_search(&self, source: &Name, query: &str) -> bool {
        self.searches.get(source).is_some_and(|searches| searches.contains_key(query))
    }

    /// What searched sources are asked for: in the order of names, since clients have budgets over all of them.
    fn plan_searches(&mut self) {
        let mut allowances = Allowances::of(self.clients.values());
        let mut searched: Vec<Arc<Source>> =
            self.sources.values().filter(|source| source.is_searched()).cloned().collect();
        searched.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        for source in searched {
            let needed = self.topics.searches(&source);
            let most = source.searches.unwrap_or(Source::DEFAULT_SEARCHES) as usize;
            let tenant_of =
                |client: Option<&str>| client.map_or_else(Tenant::shared, |name| self.tenant(name));
            // What is not watched costs nobody anything; its jobs are known all the same, to be taken back.
            let mut aside = Allowances::of(self.clients.values());
            let allowed = if source.watch() == Watch::On { &mut allowances } else { &mut aside };
            let asked = within_budget(&needed, most, &tenant_of, allowed);
            if asked.len() < needed.len() {
                let (needed, asked) = (needed.len(), asked.len());
                tracing::warn!(source = %source.name, needed, asked, "topics need more searches than budgets allow");
            }
            self.searches.insert(source.name.clone(), asked);
        }
    }
}

/// Where a source is read: at one host, whatever is searched for.
fn read_at(source: &Source) -> Url {
    read::address_of(source, "")
}

fn by_name(clients: Vec<Client>) -> HashMap<String, Client> {
    clients.into_iter().map(|client| (client.name.to_string(), client)).collect()
}

/// What politeness is owed to where each source is read.
pub fn hosts_of(records: &[SourceRecord]) -> HashMap<Name, Host> {
    let groups = groups(records);
    let host = |SourceRecord { source, .. }: &SourceRecord| {
        let host = Host::from_url(&read_at(source))?;
        Some((source.name.clone(), groups.get(&host).cloned().unwrap_or(host)))
    };
    records.iter().filter_map(host).collect()
}

fn groups(records: &[SourceRecord]) -> HashMap<Host, Host> {
    let grouped = |SourceRecord { source, .. }: &SourceRecord| {
        Some((Host::from_url(&read_at(source))?, Host::group(source.politeness_group.as_ref()?)))
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
    let (snapshot, records) =
        Snapshot::load(store, Arc::default()).await.map_err(|error| error.to_string())?;
    plan_all(store, schedule, (&snapshot, &records), Terms { delay, now, all_now }).await
}

/// Plans everything, and notes of which version of the objects.
pub(crate) async fn plan_all(
    store: &dyn Store,
    schedule: &dyn Schedule,
    (snapshot, records): (&Snapshot, &[SourceRecord]),
    terms: Terms,
) -> Result<(), String> {
    let all: Vec<&SourceRecord> = records.iter().collect();
    let mut readings: Vec<Planned> =
        records.iter().flat_map(|record| readings_of(snapshot, record, terms)).collect();
    let is_blank = schedule.planned().await.map_err(|error| error.to_string())?.is_none();
    if is_blank && !terms.all_now {
        readings.iter_mut().for_each(|planned| bring_forward(planned, terms.now));
    }
    plan(store, schedule, (snapshot, &all), readings, terms).await?;
    schedule.set_planned(snapshot.version).await.map_err(|error| error.to_string())
}

/// Plans the readings of some sources, and their pages that wait.
async fn plan(
    store: &dyn Store,
    schedule: &dyn Schedule,
    (snapshot, records): (&Snapshot, &[&SourceRecord]),
    mut planned: Vec<Planned>,
    terms: Terms,
) -> Result<(), String> {
    let robots_delays: HashMap<Host, Duration> =
        store.robots_delays().await.map_err(|error| error.to_string())?.into_iter().collect();
    let read: HashSet<&Name> = records
        .iter()
        .filter(|record| record.state != SourceState::Quarantined)
        .map(|record| &record.source.name)
        .collect();
    for (source, host, not_before) in store.page_queues().await.map_err(|error| error.to_string())? {
        if let Some(declared) = snapshot.source(&source).filter(|_| read.contains(&source)) {
            let id = JobId::pages(source, host);
            let delay = read::delay_of(&declared, terms.delay);
            let tenant = snapshot.tenant_of(&declared);
            planned.push(Planned { id, due: not_before, delay, robots_delay: Duration::ZERO, tenant });
        }
    }
    for (source, backfill) in store.backfills().await.map_err(|error| error.to_string())? {
        if let Some(declared) = snapshot.source(&source).filter(|_| read.contains(&source)) {
            planned.extend(backfill_of(snapshot, &declared, &backfill, terms));
        }
    }
    for source in store.sources_with_websub_documents().await.map_err(|error| error.to_string())? {
        if let Some(declared) = snapshot.source(&source).filter(|_| read.contains(&source)) {
            planned.extend(websub_of(snapshot, &declared, terms));
        }
    }
    for planned in &mut planned {
        planned.robots_delay = robots_delays.get(&planned.id.host).copied().unwrap_or_default();
    }
    schedule.plan(&planned).await.map_err(|error| error.to_string())
}

/// The job that reads what hubs pushed of a source.
pub(crate) fn websub_of(snapshot: &Snapshot, source: &Source, terms: Terms) -> Option<Planned> {
    let id = JobId::websub(source.name.clone(), snapshot.host_of(&read_at(source))?);
    let (delay, tenant) = (read::delay_of(source, terms.delay), snapshot.tenant_of(source));
    Some(Planned { id, due: terms.now, delay, robots_delay: Duration::ZERO, tenant })
}

/// The job that reads a source's past, while there is something to read.
pub(crate) fn backfill_of(
    snapshot: &Snapshot,
    source: &Source,
    backfill: &Backfill,
    terms: Terms,
) -> Option<Planned> {
    let host = snapshot.host_of(backfill.ahead.first()?)?;
    let delay = read::delay_of(source, terms.delay);
    let (id, tenant) = (JobId::backfill(source.name.clone(), host), snapshot.tenant_of(source));
    let due = backfill.due.map_or(terms.now, |due| due.max(terms.now));
    Some(Planned { id, due, delay, robots_delay: Duration::ZERO, tenant })
}

/// Begins to read a source's past, or to read it anew.
pub async fn plan_backfill(
    store: &dyn Store,
    schedule: &dyn Schedule,
    source: &Name,
    backfill: &Backfill,
    (delay, now): (Duration, Timestamp),
) -> Result<(), String> {
    let (snapshot, _) = Snapshot::load(store, Arc::default()).await.map_err(|error| error.to_string())?;
    let terms = Terms { delay, now, all_now: false };
    let declared = snapshot.source(source);
    let planned = declared.and_then(|declared| backfill_of(&snapshot, &declared, backfill, terms));
    schedule.plan(&planned.into_iter().collect::<Vec<_>>()).await.map_err(|error| error.to_string())
}

/// The jobs by which a source is read, as they are due where the schedule may know them already. When a search was
/// made last is not stored: it is planned for later than a known one can be due, which keeps its earlier time.
fn readings_of(snapshot: &Snapshot, record: &SourceRecord, terms: Terms) -> Vec<Planned> {
    let source = &record.source;
    if source.watch() != Watch::On || record.state == SourceState::Quarantined {
        return Vec::new();
    }
    let delay = read::delay_of(source, terms.delay);
    let first = |id: &JobId| match record.next_poll {
        Some(next) if !terms.all_now && id.query.is_empty() => next,
        // The source's own next poll is that of whichever search ended last: it says nothing of this one.
        Some(_) if !terms.all_now => after(terms.now, source.every.min.mul_f64(LONGEST_SPREAD)),
        _ => terms.now,
    };
    let planned = |(id, tenant): (JobId, Tenant)| Planned {
        due: first(&id),
        id,
        delay,
        robots_delay: Duration::ZERO,
        tenant,
    };
    snapshot.jobs_of(source).into_iter().map(planned).collect()
}

/// Where a schedule knows nothing, all searches would be due at the same moment: each begins at another one.
fn bring_forward(planned: &mut Planned, now: Timestamp) {
    if !planned.id.query.is_empty() {
        let wait = model::elapsed(now, planned.due);
        planned.due = after(now, due::part_of(wait, &planned.id.query));
    }
}

/// What a change of the objects adds to the readings of a source. A search that others needed already goes on as it
/// was: each edit of a topic would ask sooner otherwise.
fn outcome_of(before: &Snapshot, after: &Snapshot, record: &SourceRecord, terms: Terms) -> Vec<Planned> {
    let readings = readings_of(after, record, terms);
    let known = before.sources.get(&record.source.name).filter(|_| record.next_poll.is_some());
    let Some(known) = known.filter(|known| ***known == record.source) else { return readings };
    let were = before.jobs_of(known);
    let is_news = |planned: Planned| match were.get(&planned.id) {
        // A poll that only moved to another host keeps its time.
        None if planned.id.query.is_empty() => Some(planned),
        None => Some(Planned { due: terms.now, ..planned }),
        // It keeps its earlier time.
        Some(tenant) if *tenant != planned.tenant => Some(planned),
        Some(_) => None,
    };
    readings.into_iter().filter_map(is_news).collect()
}

/// Whose share of a host a job is.
pub async fn tenant_of(store: &dyn Store, job: &JobId) -> Result<Tenant, StoreError> {
    let (snapshot, _) = Snapshot::load(store, Arc::default()).await?;
    let Some(source) = snapshot.declared(&job.source) else { return Ok(Tenant::shared()) };
    let searched = snapshot.searches.get(&job.source).and_then(|searches| searches.get(&job.query));
    Ok(searched.cloned().unwrap_or_else(|| snapshot.tenant_of(&source)))
}

/// Makes everything by which a source is read due now, as it is declared now.
pub async fn plan_now(
    store: &dyn Store,
    schedule: &dyn Schedule,
    source: &Name,
    delay: Duration,
    now: Timestamp,
) -> Result<(), String> {
    let (snapshot, records) =
        Snapshot::load(store, Arc::default()).await.map_err(|error| error.to_string())?;
    let terms = Terms { delay, now, all_now: true };
    let named = records.iter().filter(|record| record.source.name == *source);
    let planned: Vec<Planned> = named.flat_map(|record| readings_of(&snapshot, record, terms)).collect();
    schedule.plan(&planned).await.map_err(|error| error.to_string())
}

/// The jobs of sources: their polls or searches, and the pages that wait.
pub async fn jobs_of(store: &dyn Store, sources: &[Name]) -> Result<Vec<JobId>, StoreError> {
    let (snapshot, _) = Snapshot::load(store, Arc::default()).await?;
    let declared = sources.iter().filter_map(|name| snapshot.declared(name));
    let mut jobs: Vec<JobId> = declared.flat_map(|source| snapshot.jobs_of(&source).into_keys()).collect();
    for (source, host, _) in store.page_queues().await? {
        if sources.contains(&source) {
            jobs.push(JobId::pages(source, host));
        }
    }
    for source in store.sources_with_websub_documents().await? {
        let host = snapshot.declared(&source).and_then(|declared| snapshot.host_of(&read_at(&declared)));
        jobs.extend(host.filter(|_| sources.contains(&source)).map(|host| JobId::websub(source, host)));
    }
    for (source, backfill) in store.backfills().await? {
        let host = backfill.ahead.first().and_then(|url| snapshot.host_of(url));
        jobs.extend(host.filter(|_| sources.contains(&source)).map(|host| JobId::backfill(source, host)));
    }
    Ok(jobs)
}

/// Plans what a change of the objects asks for: sources that are new, edited, paused or gone, and searches that
/// topics need now, or no more. A job that is left behind all the same, as by a change while no node ran, is
/// ended by whoever claims it.
pub(crate) async fn plan_changes(
    store: &dyn Store,
    schedule: &dyn Schedule,
    before: &Snapshot,
    (after, records): (&Snapshot, &[SourceRecord]),
    terms: Terms,
) -> Result<(), String> {
    let readings = |snapshot: &Snapshot, source: Option<Arc<Source>>| -> BTreeMap<JobId, Tenant> {
        source
            .filter(|source| source.watch() == Watch::On)
            .map(|source| snapshot.jobs_of(&source))
            .unwrap_or_default()
    };
    let mut stopped: Vec<JobId> = Vec::new();
    for (name, source) in &before.sources {
        let now = readings(after, after.declared(name));
        let was = readings(before, Some(source.clone())).into_keys();
        stopped.extend(was.filter(|job| !now.contains_key(job)));
    }
    if !stopped.is_empty() {
        schedule.remove(&stopped).await.map_err(|error| error.to_string())?;
    }
    let is_changed = |record: &&SourceRecord| {
        let known = before.sources.get(&record.source.name);
        // One without a poll may have been removed and declared again since we looked.
        record.next_poll.is_none()
            || known.is_none_or(|known| **known != record.source)
            || known.is_none_or(|known| before.jobs_of(known) != after.jobs_of(&record.source))
    };
    let changed: Vec<&SourceRecord> = records.iter().filter(is_changed).collect();
    if !changed.is_empty() {
        let outcome = changed.iter().flat_map(|record| outcome_of(before, after, record, terms)).collect();
        plan(store, schedule, (after, &changed), outcome, terms).await?;
    }
    schedule.set_planned(after.version).await.map_err(|error| error.to_string())
}
