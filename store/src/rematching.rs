//! Matching of stored items against new and edited topics.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Match, Name, Timestamp};

use crate::{StoreError, TopicRecord};

/// The new matches of a stored item.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemMatches {
    /// The row of the item.
    pub row: i64,
    /// The version of the item that was matched.
    pub version: i64,
    /// The matches.
    pub matches: Vec<Match>,
    /// Topics that cannot be decided until the item is linked to a story. The item keeps its matches of these
    /// topics.
    pub deferred_topics: Arc<[Name]>,
}

/// Matching of stored items against new and edited topics.
#[async_trait]
pub trait Rematching: Send + Sync {
    /// Returns the topics against which not all stored items are matched, ordered by name.
    async fn unmatched_topics(&self) -> Result<Vec<TopicRecord>, StoreError>;
    /// Replaces the matches of these topics among these items. Returns the number of new matches. Skips topics
    /// that no longer have the given version, and items that were edited since they were matched. A match that
    /// stays keeps its sequence number.
    async fn rematch(
        &self,
        topics: &[(Name, i64)],
        items: &[ItemMatches],
        now: Timestamp,
    ) -> Result<u64, StoreError>;
    /// Records that all stored items are matched against these versions of topics. Skips topics that have another
    /// version.
    async fn mark_matched(&self, topics: &[(Name, i64)]) -> Result<(), StoreError>;
    /// Records that the items up to `row` are matched against these versions of topics: rematching resumes after
    /// this row. Skips topics that have another version.
    async fn save_rematch_progress(&self, topics: &[(Name, i64)], row: i64) -> Result<(), StoreError>;
    /// Restarts the matching of these topics from the first item. Raises the versions of the topics and of the
    /// declared objects, so that running nodes notice.
    async fn restart_matching(&self, topics: &[Name]) -> Result<(), StoreError>;
}
