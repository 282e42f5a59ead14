//! Backups of PostgreSQL, which this crate does not make.

use std::path::Path;

use async_trait::async_trait;

use super::Postgres;
use crate::{Backup, StoreError};

#[async_trait]
impl Backup for Postgres {
    async fn backup(&self, _path: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unsupported(format!("use pg_dump to back up {}", self.server)))
    }
}
