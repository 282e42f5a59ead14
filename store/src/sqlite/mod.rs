//! The embedded store: one SQLite file.
//!
//! One connection writes, one reads; both work on blocking threads. WAL lets other processes read
//! (and declare objects) while a node runs.

mod audit;
mod backfills;
mod backup;
mod harvests;
mod hosts;
mod materials;
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

/// Migrations in their order; the file's `user_version` counts those that were made.
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
];

/// A store in a file.
#[derive(Clone)]
pub struct Sqlite {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
    history: usize,
}

impl Sqlite {
    /// Opens or makes the file, keeping `history` lines of fetches for each source.
    pub fn open(path: &Path, history: usize) -> Result<Self, StoreError> {
        let mut writer = connect(path)?;
        migrate(&mut writer)?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            reader: Arc::new(Mutex::new(connect(path)?)),
            history,
        })
    }

    /// Opens a file that is there, to look at it where nothing can be written.
    pub fn open_to_read(path: &Path, history: usize) -> Result<Self, StoreError> {
        let reader = connect_to_read(path)?;
        let made: i64 = reader.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if made > known {
            return Err(StoreError::Version { found: made, known });
        }
        if made < known {
            let reason = format!(
                "it has schema version {made} and must be brought to {known} where it can be written"
            );
            return Err(StoreError::Other(reason));
        }
        let writer = Arc::new(Mutex::new(connect_to_read(path)?));
        Ok(Self { writer, reader: Arc::new(Mutex::new(reader)), history })
    }

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

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        blocking(&self.reader, move |connection| work(connection)).await
    }

    /// Limits the file's size, to see what a full disk does.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: i64) {
        let writer = self.writer.try_lock().unwrap();
        let _: rusqlite::Result<i64> =
            writer.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get(0));
    }
}

async fn blocking<T: Send + 'static>(
    connection: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // Waiting for the connection is done here, not on a thread: one thread a connection is enough.
    let mut connection = connection.clone().lock_owned().await;
    let done = tokio::task::spawn_blocking(move || work(&mut connection));
    done.await.unwrap_or_else(|error| Err(StoreError::Other(error.to_string())))
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection that changes nothing. Without room for WAL's shared memory the file can still be read
/// as one that nobody changes, which is true where no log stands beside it.
fn connect_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let tried = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
    let has_log = std::fs::metadata(with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0);
    match tried {
        Err(error) if has_log => Err(error.into()),
        Err(_) => {
            let mut address = url::Url::from_file_path(std::path::absolute(path).map_err(other)?)
                .map_err(|()| StoreError::Other("the path is no address".to_owned()))?;
            address.set_query(Some("immutable=1"));
            Ok(Connection::open_with_flags(address.as_str(), flags)?)
        }
        Ok(_) => Ok(connection),
    }
}

fn other(error: std::io::Error) -> StoreError {
    StoreError::Other(error.to_string())
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let made: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if made > known {
        return Err(StoreError::Version { found: made, known });
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(made).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}
