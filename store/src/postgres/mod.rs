//! The store of a cluster: PostgreSQL 15 or newer.
//!
//! Every node stores into it. What one node does and another must not undo meanwhile is guarded by locks
//! that end with the transaction: a share in the declared objects while storing, the row of a host's
//! highest token, and last the row of the totals, whose lock makes `match.seq` rise in the order of commits.

mod active_fallbacks;
mod audit;
mod availability;
mod backfills;
mod connect;
mod harvest;
mod incidents;
mod item_batch;
mod locks;
mod matches;
mod materials;
mod migrate;
mod moves;
mod objects;
mod pages;
mod partitions;
mod stories;
mod subscriptions;
mod suppressions;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool, Transaction};
use model::{
    ActiveFallback, Backfill, Client, FetchRecord, Harvest, Host, HostHealth, HostIncident, List, Name,
    PageWork, SourceKind, SourceState, Subscription, Timestamp, Watch, WebSubDocument,
};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row};

use url::Url;

use crate::StoreError;
use crate::store::{
    Applied, AuditRecord, Candidate, EntryRef, EntryStatus, HubDecision, Linked, MaterialQuery, Move,
    ObjectNames, Objects, Rematched, Reprint, Saved, SourceRecord, StateInterval, Store, StoredItem,
    StoredMatch, Suppression, TopicRecord, Totals,
};
use locks::Lock;
pub use migrate::{MIGRATIONS, Migration, MigrationStatus};
use partitions::Month;

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
            let done: Result<_, StoreError> = async {
                let mut client = $store.client().await?;
                let $tx =
                    client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
                let value = $work?;
                $tx.commit().await?;
                Ok(value)
            }
            .await;
            match done {
                Err(StoreError::Collision) if tries < TRIES => tries += 1,
                done => break done,
            }
        }
    }};
}

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

#[async_trait]
impl Store for Postgres {
    async fn declare(&self, objects: &Objects, prune: bool, now: Timestamp) -> Result<Applied, StoreError> {
        transaction!(self, |tx| objects::declare(&tx, objects, prune, now).await)
    }

    async fn undeclare(&self, names: &ObjectNames) -> Result<Applied, StoreError> {
        transaction!(self, |tx| objects::undeclare(&tx, names).await)
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        objects::clients(&*self.client().await?).await
    }

    async fn lists(&self) -> Result<Vec<List>, StoreError> {
        objects::lists(&*self.client().await?).await
    }

    async fn watch(&self, source: &Name, watch: Watch, now: Timestamp) -> Result<bool, StoreError> {
        transaction!(self, |tx| objects::watch(&tx, source, watch, now).await)
    }

    async fn objects_version(&self) -> Result<i64, StoreError> {
        objects::version(&*self.client().await?).await
    }

    async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError> {
        objects::sources(&*self.client().await?, None).await
    }

    async fn source(&self, name: &Name) -> Result<Option<SourceRecord>, StoreError> {
        Ok(objects::sources(&*self.client().await?, Some(name)).await?.pop())
    }

    async fn topics(&self) -> Result<Vec<TopicRecord>, StoreError> {
        objects::topics(&*self.client().await?).await
    }

    async fn classify_entries(
        &self,
        source: &Name,
        entries: &[EntryRef],
    ) -> Result<Vec<EntryStatus>, StoreError> {
        pages::classify_entries(&*self.client().await?, source, entries).await
    }

    async fn save(&self, harvests: &Arc<[Harvest]>, objects_version: i64) -> Result<Vec<Saved>, StoreError> {
        self.make_room(harvests).await?;
        transaction!(self, |tx| {
            locks::share(&tx, Lock::Objects).await?;
            if objects::version_in(&tx).await? != objects_version {
                return Err(StoreError::StaleObjects);
            }
            harvest::save(&tx, harvests, self.history).await
        })
    }

