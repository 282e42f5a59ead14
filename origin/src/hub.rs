//! A WebSub hub: verifies the intent of a subscriber, then pushes each new article, signed, until the lease ends.

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

/// Interval between checks for new articles.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// The challenge that a subscriber must echo.
const CHALLENGE: &str = "tañba-17";

/// A subscription request.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    callback: Uri,
    topic: String,
    secret: String,
    lease: Duration,
}

impl Subscription {
    /// Returns the key of the subscription: callback and topic.
    pub(crate) fn key(&self) -> String {
        format!("{} {}", self.callback, self.topic)
    }

    /// Parses a form; returns `None` if a field is missing or invalid.
    pub(crate) fn parse(form: &str) -> Option<Self> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let field = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        (field("hub.mode")? == "subscribe").then_some(())?;
        Some(Self {
            callback: field("hub.callback")?.parse().ok()?,
            topic: field("hub.topic")?,
            secret: field("hub.secret")?,
            lease: Duration::from_secs(field("hub.lease_seconds")?.parse().ok()?),
        })
    }
}

/// Verifies the intent of the subscriber, then pushes new articles. `published` returns the number of articles,
/// `document` a feed of the articles from a number on. `is_current` returns false once the subscriber has sent a
/// newer request.
pub(crate) async fn serve(
    subscription: Subscription,
    published: impl Fn() -> u32,
    document: impl Fn(u32) -> String,
    is_current: impl Fn() -> bool,
    mut stopped: watch::Receiver<()>,
) {
    if !verify_intent(&subscription).await {
        return;
    }
    let end = Instant::now() + subscription.lease;
    let mut pushed = published();
    while Instant::now() < end && is_current() {
        tokio::select! {
            () = sleep(CHECK_INTERVAL) => (),
            _ = stopped.changed() => return,
        }
        let current = published();
        // Articles that the subscriber did not accept are pushed again.
        if current > pushed && push(&subscription, document(pushed)).await {
            pushed = current;
        }
    }
}

async fn verify_intent(subscription: &Subscription) -> bool {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.topic", &subscription.topic)
        .append_pair("hub.challenge", CHALLENGE)
        .append_pair("hub.lease_seconds", &subscription.lease.as_secs().to_string())
        .finish();
    let request = Request::get(format!("{}?{query}", subscription.callback.path())).body(Full::default());
    let Ok(request) = request else { return false };
    send(&subscription.callback, request)
        .await
        .is_some_and(|(status, body)| status.is_success() && body == CHALLENGE)
}

async fn push(subscription: &Subscription, document: String) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, subscription.secret.as_bytes());
    let tag = hmac::sign(&key, document.as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = Request::builder()
        .method(Method::POST)
        .uri(subscription.callback.path())
        .header(CONTENT_TYPE, "application/rss+xml")
        .header("x-hub-signature", format!("sha256={digits}"))
        .body(Full::new(Bytes::from(document)));
    let Ok(request) = request else { return false };
    send(&subscription.callback, request).await.is_some_and(|(status, _)| status.is_success())
}

/// Sends a request to a callback and returns the response.
async fn send(callback: &Uri, mut request: Request<Full<Bytes>>) -> Option<(StatusCode, String)> {
    let authority = callback.authority()?.clone();
    let stream = TcpStream::connect(authority.as_str()).await.ok()?;
    request.headers_mut().insert(HOST, authority.as_str().parse().ok()?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let exchange = async {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::pin!(exchange);
    tokio::select! {
        response = &mut exchange => response,
        // The server may close the connection before the response is read completely.
        _ = connection => exchange.await,
    }
}
