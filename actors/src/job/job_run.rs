//! One run of a job: its source, its permits, and the functions to fetch, to save and to settle.

use std::sync::Arc;
use std::time::Duration;

use crawler::extract::{entry_hash, item_of};
use crawler::{FetchError, FetchParams, Fetched, Permits};
use matcher::TopicIndex;
use model::{
    Entry, Fallback, FetchRecord, FetchStatus, Finding, Harvest, HostHealth, ItemContext, JobId, JobKind,
    Planned, PollOutcome, Settlement, Source, Subscription, Timestamp, Turn, after,
};
use scheduler::{Lease, Settle, due};
use service::{BackendError, Snapshot};
use store::{SaveOutcome, StoreError};
use tokio::time::sleep;
use url::Url;

use crate::context::Context;
use crate::job::host_permits::HostPermits;
use crate::save_request::SaveRequest;

/// Maximum attempts of a single pass to borrow a busy host: ten seconds each, some minutes in all.
const MAX_BUSY_HOST_ATTEMPTS: u32 = 30;

/// An error that interrupts a job. Nothing is lost: the job is due again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// Storage could not save or settle the harvest.
    #[error("{0}")]
    Storage(String),
    /// The store or the schedule failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Backend(error.into())
    }
}

/// A running job of a source.
pub(crate) struct JobRun {
    pub(crate) context: Arc<Context>,
    /// The declared objects that the job matches against.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The source as declared.
    declared: Arc<Source>,
    /// The source as read by this job: as declared, or through a fallback.
    pub(crate) source: Arc<Source>,
    pub(crate) job: JobId,
    pub(crate) permits: HostPermits,
    /// The health of the source's host; `None` if the host has too few sources to have one.
    pub(crate) host_health: Option<HostHealth>,
    /// Set when other jobs of the host wait in the same turn.
    pub(crate) has_waiting_jobs: bool,
    /// The WebSub subscription of the source.
    pub(crate) subscription: Option<Subscription>,
    /// Set when the source is, or has been, read in more than one way. Each way uses other entry identifiers, so
    /// entries are then identified by their addresses as well.
    pub(crate) matches_by_address: bool,
    lease: Lease,
    /// The number of exchanges so far.
    exchanges: u32,
}

impl JobRun {
    pub(crate) fn new(
        context: Arc<Context>,
        snapshot: Arc<Snapshot>,
        source: Arc<Source>,
        job: JobId,
        turn: &Turn,
        permits: HostPermits,
    ) -> Self {
        let lease = Lease { host: turn.host.clone(), token: turn.token };
        Self {
            context,
            snapshot,
            declared: source.clone(),
            source,
            job,
            permits,
            host_health: None,
            has_waiting_jobs: false,
            subscription: None,
            matches_by_address: false,
            lease,
            exchanges: 0,
        }
    }

    /// Sets the health of the host and the flag `has_waiting_jobs`.
    pub(crate) fn with_host(self, health: Option<HostHealth>, has_waiting_jobs: bool) -> Self {
        Self { host_health: health, has_waiting_jobs, ..self }
    }

    /// Returns true if the job is a canary: its host has an ongoing incident.
    pub(crate) fn is_canary(&self) -> bool {
        self.host_health.as_ref().is_some_and(|health| health.incident.is_some())
    }

    /// Updates the health of the host and adds it to the harvest. During an incident, the host then rests until the
    /// next canary.
    pub(crate) fn update_host_health(&mut self, harvest: &mut Harvest, update: impl FnOnce(&mut HostHealth)) {
        // A fallback may be on another host, which has its own health.
        let is_home = matches!(self.job.kind, JobKind::Pages | JobKind::Backfill | JobKind::WebSub)
            || self.snapshot.host_of(&self.address()).as_ref() == Some(&self.lease.host);
        let Some(health) = self.host_health.as_mut().filter(|_| is_home) else { return };
        let previous = health.clone();
        update(health);
        if *health != previous {
            harvest.host_health = Some(health.clone());
            self.context
                .metrics
                .record_incident_change(previous.incident.is_some(), health.incident.is_some());
        }
        if let Some(rest) = health.rest(harvest.at) {
            let round = harvest.at.as_second().unsigned_abs();
            self.permits.rest(due::spread(rest, harvest.host.as_str(), round));
        }
    }

