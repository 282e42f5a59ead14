//! What is scheduled, and the turn in which a host's jobs are done.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::{Host, Name, Timestamp};

/// A monotone number that tells a later owner of a host from an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u64);

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Reads the source's own address.
    Poll,
    /// Reads on in what the source published before it was watched.
    Backfill,
    /// Fetches article pages of the source that wait for this host.
    Pages,
    /// Reads what hubs pushed of the source.
    WebSub,
    /// Asks a source that is searched for what topics need.
    Search,
}

impl JobKind {
    /// The kind as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Backfill => "backfill",
            Self::Pages => "pages",
            Self::WebSub => "push",
            Self::Search => "search",
        }
    }

    /// Reads it back; what is unknown is a poll.
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

/// A job's identity: one poll, one backfill and one push a source, one pages job a source and host, one search a source and query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// Whose job it is.
    pub source: Name,
    /// What it does.
    pub kind: JobKind,
    /// The host it is owed to.
    pub host: Host,
    /// What is searched for: words in small letters, a space between them; empty for other kinds.
    pub query: String,
}

impl JobId {
    /// The poll of a source.
    pub fn poll(source: Name, host: Host) -> Self {
        Self { source, kind: JobKind::Poll, host, query: String::new() }
    }

    /// The past of a source, read from a host.
    pub fn backfill(source: Name, host: Host) -> Self {
        Self { source, kind: JobKind::Backfill, host, query: String::new() }
    }

    /// The pages of a source that wait for a host.
    pub fn pages(source: Name, host: Host) -> Self {
        Self { source, kind: JobKind::Pages, host, query: String::new() }
    }

    /// What hubs pushed of a source; the host is not asked.
    pub fn websub(source: Name, host: Host) -> Self {
        Self { source, kind: JobKind::WebSub, host, query: String::new() }
    }

    /// A search of a source, for whoever needs it.
    pub fn search(source: Name, host: Host, query: String) -> Self {
        Self { source, kind: JobKind::Search, host, query }
    }
}

/// A job with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which job.
    pub id: JobId,
    /// When it may be done.
    pub due: Timestamp,
    /// How often in a row it ended in a crash or a lost lease.
    pub crashes: u32,
}

/// A host handed to one node for a while, with its due jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The host.
    pub host: Host,
    /// Tells this owner from earlier ones.
    pub token: Token,
    /// No request to the host starts before this.
    pub next_allowed_at: Timestamp,
    /// Least delay between two exchanges: the longest that any of the host's sources asks for.
    pub delay: Duration,
    /// The delay that the host's robots.txt asked for when it was read last.
    pub robots_delay: Duration,
    /// The lease ends then unless it is renewed.
    pub lease_until: Timestamp,
    /// The due jobs, in the order in which they are to be done: earliest first, or where several clients'
    /// jobs wait, so that each has its share.
    pub jobs: Vec<Job>,
}

/// Whose work a job is, where a host's time does not suffice for everybody's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// The client's name; empty for what serves everybody.
    pub client: String,
    /// Its share of a host, beside the weights of others: 1 to 100.
    pub weight: u32,
}

impl Tenant {
    /// The largest weight.
    pub const MOST: u32 = 100;

    /// Everybody's: counts as much as ten clients that have no plan.
    pub fn common() -> Self {
        Self { client: String::new(), weight: 10 }
    }
}

/// How a job ended, and when it is due again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which job.
    pub id: JobId,
    /// When it is due again; `None` ends it.
    pub next_due: Option<Timestamp>,
    /// What it took of its host's time; it counts as one at least.
    pub exchanges: u32,
}

/// A job to be made known, with the delay that its source asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Which job.
    pub id: JobId,
    /// When it may be done first; an earlier time wins over a later one that is known.
    pub due: Timestamp,
    /// Least delay between two exchanges with the host.
    pub delay: Duration,
    /// What the host's robots.txt asked for when it was read last: for a schedule that does not know the host.
    pub robots_delay: Duration,
    /// Whose job it is.
    pub tenant: Tenant,
}

impl Settlement {
    /// The job is due again after `wait`.
    pub fn again(id: JobId, now: Timestamp, wait: Duration) -> Self {
        Self { id, next_due: Some(now.saturating_add(wait).unwrap_or(Timestamp::MAX)), exchanges: 1 }
    }

    /// The job is done for good.
    pub fn ended(id: JobId) -> Self {
        Self { id, next_due: None, exchanges: 1 }
    }
}
