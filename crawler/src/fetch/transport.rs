//! A single exchange: a request and a response of bounded size, without redirects, robots.txt and delays.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use super::token::Secret;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The URL.
    pub url: Url,
    /// The `Accept` field.
    pub accept: &'static str,
    /// Set for a WebSocket: messages are received for a limited time, and become the lines of the body.
    pub is_websocket: bool,
    /// The token of the `Authorization` field.
    pub token: Option<Secret>,
    /// The `If-None-Match` field: the exact value of the server's `ETag`.
    pub if_none_match: Option<String>,
    /// The `If-Modified-Since` field: the exact value of the server's `Last-Modified`.
    pub if_modified_since: Option<String>,
    /// The form (`application/x-www-form-urlencoded`) of a POST request; `None` for GET.
    pub form: Option<String>,
    /// The length to which a longer body is truncated, in bytes.
    pub truncate_at: Option<usize>,
}

/// A response.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The header fields in order, with lower-case names. Values that are not UTF-8 are decoded as Latin-1.
    pub headers: Vec<(String, String)>,
    /// The body without content codings.
    pub body: Bytes,
    /// The number of bytes that the body had on the wire.
    pub wire_bytes: u64,
    /// Set if the body is incomplete: longer than [`Request::truncate_at`], or cut off inside a content coding.
    pub truncated: bool,
    /// The duration of the exchange.
    pub duration: Duration,
}

impl Response {
    /// Returns the first header field with that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// An error of a single exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// A deadline passed. The text names what is missing.
    #[error("no {0} within the deadline")]
    Timeout(&'static str),
    /// The host name does not resolve.
    #[error("{0} does not resolve")]
    Dns(String),
    /// The address guard rejected the address.
    #[error("address {0} is not public; to allow it, add its range to fetch.allow_addresses")]
    Blocked(String),
    /// The connection could not be established, or broke.
    #[error("connection failed: {0}")]
    Connect(String),
    /// The body exceeds a size limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The content coding is malformed or unknown.
    #[error("cannot decode the body: {0}")]
    Decode(String),
}

/// Proof that the door has checked a request: robots.txt, the host's delay, the address guard. Only the door can
/// create one.
#[derive(Debug)]
pub struct Pass(());

impl Pass {
    pub(super) fn granted() -> Self {
        Self(())
    }
}

/// A transport for single exchanges.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Performs one exchange. It ends within its deadlines. Fails with [`TransportError::TooLarge`] if the body
    /// exceeds a size limit.
    async fn exchange(&self, pass: Pass, request: &Request) -> Result<Response, TransportError>;
}
