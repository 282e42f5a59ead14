//! Planning of jobs: the jobs that the declared objects need, and when they are due.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crawler::read;
use model::{Backfill, Host, JobId, Name, Planned, Source, SourceState, Tenant, Timestamp, Watch, after};
use scheduler::{Schedule, ScheduleError, due};
use store::{ObjectChanges, SourceRecord, Store, StoreError};

use crate::snapshot::Snapshot;
use crate::source_set::read_url;

/// Upper bound on the wait for a search, in intervals: the interval with its jitter, and a margin for rounding.
const MAX_SEARCH_WAIT: f64 = 1.11;

/// An error of the store or of the schedule.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The schedule failed.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// The parameters of planning.
#[derive(Debug, Clone, Copy)]
pub struct PlanTerms {
    /// The delay of hosts for which no source declares one.
    pub delay: Duration,
    /// The current time.
    pub now: Timestamp,
    /// Makes every poll due now. Delays and blocks of hosts still apply.
    pub all_now: bool,
}

/// Plans the polls of all sources, the waiting pages, backfills and WebSub documents: all jobs that a new schedule
/// needs.
pub async fn plan_sources(
    store: &dyn Store,
    schedule: &dyn Schedule,
    terms: PlanTerms,
) -> Result<(), BackendError> {
    let (snapshot, records) = Snapshot::load(store, Arc::default()).await?;
    plan_all(store, schedule, (&snapshot, &records), terms).await
}

/// Plans all jobs, and records the version of the objects in the schedule.
pub async fn plan_all(
    store: &dyn Store,
    schedule: &dyn Schedule,
    (snapshot, records): (&Snapshot, &[SourceRecord]),
    terms: PlanTerms,
) -> Result<(), BackendError> {
    let all: Vec<&SourceRecord> = records.iter().collect();
    let mut readings: Vec<Planned> =
        records.iter().flat_map(|record| readings_of(snapshot, record, terms)).collect();
    if schedule.planned().await?.is_none() && !terms.all_now {
        readings.iter_mut().for_each(|planned| spread_search(planned, terms.now));
    }
    plan(store, schedule, (snapshot, &all), readings, terms).await?;
    Ok(schedule.set_planned(snapshot.version()).await?)
}

/// Plans what a change of the objects requires: sources that are new, edited, stopped or removed, and searches that
/// topics need now, or no longer. A job that stays in the schedule by mistake is ended by the node that claims it.
pub async fn plan_changes(
    store: &dyn Store,
    schedule: &dyn Schedule,
    (previous, next): (&Snapshot, &Snapshot),
    changes: &ObjectChanges,
    terms: PlanTerms,
) -> Result<(), BackendError> {
    let mut records = Vec::new();
    let mut obsolete: Vec<JobId> = Vec::new();
    let changed: HashMap<&Name, &Option<SourceRecord>> =
        changes.sources.iter().map(|(name, record)| (name, record)).collect();
    for name in affected_sources(previous, next, changes) {
        let jobs = active_jobs(next, &name);
        let previous_jobs = active_jobs(previous, &name);
        obsolete.extend(previous_jobs.keys().filter(|job| !jobs.contains_key(job)).cloned());
        match changed.get(&name) {
            Some(record) => records.extend((*record).clone()),
            None if jobs != previous_jobs => records.extend(store.source(&name).await?),
            None => (),
        }
    }
    if !obsolete.is_empty() {
        schedule.remove(&obsolete).await?;
    }
    if !records.is_empty() {
        let readings =
            records.iter().flat_map(|record| new_readings(previous, next, record, terms)).collect();
        let records: Vec<&SourceRecord> = records.iter().collect();
        plan(store, schedule, (next, &records), readings, terms).await?;
    }
    Ok(schedule.set_planned(next.version()).await?)
}

/// Returns the sources whose jobs may differ between two snapshots.
fn affected_sources(previous: &Snapshot, next: &Snapshot, changes: &ObjectChanges) -> BTreeSet<Name> {
    let mut names: BTreeSet<Name> = changes.sources.iter().map(|(name, _)| name.clone()).collect();
    names.extend(previous.searched_sources().chain(next.searched_sources()).cloned());
    if !changes.clients.is_empty() {
        let clients: HashSet<&str> = changes.clients.iter().map(|(name, _)| name.as_str()).collect();
        let is_charged =
            |source: &&Arc<Source>| source.client.as_ref().is_some_and(|one| clients.contains(one.as_str()));
        names.extend(next.declared_sources().filter(is_charged).map(|source| source.name.clone()));
    }
    // A source that declares a politeness group moves the other sources at its host.
    let moved: HashSet<Host> = changes
        .sources
        .iter()
        .flat_map(|(name, _)| [previous.declared(name), next.declared(name)])
        .flatten()
        .filter(|source| {
            previous.group_of(source).map(|(_, group)| group) != next.group_of(source).map(|(_, group)| group)
        })
        .filter_map(|source| next.group_of(&source).map(|(host, _)| host))
        .collect();
    if !moved.is_empty() {
        let is_moved =
            |source: &&Arc<Source>| next.group_of(source).is_some_and(|(host, _)| moved.contains(&host));
        names.extend(next.declared_sources().filter(is_moved).map(|source| source.name.clone()));
    }
    names
}

