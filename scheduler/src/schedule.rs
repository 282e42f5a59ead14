//! The seam: what every schedule promises.

use std::time::Duration;

use tokio::sync::watch;

use crate::membership::{Beat, NodeView, Order, Spread};
use async_trait::async_trait;
use model::{Host, Job, JobId, Planned, Settlement, Tenant, Timestamp, Token, Turn};

/// Why the schedule did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The lease is somebody else's now: nothing was changed.
    #[error("the lease of {host} with token {token} is over", token = token.0)]
    Fenced {
        /// Which host.
        host: Host,
        /// The token that was presented.
        token: Token,
    },
    /// Its server cannot be reached, or does not do what it is asked.
    #[error("{0}")]
    Unreachable(String),
    /// The storage behind it failed.
    #[error("the schedule cannot be used: {0}")]
    Storage(String),
}

/// A request for host turns.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who asks.
    pub node: String,
    /// The time.
    pub now: Timestamp,
    /// Only jobs that were due by then; not after `now`. A single pass stops at its beginning.
    pub due_by: Timestamp,
    /// How long the leases last.
    pub lease: Duration,
    /// How many hosts at most.
    pub hosts: usize,
    /// How many jobs of each at most.
    pub jobs: usize,
}

/// Proof of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Of which host.
    pub host: Host,
    /// Which one.
    pub token: Token,
}

/// The end of (part of) a turn.
#[derive(Debug, Clone)]
pub struct Settle {
    /// The lease it was done under.
    pub lease: Lease,
    /// The time.
    pub now: Timestamp,
    /// How the jobs ended. A settled job's crashes are forgotten.
    pub jobs: Vec<Settlement>,
    /// Jobs that ended in a crash, and when each is due again.
    pub crashed: Vec<Settlement>,
    /// Jobs that the turn found, for any host. They are made known even if the lease is over: what was
    /// found is stored by then.
    pub found: Vec<Planned>,
    /// Gives the host back: nobody may ask it before this.
    pub release_until: Option<Timestamp>,
}

/// The answer to [`Schedule::borrow_host`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Borrowed {
    /// The host is the asker's, without jobs.
    Yes(Turn),
    /// It is somebody else's, or blocked.
    No {
        /// When to ask again.
        until: Timestamp,
    },
}

/// How a node left its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// It ended in the middle of something: what was under way counts as crashed.
    Crashed,
    /// It was told to stop and hands back what it had not begun or not finished: nothing is to blame.
    HandedBack,
}

/// How many hosts are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// With jobs that are not due, or resting, or blocked.
    pub waiting: u64,
    /// Could be handed out now.
    pub ready: u64,
    /// Held by a node.
    pub leased: u64,
    /// Since when the longest waiting of the ready ones could be handed out.
    pub oldest_ready: Option<Timestamp>,
}

/// Which part of a schedule is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All of it.
    All,
    /// What this node looks after first: the shares of all nodes make the whole.
    Own,
}

/// What is known of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostView {
    /// Who has it, and until when.
    pub owner: Option<(String, Timestamp)>,
    /// The highest token given out.
    pub token: Token,
    /// No exchange starts before this.
    pub next_allowed_at: Timestamp,
    /// Its delay: the longest of what its sources and its robots.txt ask for.
    pub delay: Duration,
    /// Blocked until then, and why.
    pub blocked: Option<(Timestamp, String)>,
    /// Its jobs, earliest first.
    pub jobs: Vec<Job>,
    /// Whose they are, by client; empty where they are everybody's.
    pub stakes: Vec<Stake>,
}

/// What a client has to do at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stake {
    /// Which client, and its share.
    pub tenant: Tenant,
    /// Its jobs.
    pub jobs: u64,
}

