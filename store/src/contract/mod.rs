//! What every store promises.

mod availability;
mod stories;
mod subscriptions;

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

use crate::store::{
    AuditRecord, EntryRef, EntryStatus, Linked, MaterialQuery, ObjectNames, Objects, Rematched, Saved, Store,
    Suppression,
};
use crate::{MIGRATIONS, Postgres, Sqlite, StoreError};

pub(crate) fn at(seconds: i64) -> Timestamp {
    // In the past: a server with a clock of its own believes nobody who is ahead of it.
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

fn found(topic: &str) -> Match {
    let span = Span { zone: Zone::Text, start: 0, end: 4, text: "сөз".into() };
    Match { topic: name(topic), spans: vec![span], excerpt: "сөз".into(), tags: Vec::new() }
}

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
        key: ItemKey::choose(Some(id), None, "", ""),
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
    let matches = topics.iter().map(|topic| found(topic)).collect();
    let tokens = text.split(' ').map(|word| format!("{word} ~{word} ")).collect();
    Finding { item, matches, search_tokens: tokens, entry_hash: format!("{text}{date}"), whole: true }
}

pub(crate) fn harvest(token: u64, findings: Vec<Finding>) -> Harvest {
    Harvest {
        objects_version: 1,
        findings,
        ..Harvest::new(name("s"), Host::stored("a.kz".into()), Token(token), at(token.try_into().unwrap()))
    }
}

pub(crate) const DAY1: &str = "2026-11-01T00:00:00Z";
pub(crate) const DAY2: &str = "2026-11-02T00:00:00Z";

struct Bench {
    /// Which store it is.
    name: &'static str,
    store: Arc<dyn Store>,
    /// What it goes with: a folder, a server.
    _home: Box<dyn std::any::Any>,
}

pub(crate) fn objects(sources: Vec<Source>, topics: Vec<Topic>) -> Objects {
    Objects { sources, topics, ..Objects::default() }
}

/// Each store, with a source and two topics.
async fn each() -> Vec<Bench> {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("store.db"), 3).unwrap();
    let server = shared_postgres().await;
    let postgres = empty(&server).await;
    let before = empty_on(&server, MIGRATIONS.len() - 1).await;
    let benches = vec![
        Bench { name: "sqlite", store: Arc::new(sqlite), _home: Box::new(folder) },
        Bench { name: "postgres", store: Arc::new(postgres), _home: Box::new(server.clone()) },
        Bench { name: "postgres on the schema before", store: Arc::new(before), _home: Box::new(server) },
    ];
    for Bench { store, .. } in &benches {
        store
            .declare(&objects(vec![source("s")], vec![topic("t", "сөз"), topic("u", "басқа")]), false, at(0))
            .await
            .unwrap();
    }
    benches
}

/// One server for all tests that run at the same time; it ends with the last of them.
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

/// A database of its own.
pub(crate) async fn empty(server: &PostgresServer) -> Postgres {
    empty_on(server, MIGRATIONS.len()).await
}

/// One on which so many migrations were made.
async fn empty_on(server: &PostgresServer, migrations: usize) -> Postgres {
    static DATABASE: AtomicUsize = AtomicUsize::new(0);
    let name = format!("t{}", DATABASE.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).unwrap();
    let url = server.url(&name);
    Postgres::to_migrate(&url, 3).await.unwrap().make(&MIGRATIONS[..migrations]).await.unwrap();
    Postgres::connect(&url, 3).await.unwrap()
}

/// The embedded store alone, for what only a file can do.
async fn file() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db"), 3).unwrap();
    store.declare(&objects(vec![source("s")], vec![topic("t", "сөз")]), false, at(0)).await.unwrap();
    (folder, store)
}

pub(crate) async fn save(store: &dyn Store, harvests: &[Harvest]) -> Vec<Saved> {
    let version = store.objects_version().await.unwrap();
    store.save(&harvests.to_vec().into(), version).await.unwrap()
}

impl Bench {
    /// A topic with its version.
    async fn versions(&self, topic: &str) -> Vec<(Name, i64)> {
        let all = self.store.topics().await.unwrap().into_iter();
        all.map(|record| (record.topic.name, record.version))
            .filter(|(name, _)| name.as_str() == topic)
            .collect()
    }

    async fn save(&self, harvests: &[Harvest]) -> Vec<Saved> {
        save(&*self.store, harvests).await
    }

    async fn keys(&self) -> Vec<(String, String, i64)> {
        let items = self.store.items(0, 100).await.unwrap();
        items
            .into_iter()
            .map(|stored| (stored.item.key.as_str().to_owned(), stored.item.text, stored.version))
            .collect()
    }

