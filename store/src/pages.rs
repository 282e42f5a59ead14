//! Article pages that wait to be fetched.

use async_trait::async_trait;
use model::{Host, Name, PageWork, Timestamp};

use crate::StoreError;

/// Article pages that wait to be fetched.
#[async_trait]
pub trait PageQueue: Send + Sync {
    /// Article pages of a source that wait for a host, the newest publications first.
    async fn pages(
        &self,
        source: &Name,
        host: &Host,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<PageWork>, StoreError>;
    /// When the first page of a source that waits for a host may be fetched.
    async fn next_page(&self, source: &Name, host: &Host) -> Result<Option<Timestamp>, StoreError>;
    /// Every source and host with waiting pages, and when the first of them may be fetched.
    async fn page_queues(&self) -> Result<Vec<(Name, Host, Timestamp)>, StoreError>;
}
