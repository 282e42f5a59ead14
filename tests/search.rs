//! Sources that are searched: one search job per query, shared by all topics that need it.

use std::collections::BTreeMap;
use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, eventually, finished, signal, text};

/// Returns how often each query was searched since a time.
fn searches(stage: &Stage, since: Duration) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for exchange in stage.origin.log().iter().filter(|exchange| exchange.started >= since) {
        if let Some((_, query)) = exchange.path.split_once("?q=") {
            *counts.entry(query.to_owned()).or_default() += 1;
        }
    }
    counts
}

fn topic(name: &str, query: &str) -> String {
    format!(
        "---\napiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: {name}}}\n\
         spec: {{query: '{query}', client: {name}}}\n"
    )
}

async fn apply(stage: &Stage, yaml: &str) {
    stage.declare(yaml);
    let objects = stage.path("objects");
    let output = finished(stage.command(&["apply", "--prune", "-f", objects.to_str().unwrap()])).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn search_is_shared_by_all_topics_that_need_it() {
    let mut world = World::empty(61);
    world.add(Kind::FullFeed, Behaviour::Healthy, 6, Duration::from_secs(600));
    let stage = Stage::new(world).await;
    let source = format!(
        "apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: searched}}\n\
         spec: {{kind: feed, url: '{}?q={{query}}', every: {{min: 3s, max: 3s}}}}\n",
        stage.origin.front(&stage.origin.world().sites[0])
    );
    let first = topic("first", "0 OR 1");
    // Adjacent words mean AND, in any order. A document with both words is a result of a search for either word.
    let others = topic("second", "1 OR (2 AND 0)")
        + &topic("third", "3 NOT 4")
        + &topic("fourth", &format!("{}*", origin::MARK.trim_end_matches("sim")));
    apply(&stage, &(source.clone() + &first + &others)).await;
    let mut node = stage.node();
    let are_searched = |expected: &'static [&'static str], since: Duration| {
        let stage = &stage;
        move || searches(stage, since).keys().eq(expected.iter())
    };
    // No search covers a prefix query: the fourth topic matches the results of other searches.
    eventually("each query is searched", are_searched(&["0", "0%202", "1", "3"], Duration::ZERO)).await;
    eventually("each query is searched again", || {
        searches(&stage, Duration::ZERO).values().all(|times| *times >= 2)
    })
    .await;
    let counts = searches(&stage, Duration::ZERO);
    let (min, max) = (counts.values().min().unwrap(), counts.values().max().unwrap());
    assert!(max - min <= 1, "a shared query must not be searched more often than others: {counts:?}");
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    for (topic, materials) in [("first", 2), ("second", 1), ("third", 1), ("fourth", 6)] {
        assert_eq!(
            stage.materials(topic).await.len(),
            materials,
            "{topic}: only matching results are materials"
        );
    }

    // The view of a topic has its request rate, with its share of searches that other topics need as well.
    let view = stage.json_lines(&["topic", "get", "first", "-o", "jsonl"]).await.remove(0);
    let jobs: Vec<(&str, u64)> = view["searches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (job["query"].as_str().unwrap(), job["shared_by"].as_u64().unwrap()))
        .collect();
    // A search every three seconds is 28,800 requests a day: one search alone, and half of a shared one.
    assert_eq!((jobs, view["requests_a_day"].as_f64()), (vec![("0", 1), ("1", 2)], Some(43_200.0)));
    let unsearched = stage.json_lines(&["topic", "get", "fourth", "-o", "jsonl"]).await.remove(0);
    assert_eq!(unsearched["not_searched_at"].to_string(), "[\"searched\"]");

    // While the node runs, topics are added, changed and removed.
    apply(&stage, &(source + &topic("first", "7") + &topic("third", "3 NOT 4"))).await;
    eventually("the new query is searched", || searches(&stage, Duration::ZERO).contains_key("7")).await;
    let since = stage.origin.elapsed() + Duration::from_secs(1);
    eventually("only the remaining queries are searched", || {
        let counts = searches(&stage, since);
        counts.get("3").is_some_and(|times| *times >= 2) && counts.get("7").is_some_and(|times| *times >= 2)
    })
    .await;
    assert_eq!(searches(&stage, since).into_keys().collect::<Vec<_>>(), ["3", "7"]);
    signal(&node, "TERM");
    node.wait().await.unwrap();
    let jobs = stage.json_lines(&["queue", "list", "-o", "jsonl"]).await;
    let mut queries: Vec<&str> = jobs.iter().map(|job| job["query"].as_str().unwrap()).collect();
    queries.sort_unstable();
    assert_eq!(queries, ["3", "7"]);
}