    async fn materials(&self, query: MaterialQuery) -> Vec<(String, String)> {
        let all = self.store.materials(&MaterialQuery { limit: 100, ..query }).await.unwrap();
        all.into_iter().map(|one| (one.found.topic.to_string(), one.item.item.text)).collect()
    }
}

#[tokio::test]
async fn an_item_is_stored_once_however_often_it_comes() {
    for bench in each().await {
        println!("on {}", bench.name);
        let first = bench.save(&[harvest(1, vec![finding("1", "бір сөз", DAY1, &["t"])])]).await;
        assert_eq!(first, [Saved { new_items: 1, new_materials: 1, new_matches: 1, ..Saved::default() }]);
        let again = bench.save(&[harvest(2, vec![finding("1", "бір сөз", DAY1, &["t"])])]).await;
        assert_eq!(again, [Saved::default()]);
        // Re-dated and re-worded: an edit. Re-identified: the same address, title and time are one item.
        let edited = bench.save(&[harvest(3, vec![finding("1", "екі сөз", DAY2, &["t", "u"])])]).await;
        assert_eq!(edited, [Saved { edited_items: 1, new_matches: 1, ..Saved::default() }]);
        let renamed = bench.save(&[harvest(4, vec![finding("2", "екі сөз", DAY1, &["t"])])]).await;
        assert_eq!(renamed[0].new_items, 0, "the key's time is the one first given");
        assert_eq!(bench.keys().await.len(), 1);
        let another = bench.save(&[harvest(5, vec![finding("3", "үш", "2026-11-05T00:00:00Z", &[])])]).await;
        assert_eq!(another[0].new_items, 1, "another post of the same thread is another item");
    }
}

#[tokio::test]
async fn dateless_entries_are_not_doubled() {
    for bench in each().await {
        println!("on {}", bench.name);
        for token in 1..4 {
            bench.save(&[harvest(token, vec![finding("1", "сөз", "", &["t"])])]).await;
        }
        assert_eq!(bench.keys().await, [("id:1".into(), "сөз".into(), 1)]);
    }
}

#[tokio::test]
async fn a_summary_never_replaces_a_whole_text_and_the_other_way_it_does() {
    for bench in each().await {
        println!("on {}", bench.name);
        let summary = Finding { whole: false, ..finding("1", "қысқа", DAY1, &[]) };
        bench.save(&[harvest(1, vec![summary.clone()])]).await;
        bench.save(&[harvest(2, vec![finding("1", "толық мәтін", DAY1, &["t"])])]).await;
        bench.save(&[harvest(3, vec![summary])]).await;
        assert_eq!(bench.keys().await, [("id:1".into(), "толық мәтін".into(), 2)]);
    }
}

#[tokio::test]
async fn an_old_token_can_store_nothing() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench.save(&[harvest(5, vec![finding("1", "жаңа", DAY1, &[])])]).await;
        let late = bench
            .save(&[
                harvest(4, vec![finding("9", "ескі", DAY2, &["t"])]),
                harvest(6, vec![finding("7", "тағы", DAY2, &[])]),
            ])
            .await;
        assert_eq!((late[0].fenced, late[0].new_items, late[1].fenced), (true, 0, false));
        assert!(bench.keys().await.iter().all(|(key, ..)| key != "id:9"));
    }
}

#[tokio::test]
async fn a_harvest_matched_against_old_topics_is_refused_whole() {
    for bench in each().await {
        println!("on {}", bench.name);
        let version = bench.store.objects_version().await.unwrap();
        bench.store.declare(&objects(vec![], vec![topic("new", "сөз")]), false, at(1)).await.unwrap();
        let refused =
            bench.store.save(&vec![harvest(1, vec![finding("1", "сөз", DAY1, &[])])].into(), version).await;
        assert!(matches!(refused, Err(StoreError::StaleObjects)));
        assert_eq!(bench.keys().await, []);
    }
}

#[tokio::test]
async fn declaring_is_idempotent_and_prunes_only_when_told() {
    for bench in each().await {
        println!("on {}", bench.name);
        let version = bench.store.objects_version().await.unwrap();
        let again = bench
            .store
            .declare(&objects(vec![source("s")], vec![topic("t", "сөз")]), false, at(1))
            .await
            .unwrap();
        assert_eq!(
            (again, bench.store.objects_version().await.unwrap()),
            (crate::Applied::default(), version)
        );
        let edited = bench
            .store
            .declare(&objects(vec![], vec![topic("t", "сөз OR тағы")]), false, at(1))
            .await
            .unwrap();
        assert_eq!(edited.edited, ["Topic/t"]);
        assert!(!bench.store.topics().await.unwrap()[0].is_matched);
        let pruned = bench.store.declare(&objects(vec![source("s")], vec![]), true, at(1)).await.unwrap();
        assert_eq!(pruned.removed, ["Topic/t", "Topic/u"]);
    }
}

