//! The audit log in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Transaction, params};

use super::Sqlite;
use super::rows::{limit, millis, time};
use crate::{AuditLog, AuditRecord, StoreError};

#[async_trait]
impl AuditLog for Sqlite {
    async fn audit(&self, record: &AuditRecord) -> Result<(), StoreError> {
        let record = record.clone();
        self.write(move |tx| insert(tx, &record)).await
    }

    async fn audit_trail(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |connection| select_last(connection, limit)).await
    }
}

pub(super) fn insert(tx: &Transaction<'_>, record: &AuditRecord) -> Result<(), StoreError> {
    let AuditRecord { at, who, action, target, reason } = record;
    tx.execute(
        "INSERT INTO audit (at, who, action, target, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![millis(*at), who, action, target, reason],
    )?;
    Ok(())
}

pub(super) fn select_last(connection: &Connection, max: usize) -> Result<Vec<AuditRecord>, StoreError> {
    let mut query =
        connection.prepare("SELECT at, who, action, target, reason FROM audit ORDER BY id DESC LIMIT ?1")?;
    let record = |row: &rusqlite::Row<'_>| {
        Ok(AuditRecord {
            at: time(row.get(0)?),
            who: row.get(1)?,
            action: row.get(2)?,
            target: row.get(3)?,
            reason: row.get(4)?,
        })
    };
    Ok(query.query_map([limit(max)], record)?.collect::<Result<_, _>>()?)
}
