//! The embedded store: one SQLite file.
//!
//! One connection writes, one reads; both work on blocking threads. WAL lets other processes read
//! (and declare objects) while a node runs.

mod active_fallbacks;
mod audit;
mod availability;
mod backfills;
mod harvest;
mod incidents;
mod materials;
mod moves;
mod objects;
mod rows;
mod stories;
mod subscriptions;
mod suppressions;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{
    ActiveFallback, Backfill, Client, FetchRecord, Harvest, Host, HostHealth, HostIncident, List, Name,
    PageWork, SourceKind, SourceState, Subscription, Timestamp, Watch, WebSubDocument,
};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::Mutex;

use url::Url;

use crate::StoreError;
use crate::store::{
    Applied, AuditRecord, Candidate, EntryRef, EntryStatus, HubDecision, Linked, MaterialQuery, Move,
    ObjectNames, Objects, Rematched, Reprint, Saved, SourceRecord, StateInterval, Store, StoredItem,
    StoredMatch, Suppression, TopicRecord, Totals,
};

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

#[async_trait]
impl Store for Sqlite {
    async fn declare(&self, objects: &Objects, prune: bool, now: Timestamp) -> Result<Applied, StoreError> {
        let objects = objects.clone();
        self.write(move |tx| objects::declare(tx, &objects, prune, now)).await
    }

    async fn undeclare(&self, names: &ObjectNames) -> Result<Applied, StoreError> {
        let names = names.clone();
        self.write(move |tx| objects::undeclare(tx, &names)).await
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        self.read(objects::clients).await
    }

    async fn lists(&self) -> Result<Vec<List>, StoreError> {
        self.read(objects::lists).await
    }

    async fn watch(&self, source: &Name, watch: Watch, now: Timestamp) -> Result<bool, StoreError> {
        let source = source.clone();
        self.write(move |tx| objects::watch(tx, &source, watch, now)).await
    }

    async fn objects_version(&self) -> Result<i64, StoreError> {
        self.read(objects::version).await
    }

    async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError> {
        self.read(|connection| objects::sources(connection, None)).await
    }

    async fn source(&self, name: &Name) -> Result<Option<SourceRecord>, StoreError> {
        let name = name.clone();
        self.read(move |connection| Ok(objects::sources(connection, Some(&name))?.pop())).await
    }

    async fn topics(&self) -> Result<Vec<TopicRecord>, StoreError> {
        self.read(objects::topics).await
    }

    async fn classify_entries(
        &self,
        source: &Name,
        entries: &[EntryRef],
    ) -> Result<Vec<EntryStatus>, StoreError> {
        let (source, entries) = (source.clone(), entries.to_vec());
        self.read(move |connection| harvest::classify_entries(connection, &source, &entries)).await
    }

    async fn save(&self, harvests: &Arc<[Harvest]>, objects_version: i64) -> Result<Vec<Saved>, StoreError> {
        let (harvests, history) = (harvests.clone(), self.history);
        self.write(move |tx| {
            if objects::version(tx)? != objects_version {
                return Err(StoreError::StaleObjects);
            }
            harvests.iter().map(|one| harvest::save(tx, one, history)).collect()
        })
        .await
    }

