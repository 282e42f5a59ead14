//! Backups of the SQLite file.

use std::path::Path;

use async_trait::async_trait;

use super::Sqlite;
use crate::{Backup, StoreError};

#[async_trait]
impl Backup for Sqlite {
    async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        let path = path.to_path_buf();
        self.read(move |connection| {
            // One statement copies one snapshot. SQLite's page by page backup would restart with each commit of a
            // node.
            connection.execute("VACUUM INTO ?1", [path.to_string_lossy()])?;
            Ok(())
        })
        .await
    }
}
