//! Conversion between column values and domain types.

use std::time::Duration;

use model::{Item, Match, Name, Timestamp};
use rusqlite::Row;

use crate::materials::originality;
use crate::{StoreError, StoredItem, StoredMatch};

/// Converts a time to milliseconds since the Unix epoch.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// Converts milliseconds since the Unix epoch to a time.
pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Converts a duration to milliseconds.
pub(super) fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Converts a limit to an SQL integer.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The columns that [`parse_item`] reads, selected from the table `item`.
pub(super) const ITEM_COLUMNS: &str =
    "item.row, item.id, item.body, item.version, item.first_seen, item.changed_at,
    (SELECT how IS NOT NULL FROM likeness AS originality WHERE originality.item = item.row)";

/// Converts a row of [`ITEM_COLUMNS`] to an item.
pub(super) fn parse_item(row: &Row<'_>) -> Result<StoredItem, StoreError> {
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

/// The columns that [`parse_match`] reads after [`ITEM_COLUMNS`], selected from the table `match`.
pub(super) const MATCH_COLUMNS: &str =
    "match.seq, match.topic, match.spans, match.excerpt, match.matched_at, match.tags";

/// Converts a row of [`ITEM_COLUMNS`] and [`MATCH_COLUMNS`] to a match.
pub(super) fn parse_match(row: &Row<'_>) -> Result<StoredMatch, StoreError> {
    let (topic, spans, tags): (String, String, String) = (row.get(8)?, row.get(9)?, row.get(12)?);
    Ok(StoredMatch {
        seq: row.get(7)?,
        item: parse_item(row)?,
        found: Match {
            topic: Name::from_stored(topic),
            spans: serde_json::from_str(&spans)?,
            excerpt: row.get::<_, String>(10)?.into(),
            tags: serde_json::from_str(&tags)?,
        },
        matched_at: time(row.get(11)?),
    })
}