/// Hands out host turns. Times are arguments; tokens only rise.
#[async_trait]
pub trait Schedule: Send + Sync {
    /// Makes jobs known. A known job keeps the earlier of its due times and takes the new delay and tenant. A
    /// job that is under way is to be done again: its end does not end it.
    async fn plan(&self, jobs: &[Planned]) -> Result<(), ScheduleError>;
    /// Forgets jobs. Work under way ends; its settlement brings none back.
    async fn remove(&self, jobs: &[JobId]) -> Result<(), ScheduleError>;
    /// Hands out free hosts with due jobs, those first that could have been handed out for longest: one
    /// with a long backlog waits its turn after each permit. Where clients have jobs of their own at a host,
    /// each is given its share of it (start-time fair queueing). The first job of a turn is under way then, and
    /// each next one when the one before it is settled. A lease that ran out counts as a crash of what was
    /// under way, and the host rests for one delay first.
    async fn claim(&self, claim: &Claim) -> Result<Vec<Turn>, ScheduleError>;
    /// Takes one host without its jobs, if it is free and not blocked.
    async fn borrow_host(
        &self,
        host: &Host,
        delay: Duration,
        claim: &Claim,
    ) -> Result<Borrowed, ScheduleError>;
    /// Makes a lease last until `until`.
    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<(), ScheduleError>;
    /// Ends jobs of a turn, or the turn.
    async fn settle(&self, settle: &Settle) -> Result<(), ScheduleError> {
        self.settle_all(std::slice::from_ref(settle)).await?.pop().unwrap_or(Ok(()))
    }
    /// Does so for several turns in one go, each for itself: one that is fenced costs no other. The outer
    /// error: some may not have been settled; to try again does no harm.
    async fn settle_all(&self, settles: &[Settle]) -> Result<Vec<Result<(), ScheduleError>>, ScheduleError>;
    /// Writes down the delay that a host's robots.txt asks for; it holds over leases and crashes until
    /// another one is written down.
    async fn ask_delay(&self, host: &Host, delay: Duration) -> Result<(), ScheduleError>;
    /// Keeps everybody from a host: what Retry-After asks for.
    async fn block(&self, host: &Host, until: Timestamp, reason: &str) -> Result<(), ScheduleError>;
    /// Lets go of every lease of a node that is known to be gone. Its hosts rest for one delay.
    async fn reclaim(&self, node: &str, now: Timestamp, leaving: Leaving) -> Result<(), ScheduleError>;
    /// When the next turn will be there to claim, of jobs that are due by a time on hosts that are blocked
    /// no longer than to another one; `None` where there are none.
    async fn next_due(
        &self,
        due_by: Timestamp,
        blocked_by: Timestamp,
    ) -> Result<Option<Timestamp>, ScheduleError>;
    /// What is known of a host.
    async fn host(&self, host: &Host) -> Result<Option<HostView>, ScheduleError>;
    /// Hosts with jobs: those first that could be handed out first.
    async fn hosts(&self, limit: usize) -> Result<Vec<Host>, ScheduleError>;
    /// How many hosts are in which state.
    async fn counts(&self, share: Share, now: Timestamp) -> Result<HostCounts, ScheduleError>;
    /// Robots rules as they were remembered, by origin.
    async fn recall_robots(&self, origin: &str) -> Result<Option<String>, ScheduleError>;
    /// Remembers robots rules.
    async fn remember_robots(&self, origin: &str, record: &str) -> Result<(), ScheduleError>;
    /// The version of the declared objects that everything has been planned of; `None` where it has lost, or
    /// never had, what is declared: everything is to be planned then.
    async fn planned(&self) -> Result<Option<i64>, ScheduleError>;
    /// Everything has been planned of this version.
    async fn set_planned(&self, version: i64) -> Result<(), ScheduleError>;
    /// Rises whenever the server behind it is found to be another one, or to have lost what it had: leases are
    /// to be renewed at once then. `None` where there is no server.
    fn failovers(&self) -> Option<watch::Receiver<u64>> {
        None
    }
    /// A node says that it is there, and learns what operators ask of it. Alone, it has nobody to tell.
    async fn heartbeat(&self, _beat: &Beat) -> Result<Order, ScheduleError> {
        Ok(Order::Work)
    }
    /// The nodes that were there within the last hour.
    async fn nodes(&self) -> Result<Vec<NodeView>, ScheduleError> {
        Ok(Vec::new())
    }
    /// Asks something of all nodes of a name, until something else is asked of them.
    async fn order(&self, _name: &str, _order: Order) -> Result<(), ScheduleError> {
        Err(ScheduleError::Storage("a data folder has one node, and no cluster".to_owned()))
    }
    /// How many hosts each node holds, and would hold if all went where they are preferred.
    async fn spread(&self) -> Result<Vec<Spread>, ScheduleError> {
        Ok(Vec::new())
    }
    /// Takes a duty that one node of a cluster does at a time, for a while. False: another node has it.
    async fn take_duty(&self, duty: &str, node: &str, hold: Duration) -> Result<bool, ScheduleError>;
}

/// The next token of a host: it rises within the host, and over a loss of everything as time does.
pub(crate) fn next_token(last: Token, now: Timestamp) -> Token {
    Token((last.0 + 1).max(u64::try_from(now.as_millisecond()).unwrap_or(0)))
}
