//! Serves a world on loopback and logs every exchange.

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

use crate::hub::{self, Asked};
use crate::pages::Press;
use crate::platforms::{self, Query, jetstream};
use crate::site::{Behaviour, Kind, Site};
use crate::world::World;

/// What walled sites show.
const LOGIN: &str = "<!DOCTYPE html><html><body><form action=\"/login\"><input name=\"password\" type=\"password\"></form></body></html>";
/// Limited sites are asked again after this at the soonest.
const LIMIT: Duration = Duration::from_millis(300);

/// What guarded sites ask for.
pub const TOKEN: &str = "open-sesame-8412";

/// One request and how it ended.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Exchange {
    /// The site's host name.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Since the world began.
    pub started: Duration,
    /// Since the world began: when the answer was handed over, or the visitor went away.
    pub ended: Duration,
    /// HTTP status; 0 where the visitor went away before.
    pub status: u16,
    /// The request carried a validator.
    pub conditional: bool,
    /// The `User-Agent` field.
    pub agent: String,
    /// For how long the answer asks to be left alone (`Retry-After`).
    pub asks_to_wait: Option<Duration>,
}

/// A world being served. Ends when it is dropped.
pub struct Origin {
    shared: Arc<Shared>,
    _stop: watch::Sender<()>,
}

struct Shared {
    world: World,
    port: u16,
    epoch: Timestamp,
    began: Instant,
    /// Sites that misbehave only for a while do so now.
    trouble: AtomicBool,
    /// Nothing new comes out after this many milliseconds.
    frozen_at: AtomicU64,
    log: Mutex<Vec<Exchange>>,
    /// How often each subscriber asked a hub.
    told: Arc<Mutex<HashMap<String, u32>>>,
    /// Changes when it ends.
    stopped: watch::Receiver<()>,
    requests: AtomicU64,
}

impl Origin {
    /// Serves a world on a free port, the same on each site's address. `now` is when it begins.
    pub async fn start(world: World, now: Timestamp) -> std::io::Result<Self> {
        let (port, listeners) = bind_all(&world).await?;
        let (stop, stopped) = watch::channel(());
        let shared = Arc::new(Shared {
            world,
            port,
            epoch: now,
            began: Instant::now(),
            trouble: AtomicBool::new(false),
            frozen_at: AtomicU64::new(u64::MAX),
            log: Mutex::default(),
            told: Arc::default(),
            stopped: stopped.clone(),
            requests: AtomicU64::new(0),
        });
        for (index, listener) in listeners.into_iter().enumerate() {
            spawn(accept(shared.clone(), index, listener, stopped.clone()));
        }
        Ok(Self { shared, _stop: stop })
    }

    /// The world that is served.
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// The port that all sites listen on.
    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// The address of a site's front.
    pub fn front(&self, site: &Site) -> String {
        format!("http://{}:{}{}", site.name, self.shared.port, site.front())
    }

    /// The address of an article.
    pub fn article(&self, site: &Site, number: u32) -> String {
        format!("http://{}:{}{}", site.name, self.shared.port, site.article_path(number))
    }

    /// How many articles of a site are out.
    pub fn published(&self, site: &Site) -> u32 {
        self.shared.published(site)
    }

    /// How long it has been serving: the time of its log.
    pub fn elapsed(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Sites that misbehave only for a while do so from now on, or do so no more.
    pub fn trouble(&self, is_in_trouble: bool) {
        self.shared.trouble.store(is_in_trouble, Ordering::Relaxed);
    }

    /// From now on nothing new comes out.
    pub fn freeze(&self) {
        let elapsed = u64::try_from(self.shared.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.frozen_at.fetch_min(elapsed, Ordering::Relaxed);
    }

    /// Every exchange so far, in the order of their ends.
    pub fn log(&self) -> Vec<Exchange> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the log: what follows is judged alone.
    pub fn forget(&self) {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A free port that is free on every site's address.
async fn bind_all(world: &World) -> std::io::Result<(u16, Vec<TcpListener>)> {
    let mut last = std::io::Error::other("a world needs at least one site");
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
                    last = error;
                    break;
                }
            }
        }
        if listeners.len() == world.sites.len() && port != 0 {
            return Ok((port, listeners));
        }
    }
    Err(last)
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
            let service = service_fn(|request| answer(shared.clone(), index, request));
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

/// Writes the log when the exchange ends, also by the visitor's going away.
struct Entry {
    shared: Arc<Shared>,
    exchange: Exchange,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.exchange.ended = self.shared.began.elapsed();
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(self.exchange.clone());
    }
}

