//! The audit log in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::Object;

use super::{Postgres, limit, read, text};
use crate::{AuditLog, AuditRecord, StoreError};

#[async_trait]
impl AuditLog for Postgres {
    async fn audit(&self, record: &AuditRecord) -> Result<(), StoreError> {
        insert(&*self.client().await?, record).await
    }

    async fn audit_trail(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        select_last(&*self.client().await?, limit).await
    }
}

pub(super) async fn insert(client: &Object, record: &AuditRecord) -> Result<(), StoreError> {
    let AuditRecord { at, who, action, target, reason } = record;
    read(
        client,
        "INSERT INTO audit (at, who, action, target, reason) VALUES ($1, $2, $3, $4, $5)",
        &[at, &text(who), &text(action), &text(target), &text(reason)],
    )
    .await?;
    Ok(())
}

pub(super) async fn select_last(client: &Object, max: usize) -> Result<Vec<AuditRecord>, StoreError> {
    let rows = read(
        client,
        "SELECT at, who, action, target, reason FROM audit ORDER BY id DESC LIMIT $1",
        &[&limit(max)],
    )
    .await?;
    let record = |row: &tokio_postgres::Row| AuditRecord {
        at: row.get(0),
        who: row.get(1),
        action: row.get(2),
        target: row.get(3),
        reason: row.get(4),
    };
    Ok(rows.iter().map(record).collect())
}