    /// Switches to the current declared objects. Returns false if the source has changed.
    pub(crate) fn refresh(&mut self) -> bool {
        self.snapshot = self.context.snapshot();
        self.snapshot.source(&self.source.name).is_some_and(|declared| *declared == *self.declared)
    }

    /// Switches to reading the source through a fallback.
    pub(crate) fn with_fallback(&mut self, fallback: &Fallback) {
        self.source = Arc::new(self.declared.with_fallback(fallback));
        self.permits.raise_delay(crawler::read::delay_of(&self.source, self.context.config.delay));
    }

    /// Returns true if the source is read as declared, not through a fallback.
    pub(crate) fn is_as_declared(&self) -> bool {
        Arc::ptr_eq(&self.source, &self.declared)
    }

    /// Returns true if polls are slowed down because a hub announces new entries. Such polls say little about the
    /// publication rate.
    pub(crate) fn relies_on_hub(&self) -> bool {
        self.subscription.as_ref().is_some_and(|subscription| subscription.is_reliable(self.now()))
    }

    /// Returns true if the source declares fallbacks.
    pub(crate) fn has_fallbacks(&self) -> bool {
        !self.declared.fallbacks.is_empty()
    }

    /// Returns the address that this job reads: that of the source, or that of its search for the job's query.
    pub(crate) fn address(&self) -> Url {
        crawler::read::address_of(&self.source, &self.job.query)
    }

