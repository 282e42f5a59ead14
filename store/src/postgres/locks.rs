//! Advisory locks for more than single rows. PostgreSQL grants them in the order of requests, so no node starves.
//! They end with the transaction.

use deadpool_postgres::Transaction;

use crate::StoreError;

/// A subject of locking.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lock {
    /// The migration of the schema.
    Migration,
    /// The declared objects. Storing takes a shared lock, declaring an exclusive one.
    Objects,
    /// The creation and removal of partitions.
    Partitions,
}

impl Lock {
    /// Returns the key of the advisory lock: the letters "qyran" and a number. The key must be unique in the
    /// database.
    fn key(self) -> i64 {
        0x0071_7972_616e_0000 + self as i64
    }
}

/// Takes a lock exclusively until the end of the transaction.
pub(super) async fn take(tx: &Transaction<'_>, lock: Lock) -> Result<(), StoreError> {
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&lock.key()]).await?;
    Ok(())
}

/// Takes a shared lock until the end of the transaction.
pub(super) async fn share(tx: &Transaction<'_>, lock: Lock) -> Result<(), StoreError> {
    tx.execute("SELECT pg_advisory_xact_lock_shared($1)", &[&lock.key()]).await?;
    Ok(())
}
