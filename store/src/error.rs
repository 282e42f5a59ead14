//! Errors of the store, with messages that an operator can act on.

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The declared objects changed since the caller read them. The caller reloads them and tries again.
    #[error("the declared objects changed during the operation; try again")]
    StaleObjects,
    /// The disk is full.
    #[error("the disk is full ({0}); free some space or move the data folder")]
    Full(String),
    /// The folder, file or server is not writable.
    #[error(
        "the data cannot be written ({0}); check owner and permissions, and that the server accepts writes"
    )]
    ReadOnly(String),
    /// The data is corrupt, or the file is not a database.
    #[error(
        "the data file is damaged ({0}); restore a backup, or move the file away to start with an empty one"
    )]
    Damaged(String),
    /// A newer build migrated the data.
    #[error(
        "the data has schema version {actual}, but this build only knows versions up to {latest}; use a newer build"
    )]
    Version {
        /// The schema version of the data.
        actual: i64,
        /// The newest schema version that this build knows.
        latest: i64,
    },
    /// The disk failed a read or write. Some file systems report this when they are full.
    #[error("the disk failed a read or write ({0}); check whether it is full or faulty")]
    Disk(String),
    /// The server cannot be reached or denies access.
    #[error("{server} is unavailable: {reason}")]
    Unreachable {
        /// The server, without user and password.
        server: String,
        /// The cause.
        reason: String,
    },
    /// The database must be migrated first.
    #[error(
        "the database has schema version {actual}, but this build needs {required}; run `qyran migrate up`"
    )]
    NotMigrated {
        /// The schema version of the database.
        actual: i64,
        /// The schema version of this build.
        required: i64,
    },
    /// The store rejects the data. A retry does not help.
    #[error("the store rejected the data: {0}")]
    Refused(String),
    /// Another writer held a lock or wrote the same rows, and the retries are exhausted.
    #[error("other writers kept the store busy; try again later")]
    Collision,
    /// The store does not support the operation.
    #[error("{0}")]
    Unsupported(String),
    /// Any other error.
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
        Self::Damaged(format!("cannot parse a stored record: {error}"))
    }
}
