//! Declared objects: apply, diff, export, delete, and the errors of invalid objects.

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

struct Workspace(TempDir);

impl Workspace {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, yaml: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, yaml).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        self.run_with_data("data", arguments).await
    }

    async fn run_with_data(&self, data: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = qyran(&["--data"]);
        command.arg(self.0.path().join(data)).args(arguments);
        let output = finished(command).await;
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

#[tokio::test]
async fn export_equals_the_applied_objects() {
    let workspace = Workspace::new();
    let file = workspace.write("all.yaml", &format!("{SOURCE}---\n{TOPIC}---\n{CLIENT}"));
    let (code, out, stderr) = workspace.run(&["apply", "-f", &file]).await;
    assert_eq!((code, out.lines().count()), (Some(0), 4), "{out}{stderr}");
    let (_, clients, _) = workspace.run(&["client", "list", "-o", "csv"]).await;
    assert_eq!(clients, "name,weight,searches,topics,sources\ndemo,3,,1,1\n");
    let (_, exported, _) = workspace.run(&["export"]).await;
    let copy = workspace.write("copy.yaml", &exported);
    assert_eq!(workspace.run_with_data("other", &["apply", "-f", &copy]).await.0, Some(0));
    assert_eq!(workspace.run_with_data("other", &["export"]).await.1, exported);
    assert_eq!(workspace.run(&["diff", "-f", &copy]).await, (Some(0), String::new(), String::new()));
    let (_, out, stderr) = workspace.run(&["apply", "-f", &copy]).await;
    assert_eq!((out.as_str(), stderr.as_str()), ("", "nothing has changed\n"));
}

#[tokio::test]
async fn diff_shows_the_changes_of_apply_and_prune_deletes() {
    let workspace = Workspace::new();
    let file = workspace.write("all.yaml", &format!("{SOURCE}---\n{TOPIC}"));
    assert_eq!(workspace.run(&["diff", "-f", &file]).await.1, "+ Source/akorda\n+ Topic/bank\n");
    workspace.run(&["apply", "-f", &file]).await;
    let edited = workspace.write("edited.yaml", &SOURCE.replace("min: 2m", "min: 5m"));
    let (code, out, _) = workspace.run(&["diff", "-f", &edited]).await;
    assert_eq!(code, Some(5));
    assert_eq!(out, "~ Source/akorda\n    spec.every.min: 2m -> 5m\n- Topic/bank  (only with --prune)\n");
    assert_eq!(workspace.run(&["apply", "-f", &edited, "--prune", "-o", "json"]).await.0, Some(0));
    let (_, topics, _) = workspace.run(&["topic", "list", "-o", "json"]).await;
    assert_eq!(topics, "[]\n");
    let (_, source, _) = workspace.run(&["source", "list", "-o", "json"]).await;
    let source: Value = serde_json::from_str(&source).unwrap();
    assert_eq!(source[0]["every"], "5m");
}

#[tokio::test]
async fn all_problems_are_reported_and_nothing_is_applied() {
    let workspace = Workspace::new();
    let file = workspace.write(
        "bad.yaml",
        &format!("{}---\n{}", SOURCE.replace("category", "catgory"), TOPIC.replace("AND банк", "AND (банк")),
    );
    let (code, out, stderr) = workspace.run(&["apply", "-f", &file]).await;
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(stderr.starts_with("error: 2 problems; nothing was applied\n"), "{stderr}");
    assert!(stderr.contains("bad.yaml:7: unknown key spec.catgory; did you mean `category`?"), "{stderr}");
    assert!(stderr.contains("bad.yaml:18: spec.query: unclosed parenthesis"), "{stderr}");
    let caret = stderr.lines().find(|line| line.trim() == "^").unwrap();
    let query = stderr.lines().find(|line| line.contains("AND (банк")).unwrap();
    let column = query.chars().position(|c| c == '(').unwrap();
    assert_eq!(caret.chars().count() - 1, column, "{stderr}");
    assert!(!workspace.0.path().join("data").exists(), "a rejected apply must not create the data folder");
}

#[tokio::test]
async fn topic_with_an_unknown_source_is_rejected() {
    let workspace = Workspace::new();
    let file =
        workspace.write("all.yaml", &format!("{SOURCE}---\n{}", TOPIC.replace("[akorda]", "[akroda]")));
    let (code, _, stderr) = workspace.run(&["apply", "-f", &file]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("all.yaml:18: spec.sources: no source \"akroda\" is declared"), "{stderr}");
    assert!(stderr.contains("did you mean \"akorda\"?"), "{stderr}");
    assert!(!workspace.0.path().join("data").exists(), "a rejected apply must not create the data folder");
}

#[tokio::test]
async fn invalid_selectors_are_rejected_before_any_fetch() {
    let workspace = Workspace::new();
    let file = workspace.write("all.yaml", &SOURCE.replace("text: '.body'", "text: 'div[['"));
    let (code, _, stderr) = workspace.run(&["check", "-f", &file]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("spec.selectors.text: \"div[[\" is not a CSS selector"), "{stderr}");
}

#[tokio::test]
async fn delete_is_all_or_nothing() {
    let workspace = Workspace::new();
    let file = workspace.write("all.yaml", &format!("{SOURCE}---\n{TOPIC}"));
    workspace.run(&["apply", "-f", &file]).await;
    let (code, _, stderr) = workspace.run(&["delete", "source/akorda", "topic/bonk"]).await;
    assert_eq!(code, Some(3));
    assert!(stderr.contains("not declared: topic/bonk; nothing was removed"), "{stderr}");
    assert_eq!(workspace.run(&["source", "list", "-o", "name"]).await.1, "akorda\n");
    let (code, _, stderr) = workspace.run(&["delete", "source/akorda"]).await;
    assert_eq!(code, Some(1), "a topic references it: {stderr}");
    assert_eq!(workspace.run(&["delete", "source/akorda", "Topic/bank"]).await.0, Some(0));
    assert_eq!(workspace.run(&["source", "list", "-o", "json"]).await.1, "[]\n");
    assert_eq!(workspace.run(&["delete", "bank"]).await.0, Some(2));
}

#[tokio::test]
async fn pause_and_resume_change_the_state_of_a_source() {
    let workspace = Workspace::new();
    let file = workspace.write("all.yaml", SOURCE);
    workspace.run(&["apply", "-f", &file]).await;
    assert_eq!(workspace.run(&["source", "pause", "akorda"]).await.0, Some(0));
    let (_, out, _) = workspace.run(&["source", "get", "akorda", "-o", "json"]).await;
    let source: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (source["state"].as_str(), source["reason"].as_str()),
        (Some("paused"), Some("paused by the operator"))
    );
    assert_eq!(workspace.run(&["source", "poll", "akorda"]).await.0, Some(1));
    assert_eq!(workspace.run(&["source", "resume", "akorda"]).await.0, Some(0));
    let (_, out, _) = workspace.run(&["source", "get", "akorda", "-o", "json"]).await;
    let source: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(source["why"], "due; a running node will poll it");
    assert_eq!(source["spec"]["every"]["min"], "2m");
    let (code, _, stderr) = workspace.run(&["source", "get", "akroda"]).await;
    assert_eq!(code, Some(3));
    assert!(stderr.contains("did you mean \"akorda\"?"), "{stderr}");
}

