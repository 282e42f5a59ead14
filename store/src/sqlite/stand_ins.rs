//! Which fallbacks stand in for their sources.

use model::{Harvest, Name, StandIn};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::StoreError;

pub(super) fn stand_in(connection: &Connection, source: &Name) -> Result<Option<StandIn>, StoreError> {
    let mut query = connection.prepare_cached("SELECT stand_in FROM stand_in WHERE source = ?1")?;
    let text: Option<String> = query.query_row([source.as_str()], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

pub(super) fn save(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(stand_in) = &harvest.stand_in else { return Ok(()) };
    tx.prepare_cached("INSERT OR REPLACE INTO stand_in (source, stand_in) VALUES (?1, ?2)")?
        .execute(params![harvest.source.as_str(), serde_json::to_string(stand_in)?])?;
    Ok(())
}
