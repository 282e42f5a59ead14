//! Copies of the store.

use std::path::Path;

use async_trait::async_trait;

use crate::StoreError;

/// Copies of the store.
#[async_trait]
pub trait Backup: Send + Sync {
    /// Writes a consistent copy to a file that does not exist yet.
    async fn backup(&self, path: &Path) -> Result<(), StoreError>;
}
