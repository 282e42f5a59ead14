//! How far the past of sources was read.

use async_trait::async_trait;
use model::{Backfill, Name};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Sqlite;
use crate::{Backfills, StoreError};

#[async_trait]
impl Backfills for Sqlite {
    async fn backfill(&self, source: &Name) -> Result<Option<Backfill>, StoreError> {
        let source = source.clone();
        self.read(move |connection| one(connection, &source)).await
    }

    async fn backfills(&self) -> Result<Vec<(Name, Backfill)>, StoreError> {
        self.read(under_way).await
    }

    async fn set_backfill(&self, source: &Name, backfill: &Backfill) -> Result<(), StoreError> {
        let (source, backfill) = (source.clone(), backfill.clone());
        self.write(move |tx| save(tx, &source, &backfill)).await
    }
}

pub(super) fn one(connection: &Connection, source: &Name) -> Result<Option<Backfill>, StoreError> {
    let mut query = connection.prepare_cached("SELECT backfill FROM backfill WHERE source = ?1")?;
    let text: Option<String> = query.query_row([source.as_str()], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

pub(super) fn under_way(connection: &Connection) -> Result<Vec<(Name, Backfill)>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT source, backfill FROM backfill WHERE is_under_way ORDER BY source")?;
    let mut rows = query.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push((Name::from_stored(row.get(0)?), serde_json::from_str(&row.get::<_, String>(1)?)?));
    }
    Ok(all)
}

pub(super) fn save(tx: &Transaction<'_>, source: &Name, backfill: &Backfill) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO backfill (source, backfill, is_under_way) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![source.as_str(), serde_json::to_string(backfill)?, backfill.is_in_progress()])?;
    Ok(())
}

/// A step of one that is still the same: another may have been begun, or this one ended, meanwhile.
pub(super) fn go_on(tx: &Transaction<'_>, source: &Name, step: &Backfill) -> Result<(), StoreError> {
    let is_same = |known: Backfill| {
        known.began == step.began && known.is_in_progress() && known.documents <= step.documents
    };
    if one(tx, source)?.is_some_and(is_same) { save(tx, source, step) } else { Ok(()) }
}
