//! Stories: groups of near-duplicate items.

use async_trait::async_trait;
use model::{Name, Similarity, Sketch, Timestamp};

use crate::{StoreError, StoredItem};

/// Maximum number of candidates per sketch key. A key that more items share comes from a common phrase, not from a
/// common text.
pub(crate) const MAX_CANDIDATES_PER_KEY: usize = 20;

/// An item that shares a sketch key with another item, and may be its near-duplicate.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The row of the item.
    pub row: i64,
    /// The story of the item: the row of the story's first item.
    pub story: i64,
    /// The source of the item.
    pub source: Name,
    /// The sketch of the item. It holds only those keys that the query asked for.
    pub sketch: Sketch,
}

/// An item to link to its story.
#[derive(Debug, Clone, PartialEq)]
pub struct StoryLink {
    /// The row of the item.
    pub row: i64,
    /// The version of the item that was compared. An item with another version stays queued.
    pub version: i64,
    /// The source of the item.
    pub source: Name,
    /// The time at which the item was first seen.
    pub at: Timestamp,
    /// The story: the row of its first item. The item's own row starts a new story.
    pub story: i64,
    /// The similarity to the item that placed this one in the story; `None` for the first item.
    pub similarity: Option<Similarity>,
    /// The sketch of the item.
    pub sketch: Sketch,
}

/// An item of a story.
#[derive(Debug, Clone, PartialEq)]
pub struct StoryItem {
    /// The item.
    pub item: StoredItem,
    /// The similarity to the item that placed this one in the story; `None` for the first item.
    pub similarity: Option<Similarity>,
}

/// Stories: groups of near-duplicate items.
#[async_trait]
pub trait Stories: Send + Sync {
    /// Returns at most `limit` items that wait to be linked to a story, oldest row first.
    ///
    /// The trigger `item_is_stored` (PostgreSQL migration 0006, SQLite migration 0007) queues each new item in
    /// `unlinked`. [`Harvests::save`](crate::Harvests::save) queues an edited item again if topics are deferred.
    async fn unlinked_items(&self, limit: usize) -> Result<Vec<StoredItem>, StoreError>;
    /// Returns the items that share one of these sketch keys and were first seen after `since`: the first 20 of
    /// each key.
    async fn candidates(&self, keys: &[i64], since: Timestamp) -> Result<Vec<Candidate>, StoreError>;
    /// Links items to their stories and takes them from the queue. The link of an item is permanent: linking it
    /// again changes nothing. Items that were removed meanwhile are skipped.
    ///
    /// Deletes the sketch keys of items that were first seen before `forget`; they are candidates no longer. Fails
    /// with [`StoreError::StaleObjects`] unless the declared objects have version `objects_version`: the deferred
    /// topics were matched under that version.
    async fn link(
        &self,
        linked: &[StoryLink],
        forget: Timestamp,
        objects_version: i64,
    ) -> Result<(), StoreError>;
    /// Returns at most `limit` items of the story that an item belongs to, ordered by publication time. Empty if
    /// the item is not linked yet.
    async fn story(&self, row: i64, limit: usize) -> Result<Vec<StoryItem>, StoreError>;
    /// Returns the number of stories among a topic's materials. An item that is not linked yet counts as one story.
    async fn story_count(&self, topic: &Name) -> Result<u64, StoreError>;
}
