//! Items and the topics they match.

use async_trait::async_trait;
use model::{Item, ItemContext, Match, Name, Originality, Timestamp};

use crate::StoreError;

/// A stored item.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredItem {
    /// The row number. Later items have higher numbers.
    pub row: i64,
    /// The public identifier.
    pub id: String,
    /// The item.
    pub item: Item,
    /// The version number. It rises with each edit.
    pub version: i64,
    /// The time at which the item was first seen.
    pub first_seen: Timestamp,
    /// The time of the last edit.
    pub changed_at: Timestamp,
    /// The originality; `None` until the item is linked to a story.
    pub originality: Option<Originality>,
}

impl StoredItem {
    /// Returns the facts about the item's discovery that topics can test.
    pub fn sight(&self) -> ItemContext {
        ItemContext { at: self.first_seen, originality: self.originality }
    }
}

/// Returns the originality of an item. `is_similar` is true if the item joined a story because of a similar item.
pub(crate) fn originality(is_similar: bool) -> Originality {
    if is_similar { Originality::Reprint } else { Originality::Original }
}

/// A stored match.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMatch {
    /// The sequence number. Later matches have higher numbers.
    pub seq: i64,
    /// The item.
    pub item: StoredItem,
    /// The matching topic, with spans, excerpt and tags.
    pub found: Match,
    /// The time at which the match was stored.
    pub matched_at: Timestamp,
}

/// A query for matches. A match must meet every condition that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaterialQuery {
    /// The topic.
    pub topic: Option<Name>,
    /// The source of the item.
    pub source: Option<Name>,
    /// A tag of the match.
    pub tag: Option<Name>,
    /// Set to return only the first match of each story and topic, among those of the source and with the tag.
    pub first_of_each_story: bool,
    /// The sequence number after which matches are returned.
    pub after_seq: i64,
    /// Groups of search terms. The item must contain at least one term of each group.
    pub terms: Vec<Vec<String>>,
    /// Upper bound on the number of matches returned.
    pub limit: usize,
}

/// Totals of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The number of items.
    pub items: u64,
    /// The number of items that match at least one topic.
    pub materials: u64,
    /// The number of matches.
    pub matches: u64,
    /// The number of article pages that wait to be fetched.
    pub pages: u64,
    /// The sequence number of the last match; 0 if there is none.
    pub last_seq: i64,
}

/// Items and the topics they match.
#[async_trait]
pub trait Materials: Send + Sync {
    /// Returns matches in ascending order of their sequence number.
    async fn materials(&self, query: &MaterialQuery) -> Result<Vec<StoredMatch>, StoreError>;
    /// Returns the item with this public identifier and its matches, ordered by topic.
    async fn item(&self, id: &str) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError>;
    /// Returns at most `limit` items whose row number is higher than `after_row`, in ascending order.
    async fn items(&self, after_row: i64, limit: usize) -> Result<Vec<StoredItem>, StoreError>;
    /// Returns the totals of the store.
    async fn totals(&self) -> Result<Totals, StoreError>;
}
