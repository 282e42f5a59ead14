//! The audit log of operators' changes.

use async_trait::async_trait;
use model::Timestamp;

use crate::StoreError;

/// A change that an operator made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// The time of the change.
    pub at: Timestamp,
    /// The operator's account, as `user@machine`, or the node that made the change.
    pub who: String,
    /// The command.
    pub action: String,
    /// The changed object, as `kind/name`, with details if there are any.
    pub target: String,
    /// The operator's reason; empty if none was given.
    pub reason: String,
}

/// The audit log of operators' changes.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends a record to the log.
    async fn audit(&self, record: &AuditRecord) -> Result<(), StoreError>;
    /// Returns the last `limit` records, newest first.
    async fn audit_trail(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError>;
}
