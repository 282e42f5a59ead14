//! The state of each source and its history.

use std::time::Duration;

use async_trait::async_trait;
use model::{
    ActiveFallback, ArticlePages, FetchRecord, Name, PageWindow, Rhythm, Source, SourceKind, SourceState,
    Timestamp, Validators,
};

use crate::StoreError;

/// A declared source and its state.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRecord {
    /// The declared source.
    pub source: Source,
    /// The state.
    pub state: SourceState,
    /// The reason for the state, in words.
    pub reason: String,
    /// The failure points since the last success.
    pub failures: f64,
    /// The number of failed polls since the last success.
    pub failed_polls: u32,
    /// The time of the last state change.
    pub since: Timestamp,
    /// The time of the last successful poll.
    pub last_ok: Option<Timestamp>,
    /// The time of the last poll.
    pub last_poll: Option<Timestamp>,
    /// The time of the next poll; `None` before the first poll.
    pub next_poll: Option<Timestamp>,
    /// The learnt poll interval.
    pub interval: Option<Duration>,
    /// The distribution of publications over the hours of the day; `None` until one is learnt.
    pub rhythm: Option<Rhythm>,
    /// The condition of the last article pages; `None` until one is read.
    pub article_pages: Option<ArticlePages>,
    /// The entries that the source's document currently shows, kept to detect deletions. [`SourceStates::sources`]
    /// leaves it out.
    pub page_window: Option<PageWindow>,
    /// The validators for conditional requests.
    pub validators: Option<Validators>,
    /// The address to which the source's server redirects permanently.
    pub moved_to: Option<String>,
    /// The number of article pages that wait to be fetched.
    pub pages_waiting: u64,
}

/// An interval during which a source had one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateInterval {
    /// The source.
    pub source: Name,
    /// The start of the interval.
    pub from: Timestamp,
    /// The end of the interval; `None` for the current state.
    pub to: Option<Timestamp>,
    /// The state.
    pub state: SourceState,
    /// The reason for the state, in words.
    pub reason: String,
}

/// A change of the permanent move that a source's server announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The time of the change.
    pub at: Timestamp,
    /// The new address; `None` if the server withdrew the announcement.
    pub to: Option<String>,
}

/// The state of each source and its history. [`Harvests::save`](crate::Harvests::save) and
/// [`DeclaredObjects`](crate::DeclaredObjects) write it.
#[async_trait]
pub trait SourceStates: Send + Sync {
    /// Returns all sources, ordered by name, without their page windows.
    async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError>;
    /// Returns one source.
    async fn source(&self, name: &Name) -> Result<Option<SourceRecord>, StoreError>;
    /// Returns the number of sources of each kind in each state.
    async fn source_counts(&self) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError>;
    /// Returns the state intervals of one source, or of all, that overlap the interval from `since` to `until`,
    /// ordered by source and time.
    ///
    /// The table `availability` is append-only. The triggers `source_is_declared`, `source_state_changes` and
    /// `source_is_removed` (PostgreSQL migration 0005, SQLite migration 0006) record each change of state, so
    /// every statement that changes a state is covered. A removed source stays listed with the state `retired`.
    async fn availability(
        &self,
        source: Option<&Name>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StateInterval>, StoreError>;
    /// Returns the last 100 changes of the permanent move that the source's server announces, newest first. The
    /// trigger `source_moves` (PostgreSQL migration 0006, SQLite migration 0007) records each change in
    /// `source_move`.
    async fn moves(&self, source: &Name) -> Result<Vec<Move>, StoreError>;
    /// Returns the last `limit` fetches of a source, newest first. The store keeps a limited number per source.
    async fn history(&self, source: &Name, limit: usize) -> Result<Vec<FetchRecord>, StoreError>;
    /// Returns the fallback by which the source is read, or was read last.
    async fn active_fallback(&self, source: &Name) -> Result<Option<ActiveFallback>, StoreError>;
}
