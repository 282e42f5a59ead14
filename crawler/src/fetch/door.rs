//! The door: fetches documents within the politeness rules.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{Clock, Host, HubOffer, Name, Reservation, Timestamp, Validators};
use tokio::time::Instant;
use url::Url;

use super::audit::{Audit, FetchObserver, NoObserver, Rule};
use super::error::FetchError;
use super::freshness::freshness;
use super::guard::AddressGuard;
use super::permit::{Permit, Permits};
use super::retry_after::{rate_limit_reset, retry_after};
use super::token::{Secret, TokenReader};
use super::transport::{Pass, Request, Response, Transport, TransportError};
use crate::robots::{RobotsCache, RobotsStore, Verdict};
use crate::websub;

/// Upper bound on redirects. RFC 9309 requires at least five for robots.txt.
const MAX_REDIRECTS: usize = 5;

/// The policy of a door.
#[derive(Debug, Clone)]
pub struct FetchPolicy {
    /// The product token whose rules in robots.txt apply.
    pub agent: String,
    /// Upper bound on `Crawl-delay`; a longer one is reduced to it.
    pub max_crawl_delay: Duration,
    /// Upper bound on `Retry-After`; a longer one is reduced to it.
    pub max_retry_after: Duration,
    /// Upper bound on the duration of an exchange. No exchange starts with less time left on the host's lease.
    pub longest_exchange: Duration,
    /// The filter of the addresses that requests may go to.
    pub guard: AddressGuard,
    /// The tokens of sources with restricted access.
    pub tokens: TokenReader,
}

/// The parameters of a fetch besides its URL.
#[derive(Debug, Clone, Default)]
pub struct FetchParams {
    /// The expected type of the document.
    pub accept: Accept,
    /// The validators of the stored copy, for a conditional request. They are sent only to the URL that returned
    /// them.
    pub validators: Option<Validators>,
    /// The token that the source's host requires.
    pub token: Option<OriginToken>,
    /// The form of a POST request to a hub. The robots.txt check, delays and the address guard also apply to it.
    pub form: Option<String>,
}

/// A token and the origin that may receive it.
///
/// The token is sent to the origin of the source's declared URL, but not to the targets of redirects. It is sent
/// over HTTPS only, except to host names that the operator pins to addresses.
#[derive(Debug, Clone)]
pub struct OriginToken {
    /// The name of the token.
    pub name: Name,
    /// A URL of the origin.
    pub at: Url,
}

/// The expected type of a document, for the `Accept` field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accept {
    /// A web page.
    #[default]
    Page,
    /// A feed or sitemap.
    Xml,
    /// A JSON document.
    Json,
    /// A WebSocket stream, received for a limited time.
    Stream,
}

impl Accept {
    /// Returns the value of the `Accept` field.
    fn field(self) -> &'static str {
        match self {
            Self::Page => "text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.5",
            Self::Xml => {
                "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
            }
            Self::Json | Self::Stream => "application/json, */*;q=0.5",
        }
    }
}

/// A fetched document.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The URL after all redirects.
    pub url: Url,
    /// True if there was a redirect and all redirects were permanent (301, 308).
    pub moved_permanently: bool,
    /// The HTTP status: 2xx or 304.
    pub status: u16,
    /// The `Content-Type` field.
    pub content_type: Option<String>,
    /// The decoded body; empty for 304.
    pub body: Bytes,
    /// The reservations in the header fields (`X-Robots-Tag`, `TDM-Reservation`).
    pub reservations: Vec<Reservation>,
    /// The validators for the next conditional request.
    pub validators: Validators,
    /// The WebSub hub that the header fields offer.
    pub hub: Option<HubOffer>,
    /// The freshness lifetime that the server declares.
    pub fresh_for: Option<Duration>,
    /// The number of bytes on the wire for the last hop.
    pub wire_bytes: u64,
    /// The duration of the last hop.
    pub duration: Duration,
}

impl Fetched {
    /// Creates a document from a body that a hub delivered.
    pub fn pushed(url: Url, content_type: Option<String>, body: Bytes) -> Self {
        let wire_bytes = body.len() as u64;
        let response = Response { status: 200, body, wire_bytes, ..Response::default() };
        Self { content_type, ..fetched_from(url, false, response) }
    }

