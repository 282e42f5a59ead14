//! Storage of harvests.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Harvest, ItemKey, Name};
use url::Url;

use crate::StoreError;

/// The status of an entry in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStatus {
    /// The entry is unknown.
    New,
    /// The entry is stored, or waits for its article page, with the same fingerprint. An entry whose item was
    /// removed has this status too, so that it is not stored again.
    Same,
    /// The entry is stored, or waits for its article page, with another fingerprint.
    Changed,
}

/// Identification of an entry for a lookup in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRef {
    /// The key of the entry's item.
    pub key: ItemKey,
    /// The fingerprint of the entry.
    pub hash: String,
    /// The canonical address of an entry that has a publication time. Some publishers generate a new identifier
    /// each time; address and fingerprint together then identify the entry.
    pub address: Option<Url>,
}

/// The result of saving one harvest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SaveOutcome {
    /// True if the harvest's token was outdated. Nothing of the harvest was stored.
    pub fenced: bool,
    /// The number of items stored for the first time.
    pub new_items: u64,
    /// The number of items whose content changed.
    pub edited_items: u64,
    /// The number of items that matched a topic for the first time.
    pub new_materials: u64,
    /// The number of matches stored for the first time.
    pub new_matches: u64,
}

/// Storage of harvests.
#[async_trait]
pub trait Harvests: Send + Sync {
    /// Returns the status of each entry, in the order of `entries`.
    async fn classify_entries(
        &self,
        source: &Name,
        entries: &[EntryRef],
    ) -> Result<Vec<EntryStatus>, StoreError>;
    /// Returns for each canonical address whether an item of the source, or an entry that waits for its article
    /// page, has this address. Identifiers and fingerprints are ignored.
    async fn has_addresses(&self, source: &Name, addresses: &[Url]) -> Result<Vec<bool>, StoreError>;
    /// Stores harvests in one transaction. Returns one result per harvest, in their order.
    ///
    /// A harvest whose token is lower than the highest one seen for its host is skipped and reported as fenced. Of
    /// a source that is no longer declared, only the findings are stored and the deletions made. Fails with
    /// [`StoreError::StaleObjects`] and stores nothing unless the declared objects have version `objects_version`.
    ///
    /// Database triggers complete the write: `item_is_stored` queues each new item in `unlinked` (see
    /// [`Stories::unlinked_items`](crate::Stories::unlinked_items)); `source_state_changes` and `source_moves` record changes
    /// of a source's state and address (see [`SourceStates`](crate::SourceStates)).
    async fn save(
        &self,
        harvests: &Arc<[Harvest]>,
        objects_version: i64,
    ) -> Result<Vec<SaveOutcome>, StoreError>;
}
