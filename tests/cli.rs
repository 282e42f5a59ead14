//! The command line as an interface for scripts: output formats, exit codes, help and completion.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{finished, qyran, run_with_input, text};

async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = finished(qyran(arguments)).await;
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn folder_with(files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let path = folder.path().to_owned();
    (folder, path)
}

const PAGE: &str = "<!DOCTYPE html><html lang=kk><head><meta charset=utf-8><title>Ұлттық банк мөлшерлемені сақтады | Сайт</title>
<meta property='article:published_time' content='2026-11-20T10:00:00+05:00'><link rel=canonical href='/news/1'></head>
<body><article><h1>Ұлттық банк мөлшерлемені сақтады</h1><p>Ұлттық банк бүгін базалық мөлшерлемені сол күйінде қалдырды деп
хабарлады баспасөз қызметі. Сарапшылар бұл шешімді күткен еді, себебі инфляция баяулап келеді.</p><p>Келесі шешім қаңтар айында
жарияланады, оған дейін нарық қатысушылары жаңа деректерді күтеді.</p></article></body></html>";

const FEED: &str = "<?xml version='1.0'?><rss version='2.0'><channel><title>Лента</title><item><title>Первая &amp;laquo;новость&amp;raquo;</title>
<link>https://a.kz/1</link><guid>1</guid><pubDate>Fri, 20 Nov 2026 10:00:00 +0500</pubDate><description>О чём</description></item></channel></rss>";

#[tokio::test]
async fn extract_prints_the_documented_fields() {
    let (_folder, path) = folder_with(&[("p.html", PAGE)]);
    let page = path.join("p.html");
    let (code, out, stderr) =
        run(&["extract", page.to_str().unwrap(), "--url", "https://a.kz/x?utm_source=y", "-o", "json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let article: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        &keys(&article)[..7],
        ["title", "text", "author", "published_at", "language", "canonical_url", "problems"]
    );
    assert_eq!(article["title"], "Ұлттық банк мөлшерлемені сақтады");
    assert_eq!(article["published_at"], "2026-11-20T05:00:00Z");
    assert_eq!(article["language"], "kk");
    assert_eq!(article["canonical_url"], "https://a.kz/news/1");
    assert_eq!(article["author"], Value::Null);
    let from_stdin =
        run_with_input(qyran(&["extract", "-", "--url", "https://a.kz/x", "-o", "json"]), PAGE.as_bytes())
            .await;
    assert_eq!(serde_json::from_slice::<Value>(&from_stdin.stdout).unwrap()["text"], article["text"]);
}

#[tokio::test]
async fn batches_print_one_line_per_file() {
    let (_folder, path) = folder_with(&[
        ("pages/a.html", PAGE),
        ("pages/deep/b.html", ""),
        ("urls.tsv", "a.html\thttps://a.kz/n/1\n"),
    ]);
    let (pages, urls) = (path.join("pages"), path.join("urls.tsv"));
    let (code, out, _) = run(&[
        "extract",
        "--batch",
        pages.to_str().unwrap(),
        "--urls",
        urls.to_str().unwrap(),
        "-o",
        "jsonl",
    ])
    .await;
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, Some(0));
    assert_eq!(
        lines.iter().map(|line| line["file"].as_str().unwrap()).collect::<Vec<_>>(),
        ["a.html", "b.html"]
    );
    assert_eq!(lines[0]["canonical_url"], "https://a.kz/news/1");
    assert_eq!(lines[1]["text"], Value::Null);

    let (_folder, path) = folder_with(&[("a.xml", FEED), ("b.xml", "<html>no feed</html>")]);
    let (_, out, _) = run(&["feed", "--batch", path.to_str().unwrap()]).await;
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(keys(&lines[0]), ["file", "title", "items", "problems", "error"]);
    assert_eq!((lines[0]["items"].as_array().unwrap().len(), &lines[0]["error"]), (1, &Value::Null));
    assert!(lines[1]["error"].as_str().unwrap().contains("expected a feed, got a web page"), "{}", lines[1]);
}

