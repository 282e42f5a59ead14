//! The store of a cluster: PostgreSQL 15 or newer.
//!
//! Every node stores into it. What one node does and another must not undo meanwhile is guarded by locks
//! that end with the transaction: a share in the declared objects while storing, the row of a host's
//! highest token, and last the row of the totals, whose lock makes `match.seq` rise in the order of commits.

#[cfg(test)]
mod tests;

mod audit;
mod backfills;
mod backup;
mod connect;
mod harvests;
mod hosts;
mod item_batch;
mod locks;
mod matches;
mod materials;
mod migrate;
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

/// Tries of a transaction that another one was in the way of.
const TRIES: u32 = 5;

/// Values of a statement.
type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// One transaction, again where another one was in the way. (No function: a closure that is async, borrows and
/// can be sent to another thread is not to be had yet, rust-lang/rust#110338.)
macro_rules! transaction {
    ($store:expr, |$tx:ident| $work:expr) => {{
        let mut tries = 1;
        loop {
            let done: Result<_, $crate::StoreError> = async {
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
            match done {
                Err($crate::StoreError::Collision) if tries < $crate::postgres::TRIES => tries += 1,
                done => break done,
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
    history: usize,
    /// Months whose partitions are there.
    months: Arc<Mutex<HashSet<Month>>>,
}

impl Postgres {
    /// Connects to a database that has been migrated, keeping `history` lines of fetches for each source.
    pub async fn connect(url: &str, history: usize) -> Result<Self, StoreError> {
        let store = Self::to_migrate(url, history).await?;
        migrate::check(&*store.client().await?).await?;
        Ok(store)
    }

    /// Connects to a database whatever its shape.
    pub async fn to_migrate(url: &str, history: usize) -> Result<Self, StoreError> {
        let (pool, server) = connect::pool(url)?;
        let store = Self { pool, server, history, months: Arc::default() };
        drop(store.client().await?);
        Ok(store)
    }

    /// Makes the migrations that are to come. Which ones it made.
    pub async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        self.make(MIGRATIONS).await
    }

    /// Makes those of these migrations that are to come.
    pub(crate) async fn make(&self, migrations: &[Migration]) -> Result<Vec<i64>, StoreError> {
        migrate::up(&mut *self.client().await?, migrations).await
    }

    /// Every migration that this build or the database knows.
    pub async fn migrations(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        migrate::status(&*self.client().await?).await
    }

    /// The server as messages name it: without user and password.
    pub fn server(&self) -> &str {
        &self.server
    }

    async fn client(&self) -> Result<Box<Object>, StoreError> {
        // On the heap: it is large, and held over many awaits.
        Ok(Box::new(connect::connection(&self.pool, &self.server).await?))
    }

    /// Makes the partitions of the months that harvests are from.
    async fn make_room(&self, harvests: &[Harvest]) -> Result<(), StoreError> {
        let wanted: HashSet<Month> = harvests.iter().map(|harvest| Month::of(harvest.at)).collect();
        let known = self.months.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for &month in wanted.difference(&known) {
            let mut client = self.client().await?;
            // The next one as well: nobody waits for it at the turn of the month.
            partitions::make(&mut client, month).await?;
            partitions::make(&mut client, month.next()).await?;
            self.months.lock().unwrap_or_else(PoisonError::into_inner).insert(month);
        }
        Ok(())
    }
}

async fn rows(tx: &Transaction<'_>, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
    let statement = tx.prepare_cached(sql).await?;
    Ok(tx.query(&statement, values).await?)
}

async fn execute(tx: &Transaction<'_>, sql: &str, values: Values<'_>) -> Result<u64, StoreError> {
    let statement = tx.prepare_cached(sql).await?;
    Ok(tx.execute(&statement, values).await?)
}

async fn read(client: &Object, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, values).await?)
}

/// PostgreSQL's texts cannot hold this one character.
fn text(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

/// PostgreSQL's times begin in the year -4712; what claims to be from before 1 is nonsense in any case.
fn storable(at: Timestamp) -> Timestamp {
    let first = jiff::civil::date(1, 1, 1).to_zoned(jiff::tz::TimeZone::UTC);
    first.map_or(at, |first| at.max(first.timestamp()))
}

fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

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
                Self::Other(format!("{text}; has `qyran migrate up` been run?"))
            }
            // Data exceptions, violated constraints, limits of the program (SQLSTATE classes 22, 23, 54).
            Some(code) if ["22", "23", "54"].iter().any(|class| code.code().starts_with(class)) => {
                Self::Refused(text)
            }
            _ => Self::Other(text),
        }
    }
}
