//! Stories: groups of near-duplicate items.

use async_trait::async_trait;
use model::{Name, Similarity, Sketch, Timestamp};

use crate::{StoreError, StoredItem};

/// Of so many items that share a key the first are looked at: what very many share is a phrase, not a text.
pub(crate) const KEPT_OF_A_KEY: usize = 20;

/// An item that may be like another.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which item.
    pub row: i64,
    /// The story that it belongs to: the row of its first item.
    pub story: i64,
    /// Whose it is.
    pub source: Name,
    /// What it is known by, with those of its keys that were asked for.
    pub sketch: Sketch,
}

/// An item that was looked at beside others.
#[derive(Debug, Clone, PartialEq)]
pub struct Linked {
    /// Which item.
    pub row: i64,
    /// As it was: one that was edited meanwhile waits to be looked at once more.
    pub version: i64,
    /// Whose it is.
    pub source: Name,
    /// When it was first seen.
    pub at: Timestamp,
    /// The story that it belongs to; its own row where it is the first of one.
    pub story: i64,
    /// How it is like the item by which it came to the story.
    pub similarity: Option<Similarity>,
    /// What it is known by.
    pub sketch: Sketch,
}

/// An item of a story.
#[derive(Debug, Clone, PartialEq)]
pub struct Reprint {
    /// The item.
    pub item: StoredItem,
    /// How it is like the item by which it came to the story; `None` for the one that was there first.
    pub similarity: Option<Similarity>,
}

/// Stories: groups of near-duplicate items.
#[async_trait]
pub trait Stories: Send + Sync {
    /// Items that were not looked at beside others yet, the first stored first.
    async fn unlinked(&self, limit: usize) -> Result<Vec<StoredItem>, StoreError>;
    /// Items that share one of these keys and were first seen after `since`: the first twenty of each key.
    async fn candidates(&self, keys: &[i64], since: Timestamp) -> Result<Vec<Candidate>, StoreError>;
    /// Links items to their stories, for good. Keys of items that were first seen before `forget` are forgotten: nothing is
    /// linked to these any more. Refused with [`StoreError::StaleObjects`] unless the objects are still at `objects_version`:
    /// topics that ask for reprints were decided by those.
    async fn link(
        &self,
        linked: &[Linked],
        forget: Timestamp,
        objects_version: i64,
    ) -> Result<(), StoreError>;
    /// The items of the story that an item belongs to, by time of publication; none where it was not looked at yet.
    async fn story(&self, row: i64, limit: usize) -> Result<Vec<Reprint>, StoreError>;
    /// How many stories there are among a topic's materials: one that no other is like is a story of its own.
    async fn story_count(&self, topic: &Name) -> Result<u64, StoreError>;
}
