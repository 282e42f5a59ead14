//! Whose publications are not stored any more.

use std::time::Duration;

use async_trait::async_trait;
use model::{Finding, ItemKey, Name, Timestamp};
use rusqlite::{Connection, Transaction, params};

use super::Sqlite;
use super::rows::{millis, time};
use crate::edit::address;
use crate::{Removals, StoreError, Suppression};

#[async_trait]
impl Removals for Sqlite {
    async fn retain(&self, keep: Duration, now: Timestamp) -> Result<u64, StoreError> {
        let Ok(since) = now.checked_sub(keep) else { return Ok(0) };
        self.write(move |tx| retain(tx, since)).await
    }

    async fn take_down(&self, rows: &[i64], _now: Timestamp) -> Result<u64, StoreError> {
        let rows = rows.to_vec();
        self.write(move |tx| take_down(tx, &rows)).await
    }

    async fn suppress(&self, suppression: &Suppression) -> Result<(), StoreError> {
        let suppression = suppression.clone();
        self.write(move |tx| suppress(tx, &suppression)).await
    }

    async fn lift_suppression(&self, suppression: &Suppression) -> Result<bool, StoreError> {
        let suppression = suppression.clone();
        self.write(move |tx| lift_suppression(tx, &suppression)).await
    }

    async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError> {
        self.read(all).await
    }
}

pub(super) fn suppress(tx: &Transaction<'_>, suppression: &Suppression) -> Result<(), StoreError> {
    suppression.check()?;
    let (source, author) = suppression.key();
    tx.prepare_cached("INSERT OR IGNORE INTO tombstone (source, author, at) VALUES (?1, ?2, ?3)")?
        .execute(params![source, author, millis(suppression.at)])?;
    Ok(())
}

pub(super) fn lift_suppression(tx: &Transaction<'_>, suppression: &Suppression) -> Result<bool, StoreError> {
    let (source, author) = suppression.key();
    let gone = tx
        .prepare_cached("DELETE FROM tombstone WHERE source = ?1 AND author = ?2")?
        .execute([source, author])?;
    Ok(gone > 0)
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Suppression>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT source, author, at FROM tombstone ORDER BY source, author")?;
    let kept = |row: &rusqlite::Row<'_>| Ok(Suppression::kept(row.get(0)?, row.get(1)?, time(row.get(2)?)));
    Ok(query.query_map([], kept)?.collect::<Result<_, _>>()?)
}

/// Whether nothing of its source, or author, is to be stored.
pub(super) fn suppresses(tx: &Transaction<'_>, finding: &Finding) -> Result<bool, StoreError> {
    let author = finding.item.author.as_deref().unwrap_or("");
    let mut query =
        tx.prepare_cached("SELECT 1 FROM tombstone WHERE source IN ('', ?1) AND author IN ('', ?2)")?;
    Ok(query.exists([finding.item.source.as_str(), author])?)
}

/// Whether a new publication is not to be stored. It is known from then on.
pub(super) fn covers(tx: &Transaction<'_>, finding: &Finding) -> Result<bool, StoreError> {
    let item = &finding.item;
    let mut removed =
        tx.prepare_cached("SELECT 1 FROM removed_address WHERE source = ?1 AND address = ?2")?;
    if !suppresses(tx, finding)? && !removed.exists(params![item.source.as_str(), address(finding)])? {
        return Ok(false);
    }
    tx.prepare_cached("INSERT OR IGNORE INTO forgotten (source, item_key) VALUES (?1, ?2)")?
        .execute([item.source.as_str(), item.key.as_str()])?;
    Ok(true)
}

/// Items removed in one call: a long absence must not hold the writer for minutes.
const RETAIN_BATCH: i64 = 5000;

pub(super) fn retain(tx: &Transaction<'_>, since: Timestamp) -> Result<u64, StoreError> {
    let mut old = tx.prepare_cached("SELECT row FROM item WHERE first_seen < ?1 ORDER BY row LIMIT ?2")?;
    let rows = old.query_map(params![millis(since), RETAIN_BATCH], |row| row.get(0))?;
    remove(tx, &rows.collect::<Result<Vec<i64>, _>>()?)
}

/// Removes items by hand, and remembers where they stood as well.
pub(super) fn take_down(tx: &Transaction<'_>, rows: &[i64]) -> Result<u64, StoreError> {
    for row in rows {
        tx.prepare_cached(
            // Where others of the source stand as well, an address identifies nothing.
            "INSERT OR IGNORE INTO removed_address SELECT source, address FROM item WHERE row = ?1 AND address IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM item AS other
                                WHERE other.source = item.source AND other.address = item.address AND other.row != ?1)",
        )?
        .execute([row])?;
    }
    remove(tx, rows)
}

/// Removes an item with what identified it: it is stored again where it is shown again.
pub(super) fn vanish(tx: &Transaction<'_>, row: i64, source: &Name, key: &ItemKey) -> Result<(), StoreError> {
    remove(tx, &[row])?;
    tx.prepare_cached("DELETE FROM forgotten WHERE source = ?1 AND item_key = ?2")?
        .execute([source.as_str(), key.as_str()])?;
    Ok(())
}

/// Removes items, and remembers what identified them.
fn remove(tx: &Transaction<'_>, rows: &[i64]) -> Result<u64, StoreError> {
    let mut gone = 0;
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
        gone += tx.prepare_cached("DELETE FROM item WHERE row = ?1")?.execute([row])?;
    }
    Ok(gone as u64)
}
