//! The stage: a simulated internet, a data folder, declared objects, and the built command.

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

/// How much later than it happened the simulator may notice something on a busy machine.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(20);
/// No step of a test takes longer, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What stage settings are, where a test does not say otherwise.
pub(crate) struct Staging {
    pub(crate) delay: Duration,
    /// Within which an exchange must connect, begin to answer, and end. Long: a busy machine is no fault
    /// of a site's.
    pub(crate) deadline: Duration,
    /// Text of an entry of `[fetch]`, and more sections.
    pub(crate) more: &'static str,
    /// Ranges that the address guard lets through.
    pub(crate) allow: &'static str,
}

impl Default for Staging {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(100),
            deadline: Duration::from_secs(20),
            more: "",
            allow: "[\"127.0.0.0/8\"]",
        }
    }
}

/// A simulated internet with everything that a crawl of it needs.
pub(crate) struct Stage {
    pub(crate) origin: Origin,
    pub(crate) delay: Duration,
    folder: TempDir,
    /// Flags that say where things are kept.
    place: Vec<String>,
    /// Variables that every command is given.
    environment: Vec<(&'static str, &'static str)>,
}

impl Stage {
    pub(crate) async fn of(world: World) -> Self {
        Self::with(world, Staging::default()).await
    }

    pub(crate) async fn with(world: World, staging: Staging) -> Self {
        let folder = TempDir::new().unwrap();
        let origin = Origin::start(world, model::Clock::now(&model::SystemClock)).await.unwrap();
        let pins: String = origin
            .world()
            .sites
            .iter()
            .map(|site| format!("{:?} = \"{}\"\n", site.name, site.address))
            .collect();
        let Staging { delay, deadline, more, allow } = staging;
        let (delay_ms, deadline_ms) = (delay.as_millis(), deadline.as_millis());
        let settings = format!(
            "[fetch]\ncontact = \"test\"\ndelay = \"{delay_ms}ms\"\nallow_addresses = {allow}\n\
             connect_timeout = \"{deadline_ms}ms\"\nfirst_byte_timeout = \"{deadline_ms}ms\"\n\
             total_timeout = \"{deadline_ms}ms\"\nmax_decoded_bytes = \"8MiB\"\n\
             [fetch.resolve]\n{pins}\n{more}\n"
        );
        std::fs::write(folder.path().join("qyran.toml"), settings).unwrap();
        let place = vec!["--data".to_owned(), folder.path().join("data").to_str().unwrap().to_owned()];
        let stage = Self { origin, delay, folder, place, environment: Vec::new() };
        stage.declare(&stage.declarations());
        stage
    }

    /// A source for each site, and two topics: every title ends in its article's number, and every whole
    /// text holds the mark.
    fn declarations(&self) -> String {
        let sources = self.origin.world().sites.iter().map(|site| {
            format!(
                "---\napiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: {}}}\n\
                 spec: {{kind: {}, url: '{}', every: {{min: 1s, max: 2s}}}}\n",
                site.name,
                site.shows(),
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

    /// Keeps things in another place from now on: flags that name it.
    pub(crate) fn keep_in(&mut self, place: &[&str]) {
        self.place = place.iter().map(|&flag| flag.to_owned()).collect();
    }

    /// Gives every command a variable from now on.
    pub(crate) fn set(&mut self, name: &'static str, value: &'static str) {
        self.environment.push((name, value));
    }

    /// Writes the declared objects that `run -f` is given.
    pub(crate) fn declare(&self, yaml: &str) {
        std::fs::create_dir_all(self.path("objects")).unwrap();
        std::fs::write(self.path("objects/all.yaml"), yaml).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command on this stage's settings and data.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let place: Vec<&str> = self.place.iter().map(String::as_str).collect();
        self.command_in(&place, arguments)
    }

    /// The command on this stage's settings and other data.
    pub(crate) fn command_in(&self, place: &[&str], arguments: &[&str]) -> Command {
        let mut command = qyran(&[]);
        command.arg("--config").arg(self.path("qyran.toml")).args(place).args(arguments);
        command.envs(self.environment.iter().copied());
        command
    }

    /// One pass over everything declared, due or not.
    pub(crate) async fn pass(&self) -> (Value, Output) {
        let objects = self.path("objects");
        let run = self.command(&["run", "--once", "--now", "-o", "json", "-f", objects.to_str().unwrap()]);
        let output = finished(run).await;
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr));
        });
        (report, output)
    }

