//! Property test: random histories give the same result in PostgreSQL and SQLite.

use super::*;

/// The description of a random finding.
#[derive(Debug, Clone)]
struct FindingSpec {
    id: u8,
    text: u8,
    date: u8,
    address: u8,
    is_whole: bool,
    topics: u8,
}

fn finding_spec() -> impl Strategy<Value = FindingSpec> {
    (0..4u8, 0..3u8, 0..3u8, 0..3u8, any::<bool>(), 0..4u8).prop_map(
        |(id, text, date, address, is_whole, topics)| FindingSpec {
            id,
            text,
            date,
            address,
            is_whole,
            topics,
        },
    )
}

/// Returns batches of harvests. Their tokens may decrease; their findings may repeat, edit, shorten and rename
/// items.
fn batches() -> impl Strategy<Value = Vec<Vec<(u64, Vec<FindingSpec>)>>> {
    let harvests =
        proptest::collection::vec((1..6u64, proptest::collection::vec(finding_spec(), 0..4)), 1..4);
    proptest::collection::vec(harvests, 1..6)
}

fn build_finding(spec: &FindingSpec, source: &str) -> Finding {
    let topics: Vec<&str> = [(1, "t"), (2, "u")]
        .iter()
        .filter(|(bit, _)| spec.topics & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    let date = ["", DAY1, DAY2][usize::from(spec.date)];
    let id = spec.id.to_string();
    let mut finding = finding(&id, &format!("мәтін {}", spec.text), date, &topics);
    finding.whole = spec.is_whole;
    finding.item.source = name(source);
    finding.item.url =
        (spec.address > 0).then(|| Url::parse(&format!("https://a.kz/n/{}", spec.address)).unwrap());
    finding
}

/// Saves batches and returns the results and the stored data of the source, as comparable texts.
async fn save_batches(
    store: &dyn Store,
    source: &str,
    batches: &[Vec<(u64, Vec<FindingSpec>)>],
) -> Vec<String> {
    store
        .declare(&objects(vec![self::source(source)], vec![topic("t", "x"), topic("u", "y")]), false, at(0))
        .await
        .unwrap();
    let initial = store.totals().await.unwrap();
    let mut results = Vec::new();
    for batch in batches {
        let harvests: Vec<Harvest> = batch
            .iter()
            .map(|(token, specs)| Harvest {
                source: name(source),
                host: Host::from_stored(source.to_owned()),
                ..harvest(*token, specs.iter().map(|spec| build_finding(spec, source)).collect())
            })
            .collect();
        results.push(format!("{:?}", save(store, &harvests).await));
    }
    let query = MaterialQuery { source: Some(name(source)), limit: 1000, ..MaterialQuery::default() };
    let materials = store.materials(&query).await.unwrap();
    let topic_and_key =
        |stored: &crate::StoredMatch| (stored.found.topic.clone(), stored.item.item.key.clone());
    let mut matches: Vec<_> = materials.iter().map(topic_and_key).collect();
    matches.sort();
    results.push(format!("{matches:?}"));
    let items = store.items(0, 100_000).await.unwrap();
    for stored in items.iter().filter(|stored| stored.item.source == name(source)) {
        let item = &stored.item;
        results.push(format!("{} {} {:?} {}", item.key.as_str(), item.text, item.url, stored.version));
    }
    let totals = store.totals().await.unwrap();
    results.push(format!(
        "{} {} {}",
        totals.items - initial.items,
        totals.materials - initial.materials,
        totals.matches - initial.matches
    ));
    results
}

/// Any sequence of batches leaves the same data in a cluster as in one file.
#[test]
fn postgres_stores_the_same_as_sqlite() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(shared_postgres());
    let postgres = runtime.block_on(empty_postgres(&server));
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("store.db"), 3).unwrap();
    let case = AtomicUsize::new(0);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() });
    let result = runner.run(&batches(), |batches| {
        // Each case has its own source, so that all cases can share one database.
        let source = format!("s{}", case.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(async {
            let expected = save_batches(&sqlite, &source, &batches).await;
            prop_assert_eq!(save_batches(&postgres, &source, &batches).await, expected);
            Ok(())
        })
    });
    result.unwrap();
}