#[tokio::test]
async fn an_edited_list_makes_topics_that_name_it_see_what_is_stored() {
    let list = |value: &str| model::List { name: name("media"), values: vec![value.to_owned()] };
    let only = |value, touched| Objects { lists: vec![list(value)], touched, ..Objects::default() };
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let topics = objects(vec![], vec![topic("t", "банк"), topic("u", "банк")]);
        store.declare(&topics, false, at(1)).await.unwrap();
        assert_eq!(store.declare(&only("a.kz", vec![]), false, at(1)).await.unwrap().added, ["List/media"]);
        let all = store.topics().await.unwrap();
        let versions: Vec<_> = all.iter().map(|one| (one.topic.name.clone(), one.version)).collect();
        store.set_matched(&versions).await.unwrap();
        let version = store.objects_version().await.unwrap();
        let stale = Objects { seen: Some(version - 1), ..only("c.kz", vec![]) };
        let refused = store.declare(&stale, false, at(1)).await.unwrap_err();
        assert!(matches!(refused, StoreError::StaleObjects), "{refused}");
        let edited = Objects { seen: Some(version), ..only("b.kz", vec![name("t")]) };
        let edited = store.declare(&edited, false, at(1)).await.unwrap();
        assert_eq!(edited.edited, ["List/media"]);
        assert_eq!(store.lists().await.unwrap(), [list("b.kz")]);
        assert!(store.objects_version().await.unwrap() > version, "nodes are told");
        let are_matched: Vec<bool> = store.topics().await.unwrap().iter().map(|one| one.is_matched).collect();
        assert_eq!(are_matched, [false, true]);
        let gone = ObjectNames { lists: vec![name("media")], ..ObjectNames::default() };
        assert_eq!(store.undeclare(&gone).await.unwrap().removed, ["List/media"]);
        assert!(store.lists().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn clients_are_declared_like_anything_else() {
    let client = |weight| Client { name: name("acme"), weight, searches: None };
    let only = |weight| Objects { clients: vec![client(weight)], ..Objects::default() };
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let version = store.objects_version().await.unwrap();
        assert_eq!(store.declare(&only(3), false, at(1)).await.unwrap().added, ["Client/acme"]);
        assert_eq!(store.declare(&only(5), false, at(1)).await.unwrap().edited, ["Client/acme"]);
        assert_eq!(store.declare(&only(5), false, at(1)).await.unwrap(), crate::Applied::default());
        assert_eq!(store.clients().await.unwrap(), [client(5)]);
        assert!(store.objects_version().await.unwrap() > version, "nodes are told");
        let gone = ObjectNames { clients: vec![name("acme"), name("nobody")], ..ObjectNames::default() };
        assert_eq!(store.undeclare(&gone).await.unwrap().removed, ["Client/acme"]);
        store.declare(&only(3), false, at(1)).await.unwrap();
        let pruned = store.declare(&objects(vec![source("s")], Vec::new()), true, at(1)).await.unwrap();
        assert_eq!(pruned.removed, ["Topic/t", "Topic/u", "Client/acme"]);
    }
}

#[tokio::test]
async fn sources_are_counted_by_kind_and_state() {
    for bench in each().await {
        println!("on {}", bench.name);
        let more = ["a", "b"].map(|name| Source { paused: true, ..source(name) });
        bench.store.declare(&objects(more.to_vec(), Vec::new()), false, at(1)).await.unwrap();
        let mut counts = bench.store.source_counts().await.unwrap();
        counts.sort_by_key(|(.., count)| *count);
        let feeds = [SourceState::Candidate, SourceState::Paused].map(|state| (SourceKind::Feed, state));
        assert_eq!(counts, [(feeds[0].0, feeds[0].1, 1), (feeds[1].0, feeds[1].1, 2)]);
    }
}

#[tokio::test]
async fn entries_are_known_once_stored_or_waiting() {
    for bench in each().await {
        println!("on {}", bench.name);
        let entry = |id: &str| Entry {
            id: Some(id.to_owned()),
            url: Url::parse("https://a.kz/w").ok(),
            ..Entry::default()
        };
        let page = |id: &str, url: &str, tries, not_before| PageWork {
            key: ItemKey::choose(Some(id), None, "", ""),
            host: Host::stored("a.kz".into()),
            url: Url::parse(url).unwrap(),
            entry: entry(id),
            entry_hash: "h".into(),
            tries,
            not_before,
        };
        let mut one = harvest(1, vec![finding("1", "сөз", DAY1, &[])]);
        // Two that lead to one address are two.
        one.pages = vec![
            page("2", "https://a.kz/w", 0, at(0)),
            page("2b", "https://a.kz/w", 0, at(5)),
            page("3", "https://a.kz/later", 1, at(100)),
        ];
        bench.save(&[one]).await;
        let key = |id: &str| ItemKey::choose(Some(id), None, "", "");
        let sighting = |id: &str, hash: &str, address: Option<&str>| EntryRef {
            key: key(id),
            hash: hash.to_owned(),
            address: address.map(|address| Url::parse(address).unwrap()),
        };
        let stored = format!("сөз{DAY1}");
        let asked = [
            sighting("1", &stored, None),
            sighting("1", "other", None),
            sighting("2", "h", None),
            sighting("9", "", None),
            // A publisher that invents identifiers: known by address and fingerprint together.
            sighting("new", &stored, Some("https://a.kz/n/1")),
            sighting("new", "other", Some("https://a.kz/n/1")),
            sighting("new", "h", Some("https://a.kz/w")),
        ];
        let classify_entries = bench.store.classify_entries(&name("s"), &asked).await.unwrap();
        use EntryStatus::{Changed, New, Same};
        assert_eq!(classify_entries, [Same, Changed, Same, New, Same, New, Same]);
        let host = Host::stored("a.kz".into());
        let waiting = bench.store.pages(&name("s"), &host, at(50), 10).await.unwrap();
        assert_eq!(waiting.iter().map(|page| page.key.as_str()).collect::<Vec<_>>(), ["id:2b", "id:2"]);
        assert_eq!(bench.store.page_queues().await.unwrap(), [(name("s"), host.clone(), at(0))]);
        let mut done = harvest(2, Vec::new());
        done.pages_done = vec![key("2"), key("2b")];
        bench.save(&[done]).await;
        assert_eq!(bench.store.page_queues().await.unwrap(), [(name("s"), host.clone(), at(100))]);
        assert_eq!(bench.store.next_page(&name("s"), &host).await.unwrap(), Some(at(100)));
        assert_eq!(bench.store.next_page(&name("t"), &host).await.unwrap(), None);

        // Of a source that is gone only publications are kept.
        bench
            .store
            .undeclare(&ObjectNames { sources: vec![name("s")], ..ObjectNames::default() })
            .await
            .unwrap();
        let mut late = harvest(3, vec![finding("late", "сөз", DAY2, &[])]);
        late.pages = vec![page("4", "https://a.kz/x", 0, at(0))];
        assert_eq!(bench.save(&[late]).await[0].new_items, 1);
        assert_eq!(bench.store.page_queues().await.unwrap(), []);
    }
}

#[tokio::test]
async fn materials_are_listed_by_topic_source_words_and_order() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench
            .save(&[harvest(
                1,
                vec![finding("1", "бір сөз", DAY1, &["t"]), finding("2", "екі ән", DAY2, &["t", "u"])],
            )])
            .await;
        let one = |topic: &str, text: &str| (topic.to_owned(), text.to_owned());
        assert_eq!(
            bench.materials(MaterialQuery::default()).await,
            [one("t", "бір сөз"), one("t", "екі ән"), one("u", "екі ән")]
        );
        let of = |topic: &str| MaterialQuery { topic: Some(name(topic)), ..MaterialQuery::default() };
        assert_eq!(bench.materials(of("u")).await, [one("u", "екі ән")]);
        let words = MaterialQuery {
            terms: vec![vec!["~жоқ".into(), "~сөз".into()]],
            ..MaterialQuery::default()
        };
        assert_eq!(bench.materials(words).await, [one("t", "бір сөз")]);
        let hostile = MaterialQuery { terms: vec![vec!["\" OR ~ән".into()]], ..MaterialQuery::default() };
        assert_eq!(bench.materials(hostile).await, []);
        let after = MaterialQuery { after_seq: 2, ..MaterialQuery::default() };
        assert_eq!(bench.materials(after).await, [one("u", "екі ән")]);
        let totals = bench.store.totals().await.unwrap();
        assert_eq!((totals.items, totals.materials, totals.matches), (2, 2, 3));
    }
}

