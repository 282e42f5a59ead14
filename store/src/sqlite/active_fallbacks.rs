//! Which fallbacks stand in for their sources.

use model::{ActiveFallback, Harvest, Name};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::StoreError;

pub(super) fn active_fallback(
    connection: &Connection,
    source: &Name,
) -> Result<Option<ActiveFallback>, StoreError> {
    let mut query = connection.prepare_cached("SELECT stand_in FROM stand_in WHERE source = ?1")?;
    let text: Option<String> = query.query_row([source.as_str()], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

pub(super) fn save(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(active_fallback) = &harvest.updates.active_fallback else { return Ok(()) };
    tx.prepare_cached("INSERT OR REPLACE INTO stand_in (source, stand_in) VALUES (?1, ?2)")?
        .execute(params![harvest.source.as_str(), serde_json::to_string(active_fallback)?])?;
    Ok(())
}
