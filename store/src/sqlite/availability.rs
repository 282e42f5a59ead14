//! How sources did, and when.

use model::{Name, SourceState, Timestamp};
use rusqlite::{Connection, params};

use super::rows::{millis, time};
use crate::StoreError;
use crate::store::StateInterval;

pub(super) fn intervals(
    connection: &Connection,
    only: Option<&Name>,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<StateInterval>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT source, at, ends, state, reason FROM (
             SELECT id, source, at, state, reason, lead(at) OVER (PARTITION BY source ORDER BY id) AS ends
             FROM availability WHERE ?1 IS NULL OR source = ?1)
         WHERE at < ?3 AND (ends IS NULL OR ends > ?2) ORDER BY source, id",
    )?;
    let interval = |row: &rusqlite::Row<'_>| {
        Ok(StateInterval {
            source: Name::stored(row.get(0)?),
            from: time(row.get(1)?),
            to: row.get::<_, Option<i64>>(2)?.map(time),
            state: SourceState::parse(&row.get::<_, String>(3)?).unwrap_or(SourceState::Candidate),
            reason: row.get(4)?,
        })
    };
    let found = query.query_map(params![only.map(Name::as_str), millis(since), millis(until)], interval)?;
    Ok(found.collect::<Result<_, _>>()?)
}
