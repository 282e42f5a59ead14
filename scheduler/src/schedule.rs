//! The [`Schedule`] trait and its argument and result types.

use std::time::Duration;

use tokio::sync::watch;

use crate::membership::{Beat, NodeView, Order, Spread};
use async_trait::async_trait;
use model::{Host, Job, JobId, Planned, Settlement, Tenant, Timestamp, Token, Turn};

/// An error of a schedule operation.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The lease has expired or was superseded; the schedule is unchanged.
    #[error("the lease of {host} with token {token} is no longer valid", token = token.0)]
    Fenced {
        /// The leased host.
        host: Host,
        /// The presented token.
        token: Token,
    },
    /// The server cannot be reached or refused a request.
    #[error("{0}")]
    Unreachable(String),
    /// The storage of the schedule failed.
    #[error("the schedule is unusable: {0}")]
    Storage(String),
}

/// A request for host turns.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The requesting node.
    pub node: String,
    /// The current time.
    pub now: Timestamp,
    /// Latest due time of the jobs to hand out; capped at `now`. A single pass sets it to its start.
    pub due_by: Timestamp,
    /// Duration of the leases.
    pub lease: Duration,
    /// Upper bound on the number of hosts.
    pub hosts: usize,
    /// Upper bound on the number of jobs per host.
    pub jobs: usize,
}

/// Proof of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The leased host.
    pub host: Host,
    /// The fencing token of the lease.
    pub token: Token,
}

/// The end of a turn or of some of its jobs.
#[derive(Debug, Clone)]
pub struct Settle {
    /// The lease of the turn.
    pub lease: Lease,
    /// The current time.
    pub now: Timestamp,
    /// Jobs that completed. The crash counter of each is reset.
    pub jobs: Vec<Settlement>,
    /// Jobs that crashed, with their next due times.
    pub crashed: Vec<Settlement>,
    /// New jobs discovered during the turn, for any host. They are planned even if the lease is no longer
    /// valid, because the harvest they come from is already stored.
    pub new_jobs: Vec<Planned>,
    /// Releases the host, and sets the time before which no node may request it.
    pub release_until: Option<Timestamp>,
}

/// The result of [`Turns::borrow_host`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Borrowed {
    /// The host is leased to the caller, without jobs.
    Yes(Turn),
    /// The host is leased to another owner, or blocked.
    No {
        /// The time of the next attempt.
        until: Timestamp,
    },
}

/// The way in which a node gave up its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The node ended unexpectedly; its running jobs count as crashed.
    Crashed,
    /// The node was told to stop and returned its unfinished jobs; no job counts as crashed.
    HandedBack,
}

/// The number of hosts in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// Hosts with jobs that are not due, or that rest or are blocked.
    pub waiting: u64,
    /// Hosts that can be leased now.
    pub ready: u64,
    /// Hosts leased to a node.
    pub leased: u64,
    /// The time since which the longest-waiting ready host can be leased.
    pub oldest_ready: Option<Timestamp>,
}

/// The part of a schedule to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// The whole schedule.
    All,
    /// The part that this node prefers: the parts of all nodes add up to the whole.
    Own,
}

/// The schedule's record of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostView {
    /// The node that leases the host, and the end of its lease.
    pub owner: Option<(String, Timestamp)>,
    /// The highest token issued.
    pub token: Token,
    /// The time before which no exchange may start.
    pub next_allowed_at: Timestamp,
    /// The delay of the host: the longest that its sources and its robots.txt require.
    pub delay: Duration,
    /// The end of the block and its reason.
    pub blocked: Option<(Timestamp, String)>,
    /// The jobs of the host, earliest first.
    pub jobs: Vec<Job>,
    /// The jobs of each client; empty if no client has jobs of its own here.
    pub stakes: Vec<Stake>,
}

/// The jobs of one client at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stake {
    /// The client and its weight.
    pub tenant: Tenant,
    /// The number of its jobs.
    pub jobs: u64,
}

/// The turns of hosts: leases, and the settlement of their jobs.
#[async_trait]
pub trait Turns: Send + Sync {
    /// Leases free hosts with due jobs, those first that have been eligible for longest. The rest after a
    /// permit counts, so a host with a long backlog does not starve the others. If clients have jobs of their
    /// own at a host, each gets its share of the turn (start-time fair queueing). The first job of a turn
    /// starts with the claim, each further job with the settlement of the previous one. An expired lease
    /// counts as a crash of its running job, and its host rests for one delay first.
    async fn claim(&self, claim: &Claim) -> Result<Vec<Turn>, ScheduleError>;
    /// Leases one host without its jobs, if it is free and not blocked.
    async fn borrow_host(
        &self,
        host: &Host,
        delay: Duration,
        claim: &Claim,
    ) -> Result<Borrowed, ScheduleError>;
    /// Extends a lease to `until`.
    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<(), ScheduleError>;
    /// Ends jobs of a turn, or the turn.
    async fn settle(&self, settle: &Settle) -> Result<(), ScheduleError> {
        self.settle_all(std::slice::from_ref(settle)).await?.pop().unwrap_or(Ok(()))
    }
    /// Settles several turns in one call. Each has its own result: a fenced turn does not affect the others.
    /// On an outer error some turns may be unsettled; retrying is safe.
    async fn settle_all(&self, settles: &[Settle]) -> Result<Vec<Result<(), ScheduleError>>, ScheduleError>;
    /// Releases every lease of a node that has ended. Its hosts rest for one delay.
    async fn reclaim(&self, node: &str, now: Timestamp, leaving: Leaving) -> Result<(), ScheduleError>;
    /// Returns the time of the next claimable turn. Counts only jobs due by `due_by` on hosts blocked until
    /// `blocked_by` at the latest; returns `None` if there are no such jobs.
    async fn next_due(
        &self,
        due_by: Timestamp,
        blocked_by: Timestamp,
    ) -> Result<Option<Timestamp>, ScheduleError>;
}

