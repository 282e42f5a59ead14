//! Held against input and answers that no one here wrote (`../shared/data`, where it is there).

use serde_json::Value;

use crate::support::{finished, qyran, shared_data, text, unpack};

fn first_words(out: &str) -> Vec<&str> {
    out.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

/// Google's own matcher gave the answers.
#[tokio::test]
async fn robots_are_read_as_google_reads_them() {
    let Some(archive) = shared_data("robots.tar.gz") else { return };
    let folder = unpack(&archive);
    let data = folder.path().join("robots");

    let cases = data.join("google_cases.jsonl");
    let output = finished(qyran(&["robots", "--cases", cases.to_str().unwrap()])).await;
    let wanted = std::fs::read_to_string(&cases).unwrap();
    let wanted: Vec<Value> = wanted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let given = text(&output.stdout);
    let given = first_words(&given);
    assert_eq!(given.len(), wanted.len());
    for (wanted, given) in wanted.iter().zip(&given) {
        assert_eq!(wanted["allowed"] == true, *given == "allowed", "{wanted}");
    }

    let (checks, files) = (data.join("checks.tsv"), data.join("files"));
    let output =
        finished(qyran(&["robots", "--batch", checks.to_str().unwrap(), "--dir", files.to_str().unwrap()]))
            .await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let wanted = String::from_utf8_lossy(&std::fs::read(&checks).unwrap()).into_owned();
    let wanted: Vec<bool> = wanted.lines().map(|line| line.split('\t').nth(3) == Some("1")).collect();
    let given = text(&output.stdout);
    let given: Vec<bool> = first_words(&given).iter().map(|word| *word == "allowed").collect();
    assert_eq!(given.len(), wanted.len());
    let wrongly_allowed = wanted.iter().zip(&given).filter(|(wanted, given)| !**wanted && **given).count();
    let agreeing = wanted.iter().zip(&given).filter(|(wanted, given)| wanted == given).count();
    assert_eq!(wrongly_allowed, 0);
    assert!(agreeing * 10_000 >= wanted.len() * 9_999, "{agreeing} of {}", wanted.len());
}

#[tokio::test]
async fn every_real_feed_is_read() {
    let Some(archive) = shared_data("feeds.tar.gz") else { return };
    let folder = unpack(&archive);
    let data = folder.path().join("feeds");
    let output = finished(qyran(&["feed", "--batch", data.to_str().unwrap(), "-o", "jsonl"])).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let given: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let truth = std::fs::read_to_string(data.join("truth.jsonl")).unwrap();
    let mut real = 0;
    for wanted in truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if wanted["group"] != "real" || wanted["r"]["entries"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let name = wanted["file"].as_str().unwrap();
        let given =
            given.iter().find(|given| given["file"] == name).unwrap_or_else(|| panic!("{name} was not read"));
        assert_eq!(given["error"], Value::Null, "{name}");
        real += 1;
    }
    assert!(real >= 20, "only {real} real feeds with entries");
}

/// The floor is what the extractor reaches that was chosen (`ARCHITECTURE.md`), less a hundredth.
#[tokio::test]
async fn articles_are_read_as_well_as_by_the_crate_that_was_chosen() {
    const FLOOR: f64 = 0.947;
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
    assert!(scores.contains(" missing=0 ") && f1 >= FLOOR, "{scores}");
}
