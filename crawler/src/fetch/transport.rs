//! One exchange: a request out, a bounded answer back. No redirects, no robots, no waiting.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use super::token::Secret;

/// What to ask for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where.
    pub url: Url,
    /// The `Accept` field.
    pub accept: &'static str,
    /// Over WebSocket: messages are read for a while, and make a body of lines.
    pub listens: bool,
    /// The token of the `Authorization` field.
    pub token: Option<Secret>,
    /// The `If-None-Match` field, letter by letter as the server gave its `ETag`.
    pub if_none_match: Option<String>,
    /// The `If-Modified-Since` field, letter by letter as the server gave its `Last-Modified`.
    pub if_modified_since: Option<String>,
    /// A form to send (`application/x-www-form-urlencoded`): POST instead of GET.
    pub form: Option<String>,
    /// More of the body than this is not wanted: what came is kept and marked truncated.
    pub keep_at_most: Option<usize>,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header fields in lower case, in order, decoded as Latin-1 where they are not UTF-8.
    pub headers: Vec<(String, String)>,
    /// The body, its content codings undone.
    pub body: Bytes,
    /// Bytes of the body on the wire.
    pub wire_bytes: u64,
    /// The body was longer than [`Request::keep_at_most`].
    pub truncated: bool,
    /// From the start of the exchange to its end.
    pub duration: Duration,
}

impl Response {
    /// The first field of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// A deadline passed.
    #[error("no {0} in time")]
    Timeout(&'static str),
    /// The name does not resolve.
    #[error("the name {0} does not resolve")]
    Dns(String),
    /// The address guard refused.
    #[error("the address {0} is not public; fetch.allow_addresses can open a range")]
    Blocked(String),
    /// No connection, or it broke.
    #[error("the connection failed: {0}")]
    Connect(String),
    /// Larger than the caps.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The content coding is broken or unknown.
    #[error("the body cannot be decoded: {0}")]
    Decode(String),
}

/// Proof that a request went through the door: robots asked, delay kept, guard passed. Only the
/// door can write one.
#[derive(Debug)]
pub struct Pass(());

impl Pass {
    pub(super) fn granted() -> Self {
        Self(())
    }
}

/// Makes single exchanges.
#[async_trait]
pub trait Transport: Send + Sync {
    /// One exchange. Ends within its deadlines; a body beyond the caps is an error.
    async fn exchange(&self, pass: Pass, request: &Request) -> Result<Response, TransportError>;
}
