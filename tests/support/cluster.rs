//! A cluster on a stage: nodes as processes, with their own Redis and PostgreSQL.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use origin::{Site, World};
use servers::PostgresServer;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Stage, StageOptions, delivery_errors, eventually, finished, text};

/// The lease duration of nodes. It is short, so that leases expire within a test.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

const SETTINGS: &str = "[run]\nlease = \"3s\"\nstuck_after = \"5s\"\ndrain = \"10s\"\n[poll]\nbackoff = \"1s\"\n\
                        [log]\nlevel = \"warn\"\n";

fn source_name(site: &Site, number: usize) -> String {
    format!("{}-{number}", site.name)
}

fn declarations(stage: &Stage, sources: usize) -> String {
    let numbers: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let mut text = format!(
        "apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: all}}\nspec: {{query: '{}'}}\n",
        numbers.join(" OR ")
    );
    for site in &stage.origin.world().sites {
        for number in 0..sources {
            text.push_str(&format!(
                "---\napiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: {}}}\n\
                 spec: {{kind: {}, url: '{}', every: {{min: 1s, max: 2s}}}}\n",
                source_name(site, number),
                site.source_kind(),
                stage.origin.front(site)
            ));
        }
    }
    text
}

/// Measures how late timers fire on a busy machine.
struct StallMonitor {
    /// The longest stall, in milliseconds.
    longest: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl StallMonitor {
    fn start() -> Self {
        const INTERVAL: Duration = Duration::from_millis(50);
        let longest = Arc::new(AtomicU64::new(0));
        let mut task = JoinSet::new();
        let maximum = longest.clone();
        task.spawn(async move {
            loop {
                let start = Instant::now();
                sleep(INTERVAL).await;
                let stall = start.elapsed().saturating_sub(INTERVAL).as_millis();
                maximum.fetch_max(u64::try_from(stall).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { longest, _task: task }
    }
}

/// The servers that the nodes of a cluster share, and the stage that they crawl.
pub(crate) struct Cluster {
    pub(crate) stage: Stage,
    pub(crate) postgres: PostgresServer,
    /// The number of sources per site.
    sources: usize,
    stalls: StallMonitor,
}

impl Cluster {
    /// Starts a world with a database and declared objects on a schedule, without nodes.
    /// Each site has `sources` sources, all with the same address.
    pub(crate) async fn start(schedule: &str, world: World, sources: usize) -> Self {
        let postgres = PostgresServer::start().await.unwrap();
        Self::start_with_postgres(postgres, schedule, world, sources).await
    }

    /// Does the same with a running PostgreSQL server.
    async fn start_with_postgres(
        postgres: PostgresServer,
        schedule: &str,
        world: World,
        sources: usize,
    ) -> Self {
        let options = StageOptions {
            deadline: Duration::from_millis(1400),
            extra_settings: SETTINGS,
            ..StageOptions::default()
        };
        let mut stage = Stage::with_options(world, options).await;
        postgres.create_database("qyran").unwrap();
        stage.declare(&declarations(&stage, sources));
        stage.set_data_flags(&["--store", &postgres.url("qyran"), "--schedule", schedule]);
        let cluster = Self { stage, postgres, sources, stalls: StallMonitor::start() };
        cluster.run_ok(&["migrate", "up"]).await;
        let objects = cluster.stage.path("objects");
        cluster.run_ok(&["apply", "-f", objects.to_str().unwrap()]).await;
        cluster
    }

    /// Runs a command that must succeed. Returns its standard output.
    pub(crate) async fn run_ok(&self, arguments: &[&str]) -> String {
        let output = finished(self.stage.command(arguments)).await;
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Returns each article published so far, once for each source of its site.
    fn published(&self) -> Vec<(String, String)> {
        let origin = &self.stage.origin;
        let of_site = |site: &Site| -> Vec<(String, String)> {
            let sources = (0..self.sources).map(|number| source_name(site, number));
            let articles: Vec<String> =
                (0..origin.published(site)).map(|number| origin.article(site, number)).collect();
            sources
                .flat_map(|source| articles.iter().map(move |article| (source.clone(), article.clone())))
                .collect()
        };
        origin.world().sites.iter().flat_map(of_site).collect()
    }

    /// Waits until every published article is stored, at most for `limit`. Returns true if all are stored.
    pub(crate) async fn stores_all_within(&self, limit: Duration) -> bool {
        let expected = self.published();
        let deadline = Instant::now() + limit;
        loop {
            let materials = self.stage.materials("all").await;
            let is_complete = expected.iter().all(|one| materials.contains_key(one));
            if is_complete || Instant::now() > deadline {
                return is_complete;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Stops publication and waits until every published article is stored. Panics if some are lost.
    pub(crate) async fn settle(&self) {
        self.stage.origin.freeze();
        let expected = self.published();
        // Pages queued during an outage are fetched one host delay apart.
        if self.stores_all_within(Duration::from_secs(150)).await {
            return;
        }
        let errors = delivery_errors(&expected, &self.stage.materials("all").await);
        panic!(
            "{} delivery errors among {} expected materials: {:#?}",
            errors.len(),
            expected.len(),
            &errors[..errors.len().min(9)]
        );
    }

    /// Describes each lost or duplicated material and each violation of politeness or robots.txt.
    pub(crate) async fn violations(&self) -> Vec<String> {
        let mut violations = delivery_errors(&self.published(), &self.stage.materials("all").await);
        violations.extend(self.stage.judge().violations());
        violations
    }

    /// Returns the longest time without a request to a host, of all hosts, between `since` and now.
    pub(crate) fn longest_idle_time(&self, since: Duration) -> Duration {
        let now = self.now();
        let log = self.stage.origin.log();
        let idle_time_of = |site: &Site| {
            let exchanges =
                log.iter().filter(|exchange| exchange.host == site.name && exchange.ended >= since);
            let mut moments: Vec<Duration> = exchanges.map(|exchange| exchange.started.max(since)).collect();
            moments.extend([since, now]);
            moments.sort();
            moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
        };
        self.stage.origin.world().sites.iter().map(idle_time_of).max().unwrap_or_default()
    }

    /// Starts a node that runs until it is stopped.
    pub(crate) fn node(&self, name: &str) -> Child {
        self.node_with(name, &[])
    }

    /// Starts a node with further flags.
    pub(crate) fn node_with(&self, name: &str, flags: &[&str]) -> Child {
        self.spawn(self.stage.command(&["run", "--name", name]), name, flags)
    }

    /// Starts a node with another lease duration.
    pub(crate) fn node_with_lease(&self, name: &str, lease: &str) -> Child {
        let mut run = self.stage.command(&["run", "--name", name]);
        run.env("QYRAN_RUN_LEASE", lease);
        self.spawn(run, name, &[])
    }

    /// Starts a node that reaches the schedule at another address.
    pub(crate) fn node_with_schedule(&self, schedule: &str, name: &str, flags: &[&str]) -> Child {
        let data_flags = ["--store", &self.postgres.url("qyran"), "--schedule", schedule];
        self.spawn(self.stage.command_with_data(&data_flags, &["run", "--name", name]), name, flags)
    }

    fn spawn(&self, mut run: Command, name: &str, flags: &[&str]) -> Child {
        let log = std::fs::File::create(self.stage.path(&format!("{name}.log"))).unwrap();
        run.args(flags).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        run.spawn().unwrap()
    }

    /// Returns the longest stall of the machine so far: the time that a busy machine may add to one step.
    pub(crate) fn max_stall(&self) -> Duration {
        Duration::from_millis(self.stalls.longest.load(Ordering::Relaxed))
    }

    /// Returns the current time on the clock of the simulated internet's log.
    pub(crate) fn now(&self) -> Duration {
        self.stage.origin.elapsed()
    }

    /// Returns the number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.stage.origin.log().len()
    }

    /// Waits until the sites have received `additional` more requests.
    pub(crate) async fn wait_for_requests(&self, additional: usize) {
        let target = self.requests() + additional;
        eventually("the sites receive more requests", || self.requests() >= target).await;
    }
}

/// Returns a loopback address that had no listener at the time of the call.
pub(crate) fn free_address() -> String {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().to_string()
}

/// Returns the response to a plain GET, head and body. Returns an empty string if the connection fails.
pub(crate) async fn http_get(address: &str, path: &str, accept: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else { return String::new() };
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}
