//! The queue of article pages to fetch.

use async_trait::async_trait;
use model::{Host, Name, PageWork, Timestamp};

use crate::StoreError;

/// The queue of article pages to fetch. [`Harvests::save`](crate::Harvests::save) adds and removes pages.
#[async_trait]
pub trait PageQueue: Send + Sync {
    /// Returns at most `limit` pages of a source and host that may be fetched at `now`, newest publication first.
    async fn pages(
        &self,
        source: &Name,
        host: &Host,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<PageWork>, StoreError>;
    /// Returns the earliest time at which a waiting page of a source and host may be fetched; `None` if no page
    /// waits.
    async fn next_page(&self, source: &Name, host: &Host) -> Result<Option<Timestamp>, StoreError>;
    /// Returns the source, the host and the earliest fetch time of each queue of waiting pages. With `source`, returns only
    /// the queues of that source.
    async fn page_queues(&self, source: Option<&Name>) -> Result<Vec<(Name, Host, Timestamp)>, StoreError>;
}
