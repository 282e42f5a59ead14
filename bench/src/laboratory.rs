//! A temporary folder with a simulated internet's settings, and the processes that are measured in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use origin::Origin;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A folder that goes when the bench ends.
pub(super) struct Laboratory {
    folder: TempDir,
}

impl Laboratory {
    /// Settings for a world: names pinned, no delay unless `more` says so.
    pub(super) fn open(origin: &Origin, more: &str) -> anyhow::Result<Self> {
        let laboratory = Self { folder: tempfile::tempdir()? };
        let pins: String = origin
            .world()
            .sites
            .iter()
            .map(|site| format!("{:?} = \"{}\"\n", site.name, site.address))
            .collect();
        let settings = format!(
            "[fetch]\ncontact = \"bench\"\ndelay = \"0s\"\nallow_addresses = [\"127.0.0.0/8\"]\n[fetch.resolve]\n{pins}\n{more}"
        );
        std::fs::write(laboratory.path("qyran.toml"), settings)?;
        Ok(laboratory)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The `qyran` binary beside this one, or `QYRAN_BIN`, on the laboratory's settings and a data folder in it.
    pub(super) fn command(&self, data: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(qyran()?);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QYRAN_"))
        {
            command.env_remove(name);
        }
        command.arg("--config").arg(self.path("qyran.toml")).arg("--data").arg(self.path(data));
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }
}

/// Returns the path of the measured binary.
pub(super) fn qyran() -> anyhow::Result<PathBuf> {
    let path = match std::env::var_os("QYRAN_BIN") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?.with_file_name("qyran"),
    };
    anyhow::ensure!(
        path.exists(),
        "{} does not exist; build it with cargo build --release, or set QYRAN_BIN",
        path.display()
    );
    Ok(path)
}

/// Runs a process that prints one JSON object, to its end. Exit code 6 is an answer, too.
pub(super) async fn answer(mut command: Command) -> anyhow::Result<Value> {
    let output = command.output().await?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let told = String::from_utf8_lossy(&output.stderr);
        anyhow::anyhow!("the measured process failed ({}): {error}\n{told}", output.status)
    })
}

/// Starts a process that runs until it is dropped.
pub(super) fn background(mut command: Command) -> anyhow::Result<Child> {
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// Lines of a JSON array that declare listing sources.
pub(super) fn source(name: &str, url: &str, article: &str, every: &str) -> String {
    format!(
        "---\napiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: {name}}}\n\
         spec: {{kind: listing, url: '{url}', article: {article}, every: {every}}}\n"
    )
}

/// A handful of topics, as a small installation has.
pub(super) const TOPICS: &str = "\
apiVersion: qyran.dev/v1alpha1
kind: Topic
metadata: {name: bank}
spec: {query: '(\"базовую ставку\" OR ипотек*) AND банк'}
---
apiVersion: qyran.dev/v1alpha1
kind: Topic
metadata: {name: floods}
spec: {query: 'паводок OR flood OR тасқын*'}
---
apiVersion: qyran.dev/v1alpha1
kind: Topic
metadata: {name: none}
spec: {query: 'никогда AND nowhere'}
";

/// Returns the topics of [`TOPICS`].
pub(super) fn topics() -> anyhow::Result<Vec<config::Object>> {
    let queries = [
        ("bank", "(\"базовую ставку\" OR ипотек*) AND банк"),
        ("floods", "паводок OR flood OR тасқын*"),
        ("none", "никогда AND nowhere"),
    ];
    let topic = |(name, query): (&str, &str)| {
        Ok(config::Object::Topic(model::Topic::new(model::Name::new(name)?, query.to_owned())))
    };
    queries.into_iter().map(topic).collect()
}

/// Smallest, middle and largest of some figures.
pub(super) fn spread(mut figures: Vec<f64>) -> Value {
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).map(|figure| (figure * 1000.0).round() / 1000.0);
    serde_json::json!({"min": at(0), "median": at(figures.len() / 2), "max": at(figures.len().saturating_sub(1))})
}

/// Bytes of the files below a folder that a bench left there.
pub(super) fn bytes_of(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// A source of news, for items that come from nowhere.
pub(super) fn any_source() -> anyhow::Result<model::Source> {
    Ok(serde_json::from_value(serde_json::json!({
        "name": "s", "kind": "feed", "url": "https://a.example/", "category": "news", "languages": [],
        "every": {"min": {"secs": 60, "nanos": 0}, "max": {"secs": 60, "nanos": 0}}, "article": "auto",
        "rights": "full", "selectors": {}, "paused": false, "country": null, "timezone": null, "delay": null,
        "politeness_group": null
    }))?)
}

/// An item of that source with nothing but a text.
pub(super) fn item_of(text: &str, language: &str) -> anyhow::Result<model::Item> {
    Ok(serde_json::from_value(serde_json::json!({
        "source": "s", "key": "k", "title": null, "text": text, "language": language, "problems": []
    }))?)
}