fn active_jobs(snapshot: &Snapshot, name: &Name) -> BTreeMap<JobId, Tenant> {
    snapshot.source(name).map(|source| snapshot.jobs_of(&source)).unwrap_or_default()
}

/// Plans the readings of some sources, and their waiting pages, backfills and WebSub documents.
async fn plan(
    store: &dyn Store,
    schedule: &dyn Schedule,
    (snapshot, records): (&Snapshot, &[&SourceRecord]),
    mut planned: Vec<Planned>,
    terms: PlanTerms,
) -> Result<(), BackendError> {
    let active: BTreeMap<Name, Arc<Source>> = records
        .iter()
        .filter(|record| record.state != SourceState::Quarantined)
        .filter_map(|record| snapshot.source(&record.source.name))
        .map(|source| (source.name.clone(), source))
        .collect();
    // For a single source, only its queues are read. For several sources, reading all queues is cheaper.
    let only = if let [record] = records { Some(&record.source.name) } else { None };
    for (name, host, not_before) in store.page_queues(only).await? {
        if let Some(source) = active.get(&name) {
            let id = JobId::pages(name, host);
            let (delay, tenant) = (read::delay_of(source, terms.delay), snapshot.tenant_of(source));
            planned.push(Planned { id, due: not_before, delay, robots_delay: Duration::ZERO, tenant });
        }
    }
    for (name, backfill) in store.backfills().await? {
        planned.extend(active.get(&name).and_then(|source| backfill_job(snapshot, source, &backfill, terms)));
    }
    for name in store.sources_with_websub_documents().await? {
        planned.extend(active.get(&name).and_then(|source| websub_job(snapshot, source, terms)));
    }
    let hosts: BTreeSet<Host> = planned.iter().map(|planned| planned.id.host.clone()).collect();
    let hosts: Vec<Host> = hosts.into_iter().collect();
    let robots_delays: HashMap<Host, Duration> = store.robots_delays(&hosts).await?.into_iter().collect();
    for planned in &mut planned {
        planned.robots_delay = robots_delays.get(&planned.id.host).copied().unwrap_or_default();
    }
    Ok(schedule.plan(&planned).await?)
}

/// Returns the job that reads the WebSub documents of a source.
pub fn websub_job(snapshot: &Snapshot, source: &Source, terms: PlanTerms) -> Option<Planned> {
    let id = JobId::websub(source.name.clone(), snapshot.host_of(&read_url(source))?);
    let (delay, tenant) = (read::delay_of(source, terms.delay), snapshot.tenant_of(source));
    Some(Planned { id, due: terms.now, delay, robots_delay: Duration::ZERO, tenant })
}

/// Returns the job that continues a backfill; `None` if the backfill has no documents left.
pub fn backfill_job(
    snapshot: &Snapshot,
    source: &Source,
    backfill: &Backfill,
    terms: PlanTerms,
) -> Option<Planned> {
    let host = snapshot.host_of(backfill.ahead.first()?)?;
    let delay = read::delay_of(source, terms.delay);
    let (id, tenant) = (JobId::backfill(source.name.clone(), host), snapshot.tenant_of(source));
    let due = backfill.due.map_or(terms.now, |due| due.max(terms.now));
    Some(Planned { id, due, delay, robots_delay: Duration::ZERO, tenant })
}

/// Plans the job of a backfill that was just requested.
pub async fn plan_backfill(
    store: &dyn Store,
    schedule: &dyn Schedule,
    source: &Name,
    backfill: &Backfill,
    terms: PlanTerms,
) -> Result<(), BackendError> {
    let snapshot = Snapshot::load_for(store, std::slice::from_ref(source)).await?.0;
    let declared = snapshot.source(source);
    let job = declared.and_then(|declared| backfill_job(&snapshot, &declared, backfill, terms));
    Ok(schedule.plan(&job.into_iter().collect::<Vec<_>>()).await?)
}

