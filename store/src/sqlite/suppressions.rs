//! Whose publications are not stored any more.

use model::Finding;
use rusqlite::{Connection, Transaction, params};

use super::rows::{millis, time};
use crate::StoreError;
use crate::edit::address;
use crate::store::Suppression;

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