    /// Returns true if the document has not changed since the stored copy (304).
    pub fn is_not_modified(&self) -> bool {
        self.status == 304
    }
}

/// The only access to the network: fetches documents within the politeness rules.
pub struct Door {
    transport: Arc<dyn Transport>,
    robots: RobotsCache,
    policy: FetchPolicy,
    clock: Arc<dyn Clock>,
    audit: Audit,
    observer: Arc<dyn FetchObserver>,
}

impl Door {
    /// Creates a door. Robots.txt rules are stored in `memory` beyond the life of the process.
    pub fn new(
        transport: Arc<dyn Transport>,
        memory: Arc<dyn RobotsStore>,
        policy: FetchPolicy,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let robots = RobotsCache::new(memory, policy.agent.clone(), policy.max_crawl_delay);
        Self { transport, robots, policy, clock, audit: Audit::default(), observer: Arc::new(NoObserver) }
    }

    /// Sets the observer of the door's events.
    pub fn with_observer(self, observer: Arc<dyn FetchObserver>) -> Self {
        Self { observer, ..self }
    }

    pub(crate) fn observer(&self) -> &dyn FetchObserver {
        &*self.observer
    }

    /// Fetches a URL and follows its redirects. All rules apply to every hop.
    pub async fn fetch(
        &self,
        url: &Url,
        want: &FetchParams,
        permits: &mut dyn Permits,
    ) -> Result<Fetched, FetchError> {
        let mut current_url = url.clone();
        let mut moved_permanently = true;
        for hop in 0..=MAX_REDIRECTS {
            self.check_address(&current_url)?;
            self.check_robots(&current_url, permits).await?;
            let validators =
                want.validators.as_ref().filter(|validators| validators.url.as_ref() == Some(&current_url));
            let request = Request {
                url: current_url.clone(),
                accept: want.accept.field(),
                is_websocket: want.accept == Accept::Stream,
                token: self.token_for(want, &current_url).await?,
                if_none_match: validators.and_then(|v| v.etag.clone()),
                if_modified_since: validators.and_then(|v| v.last_modified.clone()),
                form: want.form.clone(),
                truncate_at: None,
            };
            let response = self.exchange(&request, permits).await?;
            if self.robots.is_disallowed(&current_url) {
                self.report_violation(Rule::Robots, &current_url);
            }
            match response.status {
                304 if validators.is_some() => {
                    return Ok(self.fetched(current_url, hop > 0 && moved_permanently, response));
                }
                200..=299 => return Ok(self.fetched(current_url, hop > 0 && moved_permanently, response)),
                // Only 307 and 308 redirects preserve the method and the form (RFC 9110 §15.4).
                301..=303 if want.form.is_some() => {
                    let status = response.status;
                    let reason = format!("HTTP status {status} in response to a POST request");
                    return Err(FetchError::Redirect(reason));
                }
                301 | 302 | 303 | 307 | 308 => {
                    moved_permanently &= matches!(response.status, 301 | 308);
                    let target = redirect_target(&current_url, &response)?;
                    // A form may contain a secret: never send it to another host or without TLS.
                    if want.form.is_some() && target.origin() != current_url.origin() {
                        let reason = format!("redirect of a POST request to another origin: {target}");
                        return Err(FetchError::Redirect(reason));
                    }
                    current_url = target;
                }
                status => {
                    return Err(FetchError::Http { status, retry_after: self.requested_pause(&response) });
                }
            }
        }
        Err(FetchError::Redirect(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Returns the robots.txt verdict on a URL, for display.
    pub async fn robots_verdict(&self, url: &Url, permits: &mut dyn Permits) -> Result<Verdict, FetchError> {
        self.check_address(url)?;
        self.robots.verdict(url, self, permits, self.clock.now()).await
    }

    /// Returns the sitemaps in the host's robots.txt.
    pub async fn sitemaps(&self, url: &Url, permits: &mut dyn Permits) -> Result<Vec<Url>, FetchError> {
        self.robots.sitemaps(url, self, permits, self.clock.now()).await
    }

    /// Fetches a robots.txt. All rules apply to it except those of robots.txt. A body longer than `max_bytes` is
    /// truncated.
    pub(crate) async fn fetch_robots(
        &self,
        url: &Url,
        permits: &mut dyn Permits,
        max_bytes: usize,
    ) -> Result<Response, FetchError> {
        let mut current_url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.check_address(&current_url)?;
            let request = Request {
                url: current_url.clone(),
                accept: "text/plain, */*;q=0.5",
                is_websocket: false,
                token: None,
                if_none_match: None,
                if_modified_since: None,
                form: None,
                truncate_at: Some(max_bytes),
            };
            let response = self.exchange(&request, permits).await?;
            match response.status {
                301 | 302 | 303 | 307 | 308 => current_url = redirect_target(&current_url, &response)?,
                _ => return Ok(response),
            }
        }
        Err(FetchError::Redirect(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Fails if the URL is never fetched: its scheme is not http or https, or its host is an IP literal that the
    /// address guard rejects.
    pub fn check_address(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme(url.scheme().to_owned()));
        }
        self.policy
            .guard
            .check_literal(url)
            .map_err(|address| TransportError::Blocked(address.to_string()).into())
    }

    /// Returns true if the operator has pinned the host name of the URL to an address, which may be in a private
    /// network.
    pub fn is_pinned(&self, url: &Url) -> bool {
        url.host_str().is_some_and(|host| self.policy.guard.is_pinned(host))
    }

    /// Returns the token to send to a URL, if any.
    async fn token_for(&self, want: &FetchParams, url: &Url) -> Result<Option<Secret>, FetchError> {
        let token = want.token.as_ref().filter(|token| token.at.origin() == url.origin());
        let Some(OriginToken { name, .. }) = token else { return Ok(None) };
        // The operator controls the addresses of pinned names.
        let is_private = url.scheme() == "https" || self.is_pinned(url);
        if !is_private {
            return Err(FetchError::Token(format!(
                "token {name} must not be sent over plain HTTP; use an https URL"
            )));
        }
        self.policy.tokens.read(name).await.map(Some).map_err(FetchError::Token)
    }

    /// Fails unless robots.txt allows the URL. Applies the `Crawl-delay` of robots.txt to the permit.
    async fn check_robots(&self, url: &Url, permits: &mut dyn Permits) -> Result<(), FetchError> {
        match self.robots.verdict(url, self, permits, self.clock.now()).await? {
            Verdict::Allowed { crawl_delay, .. } => {
                if permit(url, permits).await?.set_robots_delay(crawl_delay.unwrap_or_default()) {
                    permits.robots_delay_changed(url).await;
                }
                Ok(())
            }
            Verdict::Denied { line, rule } => Err(FetchError::RobotsDenied { line, rule }),
            Verdict::Deferred { until, reason } => Err(FetchError::RobotsDeferred { until, reason }),
        }
    }

    /// Waits for the host's delay and performs one exchange.
    async fn exchange(&self, request: &Request, permits: &mut dyn Permits) -> Result<Response, FetchError> {
        permits.release_credit();
        let started = Instant::now();
        self.ready(request, permits).await?;
        self.observer.waited(started.elapsed());
        permits.acquire_credit().await;
        // The admission may have taken long: check again that the lease outlasts the exchange.
        let permit = self.ready(request, permits).await?;
        let response = {
            if let Some(rule) = self.audit.begin(permit.host()) {
                self.report_violation(rule, &request.url);
            }
            let _guard = ExchangeGuard { permit: &mut *permit, audit: &self.audit };
            self.transport.exchange(Pass::granted(), request).await?
        };
        if let Some(pause) = self.requested_pause(&response) {
            permit.block_until(self.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX));
        }
        Ok(response)
    }

    fn fetched(&self, url: Url, moved_permanently: bool, response: Response) -> Fetched {
        let reservations = reservations(&response, &self.policy.agent);
        let fresh_for = freshness(&response, self.clock.now());
        let links =
            response.headers.iter().filter(|(name, _)| name == "link").map(|(_, value)| value.as_str());
        let hub = websub::offer_in_fields(links, &url);
        Fetched { reservations, hub, fresh_for, ..fetched_from(url, moved_permanently, response) }
    }

    fn report_violation(&self, rule: Rule, url: &Url) {
        tracing::error!(rule = rule.as_str(), %url, "a politeness rule was violated; this is a bug");
        self.observer.rule_violated(rule);
    }

    /// Waits for the host's delay, and returns the permit for an exchange. Fails if the host is busy or blocked.
    async fn ready<'a>(
        &self,
        request: &Request,
        permits: &'a mut dyn Permits,
    ) -> Result<&'a mut Permit, FetchError> {
        let permit = permit(&request.url, permits).await?;
        let now = self.clock.now();
        if let Some(until) = permit.blocked_until().filter(|until| *until > now) {
            return Err(FetchError::HostBusy { host: permit.host().to_string(), until });
        }
        permit.ready(self.policy.longest_exchange).await?;
        Ok(permit)
    }

