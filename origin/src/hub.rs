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
    /// What stands in a form; none where something is missing.
    pub(crate) fn read(form: &str) -> Option<Self> {
        let said = |name: &str| {
            let pair = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
            Some(plain(pair))
        };
        (said("hub.mode")? == "subscribe").then_some(())?;
        Some(Self {
            callback: said("hub.callback")?.parse().ok()?,
            topic: said("hub.topic")?,
            secret: said("hub.secret")?,
            lease: Duration::from_secs(said("hub.lease_seconds")?.parse().ok()?),
        })
    }
}

/// Percent signs undone.
fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.next()).unwrap_or(0), digit(rest.next()).unwrap_or(0));
                u8::try_from(high * 16 + low).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks back, then pushes what comes out. `out` says how many articles there are, `document` what tells of those from one on.
pub(crate) async fn tell(
    asked: Asked,
    out: impl Fn() -> u32,
    document: impl Fn(u32) -> String,
    mut stopped: watch::Receiver<()>,
) {
    if !asks_back(&asked).await {
        return;
    }
    let ends = Instant::now() + asked.lease;
    let mut known = out();
    while Instant::now() < ends {
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
    let query = format!(
        "hub.mode=subscribe&hub.topic={}&hub.challenge=ta%C3%B1ba-17&hub.lease_seconds={}",
        asked.topic,
        asked.lease.as_secs()
    );
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
