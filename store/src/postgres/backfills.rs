//! The progress of backfills in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Backfill, Name};

use super::{Postgres, execute, read, rows, text, transaction};
use crate::{Backfills, StoreError};

#[async_trait]
impl Backfills for Postgres {
    async fn backfill(&self, source: &Name) -> Result<Option<Backfill>, StoreError> {
        select_backfill(&*self.client().await?, source).await
    }

    async fn backfills(&self) -> Result<Vec<(Name, Backfill)>, StoreError> {
        select_running(&*self.client().await?).await
    }

    async fn set_backfill(&self, source: &Name, backfill: &Backfill) -> Result<(), StoreError> {
        transaction!(self, |tx| save(&tx, source, backfill).await)
    }
}

pub(super) async fn select_backfill(client: &Object, source: &Name) -> Result<Option<Backfill>, StoreError> {
    let rows = read(client, "SELECT backfill FROM backfill WHERE source = $1", &[&source.as_str()]).await?;
    Ok(rows.first().map(|row| serde_json::from_str(row.get(0))).transpose()?)
}

pub(super) async fn select_running(client: &Object) -> Result<Vec<(Name, Backfill)>, StoreError> {
    let sql = "SELECT source, backfill FROM backfill WHERE is_under_way ORDER BY source";
    let rows = read(client, sql, &[]).await?;
    rows.iter().map(|row| Ok((Name::from_stored(row.get(0)), serde_json::from_str(row.get(1))?))).collect()
}

pub(super) async fn save(tx: &Transaction<'_>, source: &Name, backfill: &Backfill) -> Result<(), StoreError> {
    execute(
        tx,
        "INSERT INTO backfill (source, backfill, is_under_way) VALUES ($1, $2, $3) ON CONFLICT (source) DO UPDATE
         SET backfill = excluded.backfill, is_under_way = excluded.is_under_way",
        &[&source.as_str(), &text(&serde_json::to_string(backfill)?), &backfill.is_in_progress()],
    )
    .await?;
    Ok(())
}

/// Stores a step of a backfill, unless the backfill has ended or was replaced meanwhile, or the step is older than
/// the stored one.
pub(super) async fn save_step(
    tx: &Transaction<'_>,
    source: &Name,
    step: &Backfill,
) -> Result<(), StoreError> {
    let sql = "SELECT backfill FROM backfill WHERE source = $1 FOR UPDATE";
    let rows = rows(tx, sql, &[&source.as_str()]).await?;
    let current: Option<Backfill> = rows.first().map(|row| serde_json::from_str(row.get(0))).transpose()?;
    let continues = |current: Backfill| {
        current.began == step.began && current.is_in_progress() && current.documents <= step.documents
    };
    if current.is_some_and(continues) { save(tx, source, step).await } else { Ok(()) }
}