    /// Returns true if the job runs a search for topics.
    pub(crate) fn is_search(&self) -> bool {
        self.job.kind == JobKind::Search
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    /// Fetches an address through the door. A single pass waits for a short Retry-After and retries.
    pub(crate) async fn fetch(&mut self, url: &Url, params: &FetchParams) -> Result<Fetched, FetchError> {
        let mut tries = 1;
        loop {
            self.permits.touch();
            self.exchanges += 1;
            let result = self.context.door.fetch(url, params, &mut self.permits).await;
            self.permits.settle().await;
            self.permits.touch();
            let Some(wait) = result.as_ref().err().and_then(|error| self.retry_wait(error, tries)) else {
                if result.is_ok() {
                    self.permits.retain_credit();
                }
                return result;
            };
            tries += 1;
            self.permits.release_credit();
            sleep(wait).await;
        }
    }

    /// Returns the wait before an immediate retry; `None` if there is none.
    fn retry_wait(&self, error: &FetchError, tries: u32) -> Option<Duration> {
        let pass = self.context.config.pass.as_ref()?;
        // A busy host of a redirect is worth more attempts: the turn that holds it will end.
        let max_tries =
            if matches!(error, FetchError::HostBusy { .. }) { MAX_BUSY_HOST_ATTEMPTS } else { pass.tries };
        if tries >= max_tries || self.context.is_draining() {
            return None;
        }
        let backoff = pass.first_wait.saturating_mul(1 << (tries - 1).min(8));
        let wait = match error {
            FetchError::HostBusy { until, .. } => {
                Duration::try_from(until.duration_since(self.now())).ok()?
            }
            error if error.is_quickly_retryable() => {
                error.retry_after().map_or(backoff, |wait| wait.max(Duration::from_millis(1)))
            }
            _ => return None,
        };
        (wait <= pass.longest_wait).then_some(wait)
    }

    /// Returns the history record of an exchange.
    pub(crate) fn record(
        &self,
        url: &Url,
        result: Result<&Fetched, &FetchError>,
        items: usize,
        detail: String,
    ) -> FetchRecord {
        let base = FetchRecord {
            at: self.now(),
            url: url.to_string(),
            status: FetchStatus::Ok,
            http_status: None,
            bytes: 0,
            duration: Duration::ZERO,
            items: items as u64,
            detail,
        };
        match result {
            Ok(fetched) => FetchRecord {
                status: if fetched.is_not_modified() { FetchStatus::NotModified } else { FetchStatus::Ok },
                http_status: Some(fetched.status),
                bytes: fetched.wire_bytes,
                duration: fetched.duration,
                ..base
            },
            Err(error) => {
                let http_status =
                    if let FetchError::Http { status, .. } = error { Some(*status) } else { None };
                FetchRecord { status: error.status(), http_status, detail: error.to_string(), ..base }
            }
        }
    }

    /// Returns an empty harvest of this job.
    pub(crate) fn harvest(&self) -> Harvest {
        Harvest {
            robots_delay: self.permits.robots_delay(),
            objects_version: self.snapshot.version(),
            deferred_topics: self.snapshot.deferred_topics(),
            ..Harvest::new(self.source.name.clone(), self.lease.host.clone(), self.lease.token, self.now())
        }
    }

    /// Returns the settlement of this job: due again at `next_due`, or ended, with new jobs to plan.
    pub(crate) fn settlement(&self, next_due: Option<Timestamp>, jobs: Vec<Planned>) -> Settle {
        Settle {
            lease: self.lease.clone(),
            now: self.now(),
            jobs: vec![Settlement { id: self.job.clone(), next_due, exchanges: self.exchanges }],
            crashed: Vec::new(),
            new_jobs: jobs,
            release_until: None,
        }
    }

    /// Returns the due time of a job to run at once; in a single pass, a time within the pass.
    pub(crate) fn due_now(&self) -> Timestamp {
        self.context.config.pass.as_ref().map_or(self.now(), |pass| pass.due_by)
    }

    /// Sends a harvest to storage and waits until it is saved and, with `settle`, settled.
    pub(crate) async fn save(
        &mut self,
        harvest: Harvest,
        settle: Option<Settle>,
    ) -> Result<SaveOutcome, JobError> {
        let (fetches, outcome) = (harvest.fetches.clone(), harvest.outcome.clone());
        let storage = self.context.storage.borrow().clone();
        let Some(storage) = storage else {
            return Err(JobError::Storage("storage is not running".to_owned()));
        };
        let request = SaveRequest {
            harvest: Box::new(harvest),
            source: Some(self.declared.clone()),
            settle: settle.map(Box::new),
            credit: self.permits.take_credit(),
        };
        let reply = request.send(&storage);
        tokio::pin!(reply);
        let reply_of_storage = loop {
            self.permits.touch(); // a slow store does not make the job stuck
            tokio::select! {
                reply = &mut reply => break reply,
                () = sleep(Duration::from_secs(5)) => (),
            }
        };
        let saved = reply_of_storage.map_err(JobError::Storage)?;
        self.count(&fetches, outcome.as_ref());
        Ok(saved)
    }

    /// Adds the saved fetches and poll to the tally and the metrics.
    fn count(&self, fetches: &[FetchRecord], outcome: Option<&PollOutcome>) {
        for record in fetches {
            self.context.tally.record_fetch(&self.source.name, record);
            self.context.metrics.record_fetch(self.source.kind, record);
        }
        if let Some(outcome) = outcome {
            self.context.tally.record_poll(&self.source.name, outcome.state, outcome.ok);
        }
    }

    /// Returns a job of this source with its due time.
    pub(crate) fn planned(&self, id: JobId, due: Timestamp) -> Planned {
        let delay = crawler::read::delay_of(&self.source, self.context.config.delay);
        let tenant = self.snapshot.tenant_of(&self.source);
        Planned { id, due, delay, robots_delay: Duration::ZERO, tenant }
    }

    /// Returns the time after a wait from now.
    pub(crate) fn after(&self, wait: Duration) -> Timestamp {
        after(self.now(), wait)
    }
}

/// Returns the finding of an entry without an article page. `note` is added to the problems of the item.
pub(crate) fn finding_of_entry(
    source: &Source,
    entry: &Entry,
    note: Option<&str>,
    topics: &TopicIndex,
    now: Timestamp,
) -> Finding {
    let mut item = item_of(source, entry, None, now);
    item.problems.extend(note.map(str::to_owned));
    let (document, matches) = topics.matches(&item, source, ItemContext::first_seen(now));
    Finding {
        item,
        matches,
        search_tokens: document.search_tokens(),
        entry_hash: entry_hash(entry, source),
        whole: entry.text.is_some(),
    }
}
