//! Backups of the store.

use std::path::Path;

use async_trait::async_trait;

use crate::StoreError;

/// Backups of the store.
#[async_trait]
pub trait Backup: Send + Sync {
    /// Writes a consistent copy of the store to `path`, which must not exist yet. Fails with
    /// [`StoreError::Unsupported`] in PostgreSQL.
    async fn backup(&self, path: &Path) -> Result<(), StoreError>;
}
