//! Why the store did not do what was asked, in words an operator can act on.

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The topics changed since the harvest was matched: match again and save again.
    #[error("the declared objects have changed meanwhile")]
    StaleObjects,
    /// No room left.
    #[error("the disk is full ({0}); free some space or move the data folder")]
    Full(String),
    /// The folder or file may not be written.
    #[error(
        "the data cannot be written ({0}); check the owner and permissions, and that a server takes writes"
    )]
    ReadOnly(String),
    /// The file is not a database, or a broken one.
    #[error("the data file is damaged ({0}); restore a backup, or move the file away to begin anew")]
    Damaged(String),
    /// The file was written by another build.
    #[error("the data has schema version {found}, this build reads up to {known}; use the newer build")]
    Version {
        /// What the file has.
        found: i64,
        /// What this build knows.
        known: i64,
    },
    /// The disk failed a read or write; some file systems say so when they are full.
    #[error("the disk cannot be used ({0}); is it full, or failing?")]
    Disk(String),
    /// The server cannot be reached, or does not let us in.
    #[error("{server} cannot be used: {reason}")]
    Unreachable {
        /// Which one.
        server: String,
        /// Why.
        reason: String,
    },
    /// The database must be migrated first.
    #[error("the database has schema version {found}, this build needs {known}; run `qyran migrate up`")]
    NotMigrated {
        /// What the database has.
        found: i64,
        /// What this build knows.
        known: i64,
    },
    /// It will not take what it was given, however often.
    #[error("the store cannot hold this: {0}")]
    Refused(String),
    /// Another writer was in the way again and again.
    #[error("other writers were in the way again and again")]
    Collision,
    /// Anything else.
    #[error("the store failed: {0}")]
    Other(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::ReadOnly(text)
            }
            Some(ErrorCode::SystemIoFailure) => Self::Disk(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Collision,
            Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => {
                Self::Refused(text)
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            _ => Self::Other(text),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(format!("a stored record cannot be read: {error}"))
    }
}
