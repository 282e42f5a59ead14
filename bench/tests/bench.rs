//! Tests of the benchmarks: a crawl and its bare loop do the same work, and a measured node runs until the end.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::Value;

/// Runs the benchmark binary and returns its figures. A test of the workspace builds this binary and `qyran`.
async fn bench(arguments: &[&str]) -> Value {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_bench"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QYRAN_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).kill_on_drop(true).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crawl_and_the_bare_loop_read_the_same_pages() {
    // Each of three sites has a listing with three articles, or three listings with one article.
    for (read, pages, items) in [("article", 12, 9), ("links", 9, 9)] {
        let figures =
            bench(&["crawl", "--read", read, "--repeats", "2", "--sites", "3", "--pages", "3"]).await;
        let count = |key: &str| figures[key].as_f64().unwrap() as u64;
        assert_eq!((count("pages"), count("yardstick_pages")), (pages, pages), "{figures}");
        assert_eq!(count("items_stored"), items, "{figures}");
        for figure in ["ratio", "pages_per_cpu_second", "peak_memory_bytes"] {
            let spread = &figures[figure];
            let at = |key: &str| spread[key].as_f64().unwrap();
            assert!(0.0 < at("min") && at("min") <= at("median") && at("median") <= at("max"), "{figures}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_node_runs_and_makes_no_requests() {
    let figures = bench(&["idle", "--sources", "50", "--for", "1s"]).await;
    assert_eq!((&figures["is_running"], &figures["requests"]), (&Value::Bool(true), &0.into()), "{figures}");
    assert!(figures["memory_bytes"]["max"].as_f64().unwrap() > 0.0, "{figures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_soak_benchmark_reports_the_memory_of_a_working_node() {
    let figures = bench(&["soak", "--for", "3s"]).await;
    assert!(figures["requests"].as_u64().unwrap() > 40, "{figures}");
    let tenths = figures["memory_bytes_by_tenth"].as_array().unwrap();
    assert!(tenths.len() == 10 && tenths.iter().all(|bytes| bytes.as_u64().unwrap() > 1 << 20), "{figures}");
}

/// An edit takes effect on a running node, and its cost is reported.
#[tokio::test(flavor = "multi_thread")]
async fn the_edit_benchmark_reports_the_cost_of_an_edit() {
    let figures = bench(&["edit", "--topics", "30", "--sources", "10", "--edits", "2"]).await;
    let seconds = figures["seconds_until_effective"]["max"].as_f64().unwrap();
    assert!(seconds > 0.0, "{figures}");
    assert!(figures["command_cpu_milliseconds"]["max"].as_f64().unwrap() > 0.0, "{figures}");
}
