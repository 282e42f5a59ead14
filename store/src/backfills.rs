//! The progress of backfills.

use async_trait::async_trait;
use model::{Backfill, Name};

use crate::StoreError;

/// The progress of backfills. [`Harvests::save`](crate::Harvests::save) advances it.
#[async_trait]
pub trait Backfills: Send + Sync {
    /// Returns the source's running backfill, or else the last one that ended.
    async fn backfill(&self, source: &Name) -> Result<Option<Backfill>, StoreError>;
    /// Returns the running backfills of all sources, ordered by source.
    async fn backfills(&self) -> Result<Vec<(Name, Backfill)>, StoreError>;
    /// Starts or ends a backfill of a source. Replaces the stored one.
    async fn set_backfill(&self, source: &Name, backfill: &Backfill) -> Result<(), StoreError>;
}
