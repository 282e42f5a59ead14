//! Comparison with third-party inputs and expected results, if `../shared/data` exists.

use serde_json::Value;

use crate::support::{finished, qyran, shared_data, text, unpack};

fn first_words(out: &str) -> Vec<&str> {
    out.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

/// The expected verdicts come from Google's own matcher.
#[tokio::test]
async fn robots_verdicts_agree_with_google() {
    let Some(archive) = shared_data("robots.tar.gz") else { return };
    let folder = unpack(&archive);
    let data = folder.path().join("robots");

    let cases = data.join("google_cases.jsonl");
    let output = finished(qyran(&["robots", "--cases", cases.to_str().unwrap()])).await;
    let expected = std::fs::read_to_string(&cases).unwrap();
    let expected: Vec<Value> = expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actual = text(&output.stdout);
    let actual = first_words(&actual);
    assert_eq!(actual.len(), expected.len());
    for (expected, actual) in expected.iter().zip(&actual) {
        assert_eq!(expected["allowed"] == true, *actual == "allowed", "{expected}");
    }

    let (checks, files) = (data.join("checks.tsv"), data.join("files"));
    let output =
        finished(qyran(&["robots", "--batch", checks.to_str().unwrap(), "--dir", files.to_str().unwrap()]))
            .await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = String::from_utf8_lossy(&std::fs::read(&checks).unwrap()).into_owned();
    let expected: Vec<bool> = expected.lines().map(|line| line.split('\t').nth(3) == Some("1")).collect();
    let actual = text(&output.stdout);
    let actual: Vec<bool> = first_words(&actual).iter().map(|word| *word == "allowed").collect();
    assert_eq!(actual.len(), expected.len());
    let wrongly_allowed =
        expected.iter().zip(&actual).filter(|(expected, actual)| !**expected && **actual).count();
    let agreeing = expected.iter().zip(&actual).filter(|(expected, actual)| expected == actual).count();
    assert_eq!(wrongly_allowed, 0);
    assert!(agreeing * 10_000 >= expected.len() * 9_999, "{agreeing} of {}", expected.len());
}

#[tokio::test]
async fn real_feeds_are_read_without_errors() {
    let Some(archive) = shared_data("feeds.tar.gz") else { return };
    let folder = unpack(&archive);
    let data = folder.path().join("feeds");
    let output = finished(qyran(&["feed", "--batch", data.to_str().unwrap(), "-o", "jsonl"])).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let truth = std::fs::read_to_string(data.join("truth.jsonl")).unwrap();
    let mut real = 0;
    for expected in truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if expected["group"] != "real" || expected["r"]["entries"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let name = expected["file"].as_str().unwrap();
        let result = results
            .iter()
            .find(|result| result["file"] == name)
            .unwrap_or_else(|| panic!("no result for {name}"));
        assert_eq!(result["error"], Value::Null, "{name}");
        real += 1;
    }
    assert!(real >= 20, "expected at least 20 real feeds with entries, got {real}");
}

/// The threshold is the score of the chosen extractor (`ARCHITECTURE.md`), less 0.01.
#[tokio::test]
async fn article_extraction_reaches_the_score_of_the_chosen_crate() {
    const MIN_F1: f64 = 0.947;
    let (Some(archive), Some(score)) = (shared_data("articles-aeb.tar.gz"), shared_data("score.py")) else {
        return;
    };
    let folder = unpack(&archive);
    let data = folder.path().join("aeb");
    let (pages, urls, out) = (data.join("pages"), data.join("urls.tsv"), data.join("out.jsonl"));
    let mut extract = qyran(&["extract", "-o", "jsonl"]);
    extract.arg("--batch").arg(pages).arg("--urls").arg(urls);
    let output = finished(extract).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains("panicked on this document"), "a parser panicked");
    std::fs::write(&out, &output.stdout).unwrap();
    let mut python = tokio::process::Command::new("python3");
    python.arg(score).arg("articles").args([&data, &out]);
    let scores = text(&finished(python).await.stdout);
    let f1 = scores.split_whitespace().find_map(|word| word.strip_prefix("F1="));
    let f1: f64 = f1.unwrap_or_else(|| panic!("no score: {scores}")).parse().unwrap();
    assert!(scores.contains(" missing=0 ") && f1 >= MIN_F1, "{scores}");
}