/// The planned jobs, and the version of the declared objects that they come from.
#[async_trait]
pub trait JobPlan: Send + Sync {
    /// Adds jobs. An existing job keeps the earlier of both due times and takes the new delay and tenant.
    /// A job that is planned again while it runs is not removed by its settlement: it runs again.
    async fn plan(&self, jobs: &[Planned]) -> Result<(), ScheduleError>;
    /// Removes jobs. A running job finishes; its settlement does not restore it.
    async fn remove(&self, jobs: &[JobId]) -> Result<(), ScheduleError>;
    /// Returns the version of the declared objects that the schedule was planned from. `None` means that the
    /// schedule is empty or lost its data; all jobs must then be planned.
    async fn planned(&self) -> Result<Option<i64>, ScheduleError>;
    /// Stores the version of the declared objects that the schedule was completely planned from.
    async fn set_planned(&self, version: i64) -> Result<(), ScheduleError>;
}

/// The records of hosts with jobs.
#[async_trait]
pub trait ScheduledHosts: Send + Sync {
    /// Returns the record of a host.
    async fn host(&self, host: &Host) -> Result<Option<HostView>, ScheduleError>;
    /// Returns up to `limit` hosts with jobs, in the order in which they become available.
    async fn hosts(&self, limit: usize) -> Result<Vec<Host>, ScheduleError>;
    /// Counts the hosts in each state.
    async fn counts(&self, share: Share, now: Timestamp) -> Result<HostCounts, ScheduleError>;
    /// Stores the delay that a host's robots.txt requires. It survives leases and crashes until it is replaced.
    async fn ask_delay(&self, host: &Host, delay: Duration) -> Result<(), ScheduleError>;
    /// Blocks a host for all nodes, as Retry-After requires.
    async fn block(&self, host: &Host, until: Timestamp, reason: &str) -> Result<(), ScheduleError>;
}

/// The robots rules of origins, cached for all nodes.
#[async_trait]
pub trait RobotsCache: Send + Sync {
    /// Returns the cached robots rules of an origin.
    async fn recall_robots(&self, origin: &str) -> Result<Option<String>, ScheduleError>;
    /// Caches the robots rules of an origin.
    async fn remember_robots(&self, origin: &str, record: &str) -> Result<(), ScheduleError>;
}

/// The nodes of a cluster: heartbeats, orders and duties. A data folder has a single node.
#[async_trait]
pub trait Members: Send + Sync {
    /// Returns a counter of failovers: it increases when the server was replaced or lost its data, and leases
    /// must then be renewed at once. Returns `None` if the schedule has no server.
    fn failovers(&self) -> Option<watch::Receiver<u64>> {
        None
    }
    /// Reports that a node is alive, and returns the operator's order for it. A schedule without a cluster
    /// reports to no other node.
    async fn heartbeat(&self, _beat: &Beat) -> Result<Order, ScheduleError> {
        Ok(Order::Work)
    }
    /// Returns the nodes that were alive within the last hour.
    async fn nodes(&self) -> Result<Vec<NodeView>, ScheduleError> {
        Ok(Vec::new())
    }
    /// Gives an order to all nodes of a name. It holds until the next order.
    async fn order(&self, _name: &str, _order: Order) -> Result<(), ScheduleError> {
        Err(ScheduleError::Storage("a data folder has a single node; orders need a cluster".to_owned()))
    }
    /// Returns the number of hosts that each node leases, and would lease if all hosts were on their
    /// preferred nodes.
    async fn spread(&self) -> Result<Vec<Spread>, ScheduleError> {
        Ok(Vec::new())
    }
    /// Acquires, for the duration `hold`, a duty that one node of a cluster performs at a time. Returns false
    /// if another node holds the duty.
    async fn take_duty(&self, duty: &str, node: &str, hold: Duration) -> Result<bool, ScheduleError>;
}

/// A schedule of host turns. The caller passes the time; tokens only increase.
pub trait Schedule: Turns + JobPlan + ScheduledHosts + RobotsCache + Members {}

impl<T: Turns + JobPlan + ScheduledHosts + RobotsCache + Members> Schedule for T {}

/// Returns the next token of a host. It is at least the time in milliseconds, so it increases even after the
/// loss of all data.
pub(crate) fn next_token(last: Token, now: Timestamp) -> Token {
    Token((last.0 + 1).max(u64::try_from(now.as_millisecond()).unwrap_or(0)))
}
