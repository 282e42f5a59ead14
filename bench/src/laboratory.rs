//! A temporary folder with settings for a simulated internet, and the processes that are measured in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use origin::Origin;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A temporary folder that is removed when the benchmark ends.
pub(super) struct Laboratory {
    folder: TempDir,
}

impl Laboratory {
    /// Creates a folder with settings for a simulated internet: host names are pinned to their addresses, and delays
    /// are zero. Appends `more_settings`.
    pub(super) fn open(origin: &Origin, more_settings: &str) -> anyhow::Result<Self> {
        let laboratory = Self { folder: tempfile::tempdir()? };
        let pins: String = origin
            .world()
            .sites
            .iter()
            .map(|site| format!("{:?} = \"{}\"\n", site.name, site.address))
            .collect();
        let settings = format!(
            "[fetch]\ncontact = \"bench\"\ndelay = \"0s\"\nallow_addresses = [\"127.0.0.0/8\"]\n\
             [fetch.resolve]\n{pins}\n{more_settings}"
        );
        std::fs::write(laboratory.path("qyran.toml"), settings)?;
        Ok(laboratory)
    }

    /// Returns the path of a file or folder in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the folder and returns its path.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Returns a command of the measured binary with these settings and a data folder in the folder.
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

/// Returns the path of the measured binary: `QYRAN_BIN`, or `qyran` in the folder of this binary.
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

/// Runs a process to its end and returns the JSON object that it printed, whatever its exit code.
pub(super) async fn json_output(mut command: Command) -> anyhow::Result<Value> {
    let output = command.output().await?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        anyhow::anyhow!("the measured process failed ({}): {error}\n{stderr}", output.status)
    })
}

/// Starts a process without output. It is killed when it is dropped.
pub(super) fn background(mut command: Command) -> anyhow::Result<Child> {
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// Returns the declaration of a listing source, as YAML.
pub(super) fn source_yaml(name: &str, url: &str, article: &str, every: &str) -> String {
    format!(
        "---\napiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: {name}}}\n\
         spec: {{kind: listing, url: '{url}', article: {article}, every: {every}}}\n"
    )
}

/// The topics of a small installation, as YAML.
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

/// Returns the minimum, the median and the maximum of some figures.
pub(super) fn spread(mut figures: Vec<f64>) -> Value {
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).map(|figure| (figure * 1000.0).round() / 1000.0);
    let last = figures.len().saturating_sub(1);
    serde_json::json!({"min": at(0), "median": at(figures.len() / 2), "max": at(last)})
}

/// Returns the total size of the files directly in a folder, in bytes.
pub(super) fn file_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Returns a news source, for items that were not fetched.
pub(super) fn news_source() -> anyhow::Result<model::Source> {
    Ok(serde_json::from_value(serde_json::json!({
        "name": "s", "kind": "feed", "url": "https://a.example/", "category": "news", "languages": [],
        "every": {"min": {"secs": 60, "nanos": 0}, "max": {"secs": 60, "nanos": 0}}, "article": "auto",
        "rights": "full", "selectors": {}, "paused": false, "country": null, "timezone": null, "delay": null,
        "politeness_group": null
    }))?)
}

/// Returns an item of [`news_source`] that has only a text.
pub(super) fn text_item(text: &str, language: &str) -> anyhow::Result<model::Item> {
    Ok(serde_json::from_value(serde_json::json!({
        "source": "s", "key": "k", "title": null, "text": text, "language": language, "problems": []
    }))?)
}