#[tokio::test]
async fn matching_again_replaces_only_the_topics_it_is_about() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench.save(&[harvest(1, vec![finding("1", "сөз", DAY1, &["t"])])]).await;
        let row = bench.store.items(0, 1).await.unwrap()[0].row;
        let matched = |version, matches| [Rematched { row, version, matches, deferred_topics: [].into() }];
        let again = matched(1, vec![found("u")]);
        assert_eq!(bench.store.rematch(&bench.versions("u").await, &again, at(5)).await.unwrap(), 1);
        assert_eq!(bench.materials(MaterialQuery::default()).await.len(), 2);
        bench.store.rematch(&bench.versions("u").await, &matched(9, Vec::new()), at(6)).await.unwrap();
        assert_eq!(
            bench.materials(MaterialQuery::default()).await.len(),
            2,
            "it was looked at before an edit"
        );
        let before = bench.versions("u").await;
        bench.store.set_unmatched(&[name("u")]).await.unwrap();
        bench.store.rematch(&before, &matched(1, Vec::new()), at(6)).await.unwrap();
        assert_eq!(
            bench.materials(MaterialQuery::default()).await.len(),
            2,
            "the topic has another version by now"
        );
        let deferred_topics =
            [Rematched { row, version: 1, matches: Vec::new(), deferred_topics: [name("u")].into() }];
        bench.store.rematch(&bench.versions("u").await, &deferred_topics, at(6)).await.unwrap();
        assert_eq!(bench.materials(MaterialQuery::default()).await.len(), 2, "whoever links it decides");
        bench.store.rematch(&bench.versions("u").await, &matched(1, Vec::new()), at(6)).await.unwrap();
        assert_eq!(bench.materials(MaterialQuery::default()).await, [("t".to_owned(), "сөз".to_owned())]);
    }
}

