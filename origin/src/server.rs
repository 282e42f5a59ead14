//! A server that serves a world on loopback and logs every exchange.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LOCATION, RETRY_AFTER, UPGRADE, USER_AGENT,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::hub::{self, Subscription};
use crate::pages::SiteView;
use crate::platforms::{self, jetstream};
use crate::query::Query;
use crate::site::{Behaviour, Kind, Site};
use crate::world::World;

/// The login page of walled sites.
const LOGIN_PAGE: &str = "<!DOCTYPE html><html><body><form action=\"/login\"><input name=\"password\" type=\"password\"></form></body></html>";
/// Minimum time between two requests to a rate-limited site.
const RATE_LIMIT_INTERVAL: Duration = Duration::from_millis(300);

/// The bearer token of guarded sites.
pub const TOKEN: &str = "open-sesame-8412";

/// A request and its outcome.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Exchange {
    /// The host name of the site.
    pub host: String,
    /// The path and query.
    pub path: String,
    /// The start, as the time since the start of the world.
    pub started: Duration,
    /// The end, as the time since the start of the world: the response was sent, or the visitor disconnected.
    pub ended: Duration,
    /// The HTTP status; 0 if the visitor disconnected before the response.
    pub status: u16,
    /// True if the request has a validator.
    pub conditional: bool,
    /// The `User-Agent` field.
    pub agent: String,
    /// The wait that the response requests (`Retry-After`).
    pub asks_to_wait: Option<Duration>,
}

/// A running server of a world. It stops when it is dropped.
pub struct Origin {
    shared: Arc<Shared>,
    _stop: watch::Sender<()>,
}

struct Shared {
    world: World,
    port: u16,
    epoch: Timestamp,
    began: Instant,
    /// True while the temporary faults are on.
    has_faults: AtomicBool,
    /// The time in milliseconds after which no article is published.
    frozen_at: AtomicU64,
    log: Mutex<Vec<Exchange>>,
    /// The number of requests of each subscriber to a hub.
    subscriptions: Arc<Mutex<HashMap<String, u32>>>,
    /// Closed when the server stops.
    stopped: watch::Receiver<()>,
    /// The number of requests to each site. It does not depend on the order in which sites are visited.
    requests: Vec<AtomicU64>,
}

impl Origin {
    /// Serves a world on a free port, the same on each site's address. The world starts at `now`.
    pub async fn start(world: World, now: Timestamp) -> std::io::Result<Self> {
        let (port, listeners) = bind_all(&world).await?;
        let (stop, stopped) = watch::channel(());
        let shared = Arc::new(Shared {
            requests: world.sites.iter().map(|_| AtomicU64::new(0)).collect(),
            world,
            port,
            epoch: now,
            began: Instant::now(),
            has_faults: AtomicBool::new(false),
            frozen_at: AtomicU64::new(u64::MAX),
            log: Mutex::default(),
            subscriptions: Arc::default(),
            stopped: stopped.clone(),
        });
        for (index, listener) in listeners.into_iter().enumerate() {
            spawn(accept(shared.clone(), index, listener, stopped.clone()));
        }
        Ok(Self { shared, _stop: stop })
    }

    /// Returns the world.
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// Returns the port on which all sites listen.
    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Returns the address of a site's front.
    pub fn front(&self, site: &Site) -> String {
        format!("http://{}:{}{}", site.name, self.shared.port, site.front())
    }

    /// Returns the address of an article.
    pub fn article(&self, site: &Site, number: u32) -> String {
        format!("http://{}:{}{}", site.name, self.shared.port, site.article_path(number))
    }

    /// Returns the number of published articles of a site.
    pub fn published(&self, site: &Site) -> u32 {
        self.shared.published(site)
    }

