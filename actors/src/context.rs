//! The state that the actors of a node share: backends, settings, the current snapshot of declared objects, credits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crawler::Door;
use model::{Clock, DisabledProtections, Name, Protection, Timestamp};
use ractor::DerivedActorRef;
use scheduler::Schedule;
use scheduler::membership::Order;
use service::{BackendError, PlanTerms, Snapshot, plan_all, plan_changes};
use store::{SourceRecord, Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use url::Url;

use crate::health::Health;
use crate::metrics::{Metrics, NodeGauges};
use crate::pool::Pool;
use crate::save_request::SaveCall;
use crate::tally::Tally;

/// The settings of a node.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The node's name. Leases are recorded under it.
    pub name: String,
    /// The address of metrics and probes; empty to serve none.
    pub listen: String,
    /// The base URL at which WebSub hubs reach the cluster. `None` disables WebSub subscriptions.
    pub websub_url: Option<Url>,
    /// Upper bound on concurrently visited hosts.
    pub hosts: usize,
    /// Upper bound on the exchanges whose bodies are in memory.
    pub credits: usize,
    /// Upper bound on the size of a decoded body, in bytes.
    pub max_decoded: u64,
    /// Upper bound on concurrent CPU-bound calls.
    pub cpus: usize,
    /// Upper bound on the article pages of a source in one turn.
    pub pages: usize,
    /// The duration of a host's lease without renewal.
    pub lease: Duration,
    /// The time without progress after which a job is stopped.
    pub stuck_after: Duration,
    /// The time to finish running jobs after the node is told to stop.
    pub drain: Duration,
    /// The default delay between exchanges with a host.
    pub delay: Duration,
    /// The wait after the first failed poll.
    pub backoff: Duration,
    /// Upper bound on the wait after failed polls.
    pub max_backoff: Duration,
    /// The age since first sight at which items are removed. Zero keeps all items.
    pub retention: Duration,
    /// The number of history lines kept for each source.
    pub history: usize,
    /// Set to run a single pass; `None` runs until stopped.
    pub pass: Option<Pass>,
    /// Protections that a control of a test switches off.
    pub disabled: DisabledProtections,
}

impl NodeConfig {
    /// Returns the deadline of a lease that was requested at `requested_at`, less a margin of 250 ms for transit.
    pub(crate) fn deadline(&self, requested_at: Instant, lease: Duration) -> Instant {
        if self.disabled.contains(Protection::Deadline) {
            return requested_at + Duration::from_secs(86_400);
        }
        requested_at + lease.saturating_sub(Duration::from_millis(250))
    }
}

/// The settings of a single pass, which runs the jobs that are due at its start and ends.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The time until which jobs must be due to be part of the pass.
    pub due_by: Timestamp,
    /// Upper bound on a `Retry-After` or backoff that the pass waits for before a retry.
    pub longest_wait: Duration,
    /// The first backoff between attempts. Each further one is twice as long.
    pub first_wait: Duration,
    /// Upper bound on the attempts for one URL.
    pub tries: u32,
}

impl Pass {
    /// Returns the pass of `run --once`: three attempts, waits of up to 15 s, a first backoff of 2 s.
    pub fn starting(now: Timestamp) -> Self {
        Self {
            due_by: now,
            longest_wait: Duration::from_secs(15),
            first_wait: Duration::from_secs(2),
            tries: 3,
        }
    }
}

/// The state that the actors of a node share.
pub struct Context {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The schedule.
    pub schedule: Arc<dyn Schedule>,
    /// The only access to the network.
    pub door: Arc<Door>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The settings of the node.
    pub config: NodeConfig,
    /// Counters and events since the start.
    pub tally: Arc<Tally>,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) storage: watch::Sender<Option<DerivedActorRef<SaveCall>>>,
    pub(crate) credits: Arc<Semaphore>,
    pub(crate) pool: Pool,
    /// The number of article pages that a single pass has fetched for each source.
    pass_pages: Mutex<HashMap<Name, usize>>,
    /// True after the node is told to stop.
    pub(crate) draining: watch::Sender<bool>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Health,
    /// The current order of operators.
    pub(crate) order: watch::Sender<Order>,
    /// The number of hosts that the node leases.
    pub(crate) leased_hosts: AtomicUsize,
}

