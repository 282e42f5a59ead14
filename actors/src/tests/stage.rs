//! The fixture of the tests of this crate: an in-memory web, a clock that follows tokio's paused clock, and a node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use crawler::fetch::{AddressGuard, Pass as Passed, Request, Response, Transport, TransportError};
use crawler::{Door, FetchPolicy};
use model::{Clock, Every, Name, Source, SourceKind, SourceState, Timestamp, Topic};
use scheduler::InMemory;
use store::{Objects, Sqlite, Store};
use tokio::time::Instant;
use url::Url;

use crate::{Context, Node, NodeConfig, ScheduleRobotsStore};

/// A wall clock that moves with tokio's clock.
#[derive(Debug)]
struct FollowingClock {
    start: Timestamp,
    began: Instant,
}

impl Clock for FollowingClock {
    fn now(&self) -> Timestamp {
        self.start.saturating_add(self.began.elapsed()).unwrap()
    }
}

/// The behaviour of a URL of the in-memory web.
#[derive(Debug, Clone)]
pub(crate) enum Page {
    /// A response with status 200 and a body.
    Body(String),
    /// A response with status 200 and a body, after a delay.
    Slow(Duration, String),
    /// A response with a status and an optional header field.
    Status(u16, Option<(&'static str, String)>),
    /// A response with status 200, a header field and a body.
    WithHeader((&'static str, &'static str), String),
    /// A response with this `ETag` and a body; 304 for a request with the same tag, even if the body has changed.
    WithETag(&'static str, String),
    /// No response, and no timeout. Simulates a bug of the crawler.
    Hangs,
    /// A panic of the fetcher. Simulates a bug of the crawler.
    Panics,
}

/// An in-memory web. An unknown URL has status 404.
#[derive(Default)]
pub(crate) struct FakeWeb {
    pages: Mutex<HashMap<String, Page>>,
    requests: Mutex<Vec<(String, Instant)>>,
    forms: Mutex<Vec<(String, String)>>,
}

impl FakeWeb {
    pub(crate) fn put(&self, url: &str, page: Page) {
        self.pages.lock().unwrap().insert(url.to_owned(), page);
    }

    /// Returns the requested URLs in order, without robots.txt.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|(url, _)| url.clone()).filter(|url| !url.ends_with("/robots.txt")).collect()
    }

    /// Returns the URLs and bodies of the submitted forms in order.
    pub(crate) fn forms(&self) -> Vec<(String, String)> {
        self.forms.lock().unwrap().clone()
    }

    /// Returns the shortest time between the starts of two consecutive requests, including robots.txt.
    pub(crate) fn shortest_gap(&self) -> Duration {
        let requests = self.requests.lock().unwrap();
        let gaps = requests.windows(2).map(|pair| pair[1].1.duration_since(pair[0].1));
        gaps.min().unwrap_or(Duration::MAX)
    }

    pub(crate) fn request_count(&self, url: &str) -> usize {
        self.requests().iter().filter(|request| *request == url).count()
    }
}

#[async_trait]
impl Transport for FakeWeb {
    async fn exchange(&self, _pass: Passed, request: &Request) -> Result<Response, TransportError> {
        self.requests.lock().unwrap().push((request.url.to_string(), Instant::now()));
        if let Some(form) = &request.form {
            self.forms.lock().unwrap().push((request.url.to_string(), form.clone()));
        }
        let page = self.pages.lock().unwrap().get(request.url.as_str()).cloned();
        let body = match page {
            None => return Ok(Response { status: 404, ..Response::default() }),
            Some(Page::Body(body)) => body,
            Some(Page::Slow(wait, body)) => {
                tokio::time::sleep(wait).await;
                body
            }
            Some(Page::Status(status, header)) => {
                let headers = header.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                return Ok(Response { status, headers, ..Response::default() });
            }
            Some(Page::WithHeader((name, value), body)) => {
                let headers = vec![(name.to_owned(), value.to_owned())];
                return Ok(Response { status: 200, headers, body: body.into(), ..Response::default() });
            }
            Some(Page::WithETag(tag, body)) => {
                let headers = vec![("etag".to_owned(), tag.to_owned())];
                let is_unchanged = request.if_none_match.as_deref() == Some(tag);
                let (status, body) = if is_unchanged { (304, String::new()) } else { (200, body) };
                return Ok(Response { status, headers, body: body.into(), ..Response::default() });
            }
            Some(Page::Hangs) => std::future::pending().await,
            Some(Page::Panics) => panic!("simulated bug"),
        };
        Ok(Response { status: 200, body: body.into(), ..Response::default() })
    }
}

/// Returns a feed of `entries` entries with full texts.
pub(crate) fn feed(entries: usize) -> Page {
    let items: String = (0..entries)
        .map(|n| {
            format!(
                "<item><guid isPermaLink='false'>{n}</guid><title>Новость {n}</title><description>кратко</description>\
                 <content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'>Полный текст новости {n}</content:encoded></item>"
            )
        })
        .collect();
    Page::Body(format!("<rss version='2.0'><channel><title>Лента</title>{items}</channel></rss>"))
}

/// Returns a feed whose entries are links, each with its own identifier.
pub(crate) fn links(addresses: &[&str]) -> Page {
    let items: String = addresses
        .iter()
        .enumerate()
        .map(|(n, url)| format!("<item><guid isPermaLink='false'>{n}</guid><title>Новость {n}</title><link>{url}</link></item>"))
        .collect();
    Page::Body(format!("<rss version='2.0'><channel><title>Лента</title>{items}</channel></rss>"))
}

/// Returns a feed whose entries are links with the same publication date (RFC 822).
pub(crate) fn dated_links(addresses: &[String], day: &str) -> Page {
    let item = |url: &String| {
        format!(
            "<item><guid>{url}</guid><title>Новость {url}</title><link>{url}</link><pubDate>{day}</pubDate></item>"
        )
    };
    let items: String = addresses.iter().map(item).collect();
    Page::Body(format!("<rss version='2.0'><channel><title>Лента</title>{items}</channel></rss>"))
}

/// The surroundings of a node: web, store, schedule, clock and settings.
pub(crate) struct Stage {
    pub(crate) web: Arc<FakeWeb>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schedule: Arc<InMemory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: NodeConfig,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Creates a stage with one source per host, read at `http://HOST/feed`, and a topic that all entries match.
    pub(crate) async fn with(hosts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.path().join("store.db"), 100).unwrap());
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(FollowingClock { start, began: Instant::now() });
        let web = Arc::new(FakeWeb::default());
        for host in hosts {
            web.put(&format!("http://{host}/feed"), feed(2));
        }
        let sources: Vec<Source> = hosts.iter().map(|host| source(host)).collect();
        let objects = Objects { sources, topics: vec![topic()], ..Objects::default() };
        store.declare(&objects, false, clock.now()).await.unwrap();
        Self { web, store, schedule: Arc::default(), clock, config: config(), folder }
    }