    /// Returns the pause that the server requests with status 429 or 503, up to the policy's upper bound.
    fn requested_pause(&self, response: &Response) -> Option<Duration> {
        if !matches!(response.status, 429 | 503) {
            return None;
        }
        let now = self.clock.now();
        let pause = response.header("retry-after").and_then(|field| retry_after(field, now));
        let until_reset = || {
            let field =
                ["ratelimit-reset", "x-ratelimit-reset"].iter().find_map(|name| response.header(name));
            field.filter(|_| response.status == 429).and_then(|field| rate_limit_reset(field, now))
        };
        Some(pause.or_else(until_reset)?.min(self.policy.max_retry_after))
    }
}

/// A guard that records the end of an exchange, so that the host's delay also applies after a cancelled exchange.
struct ExchangeGuard<'a> {
    permit: &'a mut Permit,
    audit: &'a Audit,
}

impl Drop for ExchangeGuard<'_> {
    fn drop(&mut self) {
        self.permit.exchange_ended();
        self.audit.end(self.permit.host(), self.permit.delay());
    }
}

async fn permit<'a>(url: &Url, permits: &'a mut dyn Permits) -> Result<&'a mut Permit, FetchError> {
    let Some(host) = Host::from_url(url).map(|host| host.to_string()) else {
        return Err(FetchError::Redirect(format!("the URL {url} has no host")));
    };
    permits.permit(url).await.map_err(|busy| FetchError::HostBusy { host, until: busy.until })
}