/// Returns the jobs that read a source. The time of the last search is not stored: a search is planned later than any
/// pending one can be due, and the schedule keeps the earlier time.
fn readings_of(snapshot: &Snapshot, record: &SourceRecord, terms: PlanTerms) -> Vec<Planned> {
    let source = &record.source;
    if source.watch() != Watch::On || record.state == SourceState::Quarantined {
        return Vec::new();
    }
    let delay = read::delay_of(source, terms.delay);
    let due = |id: &JobId| match record.next_poll {
        Some(next) if !terms.all_now && id.query.is_empty() => next,
        // The next poll of a searched source belongs to the search that ended last.
        Some(_) if !terms.all_now => after(terms.now, source.every.min.mul_f64(MAX_SEARCH_WAIT)),
        _ => terms.now,
    };
    let planned = |(id, tenant): (JobId, Tenant)| Planned {
        due: due(&id),
        id,
        delay,
        robots_delay: Duration::ZERO,
        tenant,
    };
    snapshot.jobs_of(source).into_iter().map(planned).collect()
}

/// Moves a search forward by a part of its wait that depends on the query. Otherwise all searches of an empty
/// schedule would be due at the same time.
fn spread_search(planned: &mut Planned, now: Timestamp) {
    if !planned.id.query.is_empty() {
        planned.due = after(now, due::part_of(model::elapsed(now, planned.due), &planned.id.query));
    }
}

/// Returns the readings of a source that a change adds or moves. A search that other topics needed before keeps its
/// time, or each edit of a topic would trigger it.
fn new_readings(
    previous: &Snapshot,
    next: &Snapshot,
    record: &SourceRecord,
    terms: PlanTerms,
) -> Vec<Planned> {
    let readings = readings_of(next, record, terms);
    let declared = previous.declared(&record.source.name).filter(|_| record.next_poll.is_some());
    let Some(declared) = declared.filter(|declared| **declared == record.source) else { return readings };
    let previous_jobs = previous.jobs_of(&declared);
    let changed = |planned: Planned| match previous_jobs.get(&planned.id) {
        // A poll that only moved to another host keeps its time.
        None if planned.id.query.is_empty() => Some(planned),
        None => Some(Planned { due: terms.now, ..planned }),
        // The schedule keeps the earlier time.
        Some(tenant) if *tenant != planned.tenant => Some(planned),
        Some(_) => None,
    };
    readings.into_iter().filter_map(changed).collect()
}

/// Returns the tenant that a job is charged to.
pub async fn tenant_of(store: &dyn Store, job: &JobId) -> Result<Tenant, StoreError> {
    let (snapshot, _) = Snapshot::load_for(store, std::slice::from_ref(&job.source)).await?;
    Ok(snapshot.tenant_of_job(job))
}

/// Makes all jobs that read a source due now.
pub async fn plan_now(
    store: &dyn Store,
    schedule: &dyn Schedule,
    source: &Name,
    terms: PlanTerms,
) -> Result<(), BackendError> {
    let (snapshot, record) = Snapshot::load_for(store, std::slice::from_ref(source)).await?;
    let terms = PlanTerms { all_now: true, ..terms };
    let planned: Vec<Planned> =
        record.iter().flat_map(|record| readings_of(&snapshot, record, terms)).collect();
    Ok(schedule.plan(&planned).await?)
}

/// Returns all jobs of some sources: polls or searches, waiting pages, backfills and WebSub documents.
pub async fn jobs_of(store: &dyn Store, sources: &[Name]) -> Result<Vec<JobId>, StoreError> {
    let (snapshot, _) = Snapshot::load_for(store, sources).await?;
    let declared = sources.iter().filter_map(|name| snapshot.declared(name));
    let mut jobs: Vec<JobId> = declared.flat_map(|source| snapshot.jobs_of(&source).into_keys()).collect();
    let only = if let [source] = sources { Some(source) } else { None };
    for (source, host, _) in store.page_queues(only).await? {
        if sources.contains(&source) {
            jobs.push(JobId::pages(source, host));
        }
    }
    for source in store.sources_with_websub_documents().await? {
        let host = snapshot.declared(&source).and_then(|declared| snapshot.host_of(&read_url(&declared)));
        jobs.extend(host.filter(|_| sources.contains(&source)).map(|host| JobId::websub(source, host)));
    }
    for (source, backfill) in store.backfills().await? {
        let host = backfill.ahead.first().and_then(|url| snapshot.host_of(url));
        jobs.extend(host.filter(|_| sources.contains(&source)).map(|host| JobId::backfill(source, host)));
    }
    Ok(jobs)
}
