//! Declared objects: apply, diff, export, delete, and what is told when they are wrong.

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{finished, qyran, text};

const SOURCE: &str = "\
apiVersion: qyran.dev/v1alpha1
kind: Source
metadata: {name: akorda}
spec:
  kind: feed
  url: https://akorda.example/rss
  category: news
  country: kz
  languages: [kk, ru]
  timezone: Asia/Almaty
  every: {min: 2m, max: 1h}
  selectors: {text: '.body', time: 'time'}
  client: demo
";
const TOPIC: &str = "\
apiVersion: qyran.dev/v1alpha1
kind: Topic
metadata: {name: bank}
spec: {query: '[базовая ставка] AND банк', client: demo, sources: [akorda]}
";

const CLIENT: &str = "\
apiVersion: qyran.dev/v1alpha1
kind: Client
metadata: {name: demo}
spec: {weight: 3}
";

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, yaml: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, yaml).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        self.run_on("data", arguments).await
    }

    async fn run_on(&self, data: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = qyran(&["--data"]);
        command.arg(self.0.path().join(data)).args(arguments);
        let output = finished(command).await;
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

#[tokio::test]
async fn what_is_exported_is_what_was_applied() {
    let desk = Desk::new();
    let file = desk.write("all.yaml", &format!("{SOURCE}---\n{TOPIC}---\n{CLIENT}"));
    let (code, out, told) = desk.run(&["apply", "-f", &file]).await;
    assert_eq!((code, out.lines().count()), (Some(0), 4), "{out}{told}");
    let (_, clients, _) = desk.run(&["client", "list", "-o", "csv"]).await;
    assert_eq!(clients, "name,weight,searches,topics,sources\ndemo,3,,1,1\n");
    let (_, exported, _) = desk.run(&["export"]).await;
    let copy = desk.write("copy.yaml", &exported);
    assert_eq!(desk.run_on("other", &["apply", "-f", &copy]).await.0, Some(0));
    assert_eq!(desk.run_on("other", &["export"]).await.1, exported);
    assert_eq!(desk.run(&["diff", "-f", &copy]).await, (Some(0), String::new(), String::new()));
    let (_, again, told) = desk.run(&["apply", "-f", &copy]).await;
    assert_eq!((again.as_str(), told.as_str()), ("", "nothing has changed\n"));
}

#[tokio::test]
async fn diff_says_what_apply_would_do_and_prune_removes() {
    let desk = Desk::new();
    let file = desk.write("all.yaml", &format!("{SOURCE}---\n{TOPIC}"));
    assert_eq!(desk.run(&["diff", "-f", &file]).await.1, "+ Source/akorda\n+ Topic/bank\n");
    desk.run(&["apply", "-f", &file]).await;
    let edited = desk.write("edited.yaml", &SOURCE.replace("min: 2m", "min: 5m"));
    let (code, out, _) = desk.run(&["diff", "-f", &edited]).await;
    assert_eq!(code, Some(5));
    assert_eq!(out, "~ Source/akorda\n    spec.every.min: 2m -> 5m\n- Topic/bank  (only with --prune)\n");
    assert_eq!(desk.run(&["apply", "-f", &edited, "--prune", "-o", "json"]).await.0, Some(0));
    let (_, topics, _) = desk.run(&["topic", "list", "-o", "json"]).await;
    assert_eq!(topics, "[]\n");
    let (_, source, _) = desk.run(&["source", "list", "-o", "json"]).await;
    let source: Value = serde_json::from_str(&source).unwrap();
    assert_eq!(source[0]["every"], "5m");
}

#[tokio::test]
async fn all_problems_are_told_and_nothing_is_applied() {
    let desk = Desk::new();
    let file = desk.write(
        "bad.yaml",
        &format!("{}---\n{}", SOURCE.replace("category", "catgory"), TOPIC.replace("AND банк", "AND (банк")),
    );
    let (code, out, told) = desk.run(&["apply", "-f", &file]).await;
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(told.starts_with("error: 2 problems; nothing was applied\n"), "{told}");
    assert!(told.contains("bad.yaml:7: unknown key spec.catgory; did you mean `category`?"), "{told}");
    assert!(told.contains("bad.yaml:18: spec.query: unclosed parenthesis"), "{told}");
    let caret = told.lines().find(|line| line.trim() == "^").unwrap();
    let query = told.lines().find(|line| line.contains("AND (банк")).unwrap();
    let column = query.chars().position(|c| c == '(').unwrap();
    assert_eq!(caret.chars().count() - 1, column, "{told}");
    assert!(!desk.0.path().join("data").exists(), "something was made");
}

#[tokio::test]
async fn a_topic_that_names_no_source_is_told() {
    let desk = Desk::new();
    let file = desk.write("all.yaml", &format!("{SOURCE}---\n{}", TOPIC.replace("[akorda]", "[akroda]")));
    let (code, _, told) = desk.run(&["apply", "-f", &file]).await;
    assert_eq!(code, Some(2));
    assert!(told.contains("all.yaml:18: spec.sources: no source \"akroda\" is declared"), "{told}");
    assert!(told.contains("did you mean \"akorda\"?"), "{told}");
    assert!(!desk.0.path().join("data").exists(), "something was made");
}

#[tokio::test]
async fn selectors_that_cannot_be_read_are_told_before_anything_is_fetched() {
    let desk = Desk::new();
    let file = desk.write("all.yaml", &SOURCE.replace("text: '.body'", "text: 'div[['"));
    let (code, _, told) = desk.run(&["check", "-f", &file]).await;
    assert_eq!(code, Some(2));
    assert!(told.contains("spec.selectors.text: \"div[[\" is no CSS selector"), "{told}");
}

#[tokio::test]
async fn delete_is_all_or_nothing() {
    let desk = Desk::new();
    let file = desk.write("all.yaml", &format!("{SOURCE}---\n{TOPIC}"));
    desk.run(&["apply", "-f", &file]).await;
    let (code, _, told) = desk.run(&["delete", "source/akorda", "topic/bonk"]).await;
    assert_eq!(code, Some(3));
    assert!(told.contains("not declared: topic/bonk; nothing was removed"), "{told}");
    assert_eq!(desk.run(&["source", "list", "-o", "name"]).await.1, "akorda\n");
    let (code, _, told) = desk.run(&["delete", "source/akorda"]).await;
    assert_eq!(code, Some(1), "a topic names it: {told}");
    assert_eq!(desk.run(&["delete", "source/akorda", "Topic/bank"]).await.0, Some(0));
    assert_eq!(desk.run(&["source", "list", "-o", "json"]).await.1, "[]\n");
    assert_eq!(desk.run(&["delete", "bank"]).await.0, Some(2));
}

#[tokio::test]
async fn pause_resume_and_what_get_says() {
    let desk = Desk::new();
    let file = desk.write("all.yaml", SOURCE);
    desk.run(&["apply", "-f", &file]).await;
    assert_eq!(desk.run(&["source", "pause", "akorda"]).await.0, Some(0));
    let (_, got, _) = desk.run(&["source", "get", "akorda", "-o", "json"]).await;
    let got: Value = serde_json::from_str(&got).unwrap();
    assert_eq!(
        (got["state"].as_str(), got["reason"].as_str()),
        (Some("paused"), Some("paused by the operator"))
    );
    assert_eq!(desk.run(&["source", "poll", "akorda"]).await.0, Some(1));
    assert_eq!(desk.run(&["source", "resume", "akorda"]).await.0, Some(0));
    let (_, got, _) = desk.run(&["source", "get", "akorda", "-o", "json"]).await;
    let got: Value = serde_json::from_str(&got).unwrap();
    assert_eq!(got["why"], "due; it is polled as soon as a node runs");
    assert_eq!(got["spec"]["every"]["min"], "2m");
    let (code, _, told) = desk.run(&["source", "get", "akroda"]).await;
    assert_eq!(code, Some(3));
    assert!(told.contains("did you mean \"akorda\"?"), "{told}");
}

#[tokio::test]
async fn a_backup_is_a_data_folder() {
    let desk = Desk::new();
    let file = desk.write("all.yaml", SOURCE);
    desk.run(&["apply", "-f", &file]).await;
    let copy = desk.0.path().join("copy");
    let (code, _, told) = desk.run(&["backup", copy.to_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{told}");
    let files =
        || std::fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let before = files();
    assert_eq!(desk.run_on("copy", &["source", "list", "-o", "name"]).await.1, "akorda\n");
    assert_eq!(files(), before, "looking made something");
    assert_eq!(
        desk.run(&["backup", copy.to_str().unwrap()]).await.0,
        Some(2),
        "a backup is never written over"
    );
}

#[tokio::test]
async fn the_demo_keeps_its_hands_off_a_folder_with_other_objects() {
    let desk = Desk::new();
    let file = desk.write("all.yaml", &format!("{SOURCE}---\n{TOPIC}"));
    desk.run(&["apply", "-f", &file]).await;
    let (_, before, _) = desk.run(&["export"]).await;
    let (code, out, told) = desk.run(&["demo", "--for", "1s"]).await;
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(told.contains("not the demo's") && told.contains("name an empty folder"), "{told}");
    assert_eq!(desk.run(&["export"]).await.1, before);
}
