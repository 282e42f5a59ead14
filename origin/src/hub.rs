//! A hub (WebSub): asks back, then pushes each article that comes out, signed, for as long as it promised.

use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use url::form_urlencoded;

/// How often it looks for what is new.
const LOOK: Duration = Duration::from_millis(100);
/// What a subscriber is to repeat.
const CHALLENGE: &str = "tañba-17";

/// What a subscriber asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    callback: Uri,
    topic: String,
    secret: String,
    lease: Duration,
}

impl Asked {
    /// Who asks, and what for.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.callback, self.topic)
    }

    /// What stands in a form; none where something is missing.
    pub(crate) fn read(form: &str) -> Option<Self> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let said = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        (said("hub.mode")? == "subscribe").then_some(())?;
        Some(Self {
            callback: said("hub.callback")?.parse().ok()?,
            topic: said("hub.topic")?,
            secret: said("hub.secret")?,
            lease: Duration::from_secs(said("hub.lease_seconds")?.parse().ok()?),
        })
    }
}

/// Asks back, then pushes what comes out. `out` says how many articles there are, `document` what tells of those from one on, `is_last` whether
/// it did not ask once more since.
pub(crate) async fn tell(
    asked: Asked,
    out: impl Fn() -> u32,
    document: impl Fn(u32) -> String,
    is_last: impl Fn() -> bool,
    mut stopped: watch::Receiver<()>,
) {
    if !asks_back(&asked).await {
        return;
    }
    let ends = Instant::now() + asked.lease;
    let mut known = out();
    while Instant::now() < ends && is_last() {
        tokio::select! {
            () = sleep(LOOK) => (),
            _ = stopped.changed() => return,
        }
        let now = out();
        // What the subscriber could not keep is told again.
        if now > known && push(&asked, document(known)).await {
            known = now;
        }
    }
}

async fn asks_back(asked: &Asked) -> bool {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.topic", &asked.topic)
        .append_pair("hub.challenge", CHALLENGE)
        .append_pair("hub.lease_seconds", &asked.lease.as_secs().to_string())
        .finish();
    let request = Request::get(format!("{}?{query}", asked.callback.path())).body(Full::default());
    let Ok(request) = request else { return false };
    say(&asked.callback, request).await.is_some_and(|(status, body)| status.is_success() && body == CHALLENGE)
}

async fn push(asked: &Asked, document: String) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, asked.secret.as_bytes());
    let tag = hmac::sign(&key, document.as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = Request::builder()
        .method(Method::POST)
        .uri(asked.callback.path())
        .header(CONTENT_TYPE, "application/rss+xml")
        .header("x-hub-signature", format!("sha256={digits}"))
        .body(Full::new(Bytes::from(document)));
    let Ok(request) = request else { return false };
    say(&asked.callback, request).await.is_some_and(|(status, _)| status.is_success())
}

/// One exchange with whoever is called.
async fn say(callback: &Uri, mut request: Request<Full<Bytes>>) -> Option<(StatusCode, String)> {
    let authority = callback.authority()?.clone();
    let stream = TcpStream::connect(authority.as_str()).await.ok()?;
    request.headers_mut().insert(HOST, authority.as_str().parse().ok()?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let answered = async {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::pin!(answered);
    tokio::select! {
        answer = &mut answered => answer,
        // The server may close its side before everything was read here.
        _ = connection => answered.await,
    }
}