    async fn pages(
        &self,
        source: &Name,
        host: &Host,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<PageWork>, StoreError> {
        let (source, host) = (source.clone(), host.clone());
        self.read(move |connection| harvest::pages(connection, &source, &host, now, limit)).await
    }

    async fn next_page(&self, source: &Name, host: &Host) -> Result<Option<Timestamp>, StoreError> {
        let (source, host) = (source.clone(), host.clone());
        self.read(move |connection| harvest::next_page(connection, &source, &host)).await
    }

    async fn page_queues(&self) -> Result<Vec<(Name, Host, Timestamp)>, StoreError> {
        self.read(harvest::page_queues).await
    }

    async fn robots_delays(&self) -> Result<Vec<(Host, Duration)>, StoreError> {
        self.read(harvest::robots_delays).await
    }

    async fn history(&self, source: &Name, limit: usize) -> Result<Vec<FetchRecord>, StoreError> {
        let source = source.clone();
        self.read(move |connection| harvest::history(connection, &source, limit)).await
    }

    async fn materials(&self, query: &MaterialQuery) -> Result<Vec<StoredMatch>, StoreError> {
        let query = query.clone();
        self.read(move |connection| materials::list(connection, &query)).await
    }

    async fn item(&self, id: &str) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| materials::item(connection, &id)).await
    }

    async fn items(&self, after_row: i64, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        self.read(move |connection| materials::items(connection, after_row, limit)).await
    }

    async fn rematch(
        &self,
        topics: &[(Name, i64)],
        items: &[Rematched],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (topics, items) = (topics.to_vec(), items.to_vec());
        self.write(move |tx| materials::rematch(tx, &topics, &items, now)).await
    }

    async fn set_matched(&self, topics: &[(Name, i64)]) -> Result<(), StoreError> {
        let topics = topics.to_vec();
        self.write(move |tx| objects::set_matched(tx, &topics)).await
    }

    async fn set_rematched(&self, topics: &[(Name, i64)], row: i64) -> Result<(), StoreError> {
        let topics = topics.to_vec();
        self.write(move |tx| objects::set_rematched(tx, &topics, row)).await
    }

    async fn set_unmatched(&self, topics: &[Name]) -> Result<(), StoreError> {
        let topics = topics.to_vec();
        self.write(move |tx| objects::set_unmatched(tx, &topics)).await
    }

    async fn source_counts(&self) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError> {
        self.read(objects::source_counts).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.read(materials::totals).await
    }

    async fn retain(&self, keep: Duration, now: Timestamp) -> Result<u64, StoreError> {
        let Ok(since) = now.checked_sub(keep) else { return Ok(0) };
        self.write(move |tx| materials::retain(tx, since)).await
    }

    async fn availability(
        &self,
        source: Option<&Name>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StateInterval>, StoreError> {
        let source = source.cloned();
        self.read(move |connection| availability::intervals(connection, source.as_ref(), (since, until)))
            .await
    }

    async fn host_health(&self, host: &Host) -> Result<HostHealth, StoreError> {
        let host = host.clone();
        self.read(move |connection| incidents::health(connection, &host)).await
    }

    async fn incidents(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HostIncident>, StoreError> {
        self.read(move |connection| incidents::incidents(connection, (since, until))).await
    }

    async fn end_incident(&self, host: &Host, now: Timestamp) -> Result<(), StoreError> {
        let host = host.clone();
        self.write(move |tx| incidents::end(tx, &host, now)).await
    }

    async fn moves(&self, source: &Name) -> Result<Vec<Move>, StoreError> {
        let source = source.clone();
        self.read(move |connection| moves::moves(connection, &source)).await
    }

    async fn unlinked(&self, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        self.read(move |connection| stories::unlinked(connection, limit)).await
    }

    async fn candidates(&self, keys: &[i64], since: Timestamp) -> Result<Vec<Candidate>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |connection| stories::candidates(connection, &keys, since)).await
    }

    async fn link(
        &self,
        linked: &[Linked],
        forget: Timestamp,
        objects_version: i64,
    ) -> Result<(), StoreError> {
        let linked = linked.to_vec();
        self.write(move |tx| {
            if objects::version(tx)? != objects_version {
                return Err(StoreError::StaleObjects);
            }
            stories::link(tx, &linked, forget)
        })
        .await
    }

    async fn story(&self, row: i64, limit: usize) -> Result<Vec<Reprint>, StoreError> {
        self.read(move |connection| stories::story(connection, row, limit)).await
    }

    async fn story_count(&self, topic: &Name) -> Result<u64, StoreError> {
        let topic = topic.clone();
        self.read(move |connection| stories::count(connection, &topic)).await
    }

    async fn subscription(&self, source: &Name) -> Result<Option<Subscription>, StoreError> {
        let source = source.clone();
        self.read(move |connection| subscriptions::of_source(connection, &source)).await
    }

    async fn subscription_by_id(&self, id: &str) -> Result<Option<Subscription>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| subscriptions::called(connection, &id)).await
    }

    async fn subscribe(&self, asked: &Subscription) -> Result<bool, StoreError> {
        let asked = asked.clone();
        self.write(move |tx| subscriptions::subscribe(tx, &asked)).await
    }

    async fn record_hub_decision(&self, id: &str, answer: &HubDecision) -> Result<(), StoreError> {
        let (id, answer) = (id.to_owned(), answer.clone());
        self.write(move |tx| subscriptions::record_hub_decision(tx, &id, &answer)).await
    }

    async fn enqueue_websub_document(&self, push: &WebSubDocument, most: usize) -> Result<bool, StoreError> {
        let push = push.clone();
        self.write(move |tx| subscriptions::take(tx, &push, most)).await
    }

    async fn next_websub_document(
        &self,
        source: &Name,
        before: Option<i64>,
    ) -> Result<Option<WebSubDocument>, StoreError> {
        let source = source.clone();
        self.write(move |tx| subscriptions::next(tx, &source, before)).await
    }

    async fn sources_with_websub_documents(&self) -> Result<Vec<Name>, StoreError> {
        self.read(subscriptions::sources).await
    }

    async fn backfill(&self, source: &Name) -> Result<Option<Backfill>, StoreError> {
        let source = source.clone();
        self.read(move |connection| backfills::one(connection, &source)).await
    }

    async fn backfills(&self) -> Result<Vec<(Name, Backfill)>, StoreError> {
        self.read(backfills::under_way).await
    }

    async fn set_backfill(&self, source: &Name, backfill: &Backfill) -> Result<(), StoreError> {
        let (source, backfill) = (source.clone(), backfill.clone());
        self.write(move |tx| backfills::save(tx, &source, &backfill)).await
    }

    async fn active_fallback(&self, source: &Name) -> Result<Option<ActiveFallback>, StoreError> {
        let source = source.clone();
        self.read(move |connection| active_fallbacks::active_fallback(connection, &source)).await
    }

    async fn known_addresses(&self, source: &Name, addresses: &[Url]) -> Result<Vec<bool>, StoreError> {
        let (source, addresses) = (source.clone(), addresses.to_vec());
        self.read(move |connection| materials::known_addresses(connection, &source, &addresses)).await
    }

    async fn take_down(&self, rows: &[i64], _now: Timestamp) -> Result<u64, StoreError> {
        let rows = rows.to_vec();
        self.write(move |tx| materials::take_down(tx, &rows)).await
    }

    async fn suppress(&self, suppression: &Suppression) -> Result<(), StoreError> {
        let suppression = suppression.clone();
        self.write(move |tx| suppressions::suppress(tx, &suppression)).await
    }

    async fn lift_suppression(&self, suppression: &Suppression) -> Result<bool, StoreError> {
        let suppression = suppression.clone();
        self.write(move |tx| suppressions::lift_suppression(tx, &suppression)).await
    }

    async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError> {
        self.read(suppressions::all).await
    }

    async fn audit(&self, record: &AuditRecord) -> Result<(), StoreError> {
        let record = record.clone();
        self.write(move |tx| audit::write(tx, &record)).await
    }

    async fn audit_trail(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |connection| audit::trail(connection, limit)).await
    }

    async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        let path = path.to_path_buf();
        self.read(move |connection| {
            // One statement, one snapshot: copying page by page would begin anew with each commit of a node.
            connection.execute("VACUUM INTO ?1", [path.to_string_lossy()])?;
            Ok(())
        })
        .await
    }
}
