//! Copies of the store.

use std::path::Path;

use async_trait::async_trait;

use super::Postgres;
use crate::{Backup, StoreError};

#[async_trait]
impl Backup for Postgres {
    async fn backup(&self, _path: &Path) -> Result<(), StoreError> {
        Err(StoreError::Other(format!("{} is backed up with its own tools, such as pg_dump", self.server)))
    }
}
