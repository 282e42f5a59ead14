//! Test fixtures: a simulated internet, a data folder, declared objects and the built command.

pub(crate) mod cluster;
pub(crate) mod relay;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use origin::{Judgement, Origin, Rules, Site, World, judge};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Upper bound on the delay with which the simulator records an event on a busy machine.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(20);
/// Upper bound on one step of a test, generous enough for a busy machine.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);

/// Options of a stage. The defaults suit most tests.
pub(crate) struct StageOptions {
    /// The delay between requests to one host.
    pub(crate) delay: Duration,
    /// The timeout of an exchange: for the connection, for the first byte and in total. The default is long, so
    /// that a busy machine is not mistaken for a fault of a site.
    pub(crate) deadline: Duration,
    /// Further sections of the settings file, in TOML.
    pub(crate) extra_settings: &'static str,
    /// The value of `fetch.allow_addresses`: address ranges that the address guard permits.
    pub(crate) allow_addresses: &'static str,
}

impl Default for StageOptions {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(100),
            deadline: Duration::from_secs(20),
            extra_settings: "",
            allow_addresses: "[\"127.0.0.0/8\"]",
        }
    }
}

/// A simulated internet with the settings, data and declared objects for a crawl.
pub(crate) struct Stage {
    pub(crate) origin: Origin,
    pub(crate) delay: Duration,
    folder: TempDir,
    /// Flags that select the data folder or the servers.
    data_flags: Vec<String>,
    /// Environment variables of every command.
    environment: Vec<(&'static str, &'static str)>,
}

impl Stage {
    pub(crate) async fn new(world: World) -> Self {
        Self::with_options(world, StageOptions::default()).await
    }

    pub(crate) async fn with_options(world: World, options: StageOptions) -> Self {
        let folder = TempDir::new().unwrap();
        let origin = Origin::start(world, model::Clock::now(&model::SystemClock)).await.unwrap();
        let pins: String = origin
            .world()
            .sites
            .iter()
            .map(|site| format!("{:?} = \"{}\"\n", site.name, site.address))
            .collect();
        let StageOptions { delay, deadline, extra_settings, allow_addresses } = options;
        let (delay_ms, deadline_ms) = (delay.as_millis(), deadline.as_millis());
        let settings = format!(
            "[fetch]\ncontact = \"test\"\ndelay = \"{delay_ms}ms\"\nallow_addresses = {allow_addresses}\n\
             connect_timeout = \"{deadline_ms}ms\"\nfirst_byte_timeout = \"{deadline_ms}ms\"\n\
             total_timeout = \"{deadline_ms}ms\"\nmax_decoded_bytes = \"8MiB\"\n\
             [fetch.resolve]\n{pins}\n{extra_settings}\n"
        );
        std::fs::write(folder.path().join("qyran.toml"), settings).unwrap();
        let data_flags = vec!["--data".to_owned(), folder.path().join("data").to_str().unwrap().to_owned()];
        let stage = Self { origin, delay, folder, data_flags, environment: Vec::new() };
        stage.declare(&stage.declarations());
        stage
    }

    /// Returns a source for each site and two topics. Topic `all` matches every article, because every title
    /// ends in its article's number; topic `whole` matches full texts, which contain the mark.
    fn declarations(&self) -> String {
        let sources = self.origin.world().sites.iter().map(|site| {
            format!(
                "---\napiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: {}}}\n\
                 spec: {{kind: {}, url: '{}', every: {{min: 1s, max: 2s}}}}\n",
                site.name,
                site.source_kind(),
                self.origin.front(site)
            )
        });
        let numbers: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let topics = format!(
            "apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: all}}\nspec: {{query: '{} OR {}'}}\n---\n\
             apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: whole}}\nspec: {{query: '{}'}}\n",
            numbers.join(" OR "),
            origin::MARK,
            origin::MARK
        );
        topics + &sources.collect::<String>()
    }

    /// Sets the flags that select the data folder or the servers for later commands.
    pub(crate) fn set_data_flags(&mut self, flags: &[&str]) {
        self.data_flags = flags.iter().map(|&flag| flag.to_owned()).collect();
    }

    /// Sets an environment variable of later commands.
    pub(crate) fn set_env(&mut self, name: &'static str, value: &'static str) {
        self.environment.push((name, value));
    }

    /// Writes the declared objects that `run -f` applies.
    pub(crate) fn declare(&self, yaml: &str) {
        std::fs::create_dir_all(self.path("objects")).unwrap();
        std::fs::write(self.path("objects/all.yaml"), yaml).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the command with this stage's settings and data.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let data_flags: Vec<&str> = self.data_flags.iter().map(String::as_str).collect();
        self.command_with_data(&data_flags, arguments)
    }

    /// Returns the command with this stage's settings and other data.
    pub(crate) fn command_with_data(&self, data_flags: &[&str], arguments: &[&str]) -> Command {
        let mut command = qyran(&[]);
        command.arg("--config").arg(self.path("qyran.toml")).args(data_flags).args(arguments);
        command.envs(self.environment.iter().copied());
        command
    }

