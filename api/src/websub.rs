//! WebSub callbacks: `/websub/ID`, verified by GET, delivered to by POST. An unknown identifier gets 404 or 410.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::time::timeout;

/// Upper bound on concurrent connections. Each may hold a document in memory.
pub const MAX_CONNECTIONS: usize = 16;
/// Upper bound on the time to receive a document.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Upper bound on the size of a document, bytes. Hubs deliver new entries, not whole archives.
const MAX_DOCUMENT_BYTES: usize = 4 << 20;

/// The reply to a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackReply {
    /// The subscription was requested here; the challenge is repeated.
    Challenge(String),
    /// The request was accepted.
    Accepted,
    /// There is no such subscription.
    Unknown,
    /// The request cannot be stored now; the hub may retry.
    Later(String),
}

/// The requests of hubs, as the node answers them.
#[async_trait]
pub trait WebSubCallbacks: Send + Sync {
    /// Answers a verification or denial of a subscription. `query` is the query string of the request.
    async fn verify(&self, id: &str, query: &str) -> CallbackReply;
    /// Returns true if there is a subscription with this identifier. Fails with the reason if the store is unavailable.
    async fn has_subscription(&self, id: &str) -> Result<bool, String>;
    /// Stores a delivered document until it is read.
    async fn deliver(
        &self,
        id: &str,
        signature: Option<&str>,
        content_type: Option<String>,
        body: Bytes,
    ) -> CallbackReply;
    /// Records a request that was rejected before it was read.
    fn rejected(&self, reason: &str);
}

#[derive(Clone)]
struct Callbacks {
    node: Arc<dyn WebSubCallbacks>,
    max_bytes: usize,
}

/// Returns the router of the callbacks. Documents of at most `max_bytes`, and never more than 4 MiB, are accepted.
pub fn router(node: Arc<dyn WebSubCallbacks>, max_bytes: u64) -> Router {
    let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX).min(MAX_DOCUMENT_BYTES);
    // The path of `websub.url` may stand before `/websub/`, so every path is handled here.
    Router::new().fallback(callback).with_state(Callbacks { node, max_bytes })
}

async fn callback(State(Callbacks { node, max_bytes }): State<Callbacks>, request: Request) -> Response {
    let Some(id) = request.uri().path().rsplit_once("/websub/").map(|(_, id)| id.to_owned()) else {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    };
    match request.method().clone() {
        Method::GET => {
            let query = request.uri().query().unwrap_or("").to_owned();
            response(node.verify(&id, &query).await, StatusCode::NOT_FOUND)
        }
        Method::POST => delivery(&*node, &id, max_bytes, request).await,
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, POST")], "GET or POST\n").into_response(),
    }
}

async fn delivery(node: &dyn WebSubCallbacks, id: &str, max_bytes: usize, request: Request) -> Response {
    // A document is received only from a hub that was asked.
    match node.has_subscription(id).await {
        Ok(true) => (),
        Ok(false) => return response(CallbackReply::Unknown, StatusCode::GONE),
        Err(reason) => return response(CallbackReply::Later(reason), StatusCode::GONE),
    }
    let signature = header(&request, "x-hub-signature");
    let content_type = header(&request, CONTENT_TYPE.as_str());
    match read_body(request, max_bytes).await {
        // Status 410: the hub has no subscriber here and stops.
        Ok(body) => {
            let reply = node.deliver(id, signature.as_deref(), content_type, body).await;
            response(reply, StatusCode::GONE)
        }
        Err((status, reason)) => {
            node.rejected(reason.trim());
            (status, reason).into_response()
        }
    }
}

fn header(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

async fn read_body(request: Request<Body>, max_bytes: usize) -> Result<Bytes, (StatusCode, String)> {
    let coding = request.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "content codings are not supported\n".to_owned()));
    }
    let too_large = || (StatusCode::PAYLOAD_TOO_LARGE, format!("the limit is {max_bytes} bytes\n"));
    // Rejected before the client is invited to send the body.
    if request.body().size_hint().lower() > max_bytes as u64 {
        return Err(too_large());
    }
    match timeout(DOCUMENT_TIMEOUT, Limited::new(request.into_body(), max_bytes).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the document ended early\n".to_owned())),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the document took too long\n".to_owned())),
    }
}

fn response(reply: CallbackReply, unknown: StatusCode) -> Response {
    match reply {
        CallbackReply::Challenge(challenge) => (StatusCode::OK, challenge).into_response(),
        CallbackReply::Accepted => StatusCode::ACCEPTED.into_response(),
        CallbackReply::Unknown => (unknown, "no such subscription\n").into_response(),
        CallbackReply::Later(reason) => {
            tracing::warn!(reason, "could not store the request of a WebSub hub");
            (StatusCode::SERVICE_UNAVAILABLE, "try again later\n").into_response()
        }
    }
}