#[tokio::test]
async fn backup_is_a_data_folder() {
    let workspace = Workspace::new();
    let file = workspace.write("all.yaml", SOURCE);
    workspace.run(&["apply", "-f", &file]).await;
    let copy = workspace.0.path().join("copy");
    let (code, _, stderr) = workspace.run(&["backup", copy.to_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let files =
        || std::fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let original = files();
    assert_eq!(workspace.run_with_data("copy", &["source", "list", "-o", "name"]).await.1, "akorda\n");
    assert_eq!(files(), original, "a read must not create files");
    assert_eq!(
        workspace.run(&["backup", copy.to_str().unwrap()]).await.0,
        Some(2),
        "a backup must not be overwritten"
    );
}

#[tokio::test]
async fn demo_does_not_touch_a_folder_with_other_objects() {
    let workspace = Workspace::new();
    let file = workspace.write("all.yaml", &format!("{SOURCE}---\n{TOPIC}"));
    workspace.run(&["apply", "-f", &file]).await;
    let (_, original, _) = workspace.run(&["export"]).await;
    let (code, out, stderr) = workspace.run(&["demo", "--for", "1s"]).await;
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(stderr.contains("not the demo's") && stderr.contains("name an empty folder"), "{stderr}");
    assert_eq!(workspace.run(&["export"]).await.1, original);
}
