//! How far the past of sources was read.

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Backfill, Name};

use super::{Postgres, execute, read, rows, text, transaction};
use crate::{Backfills, StoreError};

#[async_trait]
impl Backfills for Postgres {
    async fn backfill(&self, source: &Name) -> Result<Option<Backfill>, StoreError> {
        one(&*self.client().await?, source).await
    }

    async fn backfills(&self) -> Result<Vec<(Name, Backfill)>, StoreError> {
        under_way(&*self.client().await?).await
    }

    async fn set_backfill(&self, source: &Name, backfill: &Backfill) -> Result<(), StoreError> {
        transaction!(self, |tx| save(&tx, source, backfill).await)
    }
}

pub(super) async fn one(client: &Object, source: &Name) -> Result<Option<Backfill>, StoreError> {
    let found = read(client, "SELECT backfill FROM backfill WHERE source = $1", &[&source.as_str()]).await?;
    Ok(found.first().map(|row| serde_json::from_str(row.get(0))).transpose()?)
}

pub(super) async fn under_way(client: &Object) -> Result<Vec<(Name, Backfill)>, StoreError> {
    let sql = "SELECT source, backfill FROM backfill WHERE is_under_way ORDER BY source";
    let found = read(client, sql, &[]).await?;
    found.iter().map(|row| Ok((Name::from_stored(row.get(0)), serde_json::from_str(row.get(1))?))).collect()
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

/// A step of one that is still the same: another may have been begun, or this one ended, meanwhile.
pub(super) async fn go_on(tx: &Transaction<'_>, source: &Name, step: &Backfill) -> Result<(), StoreError> {
    let sql = "SELECT backfill FROM backfill WHERE source = $1 FOR UPDATE";
    let known = rows(tx, sql, &[&source.as_str()]).await?;
    let known: Option<Backfill> = known.first().map(|row| serde_json::from_str(row.get(0))).transpose()?;
    let is_same = |known: Backfill| {
        known.began == step.began && known.is_in_progress() && known.documents <= step.documents
    };
    if known.is_some_and(is_same) { save(tx, source, step).await } else { Ok(()) }
}
