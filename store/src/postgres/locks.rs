//! Locks over more than rows. PostgreSQL queues for them in order, so nobody starves; they end with the
//! transaction.

use deadpool_postgres::Transaction;

use crate::StoreError;

/// What is locked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lock {
    /// The making of migrations.
    Migration,
    /// The declared objects: whoever stores shares it, whoever declares has it alone.
    Objects,
    /// The making of partitions.
    Partitions,
}

impl Lock {
    /// Any numbers will do that nobody else in the database uses: "qyran" and a place.
    fn number(self) -> i64 {
        0x0071_7972_616e_0000 + self as i64
    }
}

pub(super) async fn take(tx: &Transaction<'_>, lock: Lock) -> Result<(), StoreError> {
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&lock.number()]).await?;
    Ok(())
}

pub(super) async fn share(tx: &Transaction<'_>, lock: Lock) -> Result<(), StoreError> {
    tx.execute("SELECT pg_advisory_xact_lock_shared($1)", &[&lock.number()]).await?;
    Ok(())
}
