//! The progress of backfills in SQLite.

use async_trait::async_trait;
use model::{Backfill, Name};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Sqlite;
use crate::{Backfills, StoreError};

#[async_trait]
impl Backfills for Sqlite {
    async fn backfill(&self, source: &Name) -> Result<Option<Backfill>, StoreError> {
        let source = source.clone();
        self.read(move |connection| select_backfill(connection, &source)).await
    }

    async fn backfills(&self) -> Result<Vec<(Name, Backfill)>, StoreError> {
        self.read(select_running).await
    }

    async fn set_backfill(&self, source: &Name, backfill: &Backfill) -> Result<(), StoreError> {
        let (source, backfill) = (source.clone(), backfill.clone());
        self.write(move |tx| save(tx, &source, &backfill)).await
    }
}

pub(super) fn select_backfill(
    connection: &Connection,
    source: &Name,
) -> Result<Option<Backfill>, StoreError> {
    let mut query = connection.prepare_cached("SELECT backfill FROM backfill WHERE source = ?1")?;
    let text: Option<String> = query.query_row([source.as_str()], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

pub(super) fn select_running(connection: &Connection) -> Result<Vec<(Name, Backfill)>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT source, backfill FROM backfill WHERE is_under_way ORDER BY source")?;
    let mut rows = query.query([])?;
    let mut backfills = Vec::new();
    while let Some(row) = rows.next()? {
        backfills.push((Name::from_stored(row.get(0)?), serde_json::from_str(&row.get::<_, String>(1)?)?));
    }
    Ok(backfills)
}

pub(super) fn save(tx: &Transaction<'_>, source: &Name, backfill: &Backfill) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO backfill (source, backfill, is_under_way) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![source.as_str(), serde_json::to_string(backfill)?, backfill.is_in_progress()])?;
    Ok(())
}

/// Stores a step of a backfill, unless the backfill has ended or was replaced meanwhile, or the step is older than
/// the stored one.
pub(super) fn save_step(tx: &Transaction<'_>, source: &Name, step: &Backfill) -> Result<(), StoreError> {
    let continues = |current: Backfill| {
        current.began == step.began && current.is_in_progress() && current.documents <= step.documents
    };
    if select_backfill(tx, source)?.is_some_and(continues) { save(tx, source, step) } else { Ok(()) }
}