/// Returns the target of a redirect. Fails if `Location` is missing, malformed or the URL itself.
fn redirect_target(from: &Url, response: &Response) -> Result<Url, FetchError> {
    let Some(location) = response.header("location") else {
        return Err(FetchError::Redirect(format!(
            "redirect without a Location field (HTTP status {})",
            response.status
        )));
    };
    let mut target = from
        .join(location.trim())
        .map_err(|error| FetchError::Redirect(format!("redirect to a malformed URL ({error})")))?;
    target.set_fragment(None);
    if target == *from {
        return Err(FetchError::Redirect("redirect to itself".to_owned()));
    }
    Ok(target)
}

/// Returns the reservations in the header fields: `X-Robots-Tag`, which may occur several times, and
/// `TDM-Reservation` (W3C).
fn reservations(response: &Response, agent: &str) -> Vec<Reservation> {
    let fields = |name: &'static str| {
        response.headers.iter().filter(move |(field, _)| field == name).map(|(_, value)| value)
    };
    let mut reservations: Vec<Reservation> =
        fields("x-robots-tag").flat_map(|value| Reservation::in_directives(value, agent)).collect();
    reservations
        .extend(fields("tdm-reservation").filter(|value| value.trim() == "1").map(|_| Reservation::Tdm));
    reservations
}

fn fetched_from(url: Url, moved_permanently: bool, response: Response) -> Fetched {
    Fetched {
        validators: Validators {
            url: Some(url.clone()),
            etag: response.header("etag").map(str::to_owned),
            last_modified: response.header("last-modified").map(str::to_owned),
            ..Validators::default()
        },
        content_type: response.header("content-type").map(str::to_owned),
        url,
        moved_permanently,
        status: response.status,
        wire_bytes: response.wire_bytes,
        duration: response.duration,
        reservations: Vec::new(),
        hub: None,
        fresh_for: None,
        body: response.body,
    }
}

#[cfg(test)]
mod tests;
