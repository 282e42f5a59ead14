//! Removal of items, and suppressions, in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use model::{Finding, ItemKey, Name, Timestamp};
use rusqlite::{Connection, Transaction, params};

use super::Sqlite;
use super::rows::{millis, time};
use crate::edit::lookup_address;
use crate::{Removals, StoreError, Suppression};

#[async_trait]
impl Removals for Sqlite {
    async fn retain(&self, keep: Duration, now: Timestamp) -> Result<u64, StoreError> {
        let Ok(since) = now.checked_sub(keep) else { return Ok(0) };
        self.write(move |tx| remove_old(tx, since)).await
    }

    async fn take_down(&self, rows: &[i64], _now: Timestamp) -> Result<u64, StoreError> {
        let rows = rows.to_vec();
        self.write(move |tx| take_down(tx, &rows)).await
    }

    async fn suppress(&self, suppression: &Suppression) -> Result<(), StoreError> {
        let suppression = suppression.clone();
        self.write(move |tx| insert_suppression(tx, &suppression)).await
    }

    async fn lift_suppression(&self, suppression: &Suppression) -> Result<bool, StoreError> {
        let suppression = suppression.clone();
        self.write(move |tx| delete_suppression(tx, &suppression)).await
    }

    async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError> {
        self.read(select_suppressions).await
    }
}

pub(super) fn insert_suppression(tx: &Transaction<'_>, suppression: &Suppression) -> Result<(), StoreError> {
    suppression.validate()?;
    let (source, author) = suppression.key();
    tx.prepare_cached("INSERT OR IGNORE INTO tombstone (source, author, at) VALUES (?1, ?2, ?3)")?
        .execute(params![source, author, millis(suppression.at)])?;
    Ok(())
}

pub(super) fn delete_suppression(
    tx: &Transaction<'_>,
    suppression: &Suppression,
) -> Result<bool, StoreError> {
    let (source, author) = suppression.key();
    let deleted = tx
        .prepare_cached("DELETE FROM tombstone WHERE source = ?1 AND author = ?2")?
        .execute([source, author])?;
    Ok(deleted > 0)
}

pub(super) fn select_suppressions(connection: &Connection) -> Result<Vec<Suppression>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT source, author, at FROM tombstone ORDER BY source, author")?;
    let suppression =
        |row: &rusqlite::Row<'_>| Ok(Suppression::from_columns(row.get(0)?, row.get(1)?, time(row.get(2)?)));
    Ok(query.query_map([], suppression)?.collect::<Result<_, _>>()?)
}

/// Returns true if a suppression applies to the finding's source or author.
pub(super) fn is_suppressed(tx: &Transaction<'_>, finding: &Finding) -> Result<bool, StoreError> {
    let author = finding.item.author.as_deref().unwrap_or("");
    let mut query =
        tx.prepare_cached("SELECT 1 FROM tombstone WHERE source IN ('', ?1) AND author IN ('', ?2)")?;
    Ok(query.exists([finding.item.source.as_str(), author])?)
}

/// Rejects a new publication if it is suppressed, or if an item at its address was taken down. Returns true if the
/// publication is rejected; its key is then remembered in `forgotten`, so that it counts as known.
pub(super) fn reject_new(tx: &Transaction<'_>, finding: &Finding) -> Result<bool, StoreError> {
    let item = &finding.item;
    let mut removed_address =
        tx.prepare_cached("SELECT 1 FROM removed_address WHERE source = ?1 AND address = ?2")?;
    if !is_suppressed(tx, finding)?
        && !removed_address.exists(params![item.source.as_str(), lookup_address(finding)])?
    {
        return Ok(false);
    }
    tx.prepare_cached("INSERT OR IGNORE INTO forgotten (source, item_key) VALUES (?1, ?2)")?
        .execute([item.source.as_str(), item.key.as_str()])?;
    Ok(true)
}

/// Upper bound on items removed in one call. After a long downtime the removal would otherwise block the writer
/// for minutes.
const RETAIN_BATCH: i64 = 5000;

/// Removes a batch of items that were first seen before `since`. Returns the number of items removed.
pub(super) fn remove_old(tx: &Transaction<'_>, since: Timestamp) -> Result<u64, StoreError> {
    let mut query = tx.prepare_cached("SELECT row FROM item WHERE first_seen < ?1 ORDER BY row LIMIT ?2")?;
    let rows = query.query_map(params![millis(since), RETAIN_BATCH], |row| row.get(0))?;
    remove(tx, &rows.collect::<Result<Vec<i64>, _>>()?)
}

/// Removes items and remembers their addresses, so that they are not stored again under another identifier.
pub(super) fn take_down(tx: &Transaction<'_>, rows: &[i64]) -> Result<u64, StoreError> {
    for row in rows {
        tx.prepare_cached(
            // An address that several items of the source share identifies none of them.
            "INSERT OR IGNORE INTO removed_address SELECT source, address FROM item WHERE row = ?1 AND address IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM item AS other
                                WHERE other.source = item.source AND other.address = item.address AND other.row != ?1)",
        )?
        .execute([row])?;
    }
    remove(tx, rows)
}

/// Removes an item that its source no longer shows, with its identity. It is stored again if it reappears.
pub(super) fn remove_missing(
    tx: &Transaction<'_>,
    row: i64,
    source: &Name,
    key: &ItemKey,
) -> Result<(), StoreError> {
    remove(tx, &[row])?;
    tx.prepare_cached("DELETE FROM forgotten WHERE source = ?1 AND item_key = ?2")?
        .execute([source.as_str(), key.as_str()])?;
    Ok(())
}

/// Removes items and remembers their keys in `forgotten`. Their matches go with them by a foreign key, their story
/// data by the trigger `item_is_removed` of migration 0007.
fn remove(tx: &Transaction<'_>, rows: &[i64]) -> Result<u64, StoreError> {
    let mut removed = 0;
    for row in rows {
        tx.prepare_cached(
            "INSERT OR IGNORE INTO forgotten SELECT source, item_key FROM item WHERE row = ?1",
        )?
        .execute([row])?;
        tx.prepare_cached(
            "DELETE FROM page WHERE (source, item_key) IN (SELECT source, item_key FROM item WHERE row = ?1)",
        )?
        .execute([row])?;
        tx.prepare_cached("DELETE FROM item_words WHERE rowid = ?1")?.execute([row])?;
        removed += tx.prepare_cached("DELETE FROM item WHERE row = ?1")?.execute([row])?;
    }
    Ok(removed as u64)
}