    pub(crate) async fn start(&self) -> Node {
        let policy = FetchPolicy {
            agent: "Qyran".to_owned(),
            max_crawl_delay: Duration::from_secs(60),
            max_retry_after: Duration::from_secs(3600),
            longest_exchange: Duration::from_secs(10),
            guard: AddressGuard::default(),
            tokens: crawler::fetch::TokenReader::default(),
        };
        let robots = Arc::new(ScheduleRobotsStore(self.schedule.clone()));
        let door = Door::new(self.web.clone(), robots, policy, self.clock.clone());
        let context = Context::new(
            self.store.clone(),
            self.schedule.clone(),
            door,
            self.clock.clone(),
            self.config.clone(),
        );
        Node::start(context).await.unwrap()
    }

    /// Makes the store fail to save harvests, or ends the outage.
    pub(crate) fn set_outage(&self, is_out: bool) {
        let database = rusqlite::Connection::open(self.folder.path().join("store.db")).unwrap();
        let change =
            if is_out { "ALTER TABLE fetch RENAME TO away" } else { "ALTER TABLE away RENAME TO fetch" };
        database.execute_batch(change).unwrap();
    }

    /// Makes the store reject every new item of a source.
    pub(crate) fn reject_items_of(&self, host: &str) {
        let database = rusqlite::Connection::open(self.folder.path().join("store.db")).unwrap();
        let trigger = format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON item WHEN NEW.source = '{host}'
             BEGIN SELECT RAISE(ABORT, 'rejected by the test'); END"
        );
        database.execute_batch(&trigger).unwrap();
    }

    pub(crate) async fn state(&self, host: &str) -> SourceState {
        self.store.source(&name(host)).await.unwrap().unwrap().state
    }

    pub(crate) async fn items(&self) -> u64 {
        self.store.totals().await.unwrap().items
    }
}

/// Waits until a condition holds, for up to an hour of paused time. `condition` completes "timed out waiting until".
pub(crate) async fn until<F: Future<Output = bool>>(condition: &str, is_met: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(3600);
    while !is_met().await {
        assert!(Instant::now() < deadline, "timed out waiting until {condition}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) fn name(host: &str) -> Name {
    Name::new(host).unwrap()
}

pub(crate) fn host(name: &str) -> model::Host {
    model::Host::from_url(&Url::parse(&format!("http://{name}/")).unwrap()).unwrap()
}

fn config() -> NodeConfig {
    NodeConfig {
        name: "n1".to_owned(),
        hosts: 16,
        credits: 16,
        cpus: 2,
        max_decoded: 1 << 20,
        pages: 10,
        lease: Duration::from_secs(60),
        stuck_after: Duration::from_secs(30),
        drain: Duration::from_secs(20),
        delay: Duration::from_secs(1),
        backoff: Duration::from_secs(10),
        max_backoff: Duration::from_secs(600),
        retention: Duration::ZERO,
        history: 100,
        pass: None,
        disabled: model::DisabledProtections::default(),
        listen: String::new(),
        websub_url: None,
    }
}

pub(crate) fn source(host: &str) -> Source {
    Source {
        every: Every { min: Duration::from_secs(60), max: Duration::from_secs(60) },
        ..Source::new(name(host), SourceKind::Feed, format!("http://{host}/feed").parse().unwrap())
    }
}

fn topic() -> Topic {
    Topic::new(Name::new("news").unwrap(), "новость".to_owned())
}