#[tokio::test]
async fn tags_are_kept_with_matches_and_asked_for() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench
            .save(&[harvest(
                1,
                vec![finding("1", "сөз", DAY1, &["t", "u"]), finding("2", "сөз", DAY1, &["t"])],
            )])
            .await;
        let row = bench.store.items(0, 1).await.unwrap()[0].row;
        let tagged = |tags: &[&str]| Match { tags: tags.iter().map(|tag| name(tag)).collect(), ..found("t") };
        let again =
            |tags| [Rematched { row, version: 1, matches: vec![tagged(tags)], deferred_topics: [].into() }];
        bench.store.rematch(&bench.versions("t").await, &again(&["шағым", "b"]), at(5)).await.unwrap();
        let of = async |tag: &str| {
            let query = MaterialQuery { tag: Some(name(tag)), limit: 9, ..MaterialQuery::default() };
            let found = bench.store.materials(&query).await.unwrap();
            found.into_iter().map(|one| one.found.tags).collect::<Vec<_>>()
        };
        assert_eq!(of("шағым").await, [vec![name("шағым"), name("b")]]);
        assert_eq!(of("b").await.len(), 1);
        assert_eq!(of("шағы").await.len(), 0);
        let id = bench.store.items(0, 1).await.unwrap()[0].id.clone();
        let (_, matches) = bench.store.item(&id).await.unwrap().unwrap();
        assert_eq!(matches.iter().map(|one| one.found.tags.len()).collect::<Vec<_>>(), [2, 0]);
        bench.store.rematch(&bench.versions("t").await, &again(&[]), at(6)).await.unwrap();
        assert_eq!(of("b").await.len(), 0);
    }
}

#[tokio::test]
async fn matching_again_goes_on_where_it_ended() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let record = async || store.topics().await.unwrap().remove(0);
        let version = record().await.version;
        store.set_rematched(&[(name("t"), version)], 7).await.unwrap();
        assert_eq!((record().await.rematched, record().await.is_matched), (7, false));
        store.set_matched(&[(name("t"), version)]).await.unwrap();
        assert!(record().await.is_matched);
        let before = store.objects_version().await.unwrap();
        store.set_unmatched(&[name("t")]).await.unwrap();
        assert_eq!((record().await.rematched, record().await.is_matched), (0, false));
        assert!(store.objects_version().await.unwrap() > before, "nodes are told");
        // What is told of an earlier version says nothing of this one.
        store.set_rematched(&[(name("t"), version)], 7).await.unwrap();
        store.set_matched(&[(name("t"), version)]).await.unwrap();
        assert_eq!((record().await.rematched, record().await.is_matched), (0, false));
        store.declare(&objects(vec![], vec![topic("t", "жаңа")]), false, at(1)).await.unwrap();
        assert_eq!((record().await.rematched, record().await.is_matched), (0, false));
        // Nor of an earlier topic of the name.
        let last = record().await.version;
        let gone = ObjectNames { topics: vec![name("t")], ..ObjectNames::default() };
        store.undeclare(&gone).await.unwrap();
        store.declare(&objects(vec![], vec![topic("t", "жаңа")]), false, at(1)).await.unwrap();
        assert!(record().await.version > last);
    }
}

