//! Tests of PostgreSQL itself: several nodes on one server, partitions, migrations and connections.

use std::time::Duration;

use futures_util::future::join_all;
use model::{Harvest, Timestamp};

use super::{MIGRATIONS, Postgres};
use crate::contract::{
    DAY1, at, empty_postgres, finding, harvest, objects, save, shared_postgres, source, topic,
};
use crate::*;
use crate::{SaveOutcome, StoreError};

/// Returns two stores on one database, like those of two nodes.
async fn two_nodes(server: &servers::PostgresServer) -> (Postgres, Postgres) {
    let one = empty_postgres(server).await;
    one.declare(&objects(vec![source("s")], vec![topic("t", "сөз")]), false, at(0)).await.unwrap();
    let other = Postgres { pool: one.pool.clone(), ..one.clone() };
    (one, other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_store_the_same_item_once() {
    let server = shared_postgres().await;
    let (one, other) = two_nodes(&server).await;
    let harvests = |round: u64| -> Vec<Harvest> {
        let mut findings: Vec<_> =
            (0..20).map(|n| finding(&format!("{round}-{n}"), "сөз", DAY1, &["t"])).collect();
        findings.iter_mut().for_each(|finding| finding.item.url = None);
        // The hosts differ, so that the nodes do not wait for each other's token rows.
        vec![harvest(1, findings)]
    };
    let mut items = 0;
    for round in 0..10 {
        let (mut mine, mut theirs) = (harvests(round), harvests(round));
        mine[0].host = model::Host::from_stored("one".into());
        theirs[0].host = model::Host::from_stored("other".into());
        theirs[0].findings.reverse();
        let (mine, theirs) = tokio::join!(save(&one, &mine), save(&other, &theirs));
        items += mine[0].new_items + theirs[0].new_items;
    }
    let totals = one.totals().await.unwrap();
    assert_eq!((items, totals.items, totals.matches, totals.materials), (200, 200, 200, 200));
    assert_eq!(one.items(0, 1000).await.unwrap().len(), 200);
}

/// A reader that continues after a sequence number while others store skips nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_after_a_seq_skip_nothing() {
    let server = shared_postgres().await;
    let (one, _) = two_nodes(&server).await;
    let writers = (0..4u64).map(|writer| {
        let store = one.clone();
        async move {
            for round in 0..25 {
                let mut harvest =
                    harvest(1, vec![finding(&format!("{writer}-{round}"), "сөз", DAY1, &["t"])]);
                harvest.host = model::Host::from_stored(format!("h{writer}"));
                harvest.findings[0].item.url = None;
                save(&store, &[harvest]).await;
            }
        }
    });
    let reader = async {
        let (mut after_seq, mut count) = (0, 0);
        while count < 100 {
            let query = MaterialQuery { after_seq, limit: 1000, ..MaterialQuery::default() };
            let page = one.materials(&query).await.unwrap();
            count += page.len();
            after_seq = page.last().map_or(after_seq, |last| last.seq);
            tokio::task::yield_now().await;
        }
        count
    };
    // A reader that skipped a match would never end.
    let reader = tokio::time::timeout(Duration::from_secs(60), reader);
    let (_, count) = tokio::join!(join_all(writers), reader);
    assert_eq!(count.unwrap(), 100);
}

#[tokio::test]
async fn months_are_dropped_whole_and_identities_stay() {
    let server = shared_postgres().await;
    let (store, _) = two_nodes(&server).await;
    let month = |text: &str, token| Harvest {
        at: text.parse().unwrap(),
        ..harvest(token, vec![finding(text, "сөз", text, &["t"])])
    };
    let old = month("2026-09-30T23:59:59Z", 1);
    let (first, second) = (month("2026-10-01T00:00:00Z", 2), month("2026-10-20T00:00:00Z", 3));
    save(&store, &[old.clone(), first, second.clone()]).await;
    let (ten_days, now) = (Duration::from_secs(10 * 86_400), "2026-10-20T00:00:00Z".parse().unwrap());
    while store.retain(ten_days, now).await.unwrap() > 0 {}
    let remaining = store.items(0, 10).await.unwrap();
    assert_eq!(remaining.len(), 1);
    let totals = store.totals().await.unwrap();
    assert_eq!((totals.items, totals.materials, totals.matches), (1, 1, 1));
    assert_eq!(store.topics().await.unwrap()[0].materials, 1);
    let client = store.client().await.unwrap();
    let row = client.query_one("SELECT to_regclass('item_y2026m09') IS NULL", &[]).await.unwrap();
    assert!(row.get::<_, bool>(0), "the partition of September is dropped");
    let repeated = save(&store, &[Harvest { at: second.at, token: model::Token(9), ..old }]).await;
    assert_eq!(repeated, [SaveOutcome::default()], "an expired item is not stored again");
}

/// A node whose clock is years ahead removes only items that are old by the server's clock.
#[tokio::test]
async fn a_clock_that_is_ahead_removes_no_young_items() {
    let server = shared_postgres().await;
    let (store, _) = two_nodes(&server).await;
    let young = Harvest { at: Timestamp::now(), ..harvest(1, vec![finding("1", "сөз", DAY1, &["t"])]) };
    save(&store, &[young]).await;
    let (day, ahead) = (Duration::from_secs(86_400), "2099-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(store.retain(day, ahead).await.unwrap(), 0);
    assert_eq!(store.totals().await.unwrap().items, 1);
}

#[tokio::test]
async fn migrations_are_applied_once_and_versions_are_checked() {
    let server = shared_postgres().await;
    let name = "migrated";
    server.create_database(name).unwrap();
    let url = server.url(name);
    let error = Postgres::connect(&url, 3).await.err().unwrap();
    assert!(error.to_string().contains("qyran migrate up"), "{error}");
    let store = Postgres::to_migrate(&url, 3).await.unwrap();
    assert!(store.migrations().await.unwrap().iter().all(|migration| migration.made_at.is_none()));
    let results = join_all([store.migrate(), store.migrate()]).await;
    let applied: usize = results.into_iter().map(|versions| versions.unwrap().len()).sum();
    assert_eq!(applied, MIGRATIONS.len(), "concurrent migrations apply each version once");
    assert!(store.migrations().await.unwrap().iter().all(|migration| migration.made_at.is_some()));
    let latest = i64::try_from(MIGRATIONS.len()).unwrap();
    for (newer, is_supported) in [(latest + 1, true), (latest + 2, false)] {
        let client = store.client().await.unwrap();
        let sql = "INSERT INTO schema_migration (version, name) VALUES ($1, 'of a newer build')";
        client.execute(sql, &[&newer]).await.unwrap();
        let connected = Postgres::connect(&url, 3).await;
        assert_eq!(connected.is_ok(), is_supported, "{newer}");
        if let Err(error) = connected {
            assert!(matches!(error, StoreError::Version { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn connection_errors_do_not_contain_passwords() {
    let server = shared_postgres().await;
    let missing_database = server.url("nowhere").replace("postgres@", "postgres:geheim@");
    let unreachable = "postgres://u:geheim@127.0.0.1:1/x";
    for url in [missing_database.as_str(), unreachable, "postgres://u:geheim@h:notaport/x"] {
        let message = Postgres::connect(url, 3).await.err().unwrap().to_string();
        assert!(!message.contains("geheim"), "{message}");
        assert!(message.contains("PostgreSQL"), "{message}");
    }
}

/// Texts with NUL characters, quotes and very long or very many tokens, as found on the web, are stored.
#[tokio::test]
async fn odd_texts_are_stored() {
    let server = shared_postgres().await;
    let (store, _) = two_nodes(&server).await;
    let mut odd = finding("1\0", "a\0b \\ ' \" 😀", DAY1, &["t"]);
    odd.item.title = Some("t\0t".into());
    let long = "ұ".repeat(3000);
    odd.search_tokens =
        format!("~көк\0 {long} {}", (0..200_000).map(|n| format!("~w{n} ")).collect::<String>());
    odd.matches[0].excerpt = "x\0y".into();
    assert_eq!(save(&store, &[harvest(1, vec![odd])]).await[0].new_items, 1);
    let item = store.items(0, 1).await.unwrap().remove(0).item;
    assert_eq!(item.text, "a\0b \\ ' \" 😀");
    let query = MaterialQuery { terms: vec![vec!["~w1".into()]], limit: 1, ..MaterialQuery::default() };
    assert_eq!(store.materials(&query).await.unwrap().len(), 1);
}

/// Addresses and times from feeds that exceed the limits of PostgreSQL's indexes and timestamps are stored.
#[tokio::test]
async fn long_addresses_and_very_early_times_are_stored() {
    let server = shared_postgres().await;
    let (store, _) = two_nodes(&server).await;
    let mut odd = finding("1", "сөз", DAY1, &["t"]);
    // Random letters do not compress; a compressible address would fit.
    let noise: String = (0..6000u64)
        .map(|n| char::from(b'a' + (xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()) % 26) as u8))
        .collect();
    odd.item.url = url::Url::parse(&format!("https://a.kz/{noise}")).ok();
    odd.item.published.as_mut().unwrap().at = model::Timestamp::MIN;
    assert_eq!(save(&store, &[harvest(1, vec![odd.clone()])]).await[0].new_items, 1);
    odd.item.text = "басқа".into();
    assert_eq!(save(&store, &[harvest(2, vec![odd])]).await[0].edited_items, 1);
}