    /// Returns the time since the start of the world, as in the log.
    pub fn elapsed(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Turns the faults of temporarily faulty sites on or off.
    pub fn trouble(&self, is_on: bool) {
        self.shared.has_faults.store(is_on, Ordering::Relaxed);
    }

    /// Stops the publication of new articles.
    pub fn freeze(&self) {
        let elapsed = u64::try_from(self.shared.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.frozen_at.fetch_min(elapsed, Ordering::Relaxed);
    }

    /// Returns all exchanges so far, ordered by their ends.
    pub fn log(&self) -> Vec<Exchange> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Clears the log, so that only later exchanges are judged.
    pub fn forget(&self) {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Listens on a port that is free on every site's address.
async fn bind_all(world: &World) -> std::io::Result<(u16, Vec<TcpListener>)> {
    let mut last_error = std::io::Error::other("a world needs at least one site");
    for _ in 0..20 {
        let mut port = 0;
        let mut listeners = Vec::with_capacity(world.sites.len());
        for site in &world.sites {
            match TcpListener::bind(SocketAddr::from((site.address, port))).await {
                Ok(listener) => {
                    port = listener.local_addr()?.port();
                    listeners.push(listener);
                }
                Err(error) => {
                    last_error = error;
                    break;
                }
            }
        }
        if listeners.len() == world.sites.len() && port != 0 {
            return Ok((port, listeners));
        }
    }
    Err(last_error)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator has no supervisors: its tasks end with its listeners"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}

async fn accept(shared: Arc<Shared>, index: usize, listener: TcpListener, mut stopped: watch::Receiver<()>) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
            _ = stopped.changed() => return,
        };
        let (shared, mut stopped) = (shared.clone(), stopped.clone());
        spawn(async move {
            let service = service_fn(|request| handle(shared.clone(), index, request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::select! {
                _ = connection => (),
                _ = stopped.changed() => (),
            }
        });
    }
}

/// An entry that is appended to the log when it is dropped: at the end of the exchange, or when the visitor
/// disconnects.
struct LogEntry {
    shared: Arc<Shared>,
    exchange: Exchange,
}

impl Drop for LogEntry {
    fn drop(&mut self) {
        self.exchange.ended = self.shared.began.elapsed();
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(self.exchange.clone());
    }
}

async fn handle(
    shared: Arc<Shared>,
    index: usize,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let field =
        |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let Some(site) = shared.site(index) else { return Ok(status(StatusCode::NOT_FOUND)) };
    let site = &*site;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let etag = field(IF_NONE_MATCH);
    let mut entry = LogEntry {
        exchange: Exchange {
            host: site.name.clone(),
            path: path.clone(),
            started: shared.began.elapsed(),
            ended: Duration::ZERO,
            status: 0,
            conditional: !etag.is_empty() || !field(IF_MODIFIED_SINCE).is_empty(),
            agent: field(USER_AGENT),
            asks_to_wait: None,
        },
        shared: shared.clone(),
    };
    let turn = shared.requests.get(index).map_or(0, |requests| requests.fetch_add(1, Ordering::Relaxed));
    let query = request.uri().query().unwrap_or("");
    let is_authorized =
        site.behaviour != Behaviour::Guarded || field(AUTHORIZATION) == format!("Bearer {TOKEN}");
    if site.kind == Kind::Jetstream && request.uri().path() == site.front() && is_authorized {
        let response = match site.behaviour {
            Behaviour::Failing => status(StatusCode::INTERNAL_SERVER_ERROR),
            _ => return Ok(stream_events(&shared, index, request, entry)),
        };
        entry.exchange.status = response.status().as_u16();
        return Ok(response);
    }
    let is_hub = site.behaviour == Behaviour::Pushing && request.uri().path() == "/hub";
    let response = if is_hub && request.method() == Method::POST {
        subscribe(shared.clone(), index, request.into_body()).await
    } else if is_authorized || request.uri().path() == "/robots.txt" {
        respond(&shared, index, site, (request.uri().path(), query), &etag, turn).await
    } else {
        let error = shared.view(site).unauthorized_response();
        error.map_or(status(StatusCode::UNAUTHORIZED), |(kind, text)| body(kind, &text, ""))
    };
    let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    // Rate-limited platforms that use other header fields also request one second.
    let is_limited = response.status() == StatusCode::TOO_MANY_REQUESTS;
    entry.exchange.asks_to_wait = wait.or(is_limited.then_some(1)).map(Duration::from_secs);
    entry.exchange.status = response.status().as_u16();
    Ok(response)
}

/// Accepts a listener and streams events to it. The exchange lasts as long as the connection.
fn stream_events(
    shared: &Arc<Shared>,
    index: usize,
    request: Request<Incoming>,
    mut entry: LogEntry,
) -> Response<Full<Bytes>> {
    let key = request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
    let Some(key) = key.and_then(|key| key.parse().ok()) else { return status(StatusCode::UPGRADE_REQUIRED) };
    let now = Timestamp::now().as_microsecond();
    let cursor = jetstream::cursor(&Query(request.uri().query().unwrap_or("")), now);
    let (shared, stopped) = (shared.clone(), shared.stopped.clone());
    // `None` while the site fails: the connection closes.
    let events = move || {
        let site = shared.site(index).filter(|site| site.behaviour != Behaviour::Failing)?;
        Some(shared.view(&site).events())
    };
    entry.exchange.status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    spawn(async move {
        let _entry = entry;
        if let Ok(socket) = hyper::upgrade::on(request).await {
            jetstream::stream(socket, cursor, events, stopped).await;
        }
    });
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    *response.body_mut() = Full::default();
    let upgrade = hyper::header::HeaderValue::from_static("websocket");
    response.headers_mut().insert(UPGRADE, upgrade);
    response.headers_mut().insert(CONNECTION, hyper::header::HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert("sec-websocket-accept", key);
    response
}

/// Accepts a subscription and starts to serve it.
async fn subscribe(shared: Arc<Shared>, index: usize, body: Incoming) -> Response<Full<Bytes>> {
    let form = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let Some(subscription) = Subscription::parse(&String::from_utf8_lossy(&form)) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let (stopped, subscriptions) = (shared.stopped.clone(), shared.subscriptions.clone());
    let published = {
        let shared = shared.clone();
        move || shared.world.sites.get(index).map_or(0, |site| shared.published(site))
    };
    let document =
        move |from| shared.site(index).map(|site| shared.view(&site).feed_from(from)).unwrap_or_default();
    // A newer request of the same subscriber replaces this one.
    let key = subscription.key();
    let number = {
        let mut numbers = subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        *numbers.entry(key.clone()).and_modify(|number| *number += 1).or_insert(0)
    };
    let is_current =
        move || subscriptions.lock().unwrap_or_else(PoisonError::into_inner).get(&key) == Some(&number);
    spawn(hub::serve(subscription, published, document, is_current, stopped));
    status(StatusCode::ACCEPTED)
}

async fn respond(
    shared: &Shared,
    index: usize,
    site: &Site,
    (path, query): (&str, &str),
    etag: &str,
    turn: u64,
) -> Response<Full<Bytes>> {
    use Behaviour::*;
    match site.behaviour {
        Stalled => sleep(Duration::from_secs(3600)).await,
        Slow => sleep(Duration::from_secs(2)).await,
        _ => (),
    }
    if path == "/robots.txt" {
        return match site.behaviour {
            RobotsDown => status(StatusCode::SERVICE_UNAVAILABLE),
            _ => body("text/plain", &site.robots(), etag),
        };
    }
    match site.behaviour {
        Failing => return status(StatusCode::INTERNAL_SERVER_ERROR),
        Flaky if turn % 3 == 2 => {
            let mut unavailable = status(StatusCode::SERVICE_UNAVAILABLE);
            unavailable.headers_mut().insert(RETRY_AFTER, hyper::header::HeaderValue::from_static("1"));
            return unavailable;
        }
        Gone if path == site.front() => return status(StatusCode::GONE),
        Loop if path == site.front() => return redirect(StatusCode::FOUND, "/turn"),
        Loop => return redirect(StatusCode::FOUND, site.front()),
        Moved if path == site.front() => return redirect(StatusCode::MOVED_PERMANENTLY, "/new-front"),
        MovedAway if path == site.front() => {
            let next = shared.world.sites.get((index + 1) % shared.world.sites.len()).unwrap_or(site);
            return redirect(
                StatusCode::MOVED_PERMANENTLY,
                &format!("http://{}:{}{}", next.name, shared.port, next.front()),
            );
        }
        Bomb if path == site.front() => return bomb(),
        Walled if path == "/login" => return body("text/html; charset=utf-8", LOGIN_PAGE, etag),
        Walled => return redirect(StatusCode::FOUND, "/login?next=front"),
        Limited if path == site.front() && shared.is_limited(site) => {
            return match shared.view(site).rate_limit_response() {
                Some((kind, text)) => body(kind, &text, ""),
                None => {
                    let mut limited = status(StatusCode::TOO_MANY_REQUESTS);
                    let (field, until) = platforms::rate_limit_header(site.kind);
                    if let Ok(until) = until.parse() {
                        limited.headers_mut().insert(field, until);
                    }
                    limited
                }
            };
        }
        _ => (),
    }
    let view = shared.view(site);
    let published = view.published;
    if path == site.front() || site.behaviour == Moved && path == "/new-front" {
        if view.missing_parameter(&Query(query)).is_some() {
            return status(StatusCode::BAD_REQUEST);
        }
        let (content_type, text) = view.front(&Query(query));
        return body(content_type, &text, etag);
    }
    let number = path
        .strip_prefix("/news/")
        .or_else(|| path.strip_prefix("/private/"))
        .and_then(|rest| rest.parse::<u32>().ok());
    match number.filter(|number| *number < published && !site.is_missing(*number)) {
        Some(number) if site.behaviour == Reserved => {
            let page =
                view.article(number).replace("<head>", "<head><meta name=\"tdm-reservation\" content=\"1\">");
            let mut reserved = body("text/html; charset=utf-8", &page, etag);
            let noarchive = hyper::header::HeaderValue::from_static("otherbot: noindex, *: noarchive");
            reserved.headers_mut().insert("x-robots-tag", noarchive);
            reserved
        }
        Some(number) => body("text/html; charset=utf-8", &view.article(number), etag),
        None => status(StatusCode::NOT_FOUND),
    }
}

impl Shared {
    /// Returns a site with its current behaviour.
    fn site(&self, index: usize) -> Option<Cow<'_, Site>> {
        let site = self.world.sites.get(index)?;
        let behaviour = site.behaviour_in(self.has_faults.load(Ordering::Relaxed));
        Some(if behaviour == site.behaviour {
            Cow::Borrowed(site)
        } else {
            Cow::Owned(Site { behaviour, ..site.clone() })
        })
    }

    /// Returns the current view of a site.
    fn view<'a>(&'a self, site: &'a Site) -> SiteView<'a> {
        let published = self.published(site);
        SiteView { world: &self.world, site, port: self.port, epoch: self.epoch, published }
    }

    /// Returns true if the front of a site was requested within the last 300 milliseconds.
    fn is_limited(&self, site: &Site) -> bool {
        let (now, log) = (self.began.elapsed(), self.log.lock().unwrap_or_else(PoisonError::into_inner));
        let mut recent =
            log.iter().rev().take_while(|exchange| now.saturating_sub(exchange.ended) < RATE_LIMIT_INTERVAL);
        recent.any(|exchange| exchange.host == site.name && exchange.path.starts_with(site.front()))
    }

    fn published(&self, site: &Site) -> u32 {
        let frozen = Duration::from_millis(self.frozen_at.load(Ordering::Relaxed));
        site.published_after(self.began.elapsed().min(frozen))
    }
}

/// Returns a response with an entity tag, or 304 if the request has the same tag.
fn body(content_type: &str, text: &str, etag: &str) -> Response<Full<Bytes>> {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let tag = format!("\"{hash:x}\"");
    let builder = Response::builder().header(CONTENT_TYPE, content_type).header(ETAG, &tag);
    let response = if etag == tag {
        builder.status(StatusCode::NOT_MODIFIED).body(Full::default())
    } else {
        builder.body(Full::new(Bytes::from(text.to_owned())))
    };
    response.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response =
        Response::new(Full::new(Bytes::from_static(b"<!DOCTYPE html><html><body>-</body></html>")));
    *response.status_mut() = code;
    response
}

fn redirect(code: StatusCode, to: &str) -> Response<Full<Bytes>> {
    let mut response = status(code);
    if let Ok(to) = to.parse() {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// Returns a gzip-compressed response that expands to 100 MiB.
fn bomb() -> Response<Full<Bytes>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1 << 20];
    let compressed = (0..100)
        .try_for_each(|_| encoder.write_all(&zeros))
        .and_then(|()| encoder.finish())
        .unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(compressed)));
    response.headers_mut().insert(CONTENT_ENCODING, hyper::header::HeaderValue::from_static("gzip"));
    response
}