#[tokio::test]
async fn what_operators_change_is_written_down() {
    for bench in each().await {
        println!("on {}", bench.name);
        let record = |second, action: &str| AuditRecord {
            at: at(second),
            who: "aigul@ops-1".into(),
            action: action.into(),
            target: "source/s".into(),
            reason: "жөндеу".into(),
        };
        for one in [record(1, "source pause"), record(2, "source resume")] {
            bench.store.audit(&one).await.unwrap();
        }
        let trail = bench.store.audit_trail(5).await.unwrap();
        assert_eq!(trail, [record(2, "source resume"), record(1, "source pause")]);
        assert_eq!(bench.store.audit_trail(1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn delays_that_robots_ask_for_are_kept_for_a_schedule_that_is_built_anew() {
    for bench in each().await {
        println!("on {}", bench.name);
        let asked = |token, seconds| Harvest {
            robots_delay: Duration::from_secs(seconds),
            ..harvest(token, Vec::new())
        };
        bench.save(&[asked(1, 0), asked(2, 30), asked(1, 99)]).await;
        let kept = bench.store.robots_delays().await.unwrap();
        assert_eq!(kept, [(Host::stored("a.kz".into()), Duration::from_secs(30))]);
        bench.save(&[asked(2, 0)]).await;
        assert_eq!(bench.store.robots_delays().await.unwrap(), [], "robots.txt may take it back");
    }
}

#[tokio::test]
async fn what_age_removed_does_not_come_back() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench.save(&[harvest(1, vec![finding("1", "ескі", DAY1, &["t"])])]).await;
        assert_eq!(bench.store.retain(Duration::from_secs(10), at(100)).await.unwrap(), 1);
        assert_eq!(bench.store.totals().await.unwrap().matches, 0);
        let again = bench.save(&[harvest(2, vec![finding("1", "ескі", DAY1, &["t"])])]).await;
        assert_eq!((again[0].new_items, bench.keys().await.len()), (0, 0));
    }
}

#[tokio::test]
async fn a_backup_can_be_opened_and_holds_everything() {
    let (folder, store) = file().await;
    save(&store, &[harvest(1, vec![finding("1", "сөз", DAY1, &["t"])])]).await;
    let copy = folder.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    assert_eq!(Sqlite::open(&copy, 3).unwrap().totals().await.unwrap(), store.totals().await.unwrap());
}

#[tokio::test]
async fn a_full_disk_is_told_and_harms_nothing() {
    let (_folder, store) = file().await;
    store.limit_pages(60);
    let version = store.objects_version().await.unwrap();
    let big = "сөз ".repeat(200_000);
    let error =
        store.save(&vec![harvest(1, vec![finding("1", &big, DAY1, &[])])].into(), version).await.unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    store.limit_pages(100_000);
    assert_eq!(save(&store, &[harvest(1, vec![finding("1", "сөз", DAY1, &[])])]).await[0].new_items, 1);
}

#[tokio::test]
async fn damaged_newer_and_unwritable_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(&path, "this is no database, but it is long enough to be read as one".repeat(100))
        .unwrap();
    assert!(matches!(Sqlite::open(&path, 3), Err(StoreError::Damaged(_))));
    let newer = folder.path().join("newer.db");
    drop(Sqlite::open(&newer, 3).unwrap());
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Sqlite::open(&newer, 3), Err(StoreError::Version { found: 99, .. })));
    assert!(matches!(
        Sqlite::open(&folder.path().join("no/such/folder.db"), 3),
        Err(StoreError::ReadOnly(_))
    ));
}

#[derive(Debug, Clone)]
struct Told {
    id: u8,
    text: u8,
    date: u8,
    address: u8,
    is_whole: bool,
    topics: u8,
}

fn told() -> impl Strategy<Value = Told> {
    (0..4u8, 0..3u8, 0..3u8, 0..3u8, any::<bool>(), 0..4u8).prop_map(
        |(id, text, date, address, is_whole, topics)| Told { id, text, date, address, is_whole, topics },
    )
}

/// Harvests of tokens that may fall, each with findings that may repeat, edit, shorten and rename.
fn batches() -> impl Strategy<Value = Vec<Vec<(u64, Vec<Told>)>>> {
    let harvests = proptest::collection::vec((1..6u64, proptest::collection::vec(told(), 0..4)), 1..4);
    proptest::collection::vec(harvests, 1..6)
}

