//! Items and the topics they match.

use async_trait::async_trait;
use model::{Item, ItemContext, Match, Name, Originality, Timestamp};

use crate::StoreError;

/// An item as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredItem {
    /// Where it stands in the order of storing.
    pub row: i64,
    /// Its public identifier.
    pub id: String,
    /// The item.
    pub item: Item,
    /// Rises with each edit.
    pub version: i64,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Whether it is a reprint; `None` where it was not looked at beside others yet.
    pub originality: Option<Originality>,
}

impl StoredItem {
    /// How it came to us.
    pub fn sight(&self) -> ItemContext {
        ItemContext { at: self.first_seen, originality: self.originality }
    }
}

/// The originality of an item that is like an earlier one, or is not.
pub(crate) fn originality(is_like_another: bool) -> Originality {
    if is_like_another { Originality::Reprint } else { Originality::Original }
}

/// A match as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMatch {
    /// In the order of storing; rises.
    pub seq: i64,
    /// The item.
    pub item: StoredItem,
    /// Which topic, and where.
    pub found: Match,
    /// When.
    pub matched_at: Timestamp,
}

/// Which matches are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaterialQuery {
    /// Of this topic.
    pub topic: Option<Name>,
    /// Of this source.
    pub source: Option<Name>,
    /// With this tag.
    pub tag: Option<Name>,
    /// Of each story only what matched its topic first, among those of the source and with the tag.
    pub one_of_each_story: bool,
    /// Stored after this one.
    pub after_seq: i64,
    /// For each of these, holding one of its search terms.
    pub terms: Vec<Vec<String>>,
    /// At most so many; a page of a longer list.
    pub limit: usize,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Items stored.
    pub items: u64,
    /// Items that matched at least one topic.
    pub materials: u64,
    /// Matches stored.
    pub matches: u64,
    /// Article pages that wait.
    pub pages: u64,
    /// The seq of the match that was stored last; 0 where there is none.
    pub last_seq: i64,
}

/// Items and the topics they match.
#[async_trait]
pub trait Materials: Send + Sync {
    /// Matches, in the order of storing.
    async fn materials(&self, query: &MaterialQuery) -> Result<Vec<StoredMatch>, StoreError>;
    /// One item with its matches.
    async fn item(&self, id: &str) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError>;
    /// Items in the order of storing, after a row.
    async fn items(&self, after_row: i64, limit: usize) -> Result<Vec<StoredItem>, StoreError>;
    /// How much there is.
    async fn totals(&self) -> Result<Totals, StoreError>;
}
