//! Removal of items, and suppressions that keep items from being stored.

use std::time::Duration;

use async_trait::async_trait;
use model::{Item, Name, Timestamp};

use crate::StoreError;

/// An entry of the block list: the publications of a source, of an author, or of an author in a source are not
/// stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The source; `None` for any source.
    pub source: Option<Name>,
    /// The author, compared exactly; `None` for any author.
    pub author: Option<String>,
    /// The time at which the suppression was added.
    pub at: Timestamp,
}

impl Suppression {
    /// Returns true if the suppression applies to an item.
    pub(crate) fn covers(&self, item: &Item) -> bool {
        self.source.as_ref().is_none_or(|source| *source == item.source)
            && self.author.as_ref().is_none_or(|author| item.author.as_ref() == Some(author))
    }

    /// Returns the source and author columns. An empty text means any source or author.
    pub(crate) fn key(&self) -> (&str, &str) {
        (self.source.as_ref().map_or("", Name::as_str), self.author.as_deref().unwrap_or(""))
    }

    /// Fails with [`StoreError::Refused`] if the suppression names neither a source nor an author: it would apply
    /// to every item.
    pub(crate) fn validate(&self) -> Result<(), StoreError> {
        match self.key() {
            ("", "") => Err(StoreError::Refused("a suppression must name a source or an author".to_owned())),
            _ => Ok(()),
        }
    }

    /// Converts the columns of a row to a suppression. The inverse of [`Self::key`].
    pub(crate) fn from_columns(source: String, author: String, at: Timestamp) -> Self {
        let source = (!source.is_empty()).then(|| Name::from_stored(source));
        Self { source, author: (!author.is_empty()).then_some(author), at }
    }
}

/// Removal of items, and suppressions that keep items from being stored.
#[async_trait]
pub trait Removals: Send + Sync {
    /// Removes a batch of items that were first seen more than `keep` before `now`, with their matches. Their
    /// identities stay known, so that they are not stored again.
    ///
    /// Returns 0 when nothing is left to remove, and otherwise the size of the batch; PostgreSQL counts a whole
    /// month as one. PostgreSQL uses the time of its server if `now` is later.
    async fn retain(&self, keep: Duration, now: Timestamp) -> Result<u64, StoreError>;
    /// Removes these items with their matches. Returns the number of items removed. Their identities and addresses
    /// stay known, so that they are not stored again.
    async fn take_down(&self, rows: &[i64], now: Timestamp) -> Result<u64, StoreError>;
    /// Adds a suppression. Items that are stored already stay. Fails with [`StoreError::Refused`] if the
    /// suppression names neither a source nor an author.
    async fn suppress(&self, suppression: &Suppression) -> Result<(), StoreError>;
    /// Removes a suppression. Returns false if there is none for this source and author.
    async fn lift_suppression(&self, suppression: &Suppression) -> Result<bool, StoreError>;
    /// Returns all suppressions, ordered by source and author.
    async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError>;
}