async fn answer(
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
    let mut entry = Entry {
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
    let turn = shared.requests.fetch_add(1, Ordering::Relaxed);
    let query = request.uri().query().unwrap_or("");
    let is_welcome =
        site.behaviour != Behaviour::Guarded || field(AUTHORIZATION) == format!("Bearer {TOKEN}");
    if site.kind == Kind::Jetstream && request.uri().path() == site.front() && is_welcome {
        let response = match site.behaviour {
            Behaviour::Failing => status(StatusCode::INTERNAL_SERVER_ERROR),
            _ => return Ok(listen(&shared, index, request, entry)),
        };
        entry.exchange.status = response.status().as_u16();
        return Ok(response);
    }
    let is_hub = site.behaviour == Behaviour::Pushing && request.uri().path() == "/hub";
    let response = if is_hub && request.method() == Method::POST {
        subscribe(shared.clone(), index, request.into_body()).await
    } else if is_welcome || request.uri().path() == "/robots.txt" {
        respond(&shared, index, site, (request.uri().path(), query), &etag, turn).await
    } else {
        let told = shared.press(site).no_entry();
        told.map_or(status(StatusCode::UNAUTHORIZED), |(kind, text)| body(kind, &text, ""))
    };
    let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    // What a limited site says in other words is the same: a second.
    let is_refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    entry.exchange.asks_to_wait = wait.or(is_refused.then_some(1)).map(Duration::from_secs);
    entry.exchange.status = response.status().as_u16();
    Ok(response)
}

/// Takes a listener, and begins to tell it what comes by. The exchange lasts for as long as it listens.
fn listen(
    shared: &Arc<Shared>,
    index: usize,
    request: Request<Incoming>,
    mut entry: Entry,
) -> Response<Full<Bytes>> {
    let key = request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
    let Some(key) = key.and_then(|key| key.parse().ok()) else { return status(StatusCode::UPGRADE_REQUIRED) };
    let now = Timestamp::now().as_microsecond();
    let cursor = jetstream::cursor(&Query(request.uri().query().unwrap_or("")), now);
    let (shared, stopped) = (shared.clone(), shared.stopped.clone());
    // None: it is out, and closes.
    let events = move || {
        let site = shared.site(index).filter(|site| site.behaviour != Behaviour::Failing)?;
        Some(shared.press(&site).events())
    };
    entry.exchange.status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    spawn(async move {
        let _entry = entry;
        if let Ok(socket) = hyper::upgrade::on(request).await {
            jetstream::tell(socket, cursor, events, stopped).await;
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

/// Takes what a subscriber asks for, and begins to tell it.
async fn subscribe(shared: Arc<Shared>, index: usize, body: Incoming) -> Response<Full<Bytes>> {
    let form = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let Some(asked) = Asked::read(&String::from_utf8_lossy(&form)) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let (stopped, shared_told) = (shared.stopped.clone(), shared.told.clone());
    let out = {
        let shared = shared.clone();
        move || shared.world.sites.get(index).map_or(0, |site| shared.published(site))
    };
    let document =
        move |from| shared.site(index).map(|site| shared.press(&site).news(from)).unwrap_or_default();
    // Whoever asks again is told once.
    let mut told = shared_told.lock().unwrap_or_else(PoisonError::into_inner);
    let number = told.entry(asked.name()).and_modify(|number| *number += 1).or_insert(0);
    let (name, number) = (asked.name(), *number);
    drop(told);
    let is_last = {
        let told = shared_told.clone();
        move || told.lock().unwrap_or_else(PoisonError::into_inner).get(&name) == Some(&number)
    };
    spawn(hub::tell(asked, out, document, is_last, stopped));
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
            let mut busy = status(StatusCode::SERVICE_UNAVAILABLE);
            busy.headers_mut().insert(RETRY_AFTER, hyper::header::HeaderValue::from_static("1"));
            return busy;
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
        Walled if path == "/login" => return body("text/html; charset=utf-8", LOGIN, etag),
        Walled => return redirect(StatusCode::FOUND, "/login?next=front"),
        Limited if path == site.front() && shared.is_asked_too_often(site) => {
            return match shared.press(site).refusal() {
                Some((kind, text)) => body(kind, &text, ""),
                None => {
                    let mut busy = status(StatusCode::TOO_MANY_REQUESTS);
                    let (field, until) = platforms::limit(site.kind);
                    if let Ok(until) = until.parse() {
                        busy.headers_mut().insert(field, until);
                    }
                    busy
                }
            };
        }
        _ => (),
    }
    let press = shared.press(site);
    let published = press.published;
    if path == site.front() || site.behaviour == Moved && path == "/new-front" {
        if press.lacks(&Query(query)).is_some() {
            return status(StatusCode::BAD_REQUEST);
        }
        let (content_type, text) = press.front(&Query(query));
        return body(content_type, &text, etag);
    }
    let number = path
        .strip_prefix("/news/")
        .or_else(|| path.strip_prefix("/private/"))
        .and_then(|rest| rest.parse::<u32>().ok());
    match number.filter(|number| *number < published && !site.is_missing(*number)) {
        Some(number) if site.behaviour == Reserved => {
            let page = press
                .article(number)
                .replace("<head>", "<head><meta name=\"tdm-reservation\" content=\"1\">");
            let mut reserved = body("text/html; charset=utf-8", &page, etag);
            let noarchive = hyper::header::HeaderValue::from_static("otherbot: noindex, *: noarchive");
            reserved.headers_mut().insert("x-robots-tag", noarchive);
            reserved
        }
        Some(number) => body("text/html; charset=utf-8", &press.article(number), etag),
        None => status(StatusCode::NOT_FOUND),
    }
}

impl Shared {
    /// A site as it behaves now.
    fn site(&self, index: usize) -> Option<Cow<'_, Site>> {
        let site = self.world.sites.get(index)?;
        let behaviour = site.behaviour_in(self.trouble.load(Ordering::Relaxed));
        Some(if behaviour == site.behaviour {
            Cow::Borrowed(site)
        } else {
            Cow::Owned(Site { behaviour, ..site.clone() })
        })
    }

    /// What a site shows now.
    fn press<'a>(&'a self, site: &'a Site) -> Press<'a> {
        let published = self.published(site);
        Press { world: &self.world, site, port: self.port, epoch: self.epoch, published }
    }

    /// Whether a site's front was asked for within the last 300 milliseconds.
    fn is_asked_too_often(&self, site: &Site) -> bool {
        let (now, log) = (self.began.elapsed(), self.log.lock().unwrap_or_else(PoisonError::into_inner));
        let mut recent = log.iter().rev().take_while(|exchange| now.saturating_sub(exchange.ended) < LIMIT);
        recent.any(|exchange| exchange.host == site.name && exchange.path.starts_with(site.front()))
    }

    fn published(&self, site: &Site) -> u32 {
        let frozen = Duration::from_millis(self.frozen_at.load(Ordering::Relaxed));
        site.published_after(self.began.elapsed().min(frozen))
    }
}

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

fn bomb() -> Response<Full<Bytes>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1 << 20];
    let packed = (0..100)
        .try_for_each(|_| encoder.write_all(&zeros))
        .and_then(|()| encoder.finish())
        .unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(packed)));
    response.headers_mut().insert(CONTENT_ENCODING, hyper::header::HeaderValue::from_static("gzip"));
    response
}