#[tokio::test]
async fn feed_prints_one_item_per_line() {
    let output =
        run_with_input(qyran(&["feed", "-", "--url", "https://a.kz/rss", "-o", "jsonl"]), FEED.as_bytes())
            .await;
    let item: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(keys(&item), ["id", "title", "url", "published_at", "updated_at", "author", "summary"]);
    assert_eq!(item["title"], "Первая «новость»");
    assert_eq!(item["published_at"], "2026-11-20T05:00:00Z");
    let output = run_with_input(qyran(&["feed", "-"]), b"<html><body>hello</body></html>").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("expected a feed, got a web page"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn robots_prints_one_verdict_with_its_rule_per_line() {
    let rules = "User-agent: *\nDisallow: /private\nAllow: /private/open\n";
    let (_folder, path) = folder_with(&[
        ("robots.txt", rules),
        ("checks.tsv", "robots.txt\tQyran\thttps://a.kz/private\t0\nrobots.txt\tQyran\thttps://a.kz/\t1\n"),
        (
            "cases.jsonl",
            "{\"robots_hex\":\"557365722d6167656e743a2a0a446973616c6c6f773a2f\",\"ua\":\"X\",\"url_hex\":\"68747470733a2f2f612e6b7a2f\"}\n",
        ),
    ]);
    let file = path.join("robots.txt");
    let arguments = [
        "robots",
        "--file",
        file.to_str().unwrap(),
        "--agent",
        "Qyran",
        "https://a.kz/private/x",
        "https://a.kz/private/open",
    ];
    let (code, out, _) = run(&arguments).await;
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("denied ") && lines[0].contains("Disallow: /private (line 2)"), "{out}");
    assert!(lines[1].starts_with("allowed ") && lines[1].contains("Allow: /private/open (line 3)"), "{out}");
    let checks = path.join("checks.tsv");
    let (_, out, _) =
        run(&["robots", "--batch", checks.to_str().unwrap(), "--dir", path.to_str().unwrap()]).await;
    assert_eq!(
        out.lines().map(|line| line.split_whitespace().next().unwrap()).collect::<Vec<_>>(),
        ["denied", "allowed"]
    );
    let cases = path.join("cases.jsonl");
    let (_, out, _) = run(&["robots", "--cases", cases.to_str().unwrap()]).await;
    assert!(out.starts_with("denied"), "{out}");
}

#[tokio::test]
async fn topic_test_prints_matched_spans_and_warnings() {
    let words = "Базовые ставки банков";
    let output = run_with_input(
        qyran(&["topic", "test", "банк ставка", "-", "--lang", "ru", "-o", "json"]),
        words.as_bytes(),
    )
    .await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(keys(&report), ["matched", "spans", "warnings"]);
    assert_eq!(report["matched"], true);
    let spans = report["spans"].as_array().unwrap();
    let offset = |span: &Value, key: &str| usize::try_from(span[key].as_u64().unwrap()).unwrap();
    let matches: Vec<&str> =
        spans.iter().map(|span| words.get(offset(span, "start")..offset(span, "end")).unwrap()).collect();
    assert_eq!(matches, ["ставки", "банков"]);

    let output =
        run_with_input(qyran(&["topic", "test", "банк AND \"ставка", "-", "-o", "json"]), b"x").await;
    assert_eq!(output.status.code(), Some(2));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "usage");
    assert!(error["error"]["message"].as_str().unwrap().contains("character 10"), "{error}");
    assert!(!error["error"]["hint"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn wrong_usage_has_a_helpful_error() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("none");
    let data = data.to_str().unwrap();
    for (arguments, code, expected) in [
        (vec!["sorce"], 2, "source"),
        (vec!["--data", data, "source", "list"], 3, "qyran apply -f"),
        (vec!["--data", data, "material", "list"], 3, "no data in"),
        (vec!["--config", "/nowhere.toml", "check"], 2, "/nowhere.toml"),
        (vec!["apply"], 2, "--file"),
        (vec!["check", "-f", "/nowhere"], 2, "/nowhere"),
        (vec!["extract", "/nowhere.html"], 3, "/nowhere.html"),
        (vec!["source", "test", "not-an-address"], 2, "not an address"),
        (vec!["--log-level", "loud=x=y", "check"], 2, "log level"),
        (vec!["--log-level", "inof", "check"], 2, "log.level"),
        (vec!["extract", "-", "--timezone", "Asia/Almty"], 2, "Asia/Almaty"),
    ] {
        let (status, _, stderr) = run(&arguments).await;
        assert_eq!(status, Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    assert!(!folder.path().join("none").exists(), "a read must not create a folder");
}

#[tokio::test]
async fn typo_in_settings_is_reported_with_its_line() {
    let (_folder, path) = folder_with(&[("q.toml", "[fetch]\ndelai = \"2s\"\n")]);
    let file = path.join("q.toml");
    let (code, _, stderr) = run(&["--config", file.to_str().unwrap(), "check"]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("line 2") && stderr.contains("delai"), "{stderr}");
}

/// Every command has a help text, and the short help fits a terminal of 40 lines.
#[tokio::test]
async fn every_command_has_help() {
    let (_, out, _) = run(&["--help"]).await;
    let commands: Vec<&str> = out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        commands,
        "demo run check apply diff export delete import backup source topic client list material cluster node queue host job dlq rebalance schedule migrate audit extract feed robots completion help"
            .split(' ')
            .collect::<Vec<_>>()
    );
    assert_eq!(run(&["help", "demo"]).await.0, Some(0));
    for command in commands.iter().filter(|command| **command != "help") {
        let (code, short, _) = run(&[command, "-h"]).await;
        assert_eq!(code, Some(0), "{command}");
        assert!(short.lines().count() <= 40, "{command}: {} lines", short.lines().count());
        assert!(!short.contains('\u{1b}'), "colours in a pipe: {command}");
    }
}

#[tokio::test]
async fn bash_accepts_the_completion_script() {
    let (_, completion, _) = run(&["completion", "bash"]).await;
    let (_folder, path) = folder_with(&[("qyran.bash", &completion)]);
    let script = format!(
        "source {}/qyran.bash; COMP_WORDS=(qyran mat); COMP_CWORD=1; _qyran qyran mat qyran; echo ${{COMPREPLY[@]}}",
        path.display()
    );
    let output = std::process::Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    assert_eq!(text(&output.stdout).trim(), "material", "{}", text(&output.stderr));
}

/// A reader that closes the pipe early (`| head -1`) does not cause an error.
#[tokio::test]
async fn closed_pipe_is_not_an_error() {
    // The output exceeds the buffer of a pipe, so that the command writes after its reader has exited.
    let checks: String =
        (0..3000).map(|n| format!("robots.txt\tQyran\thttps://a.kz/private/{n}\n")).collect();
    let rules = "User-agent: *\nDisallow: /private\n";
    let (_folder, path) = folder_with(&[("robots.txt", rules), ("checks.tsv", &checks)]);
    let (binary, folder) = (env!("CARGO_BIN_EXE_qyran"), path.display());
    let script = format!(
        "set -o pipefail; {binary} robots --batch {folder}/checks.tsv --dir {folder} -o json | head -1 >/dev/null; \
         echo ${{PIPESTATUS[0]}}"
    );
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!((text(&output.stdout).trim(), text(&output.stderr).as_str()), ("0", ""));
}