fn finding_of(told: &Told, source: &str) -> Finding {
    let topics: Vec<&str> = [(1, "t"), (2, "u")]
        .iter()
        .filter(|(bit, _)| told.topics & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    let date = ["", DAY1, DAY2][usize::from(told.date)];
    let id = told.id.to_string();
    let mut finding = finding(&id, &format!("мәтін {}", told.text), date, &topics);
    finding.whole = told.is_whole;
    finding.item.source = name(source);
    finding.item.url =
        (told.address > 0).then(|| Url::parse(&format!("https://a.kz/n/{}", told.address)).unwrap());
    finding
}

async fn play(store: &dyn Store, source: &str, batches: &[Vec<(u64, Vec<Told>)>]) -> Vec<String> {
    store
        .declare(&objects(vec![self::source(source)], vec![topic("t", "x"), topic("u", "y")]), false, at(0))
        .await
        .unwrap();
    let before = store.totals().await.unwrap();
    let mut answers = Vec::new();
    for batch in batches {
        let harvests: Vec<Harvest> = batch
            .iter()
            .map(|(token, told)| Harvest {
                source: name(source),
                host: Host::stored(source.to_owned()),
                ..harvest(*token, told.iter().map(|told| finding_of(told, source)).collect())
            })
            .collect();
        answers.push(format!("{:?}", save(store, &harvests).await));
    }
    let query = MaterialQuery { source: Some(name(source)), limit: 1000, ..MaterialQuery::default() };
    let found = store.materials(&query).await.unwrap();
    let page_window = |one: &crate::StoredMatch| (one.found.topic.clone(), one.item.item.key.clone());
    let mut matches: Vec<_> = found.iter().map(page_window).collect();
    matches.sort();
    answers.push(format!("{matches:?}"));
    let items = store.items(0, 100_000).await.unwrap();
    for stored in items.iter().filter(|stored| stored.item.source == name(source)) {
        let item = &stored.item;
        answers.push(format!("{} {} {:?} {}", item.key.as_str(), item.text, item.url, stored.version));
    }
    let after = store.totals().await.unwrap();
    answers.push(format!(
        "{} {} {}",
        after.items - before.items,
        after.materials - before.materials,
        after.matches - before.matches
    ));
    answers
}

/// Whatever comes, in whatever batches, a cluster keeps what one file would keep.
#[test]
fn postgres_keeps_what_sqlite_keeps() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(shared_postgres());
    let postgres = runtime.block_on(empty(&server));
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("store.db"), 3).unwrap();
    let case = AtomicUsize::new(0);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() });
    let played = runner.run(&batches(), |batches| {
        // Each case is another source's: one database serves all.
        let source = format!("s{}", case.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(async {
            let expected = play(&sqlite, &source, &batches).await;
            prop_assert_eq!(play(&postgres, &source, &batches).await, expected);
            Ok(())
        })
    });
    played.unwrap();
}

/// What was taken down does not come back, and nothing else goes.
#[tokio::test]
async fn what_is_taken_down_is_not_stored_again() {
    for bench in each().await {
        println!("on {}", bench.name);
        let both = || vec![finding("1", "сөз", DAY1, &["t"]), finding("2", "сөз", DAY1, &["t"])];
        let mut both = both();
        both.iter_mut().enumerate().for_each(|(number, finding)| {
            finding.item.url = format!("https://a.kz/{number}").parse().ok();
        });
        assert_eq!(bench.save(&[harvest(1, both.clone())]).await[0].new_items, 2);
        let first = bench.store.items(0, 1).await.unwrap().remove(0);
        assert_eq!(bench.store.take_down(&[first.row], at(5)).await.unwrap(), 1);
        assert_eq!(bench.store.take_down(&[first.row], at(5)).await.unwrap(), 0, "it is gone already");
        let totals = bench.store.totals().await.unwrap();
        assert_eq!((totals.items, totals.materials, totals.matches), (1, 1, 1));
        assert_eq!(bench.store.topics().await.unwrap()[0].materials, 1);
        assert!(bench.store.item(&first.id).await.unwrap().is_none());
        let again = bench.save(&[harvest(2, both.clone())]).await;
        assert_eq!((again[0].new_items, bench.store.totals().await.unwrap().items), (0, 1));
        // Its publisher invents another identifier, and another title.
        both[0].item.key = ItemKey::choose(Some("3"), None, "", "");
        both[0].item.title = Some("басқа".into());
        let again = bench.save(&[harvest(3, both)]).await;
        assert_eq!(again[0].new_items, 0, "it stood there");
    }
}

