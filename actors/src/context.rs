//! What every actor of a node shares: the seams, the settings, the current roster, the credits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crawler::Door;
use model::{Clock, Name, Timestamp};
use ractor::ActorRef;
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
use crate::supervision::storage::StorageMsg;
use crate::tally::Tally;

/// How a node runs.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The node's name: its leases carry it.
    pub name: String,
    /// Where it serves metrics and probes; empty where it does not.
    pub listen: String,
    /// Where hubs reach the cluster; none where they do not, and are asked for nothing.
    pub websub_url: Option<Url>,
    /// Hosts visited at the same time.
    pub hosts: usize,
    /// Exchanges whose bodies may be in memory at once.
    pub credits: usize,
    /// Largest body once decoded, bytes.
    pub max_decoded: u64,
    /// CPU-bound calls at the same time.
    pub cpus: usize,
    /// Article pages of one source in one turn.
    pub pages: usize,
    /// How long a host's lease lasts without renewal.
    pub lease: Duration,
    /// Harvests that cannot be stored are dropped, and their jobs settled: only for tests that show what it is
    /// good for to keep them.
    pub forgets_unstored: bool,
    /// What a harvest says of its source is stored before what it holds: only for tests that show what it is
    /// good for to store both in one transaction.
    pub stores_in_parts: bool,
    /// Work without progress for this long is stopped.
    pub stuck_after: Duration,
    /// Time to finish what was begun once the node is told to stop.
    pub drain: Duration,
    /// Delay between exchanges where nobody asks for longer.
    pub delay: Duration,
    /// First wait after a failed poll.
    pub backoff: Duration,
    /// Longest wait after failed polls.
    pub max_backoff: Duration,
    /// Items first seen longer ago are removed; zero keeps all.
    pub retention: Duration,
    /// Lines of history kept for each source.
    pub history: usize,
    /// A single pass instead of running for ever.
    pub pass: Option<Pass>,
    /// Goes on after the end of its leases: only for tests that show what their end is good for.
    pub ignores_deadlines: bool,
}

impl NodeConfig {
    /// When a lease that was asked for at `asked_at` is over for certain, less a margin for the way.
    pub(crate) fn deadline(&self, asked_at: Instant, lease: Duration) -> Instant {
        if self.ignores_deadlines {
            return asked_at + Duration::from_secs(86_400);
        }
        asked_at + lease.saturating_sub(Duration::from_millis(250))
    }
}

/// A single pass: what was due at its beginning, then the end.
#[derive(Debug, Clone)]
pub struct Pass {
    /// Jobs due by then are done.
    pub due_by: Timestamp,
    /// Retry-After and backoff up to this are waited for, and tried again.
    pub longest_wait: Duration,
    /// First backoff between tries; it doubles.
    pub first_wait: Duration,
    /// Tries of one address.
    pub tries: u32,
}

impl Pass {
    /// The pass of `run --once`: at most three tries, waits up to 15 s, the first backoff 2 s.
    pub fn starting(now: Timestamp) -> Self {
        Self {
            due_by: now,
            longest_wait: Duration::from_secs(15),
            first_wait: Duration::from_secs(2),
            tries: 3,
        }
    }
}

/// What every actor of a node shares.
pub struct Context {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Which host next.
    pub schedule: Arc<dyn Schedule>,
    /// The network.
    pub door: Arc<Door>,
    /// The wall time.
    pub clock: Arc<dyn Clock>,
    /// How the node runs.
    pub config: NodeConfig,
    /// What was done so far.
    pub tally: Arc<Tally>,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) storage: watch::Sender<Option<ActorRef<StorageMsg>>>,
    pub(crate) credits: Arc<Semaphore>,
    pub(crate) pool: Pool,
    /// Article pages that each source had in a single pass.
    pass_pages: Mutex<HashMap<Name, usize>>,
    /// True once the node is told to stop.
    pub(crate) draining: watch::Sender<bool>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Health,
    /// What operators ask of it.
    pub(crate) order: watch::Sender<Order>,
    /// Hosts that it holds.
    pub(crate) held: AtomicUsize,
}

impl Context {
    /// The surroundings of a node. The roster is loaded when the node starts.
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
            held: AtomicUsize::new(0),
            config,
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    /// Of a cluster, one node does it at a time.
    pub(crate) async fn take_duty(&self, duty: &str, hold: Duration) -> Result<bool, BackendError> {
        Ok(self.schedule.take_duty(duty, &self.config.name, hold).await?)
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// What monitoring sees, as it is now.
    pub fn metrics(&self) -> &Metrics {
        let exchanges = self.config.credits.saturating_sub(self.credits.available_permits());
        self.metrics.snapshot(&NodeGauges {
            exchanges,
            credits: self.config.credits,
            hosts: self.hosts_held(),
            is_draining: self.is_draining() || self.order() == Order::Drain,
        });
        &self.metrics
    }

    /// What operators ask of the node.
    pub fn order(&self) -> Order {
        *self.order.borrow()
    }

    /// Hosts that it holds.
    pub fn hosts_held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How many article pages of a source may be fetched now: a turn's worth, or what is left of a single
    /// pass, however many hosts they are on.
    pub(crate) fn pages_left(&self, source: &Name) -> usize {
        let had = self.pass_pages.lock().unwrap_or_else(PoisonError::into_inner).get(source).copied();
        self.config.pages.saturating_sub(had.unwrap_or(0))
    }

    /// An article page was fetched. It counts in a single pass only.
    pub(crate) fn had_page(&self, source: &Name) {
        if self.config.pass.is_some() {
            let mut had = self.pass_pages.lock().unwrap_or_else(PoisonError::into_inner);
            *had.entry(source.clone()).or_default() += 1;
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
        // The changes are all there is to plan if the schedule is at the previous version.
        if planned == Some(previous.version()) {
            let snapshots = (&*previous, &*next);
            plan_changes(&*self.store, &*self.schedule, snapshots, &changes, self.terms()).await
        } else {
            self.catch_up(true).await
        }
    }

    /// Loads and plans all declared objects if the schedule does not know all of them: it is new, or lost its data. With
    /// `always`, in any case, which loses nothing.
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
            tracing::warn!(topic = %rejected.topic.name, "the topic is not matched: {}", rejected.error);
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

    /// Merges small segments of the topic index in the background. If the objects change meanwhile, the next call merges.
    pub(crate) async fn merge_topics(&self) {
        let before = self.snapshot();
        let index = before.topics().clone();
        let merged = tokio::task::spawn_blocking(move || index.merged()).await;
        let Ok(Some(merged)) = merged else { return };
        self.snapshot.send_if_modified(|snapshot| {
            let is_the_same = Arc::ptr_eq(snapshot, &before);
            if is_the_same {
                *snapshot = Arc::new(before.with_topics(merged));
            }
            is_the_same
        });
    }

    pub(crate) fn terms(&self) -> PlanTerms {
        PlanTerms { delay: self.config.delay, now: self.clock.now(), all_now: false }
    }
}
