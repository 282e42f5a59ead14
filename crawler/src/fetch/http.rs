//! Exchanges over HTTP with reqwest: connect, first-byte and total deadlines, and bodies of bounded size.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
};
use tokio::time::{Instant, timeout};

use super::body;
use super::guard::{AddressGuard, Rejected, Unresolved};
use super::token::Secret;
use super::transport::{Pass, Request, Response, Transport, TransportError};
use super::websocket::{Limits, receive};

/// The time without a message after which a WebSocket stream has no backlog left and the exchange ends.
const WEBSOCKET_IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// The settings of the HTTP transport.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The complete `User-Agent` field.
    pub user_agent: String,
    /// The time limit for the connection.
    pub connect_timeout: Duration,
    /// The time limit for the header fields of the response.
    pub first_byte_timeout: Duration,
    /// The time limit for the complete response.
    pub total_timeout: Duration,
    /// Upper bound on the size of a body on the wire, in bytes.
    pub max_wire_bytes: u64,
    /// Upper bound on the size of a decoded body, in bytes.
    pub max_decoded_bytes: u64,
    /// The proxy for all requests.
    pub proxy: Option<String>,
    /// The filter of the addresses that requests may go to.
    pub guard: AddressGuard,
}

/// The transport for HTTP and WebSocket.
pub struct Http {
    client: reqwest::Client,
    /// The client for WebSocket. It uses HTTP/1.1 only, because HTTP/2 connections cannot be upgraded.
    websocket_client: reqwest::Client,
    settings: HttpSettings,
}

impl Http {
    /// Creates a transport. Fails if the proxy URL is malformed or the TLS root certificates cannot be read.
    pub fn new(settings: HttpSettings) -> Result<Self, String> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| format!("cannot create the HTTP client: {}", root_cause(&error)))
        };
        let client = build(builder(&settings)?)?;
        let websocket_client = build(builder(&settings)?.http1_only())?;
        Ok(Self { client, websocket_client, settings })
    }

    fn websocket_limits(&self) -> Limits {
        let HttpSettings { first_byte_timeout, total_timeout, max_decoded_bytes, .. } = self.settings;
        Limits {
            connect_timeout: first_byte_timeout,
            total_timeout,
            idle_timeout: WEBSOCKET_IDLE_TIMEOUT,
            max_bytes: max_decoded_bytes,
        }
    }

    async fn send(&self, request: &Request) -> Result<reqwest::Response, TransportError> {
        let field = |text: &str| HeaderValue::from_bytes(text.as_bytes()).ok();
        let mut builder = match &request.form {
            None => self.client.get(request.url.clone()),
            Some(form) => self
                .client
                .post(request.url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone()),
        };
        builder = builder
            .header(ACCEPT, request.accept)
            .header(ACCEPT_LANGUAGE, "kk, ru, en;q=0.8, *;q=0.5")
            .header(ACCEPT_ENCODING, body::ACCEPT_ENCODING);
        builder = with_token(builder, request);
        if let Some(etag) = request.if_none_match.as_deref().and_then(field) {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = request.if_modified_since.as_deref().and_then(field) {
            builder = builder.header(IF_MODIFIED_SINCE, date);
        }
        match timeout(self.settings.first_byte_timeout, builder.send()).await {
            Ok(result) => result.map_err(|error| transport_error(&error, request)),
            Err(_) => Err(TransportError::Timeout("response")),
        }
    }
}

#[async_trait]
impl Transport for Http {
    async fn exchange(&self, _pass: Pass, request: &Request) -> Result<Response, TransportError> {
        let started = Instant::now();
        let exchange = async {
            if request.is_websocket {
                return receive(&self.websocket_client, request, self.websocket_limits()).await;
            }
            let response = self.send(request).await?;
            let status = response.status().as_u16();
            let headers = response
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), decode_header(value.as_bytes())))
                .collect();
            let limits = body::Limits {
                max_wire_bytes: self.settings.max_wire_bytes,
                max_decoded_bytes: self.settings.max_decoded_bytes,
                truncate_at: request.truncate_at,
            };
            let body = body::read(response, limits).await.map_err(|error| match error {
                body::BodyError::Connection(error) => transport_error(&error, request),
                body::BodyError::Rejected(error) => error,
            })?;
            Ok(Response {
                status,
                headers,
                body: body.bytes,
                wire_bytes: body.wire_bytes,
                truncated: body.truncated,
                duration: Duration::ZERO,
            })
        };
        let response = match timeout(self.settings.total_timeout, exchange).await {
            Ok(result) => result?,
            Err(_) => return Err(TransportError::Timeout("complete response")),
        };
        Ok(Response { duration: started.elapsed(), ..response })
    }
}

/// Adds the request's token, if any, as the `Authorization` field.
pub(super) fn with_token(builder: reqwest::RequestBuilder, request: &Request) -> reqwest::RequestBuilder {
    let field = |token: &Secret| HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok();
    match request.token.as_ref().and_then(field) {
        Some(mut token) => {
            token.set_sensitive(true);
            builder.header(AUTHORIZATION, token)
        }
        None => builder,
    }
}

fn builder(settings: &HttpSettings) -> Result<reqwest::ClientBuilder, String> {
    let builder = reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .dns_resolver(settings.guard.clone())
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(Duration::from_secs(30))
        .http2_adaptive_window(true)
        .referer(false);
    Ok(match &settings.proxy {
        Some(proxy) => {
            builder.proxy(reqwest::Proxy::all(proxy).map_err(|error| format!("fetch.proxy: {error}"))?)
        }
        None => builder.no_proxy(),
    })
}

/// Decodes the value of a header field as UTF-8, or as Latin-1 if it is not valid UTF-8.
fn decode_header(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// Converts an error of reqwest. Errors of the address guard are recognized among its causes.
pub(super) fn transport_error(error: &reqwest::Error, request: &Request) -> TransportError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(Rejected(address)) = inner.downcast_ref() {
            return TransportError::Blocked(address.to_string());
        }
        if let Some(Unresolved(name)) = inner.downcast_ref() {
            return TransportError::Dns(name.clone());
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        return TransportError::Timeout("connection");
    }
    TransportError::Connect(format!("{} ({})", root_cause(error), request.url.host_str().unwrap_or("")))
}

/// Returns the text of the innermost cause, which names the problem. The outer errors only name the operation.
fn root_cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
