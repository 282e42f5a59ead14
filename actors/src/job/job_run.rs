//! What a job works with: its source, its permits, and the ways to fetch and to hand over.

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
use crate::supervision::storage::StorageMsg;

/// How often a single pass asks for a host that is busy: ten seconds each, some minutes in all.
const BUSY_TRIES: u32 = 30;

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

/// A job of a source, being done.
pub(crate) struct JobRun {
    pub(crate) context: Arc<Context>,
    /// The declared objects that it works with: what it matches is matched against these.
    pub(crate) snapshot: Arc<Snapshot>,
    /// As it is declared.
    declared: Arc<Source>,
    /// As it is read in this visit: as it is declared, or by a fallback.
    pub(crate) source: Arc<Source>,
    pub(crate) job: JobId,
    pub(crate) permits: HostPermits,
    /// How its host is doing, where that has sources enough to tell.
    pub(crate) host_health: Option<HostHealth>,
    /// Other jobs of its host wait in this turn.
    pub(crate) others_wait: bool,
    /// What a hub tells of it, where one does.
    pub(crate) subscription: Option<Subscription>,
    /// It was read in another way before, or is now: each names entries otherwise, and what stands at a known address is known.
    pub(crate) knows_by_address: bool,
    lease: Lease,
    /// What it took so far.
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
            others_wait: false,
            subscription: None,
            knows_by_address: false,
            lease,
            exchanges: 0,
        }
    }

    /// At a host that is doing so, and where other jobs wait, or none.
    pub(crate) fn at_host(self, health: Option<HostHealth>, others_wait: bool) -> Self {
        Self { host_health: health, others_wait, ..self }
    }

    /// Whether nothing of its host came through lately.
    pub(crate) fn is_canary(&self) -> bool {
        self.host_health.as_ref().is_some_and(|health| health.incident.is_some())
    }

    /// Notes in a harvest what this visit shows of its host, and leaves that alone while it fails for all.
    pub(crate) fn tell_of_host(&mut self, harvest: &mut Harvest, shows: impl FnOnce(&mut HostHealth)) {
        // A fallback may be on another host, of which this one's health says nothing.
        let is_home = matches!(self.job.kind, JobKind::Pages | JobKind::Backfill | JobKind::WebSub)
            || self.snapshot.host_of(&self.address()).as_ref() == Some(&self.lease.host);
        let Some(health) = self.host_health.as_mut().filter(|_| is_home) else { return };
        let before = health.clone();
        shows(health);
        if *health != before {
            harvest.host_health = Some(health.clone());
            self.context.metrics.incident_changed(before.incident.is_some(), health.incident.is_some());
        }
        if let Some(rest) = health.rest(harvest.at) {
            let round = harvest.at.as_second().unsigned_abs();
            self.permits.rest(due::spread(rest, harvest.host.as_str(), round));
        }
    }

    /// Goes on with the objects as they are declared now. False: its source is not what it was.
    pub(crate) fn refresh(&mut self) -> bool {
        self.snapshot = self.context.snapshot();
        self.snapshot.source(&self.source.name).is_some_and(|declared| *declared == *self.declared)
    }

    /// Reads the source in another way from now on.
    pub(crate) fn with_fallback(&mut self, fallback: &Fallback) {
        self.source = Arc::new(self.declared.with_fallback(fallback));
        self.permits.raise_delay(crawler::read::delay_of(&self.source, self.context.config.delay));
    }

    /// Whether it is read as it is declared, and not by a fallback.
    pub(crate) fn is_as_declared(&self) -> bool {
        Arc::ptr_eq(&self.source, &self.declared)
    }

    /// Whether its polls are slow since a hub tells what is new: these say little about its pace.
    pub(crate) fn relies_on_hub(&self) -> bool {
        self.subscription.as_ref().is_some_and(|known| known.is_reliable(self.now()))
    }

    /// Whether there are several ways to read it.
    pub(crate) fn has_fallbacks(&self) -> bool {
        !self.declared.fallbacks.is_empty()
    }

    /// Where the source is read in this job.
    pub(crate) fn address(&self) -> Url {
        crawler::read::address_of(&self.source, &self.job.query)
    }

    /// Whether this is what topics need of a source that is searched.
    pub(crate) fn is_search(&self) -> bool {
        self.job.kind == JobKind::Search
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    /// Fetches through the door. A single pass waits for short Retry-Afters and tries again.
    pub(crate) async fn fetch(&mut self, url: &Url, want: &FetchParams) -> Result<Fetched, FetchError> {
        let mut tries = 1;
        loop {
            self.permits.touch();
            self.exchanges += 1;
            let result = self.context.door.fetch(url, want, &mut self.permits).await;
            self.permits.settle().await;
            self.permits.touch();
            let Some(wait) = result.as_ref().err().and_then(|error| self.patience(error, tries)) else {
                if result.is_ok() {
                    self.permits.load();
                }
                return result;
            };
            tries += 1;
            self.permits.release_credit();
            sleep(wait).await;
        }
    }

    /// How long to wait before trying again at once; `None`: not at all.
    fn patience(&self, error: &FetchError, tries: u32) -> Option<Duration> {
        let pass = self.context.config.pass.as_ref()?;
        // A host on the way that is only busy is waited for, since its own turn will end.
        let most = if matches!(error, FetchError::HostBusy { .. }) { BUSY_TRIES } else { pass.tries };
        if tries >= most || self.context.is_draining() {
            return None;
        }
        let backoff = pass.first_wait.saturating_mul(1 << (tries - 1).min(8));
        let wait = match error {
            FetchError::HostBusy { until, .. } => {
                Duration::try_from(until.duration_since(self.now())).ok()?
            }
            error if error.is_quickly_retryable() => {
                error.retry_after().map_or(backoff, |asked| asked.max(Duration::from_millis(1)))
            }
            _ => return None,
        };
        (wait <= pass.longest_wait).then_some(wait)
    }

    /// The line of history for an exchange.
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

    /// An empty harvest of this visit.
    pub(crate) fn harvest(&self) -> Harvest {
        Harvest {
            robots_delay: self.permits.robots_delay(),
            objects_version: self.snapshot.version(),
            deferred_topics: self.snapshot.deferred_topics(),
            ..Harvest::new(self.source.name.clone(), self.lease.host.clone(), self.lease.token, self.now())
        }
    }

    /// An ending for (part of) this visit's job.
    pub(crate) fn settlement(&self, next_due: Option<Timestamp>, found: Vec<Planned>) -> Settle {
        Settle {
            lease: self.lease.clone(),
            now: self.now(),
            jobs: vec![Settlement { id: self.job.clone(), next_due, exchanges: self.exchanges }],
            crashed: Vec::new(),
            found,
            release_until: None,
        }
    }

    /// Hands a harvest to storage and waits until it is kept and, with `settle`, settled.
    pub(crate) async fn keep(
        &mut self,
        harvest: Harvest,
        settle: Option<Settle>,
    ) -> Result<SaveOutcome, JobError> {
        let (fetches, outcome) = (harvest.fetches.clone(), harvest.outcome.clone());
        let storage = self.context.storage.borrow().clone();
        let Some(storage) = storage else {
            return Err(JobError::Storage("storage is not running".to_owned()));
        };
        let (credit, source) = (self.permits.unload(), self.declared.clone());
        let message = |reply| StorageMsg::Keep {
            harvest: Box::new(harvest),
            source: Some(source),
            settle: settle.map(Box::new),
            _credit: credit,
            reply,
        };
        let asked = storage.call(message, None);
        tokio::pin!(asked);
        let answer = loop {
            self.permits.touch(); // a slow store is no standstill of ours
            tokio::select! {
                answer = &mut asked => break answer,
                () = sleep(Duration::from_secs(5)) => (),
            }
        };
        match answer {
            Ok(ractor::rpc::CallResult::Success(Ok(saved))) => {
                self.tell(&fetches, outcome.as_ref());
                Ok(saved)
            }
            Ok(ractor::rpc::CallResult::Success(Err(reason))) => Err(JobError::Storage(reason)),
            _ => Err(JobError::Storage("storage went away".to_owned())),
        }
    }

    /// What was stored counts.
    fn tell(&self, fetches: &[FetchRecord], outcome: Option<&PollOutcome>) {
        for record in fetches {
            self.context.tally.fetched(&self.source.name, record);
            self.context.metrics.fetched(self.source.kind, record);
        }
        if let Some(outcome) = outcome {
            self.context.tally.polled(&self.source.name, outcome.state, outcome.ok);
        }
    }

    /// A job of this source, to be done at a time.
    pub(crate) fn planned(&self, id: JobId, due: Timestamp) -> Planned {
        let delay = crawler::read::delay_of(&self.source, self.context.config.delay);
        let tenant = self.snapshot.tenant_of(&self.source);
        Planned { id, due, delay, robots_delay: Duration::ZERO, tenant }
    }

    /// A later time, as a wait from now.
    pub(crate) fn after(&self, wait: Duration) -> Timestamp {
        after(self.now(), wait)
    }
}

/// The finding that an entry alone makes, with a note where it should have been more.
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