    /// Runs one pass over all declared sources, due or not. Returns the report and the output.
    pub(crate) async fn pass(&self) -> (Value, Output) {
        let objects = self.path("objects");
        let run = self.command(&["run", "--once", "--now", "-o", "json", "-f", objects.to_str().unwrap()]);
        let output = finished(run).await;
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr));
        });
        (report, output)
    }

    /// Starts a node that runs until it is stopped.
    pub(crate) fn node(&self) -> Child {
        let objects = self.path("objects");
        let mut run = self.command(&["run", "-f", objects.to_str().unwrap()]);
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        run.spawn().unwrap()
    }

    /// Runs a command that must succeed. Returns the JSON lines that it prints.
    pub(crate) async fn json_lines(&self, arguments: &[&str]) -> Vec<Value> {
        let output = finished(self.command(arguments)).await;
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns how often each (source, address) is among the materials of a topic.
    pub(crate) async fn materials(&self, topic: &str) -> BTreeMap<(String, String), usize> {
        count_materials(&self.json_lines(&["material", "list", "--topic", topic, "-o", "jsonl"]).await)
    }

    pub(crate) fn judge(&self) -> Judgement {
        let rules = Rules { delay: self.delay, tolerance: TOLERANCE };
        judge(self.origin.world(), &self.origin.log(), rules)
    }

    /// Returns the (source, address) of each article that `site` has published so far, for `source`.
    pub(crate) fn published(&self, source: &Site, site: &Site) -> Vec<(String, String)> {
        let numbers = 0..self.origin.published(site);
        numbers.map(|number| (source.name.clone(), self.origin.article(site, number))).collect()
    }

    pub(crate) fn database(&self, name: &str) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("data").join(name)).unwrap()
    }
}

/// Returns how often each (source, address) occurs in a list of materials.
pub(crate) fn count_materials(materials: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for material in materials {
        let field = |key: &str| material[key].as_str().unwrap_or_default().to_owned();
        // Feeds append tracking parameters to their links. Other query strings identify posts.
        let address = field("url").split("?utm_").next().unwrap_or_default().to_owned();
        *counts.entry((field("source"), address)).or_default() += 1;
    }
    counts
}

/// Describes each expected material that is missing or duplicated, and each material that is not expected.
pub(crate) fn delivery_errors(
    expected: &[(String, String)],
    counts: &BTreeMap<(String, String), usize>,
) -> Vec<String> {
    let mut errors: Vec<String> = expected
        .iter()
        .filter(|one| !counts.contains_key(*one))
        .map(|one| format!("lost: {one:?}"))
        .collect();
    for (one, times) in counts {
        if *times > 1 {
            errors.push(format!("stored {times} times: {one:?}"));
        }
        if !expected.contains(one) {
            errors.push(format!("not published by its source: {one:?}"));
        }
    }
    errors
}

/// Returns the built command without the `QYRAN_` variables of the environment.
pub(crate) fn qyran(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qyran"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QYRAN_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command until it exits.
pub(crate) async fn finished(mut command: Command) -> Output {
    command.kill_on_drop(true);
    tokio::time::timeout(STEP_TIMEOUT, command.output())
        .await
        .expect("the command did not exit in time")
        .unwrap()
}

/// Runs a command with this standard input until it exits.
pub(crate) async fn run_with_input(mut command: Command, input: &[u8]) -> Output {
    use tokio::io::AsyncWriteExt;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).await.unwrap();
    drop(stdin);
    tokio::time::timeout(STEP_TIMEOUT, child.wait_with_output())
        .await
        .expect("the command did not exit in time")
        .unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until a condition holds. Panics on a timeout; the description completes "waiting until …".
pub(crate) async fn eventually(description: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(STEP_TIMEOUT, waiting).await.is_err() {
        panic!("timed out after {STEP_TIMEOUT:?} waiting until {description}");
    }
}

/// Sends a signal to a child process.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("the process runs").to_string();
    let status =
        std::process::Command::new("bash").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(status.success());
}

/// Reports a skipped test on standard error, past the capture of the test runner.
pub(crate) fn report_skip(reason: &str) {
    use std::io::Write;
    // The test runner captures `eprintln!` and hides its output while a test passes.
    std::io::stderr().write_all(format!("SKIPPED: {reason}\n").as_bytes()).unwrap();
}

/// Returns the path of third-party data beside the checkout. Reports a skip and returns `None` if it is absent.
pub(crate) fn shared_data(archive: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(archive);
    if path.exists() {
        return Some(path);
    }
    report_skip(&format!("{} does not exist", path.display()));
    None
}

/// Unpacks an archive into a temporary folder.
pub(crate) fn unpack(archive: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    let tar = std::process::Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(folder.path()).status();
    assert!(tar.unwrap().success(), "{}", archive.display());
    folder
}

/// Fetches every URL, at most `at_once` concurrently, without robots rules or delays. Returns the number of answers. `hosts`
/// pins host names to loopback addresses.
pub(crate) async fn fetch_rudely(
    urls: Vec<url::Url>,
    hosts: &[(String, std::net::IpAddr)],
    at_once: usize,
) -> usize {
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let fetch = |url: url::Url| async move {
        let host = url.host_str().unwrap().to_owned();
        let (_, address) = hosts.iter().find(|(name, _)| *name == host).unwrap();
        assert!(address.is_loopback());
        let port = url.port_or_known_default().unwrap();
        let mut stream = tokio::net::TcpStream::connect((*address, port)).await.ok()?;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok().filter(|_| answer.starts_with(b"HTTP/1.1"))
    };
    futures_util::stream::iter(urls)
        .map(fetch)
        .buffer_unordered(at_once)
        .filter_map(async |one| one)
        .count()
        .await
}
