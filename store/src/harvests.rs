//! Storage of harvests.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Harvest, ItemKey, Name};
use url::Url;

use crate::StoreError;

/// What is known of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStatus {
    /// Never seen.
    New,
    /// Stored, or waiting for its page, as it is.
    Same,
    /// Stored, and different now.
    Changed,
}

/// An entry as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRef {
    /// Its item's key.
    pub key: ItemKey,
    /// Its fingerprint.
    pub hash: String,
    /// The canonical address of a dated entry: some publishers invent a new identifier each time, and
    /// then address and fingerprint tell that it is known.
    pub address: Option<Url>,
}

/// What saving a harvest did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saved {
    /// The lease was over: nothing was stored.
    pub fenced: bool,
    /// Items stored for the first time.
    pub new_items: u64,
    /// Items changed.
    pub edited_items: u64,
    /// Items that matched a topic for the first time.
    pub new_materials: u64,
    /// Matches stored for the first time.
    pub new_matches: u64,
}

/// Storage of harvests.
#[async_trait]
pub trait Harvests: Send + Sync {
    /// What is known of entries, in their order.
    async fn classify_entries(
        &self,
        source: &Name,
        entries: &[EntryRef],
    ) -> Result<Vec<EntryStatus>, StoreError>;
    /// Whether something of a source is stored, or waits for its page, at these canonical addresses, whatever else identifies it.
    async fn known_addresses(&self, source: &Name, addresses: &[Url]) -> Result<Vec<bool>, StoreError>;
    /// Stores harvests in one transaction: all of them, less those whose lease was over. Refused as a
    /// whole with [`StoreError::StaleObjects`] unless the objects are still at `objects_version`. Of a
    /// source that is no longer declared only publications are stored.
    async fn save(&self, harvests: &Arc<[Harvest]>, objects_version: i64) -> Result<Vec<Saved>, StoreError>;
}
