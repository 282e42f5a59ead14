//! A cluster on a stage: nodes as processes, a Redis and a PostgreSQL of their own.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use origin::{Site, World};
use servers::PostgresServer;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Stage, Staging, eventually, finished, not_exactly_once, text};

/// Leases are short, so that a test sees them run out.
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
                site.shows(),
                stage.origin.front(site)
            ));
        }
    }
    text
}

/// Notices when the machine is too busy for anything to be on time.
struct Stalls {
    longest: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl Stalls {
    fn watch() -> Self {
        const MOMENT: Duration = Duration::from_millis(50);
        let longest = Arc::new(AtomicU64::new(0));
        let mut task = JoinSet::new();
        let noted = longest.clone();
        task.spawn(async move {
            loop {
                let began = Instant::now();
                sleep(MOMENT).await;
                let late = began.elapsed().saturating_sub(MOMENT).as_millis();
                noted.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { longest, _task: task }
    }
}

/// Nodes, and what they share.
pub(crate) struct Cluster {
    pub(crate) stage: Stage,
    pub(crate) postgres: PostgresServer,
    sources: usize,
    stalls: Stalls,
}

impl Cluster {
    /// A world with a database and declared objects on a schedule, and no nodes yet.
    /// Each site has so many sources, all of the same address.
    pub(crate) async fn on(schedule: &str, world: World, sources: usize) -> Self {
        let postgres = PostgresServer::start().await.unwrap();
        Self::on_both(postgres, schedule, world, sources).await
    }

    /// The same on a PostgreSQL that is there already.
    async fn on_both(postgres: PostgresServer, schedule: &str, world: World, sources: usize) -> Self {
        let staging = Staging { deadline: Duration::from_millis(1400), more: SETTINGS, ..Staging::default() };
        let mut stage = Stage::with(world, staging).await;
        postgres.create_database("qyran").unwrap();
        stage.declare(&declarations(&stage, sources));
        stage.keep_in(&["--store", &postgres.url("qyran"), "--schedule", schedule]);
        let cluster = Self { stage, postgres, sources, stalls: Stalls::watch() };
        cluster.done(&["migrate", "up"]).await;
        let objects = cluster.stage.path("objects");
        cluster.done(&["apply", "-f", objects.to_str().unwrap()]).await;
        cluster
    }

    /// Runs a command that must succeed.
    pub(crate) async fn done(&self, arguments: &[&str]) -> String {
        let output = finished(self.stage.command(arguments)).await;
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Every article that each source could learn of.
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

    /// Waits until all that is out has been stored, for so long at most. Whether it is.
    pub(crate) async fn comes_in_within(&self, patience: Duration) -> bool {
        let expected = self.published();
        let give_up = Instant::now() + patience;
        loop {
            let found = self.stage.materials("all").await;
            let is_in = expected.iter().all(|one| found.contains_key(one));
            if is_in || Instant::now() > give_up {
                return is_in;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Lets nothing new come out, and waits until all that is out has been stored.
    pub(crate) async fn settle_down(&self) {
        self.stage.origin.freeze();
        let expected = self.published();
        // Pages of an outage wait for their host, one delay after the other.
        if self.comes_in_within(Duration::from_secs(150)).await {
            return;
        }
        let wrong = not_exactly_once(&expected, &self.stage.materials("all").await);
        panic!("{} of {} are lost: {:#?}", wrong.len(), expected.len(), &wrong[..wrong.len().min(9)]);
    }

    /// What was lost, stored twice, or asked against the rules, in words.
    pub(crate) async fn wrongs(&self) -> Vec<String> {
        let mut wrongs = not_exactly_once(&self.published(), &self.stage.materials("all").await);
        wrongs.extend(self.stage.judge().violations());
        wrongs
    }

    /// The longest time for which a host was asked nothing, from a moment until now.
    pub(crate) fn longest_silence(&self, since: Duration) -> Duration {
        let now = self.now();
        let log = self.stage.origin.log();
        let silence_of = |site: &Site| {
            let exchanges =
                log.iter().filter(|exchange| exchange.host == site.name && exchange.ended >= since);
            let mut moments: Vec<Duration> = exchanges.map(|exchange| exchange.started.max(since)).collect();
            moments.extend([since, now]);
            moments.sort();
            moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
        };
        self.stage.origin.world().sites.iter().map(silence_of).max().unwrap_or_default()
    }

    /// A node that runs until it is told to stop.
    pub(crate) fn node(&self, name: &str) -> Child {
        self.node_with(name, &[])
    }

    /// One with further flags.
    pub(crate) fn node_with(&self, name: &str, flags: &[&str]) -> Child {
        self.spawn(self.stage.command(&["run", "--name", name]), name, flags)
    }

    /// One whose leases last for so long.
    pub(crate) fn node_leasing(&self, name: &str, lease: &str) -> Child {
        let mut run = self.stage.command(&["run", "--name", name]);
        run.env("QYRAN_RUN_LEASE", lease);
        self.spawn(run, name, &[])
    }

    /// One that reaches the schedule by another way.
    pub(crate) fn node_by_way_of(&self, schedule: &str, name: &str, flags: &[&str]) -> Child {
        let place = ["--store", &self.postgres.url("qyran"), "--schedule", schedule];
        self.spawn(self.stage.command_in(&place, &["run", "--name", name]), name, flags)
    }

    fn spawn(&self, mut run: Command, name: &str, flags: &[&str]) -> Child {
        let log = std::fs::File::create(self.stage.path(&format!("{name}.log"))).unwrap();
        run.args(flags).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        run.spawn().unwrap()
    }

    /// How much longer than it should a moment's sleep took at worst: what a busy machine may add to a time.
    pub(crate) fn stall(&self) -> Duration {
        Duration::from_millis(self.stalls.longest.load(Ordering::Relaxed))
    }

    /// The moment that the simulated internet's log says it is.
    pub(crate) fn now(&self) -> Duration {
        self.stage.origin.elapsed()
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.stage.origin.log().len()
    }

    /// Waits until so many more requests have been made.
    pub(crate) async fn requests_more(&self, more: usize) {
        let before = self.requests();
        eventually("requests are made", || self.requests() >= before + more).await;
    }
}

/// An address on loopback that nobody listened on a moment ago.
pub(crate) fn free_address() -> String {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().to_string()
}

/// What a plain GET is answered, head and body; empty where nobody answers.
pub(crate) async fn get(address: &str, path: &str, accept: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else { return String::new() };
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
