//! Removal of items, and suppressions that keep items out.

use std::time::Duration;

use async_trait::async_trait;
use model::{Item, Name, Timestamp};

use crate::StoreError;

/// Whose publications are not stored any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Of this source; `None`: of any.
    pub source: Option<Name>,
    /// Of this author, letter by letter; `None`: of any.
    pub author: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

impl Suppression {
    /// Whether a publication is among those meant.
    pub(crate) fn covers(&self, item: &Item) -> bool {
        self.source.as_ref().is_none_or(|source| *source == item.source)
            && self.author.as_ref().is_none_or(|author| item.author.as_ref() == Some(author))
    }

    /// As it is kept: what stands for any is empty.
    pub(crate) fn key(&self) -> (&str, &str) {
        (self.source.as_ref().map_or("", Name::as_str), self.author.as_deref().unwrap_or(""))
    }

    /// Refused where it would stand for everything.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.key() {
            ("", "") => Err(StoreError::Refused("a tombstone of everything".to_owned())),
            _ => Ok(()),
        }
    }

    pub(crate) fn kept(source: String, author: String, at: Timestamp) -> Self {
        let source = (!source.is_empty()).then(|| Name::from_stored(source));
        Self { source, author: (!author.is_empty()).then_some(author), at }
    }
}

/// Removal of items, and suppressions that keep items out.
#[async_trait]
pub trait Removals: Send + Sync {
    /// Removes items that were first seen longer ago than `keep`, a batch of them. How many went. A caller whose
    /// clock is ahead of the server's is not believed.
    async fn retain(&self, keep: Duration, now: Timestamp) -> Result<u64, StoreError>;
    /// Removes these items with what they matched; what identifies them, and where they stood, stays known, so that they are
    /// not stored again.
    /// How many went.
    async fn take_down(&self, rows: &[i64], now: Timestamp) -> Result<u64, StoreError>;
    /// Stores nothing of a source, an author, or an author in a source from now on. What is stored already is not touched.
    async fn suppress(&self, suppression: &Suppression) -> Result<(), StoreError>;
    /// Stores it again from now on. False where there is no such tombstone.
    async fn lift_suppression(&self, suppression: &Suppression) -> Result<bool, StoreError>;
    /// Whose publications are not stored, in the order of sources and authors.
    async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError>;
}