/// Of whom nothing is to be stored, nothing is, in whatever way it comes; it is known, so that nobody asks for it again.
#[tokio::test]
async fn nothing_of_the_buried_is_stored() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let suppress = |source: Option<&str>, author: Option<&str>| Suppression {
            source: source.map(name),
            author: author.map(str::to_owned),
            at: at(1),
        };
        let by = |id: &str, author: Option<&str>| {
            let mut one = finding(id, &format!("сөз {id}"), DAY1, &["t"]);
            (one.item.url, one.item.canonical_url) = (None, None);
            one.item.author = author.map(str::to_owned);
            one
        };
        let stored =
            async |token, id, author| bench.save(&[harvest(token, vec![by(id, author)])]).await[0].new_items;
        let author = suppress(None, Some("А. Б."));
        store.suppress(&author).await.unwrap();
        store.suppress(&author).await.unwrap();
        assert_eq!(store.suppressions().await.unwrap(), std::slice::from_ref(&author));
        assert_eq!(stored(1, "1", Some("А. Б.")).await, 0);
        assert_eq!(stored(2, "2", Some("А. Б")).await, 1, "letter by letter");
        assert_eq!(stored(3, "3", None).await, 1);
        let sighting = |id: &str| EntryRef {
            key: ItemKey::choose(Some(id), None, "", ""),
            hash: "x".into(),
            address: None,
        };
        let known = store.classify_entries(&name("s"), &[sighting("1"), sighting("9")]).await.unwrap();
        assert_eq!(known, [EntryStatus::Same, EntryStatus::New]);
        store.suppress(&suppress(Some("other"), None)).await.unwrap();
        assert_eq!(stored(4, "4", None).await, 1, "another source's");
        store.suppress(&suppress(Some("s"), Some("В. Г."))).await.unwrap();
        assert_eq!((stored(5, "5", Some("В. Г.")).await, stored(6, "6", Some("Д. Е.")).await), (0, 1));
        store.suppress(&suppress(Some("s"), None)).await.unwrap();
        assert_eq!((stored(7, "7", None).await, stored(8, "8", Some("Д. Е.")).await), (0, 0));
        assert!(store.lift_suppression(&suppress(Some("s"), None)).await.unwrap());
        assert!(!store.lift_suppression(&suppress(Some("s"), None)).await.unwrap());
        assert_eq!(stored(9, "9", None).await, 1);
        assert_eq!(stored(10, "7", None).await, 0, "what was met meanwhile stays known");
        // What its publisher takes back goes, and stays away.
        let item = store.items(0, 100).await.unwrap().remove(0);
        let deletions = vec![item.item.key.clone(), ItemKey::choose(Some("never"), None, "", "")];
        let before = store.totals().await.unwrap();
        bench.save(&[Harvest { deletions, ..harvest(11, Vec::new()) }]).await;
        let after = store.totals().await.unwrap();
        assert_eq!((before.items - after.items, before.matches - after.matches), (1, 1));
        assert!(store.item(&item.id).await.unwrap().is_none());
        // What is shown no more goes, and comes again where it is shown again.
        assert_eq!(stored(11, "v", None).await, 1);
        let page_window = ItemKey::choose(Some("v"), None, "", "");
        let before = store.totals().await.unwrap();
        let missing = vec![page_window, ItemKey::choose(Some("never"), None, "", "")];
        bench.save(&[Harvest { missing, ..harvest(11, Vec::new()) }]).await;
        let after = store.totals().await.unwrap();
        assert_eq!((before.items - after.items, before.matches - after.matches), (1, 1));
        assert_eq!(store.classify_entries(&name("s"), &[sighting("v")]).await.unwrap(), [EntryStatus::New]);
        assert_eq!(stored(11, "v", None).await, 1);
        let again = store.totals().await.unwrap();
        assert_eq!((again.items, again.matches), (before.items, before.matches));
        // Stored before its page told whose it is; then it goes.
        assert_eq!(stored(11, "11", None).await, 1);
        let before = store.totals().await.unwrap();
        let mut page = by("11", Some("А. Б."));
        page.item.text = "сөз толық".into();
        bench.save(&[harvest(12, vec![page])]).await;
        let after = store.totals().await.unwrap();
        assert_eq!((before.items - after.items, before.matches - after.matches), (1, 1));
        assert_eq!(stored(13, "11", None).await, 0);
        assert!(
            matches!(store.suppress(&suppress(None, None)).await, Err(StoreError::Refused(_))),
            "that would be all"
        );
    }
}
