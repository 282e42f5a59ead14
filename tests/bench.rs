//! The benches measure what they say: the same work on both sides, and a node that is alive.

use serde_json::Value;

use crate::support::{finished, qyran, text};

async fn bench(arguments: &[&str]) -> Value {
    let output = finished(qyran(&[&["bench"], arguments].concat())).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_measured_crawl_read_the_same_pages() {
    // Three sites: three articles and a listing each, or three listings, each of one publication.
    for (read, pages, items) in [("article", 12, 9), ("links", 9, 9)] {
        let given = bench(&["crawl", "--read", read, "--repeats", "2", "--sites", "3", "--pages", "3"]).await;
        let count = |key: &str| given[key].as_f64().unwrap() as u64;
        assert_eq!((count("pages"), count("yardstick_pages")), (pages, pages), "{given}");
        assert_eq!(count("items_stored"), items, "{given}");
        for figure in ["ratio", "pages_per_cpu_second", "peak_memory_bytes"] {
            let spread = &given[figure];
            let at = |key: &str| spread[key].as_f64().unwrap();
            assert!(0.0 < at("min") && at("min") <= at("median") && at("median") <= at("max"), "{given}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_node_asks_for_nothing_and_lives() {
    let given = bench(&["idle", "--sources", "50", "--for", "1s"]).await;
    assert_eq!((&given["is_running"], &given["requests"]), (&Value::Bool(true), &0.into()), "{given}");
    assert!(given["memory_bytes"]["max"].as_f64().unwrap() > 0.0, "{given}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soaked_node_is_watched_while_it_works() {
    let given = bench(&["soak", "--for", "3s"]).await;
    assert!(given["requests"].as_u64().unwrap() > 40, "{given}");
    let tenths = given["memory_bytes_by_tenth"].as_array().unwrap();
    assert!(tenths.len() == 10 && tenths.iter().all(|bytes| bytes.as_u64().unwrap() > 1 << 20), "{given}");
}
