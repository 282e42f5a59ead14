//! The store of a cluster: PostgreSQL 15 or newer.
//!
//! All nodes write to one database. Locks that end with the transaction protect a node's work from the others: a
//! shared lock on the declared objects while storing, the row lock on a host's highest token, and last the row
//! lock on the totals. Because of the latter, `match.seq` rises in the order of commits.

#[cfg(test)]
mod tests;

mod audit;
mod backfills;
mod backup;
mod connect;
mod harvests;
mod hosts;
mod item_batch;
mod item_writes;
mod locks;
mod matches;
mod materials;
mod migrate;
mod object_changes;
mod objects;
mod pages;
mod partitions;
mod rematching;
mod removals;
mod source_states;
mod stories;
mod websub;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::{Object, Pool, Transaction};
use model::{Harvest, Timestamp};
use partitions::Month;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::StoreError;

pub use migrate::{MIGRATIONS, Migration, MigrationStatus};

/// Maximum number of attempts at a transaction that collides with others.
const MAX_ATTEMPTS: u32 = 5;

/// The parameter values of a statement.
type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Runs a transaction, and retries it if it collides with another one. This is a macro because Rust cannot express
/// an async closure that borrows and is `Send` yet (rust-lang/rust#110338).
macro_rules! transaction {
    ($store:expr, |$tx:ident| $work:expr) => {{
        let mut attempt = 1;
        loop {
            let result: Result<_, $crate::StoreError> = async {
                let mut client = $store.client().await?;
                let $tx = client
                    .build_transaction()
                    .isolation_level(tokio_postgres::IsolationLevel::ReadCommitted)
                    .start()
                    .await?;
                let value = $work?;
                $tx.commit().await?;
                Ok(value)
            }
            .await;
            match result {
                Err($crate::StoreError::Collision) if attempt < $crate::postgres::MAX_ATTEMPTS => {
                    attempt += 1
                }
                result => break result,
            }
        }
    }};
}
use transaction;

/// A store in PostgreSQL.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
    server: String,
    /// The number of fetches kept per source.
    history: usize,
    /// The months whose partitions are known to exist.
    months: Arc<Mutex<HashSet<Month>>>,
}

impl Postgres {
    /// Connects to a migrated database. The store keeps the last `history` fetches of each source. Fails with
    /// [`StoreError::NotMigrated`] or [`StoreError::Version`] if this build cannot use the schema, and with
    /// [`StoreError::Unreachable`] if the server is unavailable.
    pub async fn connect(url: &str, history: usize) -> Result<Self, StoreError> {
        let store = Self::to_migrate(url, history).await?;
        migrate::check(&*store.client().await?).await?;
        Ok(store)
    }

    /// Connects to a database without checking its schema version.
    pub async fn to_migrate(url: &str, history: usize) -> Result<Self, StoreError> {
        let (pool, server) = connect::pool(url)?;
        let store = Self { pool, server, history, months: Arc::default() };
        drop(store.client().await?);
        Ok(store)
    }

    /// Applies the pending migrations. Returns the versions applied.
    pub async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        self.apply_migrations(MIGRATIONS).await
    }

    /// Applies those of these migrations that are pending. Returns the versions applied.
    pub(crate) async fn apply_migrations(&self, migrations: &[Migration]) -> Result<Vec<i64>, StoreError> {
        migrate::apply(&mut *self.client().await?, migrations).await
    }

    /// Returns every migration that this build or the database knows, in order.
    pub async fn migrations(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        migrate::status(&*self.client().await?).await
    }

    /// Returns the server's name for messages, without user and password.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Borrows a connection from the pool.
    async fn client(&self) -> Result<Box<Object>, StoreError> {
        // On the heap: the object is large and lives across many await points.
        Ok(Box::new(connect::connection(&self.pool, &self.server).await?))
    }

    /// Creates the partitions for the months of these harvests.
    async fn create_partitions(&self, harvests: &[Harvest]) -> Result<(), StoreError> {
        let months: HashSet<Month> = harvests.iter().map(|harvest| Month::of(harvest.at)).collect();
        let existing = self.months.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for &month in months.difference(&existing) {
            let mut client = self.client().await?;
            // Create the next month too, so that no harvest waits for it at the turn of the month.
            partitions::create(&mut client, month).await?;
            partitions::create(&mut client, month.next()).await?;
            self.months.lock().unwrap_or_else(PoisonError::into_inner).insert(month);
        }
        Ok(())
    }
}

/// Runs a query in a transaction and returns its rows.
async fn rows(tx: &Transaction<'_>, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
    let statement = tx.prepare_cached(sql).await?;
    Ok(tx.query(&statement, values).await?)
}

/// Runs a statement in a transaction and returns the number of rows affected.
async fn execute(tx: &Transaction<'_>, sql: &str, values: Values<'_>) -> Result<u64, StoreError> {
    let statement = tx.prepare_cached(sql).await?;
    Ok(tx.execute(&statement, values).await?)
}

/// Runs a query outside a transaction and returns its rows.
async fn read(client: &Object, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, values).await?)
}

/// Replaces NUL, the one character that PostgreSQL texts cannot hold.
fn text(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

/// Raises a time to the year 1 at least. PostgreSQL times begin in the year -4712; a time before year 1 is an
/// error of its source anyway.
fn storable(at: Timestamp) -> Timestamp {
    let earliest = jiff::civil::date(1, 1, 1).to_zoned(jiff::tz::TimeZone::UTC);
    earliest.map_or(at, |earliest| at.max(earliest.timestamp()))
}

/// Converts a limit to an SQL integer.
fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Returns true if the error means that the connection is lost.
fn is_connection_lost(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = connect::with_cause(&error);
        match error.code() {
            Some(
                &(SqlState::ADMIN_SHUTDOWN
                | SqlState::CRASH_SHUTDOWN
                | SqlState::CANNOT_CONNECT_NOW
                | SqlState::TOO_MANY_CONNECTIONS
                | SqlState::QUERY_CANCELED
                | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT),
            ) => Self::Unreachable { server: "PostgreSQL".to_owned(), reason: text },
            None if is_connection_lost(&error) => {
                Self::Unreachable { server: "PostgreSQL".to_owned(), reason: text }
            }
            Some(&SqlState::DISK_FULL) => Self::Full(text),
            Some(&(SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::INSUFFICIENT_PRIVILEGE)) => {
                Self::ReadOnly(text)
            }
            Some(
                &(SqlState::T_R_DEADLOCK_DETECTED
                | SqlState::T_R_SERIALIZATION_FAILURE
                | SqlState::UNIQUE_VIOLATION
                | SqlState::LOCK_NOT_AVAILABLE),
            ) => Self::Collision,
            Some(&(SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED)) => Self::Damaged(text),
            Some(&SqlState::UNDEFINED_TABLE) => {
                Self::Other(format!("{text}; run `qyran migrate up` if the database is not migrated"))
            }
            // SQLSTATE classes 22 (data exceptions), 23 (constraint violations) and 54 (program limits).
            Some(code) if ["22", "23", "54"].iter().any(|class| code.code().starts_with(class)) => {
                Self::Refused(text)
            }
            _ => Self::Other(text),
        }
    }
}