impl Context {
    /// Creates the context of a node. The declared objects are loaded when the node starts.
    pub fn new(
        store: Arc<dyn Store>,
        schedule: Arc<dyn Schedule>,
        door: Door,
        clock: Arc<dyn Clock>,
        config: NodeConfig,
    ) -> Self {
        let metrics = Arc::new(Metrics::default());
        let door = Arc::new(door.with_observer(metrics.clone()));
        Self {
            store,
            schedule,
            door,
            clock,
            tally: Arc::default(),
            snapshot: watch::Sender::new(Arc::default()),
            storage: watch::Sender::new(None),
            credits: Arc::new(Semaphore::new(config.credits)),
            pool: Pool::new(config.cpus),
            pass_pages: Mutex::default(),
            draining: watch::Sender::new(false),
            metrics,
            health: Health::default(),
            order: watch::Sender::new(Order::Work),
            leased_hosts: AtomicUsize::new(0),
            config,
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    /// Tries to take a duty of the cluster for `hold`. Returns true if this node has it; one node has it at a time.
    pub(crate) async fn take_duty(&self, duty: &str, hold: Duration) -> Result<bool, BackendError> {
        Ok(self.schedule.take_duty(duty, &self.config.name, hold).await?)
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Returns the metrics, with current gauges.
    pub fn metrics(&self) -> &Metrics {
        let exchanges = self.config.credits.saturating_sub(self.credits.available_permits());
        self.metrics.set_node_gauges(&NodeGauges {
            exchanges,
            credits: self.config.credits,
            hosts: self.leased_host_count(),
            is_draining: self.is_draining() || self.order() == Order::Drain,
        });
        &self.metrics
    }

    /// Returns the current order of operators.
    pub fn order(&self) -> Order {
        *self.order.borrow()
    }

    /// Returns the number of hosts that the node leases.
    pub fn leased_host_count(&self) -> usize {
        self.leased_hosts.load(Ordering::Relaxed)
    }

    /// Returns the number of article pages of a source that may be fetched now. The limit applies to each turn, or,
    /// in a single pass, to the whole pass and all hosts.
    pub(crate) fn remaining_pages(&self, source: &Name) -> usize {
        let fetched = self.pass_pages.lock().unwrap_or_else(PoisonError::into_inner).get(source).copied();
        self.config.pages.saturating_sub(fetched.unwrap_or(0))
    }

    /// Counts a fetched article page. Only a single pass counts pages.
    pub(crate) fn count_page(&self, source: &Name) {
        if self.config.pass.is_some() {
            let mut pages = self.pass_pages.lock().unwrap_or_else(PoisonError::into_inner);
            *pages.entry(source.clone()).or_default() += 1;
        }
    }

    /// Loads the declared objects for a manual run, and plans nothing.
    pub async fn load_objects(&self) -> Result<(), StoreError> {
        self.load().await.map(drop)
    }

    /// Applies the changes of the declared objects since the current snapshot, and plans what they require.
    pub(crate) async fn reload(&self) -> Result<(), BackendError> {
        let previous = self.snapshot();
        let Some(changes) = self.store.changes_since(previous.version()).await? else {
            let planned = self.schedule.planned().await?;
            return self.load_and_plan(planned).await;
        };
        if changes.version == previous.version() {
            return Ok(());
        }
        let planned = self.schedule.planned().await?;
        let next = self.publish(previous.with_changes(&changes).await?);
        // Another node planned the change. Planning it again would make new jobs due again.
        if planned == Some(next.version()) {
            return Ok(());
        }
        // If the schedule is at the previous version, only the changes need planning.
        if planned == Some(previous.version()) {
            let snapshots = (&*previous, &*next);
            plan_changes(&*self.store, &*self.schedule, snapshots, &changes, self.terms()).await
        } else {
            self.catch_up(true).await
        }
    }

    /// Loads and plans all declared objects if the schedule is not at the current version, because it is new or lost
    /// its data. With `always`, plans them in any case; planning twice loses nothing.
    pub(crate) async fn catch_up(&self, always: bool) -> Result<(), BackendError> {
        let planned = self.schedule.planned().await?;
        if !always && planned == Some(self.snapshot().version()) {
            return Ok(());
        }
        self.load_and_plan(planned.filter(|_| !always)).await
    }

    /// Loads all declared objects, and plans them unless the schedule is at their version.
    async fn load_and_plan(&self, planned: Option<i64>) -> Result<(), BackendError> {
        let (snapshot, records) = self.load().await?;
        if planned == Some(snapshot.version()) {
            return Ok(());
        }
        plan_all(&*self.store, &*self.schedule, (&snapshot, &records), self.terms()).await
    }

    async fn load(&self) -> Result<(Arc<Snapshot>, Vec<SourceRecord>), StoreError> {
        let (snapshot, records) = Snapshot::load(&*self.store, self.snapshot().topics().clone()).await?;
        Ok((self.publish(snapshot), records))
    }

    /// Makes a snapshot the current one, unless a newer one is current already.
    fn publish(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        for rejected in snapshot.rejected_topics() {
            tracing::warn!(topic = %rejected.topic.name, "could not compile the topic; it is not matched: {}", rejected.error);
        }
        let snapshot = Arc::new(snapshot);
        self.snapshot.send_if_modified(|current| {
            let is_newer = current.version() <= snapshot.version();
            if is_newer {
                *current = snapshot.clone();
            }
            is_newer
        });
        snapshot
    }

    /// Merges small segments of the topic index in the background. If the objects change meanwhile, the next call
    /// merges.
    pub(crate) async fn merge_topics(&self) {
        let previous = self.snapshot();
        let index = previous.topics().clone();
        let merged = tokio::task::spawn_blocking(move || index.merged()).await;
        let Ok(Some(merged)) = merged else { return };
        self.snapshot.send_if_modified(|snapshot| {
            let is_unchanged = Arc::ptr_eq(snapshot, &previous);
            if is_unchanged {
                *snapshot = Arc::new(previous.with_topics(merged));
            }
            is_unchanged
        });
    }

    pub(crate) fn terms(&self) -> PlanTerms {
        PlanTerms { delay: self.config.delay, now: self.clock.now(), all_now: false }
    }
}
