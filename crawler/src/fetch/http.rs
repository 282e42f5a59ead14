//! Exchanges over HTTP by reqwest: connect, first-byte and total deadlines, capped bodies.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
};
use tokio::time::{Instant, timeout};

use super::body;
use super::guard::{AddressGuard, Refused, Unresolved};
use super::listen::{Bounds, listen};
use super::token::Secret;
use super::transport::{Pass, Request, Response, Transport, TransportError};

/// A WebSocket on which nothing came for so long is caught up with.
const SILENCE: Duration = Duration::from_secs(3);

/// How exchanges are made.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The whole `User-Agent` field.
    pub user_agent: String,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// Until the response begins.
    pub first_byte_timeout: Duration,
    /// Until the response is whole.
    pub total_timeout: Duration,
    /// Largest body on the wire, bytes.
    pub max_wire_bytes: u64,
    /// Largest body once decoded, bytes.
    pub max_decoded_bytes: u64,
    /// A proxy for all requests.
    pub proxy: Option<String>,
    /// Which addresses may be asked.
    pub guard: AddressGuard,
}

/// Exchanges over HTTP.
pub struct Http {
    client: reqwest::Client,
    /// Of HTTP/1.1 alone: a connection of HTTP/2 is not handed over.
    listening: reqwest::Client,
    settings: HttpSettings,
}

impl Http {
    /// A client. Fails where the proxy is malformed or the TLS roots cannot be read.
    pub fn new(settings: HttpSettings) -> Result<Self, String> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| format!("the HTTP client cannot start: {}", chain(&error)))
        };
        let client = build(builder(&settings)?)?;
        let listening = build(builder(&settings)?.http1_only())?;
        Ok(Self { client, listening, settings })
    }

    fn bounds(&self) -> Bounds {
        let HttpSettings { first_byte_timeout, total_timeout, max_decoded_bytes, .. } = self.settings;
        Bounds { first: first_byte_timeout, total: total_timeout, silence: SILENCE, bytes: max_decoded_bytes }
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
            .header(ACCEPT_ENCODING, body::ACCEPTED);
        builder = with_token(builder, request);
        if let Some(etag) = request.if_none_match.as_deref().and_then(field) {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = request.if_modified_since.as_deref().and_then(field) {
            builder = builder.header(IF_MODIFIED_SINCE, date);
        }
        match timeout(self.settings.first_byte_timeout, builder.send()).await {
            Ok(sent) => sent.map_err(|error| classify(&error, request)),
            Err(_) => Err(TransportError::Timeout("answer")),
        }
    }
}

#[async_trait]
impl Transport for Http {
    async fn exchange(&self, _pass: Pass, request: &Request) -> Result<Response, TransportError> {
        let started = Instant::now();
        let whole = async {
            if request.listens {
                return listen(&self.listening, request, self.bounds()).await;
            }
            let response = self.send(request).await?;
            let status = response.status().as_u16();
            let headers = response
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), latin1(value.as_bytes())))
                .collect();
            let caps = body::Caps {
                wire: self.settings.max_wire_bytes,
                decoded: self.settings.max_decoded_bytes,
                keep: request.keep_at_most,
            };
            let body = body::read(response, caps).await.map_err(|error| match error {
                body::BodyError::Broken(error) => classify(&error, request),
                body::BodyError::Refused(error) => error,
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
        let answer = match timeout(self.settings.total_timeout, whole).await {
            Ok(answer) => answer?,
            Err(_) => return Err(TransportError::Timeout("end of the answer")),
        };
        Ok(Response { duration: started.elapsed(), ..answer })
    }
}

/// The request with the token that was asked to be shown.
pub(super) fn with_token(builder: reqwest::RequestBuilder, request: &Request) -> reqwest::RequestBuilder {
    let field = |token: &Secret| HeaderValue::from_str(&format!("Bearer {}", token.letters())).ok();
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

fn latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

pub(super) fn classify(error: &reqwest::Error, request: &Request) -> TransportError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(Refused(address)) = inner.downcast_ref() {
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
    TransportError::Connect(format!("{} ({})", chain(error), request.url.host_str().unwrap_or("")))
}

/// The innermost cause says what happened; the outer ones say where we were.
fn chain(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
