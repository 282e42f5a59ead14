//! The progress of backfills.

use async_trait::async_trait;
use model::{Backfill, Name};

use crate::StoreError;

/// The progress of backfills.
#[async_trait]
pub trait Backfills: Send + Sync {
    /// How far the past of a source was read: what is under way, or the last that ended. Steps are written with harvests.
    async fn backfill(&self, source: &Name) -> Result<Option<Backfill>, StoreError>;
    /// What is under way, in the order of sources.
    async fn backfills(&self) -> Result<Vec<(Name, Backfill)>, StoreError>;
    /// Begins to read the past of a source, or ends it, instead of what was known of that.
    async fn set_backfill(&self, source: &Name, backfill: &Backfill) -> Result<(), StoreError>;
}
