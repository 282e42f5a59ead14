//! Random histories: PostgreSQL keeps what SQLite keeps.

use super::*;

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
                host: Host::from_stored(source.to_owned()),
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
