//! Backfill: reading the publications of a source from before it was declared.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Fallback, Timestamp};

/// A backfill of one source and its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// The earliest publication time of interest. Older publications are skipped.
    pub since: Timestamp,
    /// The time the backfill was requested.
    pub began: Timestamp,
    /// The way to read old publications, if it differs from the declared way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Fallback>,
    /// The queue of documents to read, next first; at most [`Self::MAX_QUEUED`].
    pub ahead: Vec<Url>,
    /// The number of documents processed so far.
    pub documents: u32,
    /// The number of new entries.
    pub new: u64,
    /// The oldest publication time found so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// The number of consecutive documents with neither a new nor an older entry.
    #[serde(default)]
    pub barren: u32,
    /// The number of consecutive failed attempts to fetch the next document.
    #[serde(default)]
    pub tries: u32,
    /// The time at which the next document is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The last problem: a document that could not be read, or a limit that was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The time the backfill ended; `None` while it is in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

impl Backfill {
    /// Upper bound on documents of one backfill.
    pub const MAX_DOCUMENTS: u32 = 10_000;
    /// Upper bound on queued documents. A sitemap index may list 50,000 sitemaps (sitemaps.org), most of them empty or
    /// duplicate.
    pub const MAX_QUEUED: usize = 2_000;

    /// Returns a backfill that starts with the document at `first`.
    pub fn new(since: Timestamp, began: Timestamp, way: Option<Fallback>, first: Url) -> Self {
        Self {
            since,
            began,
            way,
            ahead: vec![first],
            documents: 0,
            new: 0,
            oldest: None,
            barren: 0,
            tries: 0,
            due: None,
            trouble: None,
            ended: None,
        }
    }

    /// Returns true if the backfill has not ended.
    pub fn is_in_progress(&self) -> bool {
        self.ended.is_none()
    }
}