    /// A node that runs until it is told to stop.
    pub(crate) fn node(&self) -> Child {
        let objects = self.path("objects");
        let mut run = self.command(&["run", "-f", objects.to_str().unwrap()]);
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        run.spawn().unwrap()
    }

    /// JSON lines that a command prints.
    pub(crate) async fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let output = finished(self.command(arguments)).await;
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Materials of a topic: how often each address is there.
    pub(crate) async fn materials(&self, topic: &str) -> BTreeMap<(String, String), usize> {
        count(&self.lines(&["material", "list", "--topic", topic, "-o", "jsonl"]).await)
    }

    pub(crate) fn judge(&self) -> Judgement {
        let rules = Rules { delay: self.delay, tolerance: TOLERANCE };
        judge(self.origin.world(), &self.origin.log(), rules)
    }

    /// What a reader of a site can learn of: its articles' addresses.
    pub(crate) fn published(&self, source: &Site, site: &Site) -> Vec<(String, String)> {
        let numbers = 0..self.origin.published(site);
        numbers.map(|number| (source.name.clone(), self.origin.article(site, number))).collect()
    }

    pub(crate) fn database(&self, name: &str) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("data").join(name)).unwrap()
    }
}

/// How often each (source, address) stands in a list of materials.
pub(crate) fn count(materials: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for material in materials {
        let field = |key: &str| material[key].as_str().unwrap_or_default().to_owned();
        // Feeds mark their links; elsewhere what stands behind the question mark tells posts apart.
        let address = field("url").split("?utm_").next().unwrap_or_default().to_owned();
        *counts.entry((field("source"), address)).or_default() += 1;
    }
    counts
}

/// Everything expected is there once, and nothing else is there: what is wrong, in words.
pub(crate) fn not_exactly_once(
    expected: &[(String, String)],
    found: &BTreeMap<(String, String), usize>,
) -> Vec<String> {
    let mut wrong: Vec<String> =
        expected.iter().filter(|one| !found.contains_key(*one)).map(|one| format!("lost: {one:?}")).collect();
    for (one, times) in found {
        if *times > 1 {
            wrong.push(format!("{times} times: {one:?}"));
        }
        if !expected.contains(one) {
            wrong.push(format!("never published for it: {one:?}"));
        }
    }
    wrong
}

/// The built command, in no environment of ours.
pub(crate) fn qyran(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qyran"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QYRAN_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) async fn finished(mut command: Command) -> Output {
    command.kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output()).await.expect("the command never ended").unwrap()
}

/// Runs the command with something on its standard input.
pub(crate) async fn fed(mut command: Command, input: &[u8]) -> Output {
    use tokio::io::AsyncWriteExt;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).await.unwrap();
    drop(stdin);
    tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the command never ended").unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until something is so; a condition, never a length of time.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("{what}: it never came to that");
    }
}

/// Sends a signal by pid.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("it runs").to_string();
    let sent =
        std::process::Command::new("bash").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(sent.success());
}

/// Says past the test runner's capture that something was not shown.
pub(crate) fn skipped(why: &str) {
    use std::io::Write;
    // Not by a macro: those are captured while a test passes.
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

/// Data that no one here wrote, beside the checkout; `None`, said aloud, where it is not there.
pub(crate) fn shared_data(archive: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(archive);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{} is not here", path.display()));
    None
}

/// Unpacks an archive into a temporary folder.
pub(crate) fn unpacked(archive: &Path) -> TempDir {
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
