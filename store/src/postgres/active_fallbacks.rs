//! Which fallbacks stand in for their sources.

use deadpool_postgres::{Object, Transaction};
use model::{ActiveFallback, Harvest, Name};

use super::{execute, read, text};
use crate::StoreError;

pub(super) async fn active_fallback(
    client: &Object,
    source: &Name,
) -> Result<Option<ActiveFallback>, StoreError> {
    let sql = "SELECT stand_in FROM stand_in WHERE source = $1";
    let found = read(client, sql, &[&source.as_str()]).await?;
    Ok(found.first().map(|row| serde_json::from_str(row.get(0))).transpose()?)
}

pub(super) async fn save(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(active_fallback) = &harvest.updates.active_fallback else { return Ok(()) };
    execute(
        tx,
        "INSERT INTO stand_in (source, stand_in) VALUES ($1, $2)
         ON CONFLICT (source) DO UPDATE SET stand_in = excluded.stand_in",
        &[&harvest.source.as_str(), &text(&serde_json::to_string(active_fallback)?)],
    )
    .await?;
    Ok(())
}
