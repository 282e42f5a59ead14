//! The contract suite: tests that every store must pass.

mod audit;
mod backup;
mod equivalence;
mod harvests;
mod hosts;
mod materials;
mod objects;
mod rematching;
mod removals;
mod source_states;
mod stories;
mod websub;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use model::{
    Client, Entry, Every, FetchRecord, FetchStatus, Finding, Harvest, Host, HostHealth, HostIncident,
    Incident, Item, ItemKey, Match, Name, PageWork, PollOutcome, Post, Precision, Published, PublishedMethod,
    Rhythm, Similarity, SimilarityKind, Sketch, Source, SourceKind, SourceState, Span, Timestamp, Token,
    Topic, Watch, Zone,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use servers::PostgresServer;
use tokio::sync::Mutex;
use url::Url;

use crate::*;

/// Returns a fixed base time plus `seconds`.
pub(crate) fn at(seconds: i64) -> Timestamp {
    // The base is in the past: PostgreSQL does not accept times ahead of its server's clock for retention.
    Timestamp::from_second(1_780_000_000 + seconds).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn source(text: &str) -> Source {
    Source {
        every: Every { min: Duration::from_secs(60), max: Duration::from_secs(600) },
        ..Source::new(name(text), SourceKind::Feed, Url::parse("https://a.kz/rss").unwrap())
    }
}

pub(crate) fn topic(text: &str, query: &str) -> Topic {
    Topic::new(name(text), query.to_owned())
}

/// Returns a match of a topic.
fn match_of(topic: &str) -> Match {
    let span = Span { zone: Zone::Text, start: 0, end: 4, text: "сөз".into() };
    Match { topic: name(topic), spans: vec![span], excerpt: "сөз".into(), tags: Vec::new() }
}

/// Returns a finding that matches topics. An empty date means none.
pub(crate) fn finding(id: &str, text: &str, date: &str, topics: &[&str]) -> Finding {
    let published = (!date.is_empty()).then(|| Published {
        at: date.parse().unwrap(),
        precision: Precision::Second,
        method: PublishedMethod::Feed,
        original: date.to_owned(),
        clamped: false,
    });
    let url = Url::parse("https://a.kz/n/1").unwrap();
    let item = Item {
        source: name("s"),
        key: ItemKey::new(Some(id), None, "", ""),
        url: Some(url.clone()),
        canonical_url: Some(url),
        title: Some("тақырып".into()),
        text: text.to_owned(),
        summary: None,
        author: None,
        language: Some("kk".into()),
        published,
        updated_at: None,
        image: None,
        post: Post::default(),
        reservations: Vec::new(),
        problems: Vec::new(),
    };
    let matches = topics.iter().map(|topic| match_of(topic)).collect();
    let tokens = text.split(' ').map(|word| format!("{word} ~{word} ")).collect();
    Finding { item, matches, search_tokens: tokens, entry_hash: format!("{text}{date}"), whole: true }
}

/// Returns a harvest of source `s` and host `a.kz`. The token also gives the time.
pub(crate) fn harvest(token: u64, findings: Vec<Finding>) -> Harvest {
    Harvest {
        objects_version: 1,
        findings,
        ..Harvest::new(
            name("s"),
            Host::from_stored("a.kz".into()),
            Token(token),
            at(token.try_into().unwrap()),
        )
    }
}

pub(crate) const DAY1: &str = "2026-11-01T00:00:00Z";
pub(crate) const DAY2: &str = "2026-11-02T00:00:00Z";

/// A store under test.
struct Bench {
    /// The name of the store.
    name: &'static str,
    store: Arc<dyn Store>,
    /// The folder or server of the store, which lives as long as it.
    _home: Box<dyn std::any::Any>,
}

pub(crate) fn objects(sources: Vec<Source>, topics: Vec<Topic>) -> Objects {
    Objects { sources, topics, ..Objects::default() }
}

/// Returns each store, with one source and two topics declared.
async fn each() -> Vec<Bench> {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("store.db"), 3).unwrap();
    let server = shared_postgres().await;
    let postgres = empty_postgres(&server).await;
    let previous_schema = postgres_with_migrations(&server, MIGRATIONS.len() - 1).await;
    let benches = vec![
        Bench { name: "sqlite", store: Arc::new(sqlite), _home: Box::new(folder) },
        Bench { name: "postgres", store: Arc::new(postgres), _home: Box::new(server.clone()) },
        Bench {
            name: "postgres on the previous schema",
            store: Arc::new(previous_schema),
            _home: Box::new(server),
        },
    ];
    for Bench { store, .. } in &benches {
        store
            .declare(&objects(vec![source("s")], vec![topic("t", "сөз"), topic("u", "басқа")]), false, at(0))
            .await
            .unwrap();
    }
    benches
}

/// Returns the PostgreSQL server that concurrent tests share. It stops with the last of them.
pub(crate) async fn shared_postgres() -> Arc<PostgresServer> {
    static SERVER: Mutex<Weak<PostgresServer>> = Mutex::const_new(Weak::new());
    let mut shared = SERVER.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(PostgresServer::start().await.unwrap());
    *shared = Arc::downgrade(&server);
    server
}

/// Returns a store on a new database.
pub(crate) async fn empty_postgres(server: &PostgresServer) -> Postgres {
    postgres_with_migrations(server, MIGRATIONS.len()).await
}

/// Returns a store on a new database with only the first `migrations` migrations applied.
async fn postgres_with_migrations(server: &PostgresServer, migrations: usize) -> Postgres {
    static DATABASE: AtomicUsize = AtomicUsize::new(0);
    let name = format!("t{}", DATABASE.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).unwrap();
    let url = server.url(&name);
    Postgres::to_migrate(&url, 3).await.unwrap().apply_migrations(&MIGRATIONS[..migrations]).await.unwrap();
    Postgres::connect(&url, 3).await.unwrap()
}

/// Returns an SQLite store and its folder, for tests of the file itself.
async fn sqlite_file() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db"), 3).unwrap();
    store.declare(&objects(vec![source("s")], vec![topic("t", "сөз")]), false, at(0)).await.unwrap();
    (folder, store)
}

/// Saves harvests under the current version of the declared objects.
pub(crate) async fn save(store: &dyn Store, harvests: &[Harvest]) -> Vec<SaveOutcome> {
    let version = store.objects_version().await.unwrap();
    store.save(&harvests.to_vec().into(), version).await.unwrap()
}

impl Bench {
    /// Returns a topic with its version.
    async fn versions(&self, topic: &str) -> Vec<(Name, i64)> {
        let topics = self.store.topics().await.unwrap().into_iter();
        topics
            .map(|record| (record.topic.name, record.version))
            .filter(|(name, _)| name.as_str() == topic)
            .collect()
    }

    async fn save(&self, harvests: &[Harvest]) -> Vec<SaveOutcome> {
        save(&*self.store, harvests).await
    }

    /// Returns key, text and version of each item.
    async fn keys(&self) -> Vec<(String, String, i64)> {
        let items = self.store.items(0, 100).await.unwrap();
        items
            .into_iter()
            .map(|stored| (stored.item.key.as_str().to_owned(), stored.item.text, stored.version))
            .collect()
    }

    /// Returns topic and text of each match.
    async fn materials(&self, query: MaterialQuery) -> Vec<(String, String)> {
        let matches = self.store.materials(&MaterialQuery { limit: 100, ..query }).await.unwrap();
        matches.into_iter().map(|stored| (stored.found.topic.to_string(), stored.item.item.text)).collect()
    }
}
