//! Columns to values and back.

use std::time::Duration;

use model::{Host, Item, Match, Name, Timestamp};
use rusqlite::Row;

use crate::materials::originality;
use crate::{StoreError, StoredItem, StoredMatch};

pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(super) fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn host(text: String) -> Host {
    Host::from_stored(text)
}

pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The columns of [`item`], from a table called `item`.
pub(super) const ITEM: &str = "item.row, item.id, item.body, item.version, item.first_seen, item.changed_at,
    (SELECT how IS NOT NULL FROM likeness AS originality WHERE originality.item = item.row)";

pub(super) fn item(row: &Row<'_>) -> Result<StoredItem, StoreError> {
    let body: String = row.get(2)?;
    Ok(StoredItem {
        row: row.get(0)?,
        id: row.get(1)?,
        item: serde_json::from_str::<Item>(&body)?,
        version: row.get(3)?,
        first_seen: time(row.get(4)?),
        changed_at: time(row.get(5)?),
        originality: row.get::<_, Option<bool>>(6)?.map(originality),
    })
}

/// The columns of [`found`] behind those of [`ITEM`], from a table called `match`.
pub(super) const MATCH: &str =
    "match.seq, match.topic, match.spans, match.excerpt, match.matched_at, match.tags";

pub(super) fn found(row: &Row<'_>) -> Result<StoredMatch, StoreError> {
    let (topic, spans, tags): (String, String, String) = (row.get(8)?, row.get(9)?, row.get(12)?);
    Ok(StoredMatch {
        seq: row.get(7)?,
        item: item(row)?,
        found: Match {
            topic: Name::from_stored(topic),
            spans: serde_json::from_str(&spans)?,
            excerpt: row.get::<_, String>(10)?.into(),
            tags: serde_json::from_str(&tags)?,
        },
        matched_at: time(row.get(11)?),
    })
}
