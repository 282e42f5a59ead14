//! Matching of stored items against new and edited topics.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Match, Name, Timestamp};

use crate::StoreError;

/// What an item matches now.
#[derive(Debug, Clone, PartialEq)]
pub struct Rematched {
    /// Which item.
    pub row: i64,
    /// The version of it that was looked at.
    pub version: i64,
    /// What it matches.
    pub matches: Vec<Match>,
    /// Topics that could not be decided: what they matched stays.
    pub deferred_topics: Arc<[Name]>,
}

/// Matching of stored items against new and edited topics.
#[async_trait]
pub trait Rematching: Send + Sync {
    /// Replaces what these topics matched among these items, but for topics that have another version by now, and items
    /// that were edited meanwhile.
    async fn rematch(
        &self,
        topics: &[(Name, i64)],
        items: &[Rematched],
        now: Timestamp,
    ) -> Result<u64, StoreError>;
    /// Everything stored has been matched against these versions of topics.
    async fn set_matched(&self, topics: &[(Name, i64)]) -> Result<(), StoreError>;
    /// Items up to a row have been matched against these versions of topics: matching goes on behind it.
    async fn set_rematched(&self, topics: &[(Name, i64)], row: i64) -> Result<(), StoreError>;
    /// These topics are to be matched again from the beginning.
    async fn set_unmatched(&self, topics: &[Name]) -> Result<(), StoreError>;
}
