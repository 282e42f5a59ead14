//! The audit log of operators' changes.

use async_trait::async_trait;
use model::Timestamp;

use crate::StoreError;

/// Something that an operator changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Who, as the machine knows them.
    pub who: String,
    /// What was done: the command.
    pub action: String,
    /// To what.
    pub target: String,
    /// Why; empty where nothing was said.
    pub reason: String,
}

/// The audit log of operators' changes.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Writes down what an operator changed.
    async fn audit(&self, record: &AuditRecord) -> Result<(), StoreError>;
    /// What operators changed, the latest first.
    async fn audit_trail(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError>;
}
