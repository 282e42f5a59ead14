//! The embedded store: one SQLite file.
//!
//! One connection writes, another reads; both work on blocking threads. WAL mode lets other processes read the
//! file (and declare objects) while a node runs.

mod audit;
mod backfills;
mod backup;
mod harvests;
mod hosts;
mod materials;
mod object_changes;
mod objects;
mod pages;
mod rematching;
mod removals;
mod rows;
mod source_states;
mod stories;
mod websub;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::Mutex;

use crate::StoreError;

/// The migrations in order. The file's `user_version` is the number of applied migrations.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/sqlite/0001_create_tables.sql"),
    include_str!("../migrations/sqlite/0002_add_robots_delay_and_audit.sql"),
    include_str!("../migrations/sqlite/0003_add_client.sql"),
    include_str!("../migrations/sqlite/0004_add_rematch_row_and_tags.sql"),
    include_str!("../migrations/sqlite/0005_add_list.sql"),
    include_str!("../migrations/sqlite/0006_add_availability.sql"),
    include_str!("../migrations/sqlite/0007_add_incidents_and_stories.sql"),
    include_str!("../migrations/sqlite/0008_add_rhythm_and_subscriptions.sql"),
    include_str!("../migrations/sqlite/0009_add_article_pages_and_shown.sql"),
    include_str!("../migrations/sqlite/0010_add_object_changes.sql"),
];

/// A store in an SQLite file.
#[derive(Clone)]
pub struct Sqlite {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
    /// The number of fetches kept per source.
    history: usize,
}

impl Sqlite {
    /// Opens or creates the file, and applies pending migrations. The store keeps the last `history` fetches of
    /// each source. Fails with [`StoreError::Version`] if a newer build migrated the file.
    pub fn open(path: &Path, history: usize) -> Result<Self, StoreError> {
        let mut writer = connect(path)?;
        migrate(&mut writer)?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            reader: Arc::new(Mutex::new(connect(path)?)),
            history,
        })
    }

    /// Opens an existing file without write access. Fails with [`StoreError::Version`] if a newer build migrated
    /// the file, and with [`StoreError::Other`] if a migration is pending.
    pub fn open_read_only(path: &Path, history: usize) -> Result<Self, StoreError> {
        let reader = connect_read_only(path)?;
        let actual: i64 = reader.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let latest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if actual > latest {
            return Err(StoreError::Version { actual, latest });
        }
        if actual < latest {
            let reason = format!(
                "cannot migrate a read-only file from schema version {actual} to {latest}; open it once with write access"
            );
            return Err(StoreError::Other(reason));
        }
        let writer = Arc::new(Mutex::new(connect_read_only(path)?));
        Ok(Self { writer, reader: Arc::new(Mutex::new(reader)), history })
    }

    /// Runs `work` in a transaction of the writing connection, and commits it.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        blocking(&self.writer, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
        .await
    }

    /// Runs `work` on the reading connection.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        blocking(&self.reader, move |connection| work(connection)).await
    }

    /// Limits the size of the file in pages, to simulate a full disk.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: i64) {
        let writer = self.writer.try_lock().unwrap();
        let _: rusqlite::Result<i64> =
            writer.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get(0));
    }
}

/// Runs `work` on a blocking thread as soon as the connection is free.
async fn blocking<T: Send + 'static>(
    connection: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // Wait for the connection here, not on a thread: each connection then uses at most one thread.
    let mut connection = connection.clone().lock_owned().await;
    let task = tokio::task::spawn_blocking(move || work(&mut connection));
    task.await.unwrap_or_else(|error| Err(StoreError::Other(error.to_string())))
}

/// Opens a connection that reads and writes.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens a read-only connection. WAL needs a shared memory file; if that cannot be created, the database file can
/// still be opened as immutable. This is safe only if no write-ahead log is pending.
fn connect_read_only(path: &Path) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let probe = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
    let has_log = std::fs::metadata(with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0);
    match probe {
        Err(error) if has_log => Err(error.into()),
        Err(_) => {
            let mut address = url::Url::from_file_path(std::path::absolute(path).map_err(io_error)?)
                .map_err(|()| StoreError::Other("cannot convert the path to a URL".to_owned()))?;
            address.set_query(Some("immutable=1"));
            Ok(Connection::open_with_flags(address.as_str(), flags)?)
        }
        Ok(_) => Ok(connection),
    }
}

fn io_error(error: std::io::Error) -> StoreError {
    StoreError::Other(error.to_string())
}

/// Appends a suffix to the file name of a path.
fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Applies the pending migrations in one transaction. Fails with [`StoreError::Version`] if a newer build migrated
/// the file.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let actual: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let latest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if actual > latest {
        return Err(StoreError::Version { actual, latest });
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(actual).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", latest)?;
    transaction.commit()?;
    Ok(())
}
