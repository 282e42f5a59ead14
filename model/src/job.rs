//! Scheduled jobs, and the turn in which a node executes the jobs of a host.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Host, Name, Timestamp};

/// A fencing token: a number that increases with each lease of a host and so identifies stale owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u64);

/// The kind of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Fetches the source's own address.
    Poll,
    /// Reads older publications, from before the source was declared.
    Backfill,
    /// Fetches the source's waiting article pages on this host.
    Pages,
    /// Reads the documents that WebSub hubs delivered for the source.
    WebSub,
    /// Searches the source for the queries of topics.
    Search,
}

impl JobKind {
    /// Returns the kind's identifier.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Backfill => "backfill",
            Self::Pages => "pages",
            Self::WebSub => "push",
            Self::Search => "search",
        }
    }

    /// Parses a kind's identifier. An unknown identifier is a poll.
    pub fn parse(text: &str) -> Self {
        match text {
            "backfill" => Self::Backfill,
            "pages" => Self::Pages,
            "push" => Self::WebSub,
            "search" => Self::Search,
            _ => Self::Poll,
        }
    }
}

/// The identity of a job. A source has one poll, one backfill and one WebSub job, one pages job per host, and one
/// search per query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// The source.
    pub source: Name,
    /// The kind.
    pub kind: JobKind,
    /// The host whose turn executes the job.
    pub host: Host,
    /// The query of a search: lower-case words separated by a space. Empty for other kinds.
    pub query: String,
}

impl JobId {
    /// Returns the poll of a source.
    pub fn poll(source: Name, host: Host) -> Self {
        Self { source, kind: JobKind::Poll, host, query: String::new() }
    }

    /// Returns the backfill of a source from a host.
    pub fn backfill(source: Name, host: Host) -> Self {
        Self { source, kind: JobKind::Backfill, host, query: String::new() }
    }

    /// Returns the job for a source's article pages on a host.
    pub fn pages(source: Name, host: Host) -> Self {
        Self { source, kind: JobKind::Pages, host, query: String::new() }
    }

    /// Returns the job for a source's WebSub documents. It makes no request to the host.
    pub fn websub(source: Name, host: Host) -> Self {
        Self { source, kind: JobKind::WebSub, host, query: String::new() }
    }

    /// Returns a search of a source. All topics that need the query share it.
    pub fn search(source: Name, host: Host, query: String) -> Self {
        Self { source, kind: JobKind::Search, host, query }
    }
}

/// A job and its due time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The identity.
    pub id: JobId,
    /// The earliest time of execution.
    pub due: Timestamp,
    /// The number of consecutive executions that ended in a crash or a lost lease.
    pub crashes: u32,
}

/// A host leased to one node, with its due jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The host.
    pub host: Host,
    /// The fencing token of the lease.
    pub token: Token,
    /// The earliest time of the next request to the host.
    pub next_allowed_at: Timestamp,
    /// Minimum delay between two requests: the longest delay that any of the host's sources declares.
    pub delay: Duration,
    /// The crawl delay in the host's robots.txt, as last read.
    pub robots_delay: Duration,
    /// The end of the lease unless it is renewed.
    pub lease_until: Timestamp,
    /// The due jobs in order of execution: earliest first or, if jobs of several clients wait, interleaved so that each
    /// client receives its share.
    pub jobs: Vec<Job>,
}

/// The owner of a job in the fair sharing of an overloaded host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// The client's name; empty for jobs that serve all clients.
    pub client: String,
    /// The share of a host's time relative to the weights of other tenants: 1 to [`Self::MAX_WEIGHT`].
    pub weight: u32,
}

impl Tenant {
    /// The maximum weight.
    pub const MAX_WEIGHT: u32 = 100;

    /// Returns the tenant of jobs that serve all clients. It weighs as much as ten clients of the default weight.
    pub fn shared() -> Self {
        Self { client: String::new(), weight: 10 }
    }
}

/// The result of an executed job for the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The identity of the job.
    pub id: JobId,
    /// The next due time; `None` removes the job.
    pub next_due: Option<Timestamp>,
    /// The number of requests made to the host. Fair sharing counts at least one.
    pub exchanges: u32,
}

/// A job to add to the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The identity of the job.
    pub id: JobId,
    /// The due time. If the job is already scheduled, the earlier of the two times applies.
    pub due: Timestamp,
    /// Minimum delay between two requests to the host, as the source declares it.
    pub delay: Duration,
    /// The crawl delay in the host's robots.txt, as last read. Used only if the schedule does not know the host yet.
    pub robots_delay: Duration,
    /// The owner in the fair sharing of the host.
    pub tenant: Tenant,
}

impl Settlement {
    /// Returns the settlement of a job that is due again after `wait`.
    pub fn again(id: JobId, now: Timestamp, wait: Duration) -> Self {
        Self { id, next_due: Some(now.saturating_add(wait).unwrap_or(Timestamp::MAX)), exchanges: 1 }
    }

    /// Returns the settlement of a job that is complete.
    pub fn ended(id: JobId) -> Self {
        Self { id, next_due: None, exchanges: 1 }
    }
}