    async fn pages(
        &self,
        source: &Name,
        host: &Host,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<PageWork>, StoreError> {
        pages::pages(&*self.client().await?, source, host, now, limit).await
    }

    async fn next_page(&self, source: &Name, host: &Host) -> Result<Option<Timestamp>, StoreError> {
        pages::next_page(&*self.client().await?, source, host).await
    }

    async fn page_queues(&self) -> Result<Vec<(Name, Host, Timestamp)>, StoreError> {
        pages::page_queues(&*self.client().await?).await
    }

    async fn robots_delays(&self) -> Result<Vec<(Host, Duration)>, StoreError> {
        pages::robots_delays(&*self.client().await?).await
    }

    async fn history(&self, source: &Name, limit: usize) -> Result<Vec<FetchRecord>, StoreError> {
        pages::history(&*self.client().await?, source, limit).await
    }

    async fn materials(&self, query: &MaterialQuery) -> Result<Vec<StoredMatch>, StoreError> {
        materials::list(&*self.client().await?, query).await
    }

    async fn item(&self, id: &str) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError> {
        materials::item(&*self.client().await?, id).await
    }

    async fn items(&self, after_row: i64, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        materials::items(&*self.client().await?, after_row, limit).await
    }

    async fn rematch(
        &self,
        topics: &[(Name, i64)],
        items: &[Rematched],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        transaction!(self, |tx| materials::rematch(&tx, topics, items, now).await)
    }

    async fn set_matched(&self, topics: &[(Name, i64)]) -> Result<(), StoreError> {
        transaction!(self, |tx| objects::set_matched(&tx, topics).await)
    }

    async fn set_rematched(&self, topics: &[(Name, i64)], row: i64) -> Result<(), StoreError> {
        transaction!(self, |tx| objects::set_rematched(&tx, topics, row).await)
    }

    async fn set_unmatched(&self, topics: &[Name]) -> Result<(), StoreError> {
        transaction!(self, |tx| objects::set_unmatched(&tx, topics).await)
    }

    async fn source_counts(&self) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError> {
        objects::source_counts(&*self.client().await?).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        materials::totals(&*self.client().await?).await
    }

    async fn retain(&self, keep: Duration, now: Timestamp) -> Result<u64, StoreError> {
        transaction!(self, |tx| materials::retain(&tx, keep, now).await)
    }

    async fn availability(
        &self,
        source: Option<&Name>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StateInterval>, StoreError> {
        availability::intervals(&*self.client().await?, source, (since, until)).await
    }

    async fn host_health(&self, host: &Host) -> Result<HostHealth, StoreError> {
        incidents::health(&*self.client().await?, host).await
    }

    async fn incidents(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HostIncident>, StoreError> {
        incidents::incidents(&*self.client().await?, (since, until)).await
    }

    async fn end_incident(&self, host: &Host, now: Timestamp) -> Result<(), StoreError> {
        transaction!(self, |tx| incidents::end(&tx, host, now).await)
    }

    async fn moves(&self, source: &Name) -> Result<Vec<Move>, StoreError> {
        moves::moves(&*self.client().await?, source).await
    }

    async fn unlinked(&self, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        stories::unlinked(&*self.client().await?, limit).await
    }

    async fn candidates(&self, keys: &[i64], since: Timestamp) -> Result<Vec<Candidate>, StoreError> {
        stories::candidates(&*self.client().await?, keys, since).await
    }

    async fn link(
        &self,
        linked: &[Linked],
        forget: Timestamp,
        objects_version: i64,
    ) -> Result<(), StoreError> {
        transaction!(self, |tx| {
            locks::share(&tx, Lock::Objects).await?;
            if objects::version_in(&tx).await? != objects_version {
                return Err(StoreError::StaleObjects);
            }
            stories::link(&tx, linked, forget).await
        })
    }

    async fn story(&self, row: i64, limit: usize) -> Result<Vec<Reprint>, StoreError> {
        stories::story(&*self.client().await?, row, limit).await
    }

    async fn story_count(&self, topic: &Name) -> Result<u64, StoreError> {
        stories::count(&*self.client().await?, topic).await
    }

    async fn subscription(&self, source: &Name) -> Result<Option<Subscription>, StoreError> {
        subscriptions::of_source(&*self.client().await?, source).await
    }

    async fn subscription_by_id(&self, id: &str) -> Result<Option<Subscription>, StoreError> {
        subscriptions::called(&*self.client().await?, id).await
    }

    async fn subscribe(&self, asked: &Subscription) -> Result<bool, StoreError> {
        transaction!(self, |tx| subscriptions::subscribe(&tx, asked).await)
    }

    async fn record_hub_decision(&self, id: &str, answer: &HubDecision) -> Result<(), StoreError> {
        transaction!(self, |tx| subscriptions::record_hub_decision(&tx, id, answer).await)
    }

    async fn enqueue_websub_document(&self, push: &WebSubDocument, most: usize) -> Result<bool, StoreError> {
        transaction!(self, |tx| subscriptions::take(&tx, push, most).await)
    }

    async fn next_websub_document(
        &self,
        source: &Name,
        before: Option<i64>,
    ) -> Result<Option<WebSubDocument>, StoreError> {
        transaction!(self, |tx| subscriptions::next(&tx, source, before).await)
    }

    async fn sources_with_websub_documents(&self) -> Result<Vec<Name>, StoreError> {
        subscriptions::sources(&*self.client().await?).await
    }

    async fn backfill(&self, source: &Name) -> Result<Option<Backfill>, StoreError> {
        backfills::one(&*self.client().await?, source).await
    }

    async fn backfills(&self) -> Result<Vec<(Name, Backfill)>, StoreError> {
        backfills::under_way(&*self.client().await?).await
    }

    async fn set_backfill(&self, source: &Name, backfill: &Backfill) -> Result<(), StoreError> {
        transaction!(self, |tx| backfills::save(&tx, source, backfill).await)
    }

    async fn active_fallback(&self, source: &Name) -> Result<Option<ActiveFallback>, StoreError> {
        active_fallbacks::active_fallback(&*self.client().await?, source).await
    }

    async fn known_addresses(&self, source: &Name, addresses: &[Url]) -> Result<Vec<bool>, StoreError> {
        materials::known_addresses(&*self.client().await?, source, addresses).await
    }

    async fn take_down(&self, rows: &[i64], now: Timestamp) -> Result<u64, StoreError> {
        transaction!(self, |tx| materials::take_down(&tx, rows, now).await)
    }

    async fn suppress(&self, suppression: &Suppression) -> Result<(), StoreError> {
        transaction!(self, |tx| suppressions::suppress(&tx, suppression).await)
    }

    async fn lift_suppression(&self, suppression: &Suppression) -> Result<bool, StoreError> {
        transaction!(self, |tx| suppressions::lift_suppression(&tx, suppression).await)
    }

    async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError> {
        suppressions::all(&*self.client().await?).await
    }

    async fn audit(&self, record: &AuditRecord) -> Result<(), StoreError> {
        audit::write(&*self.client().await?, record).await
    }

    async fn audit_trail(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        audit::trail(&*self.client().await?, limit).await
    }

    async fn backup(&self, _path: &Path) -> Result<(), StoreError> {
        Err(StoreError::Other(format!("{} is backed up with its own tools, such as pg_dump", self.server)))
    }
}
