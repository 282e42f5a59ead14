//! The state of each source and its history.

use std::time::Duration;

use async_trait::async_trait;
use model::{
    ActiveFallback, ArticlePages, FetchRecord, Name, PageWindow, Rhythm, Source, SourceKind, SourceState,
    Timestamp, Validators,
};

use crate::StoreError;

/// A declared source and how it is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRecord {
    /// As it is declared.
    pub source: Source,
    /// How it is doing.
    pub state: SourceState,
    /// Why, in words.
    pub reason: String,
    /// Failure points since the last success.
    pub failures: f64,
    /// Failed polls since the last success.
    pub failed_polls: u32,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// The last good poll.
    pub last_ok: Option<Timestamp>,
    /// The last poll.
    pub last_poll: Option<Timestamp>,
    /// The next poll; `None` before the first.
    pub next_poll: Option<Timestamp>,
    /// The interval learnt so far.
    pub interval: Option<Duration>,
    /// At which hours it publishes; `None` while nothing is known of that.
    pub rhythm: Option<Rhythm>,
    /// What its last article pages were like; `None` while none was read.
    pub article_pages: Option<ArticlePages>,
    /// What it showed last, where that tells what is taken back; not told of all sources at once.
    pub page_window: Option<PageWindow>,
    /// What makes the next request conditional.
    pub validators: Option<Validators>,
    /// Where its server says it has moved for good.
    pub moved_to: Option<String>,
    /// Article pages that wait.
    pub pages_waiting: u64,
}

/// How a source did for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateInterval {
    /// Which source.
    pub source: Name,
    /// When it began.
    pub from: Timestamp,
    /// When it ended; `None`: it lasts.
    pub to: Option<Timestamp>,
    /// The state.
    pub state: SourceState,
    /// Why, in words.
    pub reason: String,
}

/// What a source's server began to say of its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Since when.
    pub at: Timestamp,
    /// Where it has moved for good; `None`: it says so no more.
    pub to: Option<String>,
}

/// The state of each source and its history.
#[async_trait]
pub trait SourceStates: Send + Sync {
    /// All sources, in the order of names.
    async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError>;
    /// One source.
    async fn source(&self, name: &Name) -> Result<Option<SourceRecord>, StoreError>;
    /// How many sources there are of each kind and in each state.
    async fn source_counts(&self) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError>;
    /// How sources, or one, did between `since` and `until`: by source, in the order of time. What was ever noted stays.
    async fn availability(
        &self,
        source: Option<&Name>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StateInterval>, StoreError>;
    /// What a source's server said of moves for good, the latest first: the last 100.
    async fn moves(&self, source: &Name) -> Result<Vec<Move>, StoreError>;
    /// The last fetches of a source, the newest first.
    async fn history(&self, source: &Name, limit: usize) -> Result<Vec<FetchRecord>, StoreError>;
    /// Which of a source's fallbacks stands in for it, or did last. It is written with harvests.
    async fn active_fallback(&self, source: &Name) -> Result<Option<ActiveFallback>, StoreError>;
}
