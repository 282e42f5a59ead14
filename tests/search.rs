//! Sources that are searched: one search for each thing that topics need, whoever needs it.

use std::collections::BTreeMap;
use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, eventually, finished, signal, text};

/// How often each thing was searched for, from a moment on.
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

async fn applied(stage: &Stage, yaml: &str) {
    stage.declare(yaml);
    let objects = stage.path("objects");
    let done = finished(stage.command(&["apply", "--prune", "-f", objects.to_str().unwrap()])).await;
    assert!(done.status.success(), "{}", text(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_shared_by_all_topics_that_need_it() {
    let mut world = World::empty(61);
    world.add(Kind::FullFeed, Behaviour::Healthy, 6, Duration::from_secs(600));
    let stage = Stage::new(world).await;
    let source = format!(
        "apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: searched}}\n\
         spec: {{kind: feed, url: '{}?q={{query}}', every: {{min: 3s, max: 3s}}}}\n",
        stage.origin.front(&stage.origin.world().sites[0])
    );
    let first = topic("first", "0 OR 1");
    // Words side by side mean AND: what has both is found by either, and its order does not matter.
    let others = topic("second", "1 OR (2 AND 0)")
        + &topic("third", "3 NOT 4")
        + &topic("fourth", &format!("{}*", origin::MARK.trim_end_matches("sim")));
    applied(&stage, &(source.clone() + &first + &others)).await;
    let mut node = stage.node();
    let asked = |expected: &'static [&'static str], since: Duration| {
        let stage = &stage;
        move || searches(stage, since).keys().eq(expected.iter())
    };
    // No search covers what begins in some way: the fourth topic is served by what others find.
    eventually("each is searched for", asked(&["0", "0%202", "1", "3"], Duration::ZERO)).await;
    eventually("each again", || searches(&stage, Duration::ZERO).values().all(|times| *times >= 2)).await;
    let counts = searches(&stage, Duration::ZERO);
    let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
    assert!(most - least <= 1, "what two topics need is asked no more often: {counts:?}");
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    for (topic, materials) in [("first", 2), ("second", 1), ("third", 1), ("fourth", 6)] {
        assert_eq!(stage.materials(topic).await.len(), materials, "{topic}: the match decides");
    }

    // What a topic costs is told, its share of what others need as well.
    let told = stage.json_lines(&["topic", "get", "first", "-o", "jsonl"]).await.remove(0);
    let jobs: Vec<(&str, u64)> = told["searches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (job["query"].as_str().unwrap(), job["shared_by"].as_u64().unwrap()))
        .collect();
    // Every three seconds is 28,800 times a day: once alone, once with another.
    assert_eq!((jobs, told["requests_a_day"].as_f64()), (vec![("0", 1), ("1", 2)], Some(43_200.0)));
    let unasked = stage.json_lines(&["topic", "get", "fourth", "-o", "jsonl"]).await.remove(0);
    assert_eq!(unasked["not_searched_at"].to_string(), "[\"searched\"]");

    // A topic comes while the node runs, and another goes.
    applied(&stage, &(source + &topic("first", "7") + &topic("third", "3 NOT 4"))).await;
    eventually("what is new is searched for", || searches(&stage, Duration::ZERO).contains_key("7")).await;
    let since = stage.origin.elapsed() + Duration::from_secs(1);
    eventually("what nobody needs is not", || {
        let now = searches(&stage, since);
        now.get("3").is_some_and(|times| *times >= 2) && now.get("7").is_some_and(|times| *times >= 2)
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
