//! Reading what a source published before it was watched.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Fallback, Timestamp};

/// A source's past on its way to us, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// What was published before this is left out.
    pub since: Timestamp,
    /// When it was asked for.
    pub began: Timestamp,
    /// How the past is read, where that is otherwise than the source itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Fallback>,
    /// What is read next, first first; at most [`Self::MOST_AHEAD`].
    pub ahead: Vec<Url>,
    /// Documents read so far.
    pub documents: u32,
    /// Entries that were not known.
    pub new: u64,
    /// The oldest publication met so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// Documents in a row that held nothing new and nothing older.
    #[serde(default)]
    pub barren: u32,
    /// How often in a row the next document could not be had.
    #[serde(default)]
    pub tries: u32,
    /// When the next document is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What could not be read, the last of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

impl Backfill {
    /// Documents of one backfill, at most.
    pub const MOST_DOCUMENTS: u32 = 10_000;
    /// Documents that wait, at most: an index of sitemaps may hold 50,000 (sitemaps.org), of which most are empty or doubled.
    pub const MOST_AHEAD: usize = 2_000;

    /// One that begins at an address.
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

    /// Whether something of it is still to be read.
    pub fn is_under_way(&self) -> bool {
        self.ended.is_none()
    }
}
