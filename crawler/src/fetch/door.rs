//! The door itself.

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
use super::token::{Secret, Tokens};
use super::transport::{Pass, Request, Response, Transport, TransportError};
use crate::robots::{RobotsCache, RobotsMemory, Verdict};
use crate::websub;

/// Hops after the first address (RFC 9309 asks for at least five for robots.txt).
const MAX_REDIRECTS: usize = 5;

/// What the door insists on.
#[derive(Debug, Clone)]
pub struct FetchPolicy {
    /// Product token looked for in robots.txt.
    pub agent: String,
    /// A longer `Crawl-delay` counts as this.
    pub max_crawl_delay: Duration,
    /// A longer `Retry-After` counts as this.
    pub max_retry_after: Duration,
    /// The longest an exchange can take: none begins later than this before its lease ends.
    pub longest_exchange: Duration,
    /// Which addresses may be asked.
    pub guard: AddressGuard,
    /// What hosts ask for that show themselves to some only.
    pub tokens: Tokens,
}

/// What is wanted, for the `Accept` field and the conditions.
#[derive(Debug, Clone, Default)]
pub struct Want {
    /// What it is made of.
    pub accept: Accept,
    /// Validators of the copy that is at hand; put only to the address that gave them.
    pub validators: Option<Validators>,
    /// The token that the source's host asks for.
    pub token: Option<TokenFor>,
    /// A form to send, for what is asked of hubs; robots rules, delays and the address guard apply to that as to anything.
    pub form: Option<String>,
}

/// A token, and whom it is shown to: the host that the source is declared at, and nobody that it leads to. Over HTTPS only, but
/// for names that the operator pins to addresses.
#[derive(Debug, Clone)]
pub struct TokenFor {
    /// What it is called.
    pub name: Name,
    /// An address of the host.
    pub at: Url,
}

/// What a body is made of, for the `Accept` field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accept {
    /// A page.
    #[default]
    Page,
    /// A feed or sitemap.
    Xml,
    /// JSON.
    Json,
    /// Messages of a WebSocket, read for a while.
    Stream,
}

impl Accept {
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

/// What came home.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it came from, redirects followed.
    pub url: Url,
    /// Whether every redirect on the way was permanent (301, 308).
    pub moved_permanently: bool,
    /// HTTP status: 2xx or 304.
    pub status: u16,
    /// The `Content-Type` field.
    pub content_type: Option<String>,
    /// The decoded body; empty for 304.
    pub body: Bytes,
    /// What its header fields reserve.
    pub reservations: Vec<Reservation>,
    /// What makes the next request conditional.
    pub validators: Validators,
    /// The hub that tells whoever asks for it what is new there.
    pub hub: Option<HubOffer>,
    /// For how long it stays as it is, as its server says.
    pub fresh_for: Option<Duration>,
    /// Bytes on the wire, of the last hop.
    pub wire_bytes: u64,
    /// The last hop's time.
    pub duration: Duration,
}

impl Fetched {
    /// What nobody asked for: a hub pushed it.
    pub fn pushed(url: Url, content_type: Option<String>, body: Bytes) -> Self {
        let wire_bytes = body.len() as u64;
        let answer = Response { status: 200, body, wire_bytes, ..Response::default() };
        Self { content_type, ..fetched(url, false, answer) }
    }

    /// The server says that nothing changed.
    pub fn is_not_modified(&self) -> bool {
        self.status == 304
    }
}

/// The one door to the network.
pub struct Door {
    transport: Arc<dyn Transport>,
    robots: RobotsCache,
    policy: FetchPolicy,
    clock: Arc<dyn Clock>,
    audit: Audit,
    witness: Arc<dyn FetchObserver>,
}

impl Door {
    /// A door over a transport, remembering robots rules in `memory`.
    pub fn new(
        transport: Arc<dyn Transport>,
        memory: Arc<dyn RobotsMemory>,
        policy: FetchPolicy,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let robots = RobotsCache::new(memory, policy.agent.clone(), policy.max_crawl_delay);
        Self { transport, robots, policy, clock, audit: Audit::default(), witness: Arc::new(NoObserver) }
    }

    /// The same, and somebody is told what happens at it.
    pub fn observed_by(self, witness: Arc<dyn FetchObserver>) -> Self {
        Self { witness, ..self }
    }

    pub(crate) fn witness(&self) -> &dyn FetchObserver {
        &*self.witness
    }

    /// Fetches an address, following redirects; every hop keeps all the rules.
    pub async fn fetch(
        &self,
        url: &Url,
        want: &Want,
        permits: &mut dyn Permits,
    ) -> Result<Fetched, FetchError> {
        let mut at = url.clone();
        let mut moved_permanently = true;
        for hop in 0..=MAX_REDIRECTS {
            self.check_address(&at)?;
            self.check_robots(&at, permits).await?;
            let validators =
                want.validators.as_ref().filter(|validators| validators.url.as_ref() == Some(&at));
            let request = Request {
                url: at.clone(),
                accept: want.accept.field(),
                listens: want.accept == Accept::Stream,
                token: self.token_for(want, &at).await?,
                if_none_match: validators.and_then(|v| v.etag.clone()),
                if_modified_since: validators.and_then(|v| v.last_modified.clone()),
                form: want.form.clone(),
                keep_at_most: None,
            };
            let answer = self.exchange(&request, permits).await?;
            if self.robots.forbids(&at) {
                self.broken(Rule::Robots, &at);
            }
            match answer.status {
                304 if validators.is_some() => {
                    return Ok(self.fetched(at, hop > 0 && moved_permanently, answer));
                }
                200..=299 => return Ok(self.fetched(at, hop > 0 && moved_permanently, answer)),
                // A form is carried on by redirects that say so, and by no others (RFC 9110 §15.4).
                301..=303 if want.form.is_some() => {
                    let status = answer.status;
                    return Err(FetchError::Redirect(format!("HTTP status {status} in answer to a form")));
                }
                301 | 302 | 303 | 307 | 308 => {
                    moved_permanently &= matches!(answer.status, 301 | 308);
                    let to = destination(&at, &answer)?;
                    // What is told to one host is not carried to another, nor out of TLS.
                    if want.form.is_some() && to.origin() != at.origin() {
                        return Err(FetchError::Redirect(format!("a form is not carried on to {to}")));
                    }
                    at = to;
                }
                status => return Err(FetchError::Http { status, retry_after: self.asked_to_wait(&answer) }),
            }
        }
        Err(FetchError::Redirect(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Robots' word on an address, for display.
    pub async fn robots_verdict(&self, url: &Url, permits: &mut dyn Permits) -> Result<Verdict, FetchError> {
        self.check_address(url)?;
        self.robots.verdict(url, self, permits, self.clock.now()).await
    }

    /// The sitemaps that the host's robots.txt offers.
    pub async fn sitemaps(&self, url: &Url, permits: &mut dyn Permits) -> Result<Vec<Url>, FetchError> {
        self.robots.sitemaps(url, self, permits, self.clock.now()).await
    }

    /// Fetches robots.txt: no robots rules apply to it, everything else does.
    pub(crate) async fn fetch_robots(
        &self,
        url: &Url,
        permits: &mut dyn Permits,
        keep: usize,
    ) -> Result<Response, FetchError> {
        let mut at = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.check_address(&at)?;
            let request = Request {
                url: at.clone(),
                accept: "text/plain, */*;q=0.5",
                listens: false,
                token: None,
                if_none_match: None,
                if_modified_since: None,
                form: None,
                keep_at_most: Some(keep),
            };
            let answer = self.exchange(&request, permits).await?;
            match answer.status {
                301 | 302 | 303 | 307 | 308 => at = destination(&at, &answer)?,
                _ => return Ok(answer),
            }
        }
        Err(FetchError::Redirect(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Refuses an address that is never asked: a foreign scheme, or a literal that the guard refuses.
    pub fn check_address(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme(url.scheme().to_owned()));
        }
        self.policy
            .guard
            .check_literal(url)
            .map_err(|address| TransportError::Blocked(address.to_string()).into())
    }

    /// Whether the operator says where the name of this address leads: it may lead within the operator's own network.
    pub fn is_pinned(&self, url: &Url) -> bool {
        url.host_str().is_some_and(|host| self.policy.guard.is_pinned(host))
    }

    /// The token to show at an address.
    async fn token_for(&self, want: &Want, at: &Url) -> Result<Option<Secret>, FetchError> {
        let token = want.token.as_ref().filter(|token| token.at.origin() == at.origin());
        let Some(TokenFor { name, .. }) = token else { return Ok(None) };
        // A name that the operator pins leads to where the operator says.
        let is_private = at.scheme() == "https" || self.is_pinned(at);
        if !is_private {
            return Err(FetchError::Token(format!("the token {name} is not sent over plain HTTP")));
        }
        self.policy.tokens.read(name).await.map(Some).map_err(FetchError::Token)
    }

    async fn check_robots(&self, url: &Url, permits: &mut dyn Permits) -> Result<(), FetchError> {
        match self.robots.verdict(url, self, permits, self.clock.now()).await? {
            Verdict::Allowed { crawl_delay, .. } => {
                if permit(url, permits).await?.follow_robots(crawl_delay.unwrap_or_default()) {
                    permits.delay_changed(url).await;
                }
                Ok(())
            }
            Verdict::Denied { line, rule } => Err(FetchError::RobotsDenied { line, rule }),
            Verdict::Deferred { until, reason } => Err(FetchError::RobotsDeferred { until, reason }),
        }
    }

    async fn exchange(&self, request: &Request, permits: &mut dyn Permits) -> Result<Response, FetchError> {
        permits.resign();
        let began = Instant::now();
        self.ready(request, permits).await?;
        self.witness.waited(began.elapsed());
        permits.admit().await;
        // That may have taken long: the lease must still outlast the exchange.
        let permit = self.ready(request, permits).await?;
        let answer = {
            if let Some(rule) = self.audit.begin(permit.host()) {
                self.broken(rule, &request.url);
            }
            let _under_way = UnderWay { permit: &mut *permit, audit: &self.audit };
            self.transport.exchange(Pass::granted(), request).await?
        };
        if let Some(wait) = self.asked_to_wait(&answer) {
            permit.block_until(self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX));
        }
        Ok(answer)
    }

    fn fetched(&self, url: Url, moved_permanently: bool, answer: Response) -> Fetched {
        let reservations = reservations(&answer, &self.policy.agent);
        let fresh_for = freshness(&answer, self.clock.now());
        let links = answer.headers.iter().filter(|(name, _)| name == "link").map(|(_, value)| value.as_str());
        let hub = websub::offer_in_fields(links, &url);
        Fetched { reservations, hub, fresh_for, ..fetched(url, moved_permanently, answer) }
    }

    fn broken(&self, rule: Rule, url: &Url) {
        tracing::error!(rule = rule.as_str(), %url, "a rule of politeness was broken; this is a bug");
        self.witness.violated(rule);
    }

    /// The permit for an exchange, once its host may be asked.
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

    fn asked_to_wait(&self, answer: &Response) -> Option<Duration> {
        if !matches!(answer.status, 429 | 503) {
            return None;
        }
        let now = self.clock.now();
        let asked = answer.header("retry-after").and_then(|field| retry_after(field, now));
        let counted = || {
            let field = ["ratelimit-reset", "x-ratelimit-reset"].iter().find_map(|name| answer.header(name));
            field.filter(|_| answer.status == 429).and_then(|field| rate_limit_reset(field, now))
        };
        Some(asked.or_else(counted)?.min(self.policy.max_retry_after))
    }
}

/// An exchange under way. Its end counts for the host's delay also when the caller gives up half-way.
struct UnderWay<'a> {
    permit: &'a mut Permit,
    audit: &'a Audit,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.permit.exchange_ended();
        self.audit.end(self.permit.host(), self.permit.delay());
    }
}

async fn permit<'a>(url: &Url, permits: &'a mut dyn Permits) -> Result<&'a mut Permit, FetchError> {
    let Some(host) = Host::of(url).map(|host| host.to_string()) else {
        return Err(FetchError::Redirect(format!("the address {url} names no host")));
    };
    permits.permit(url).await.map_err(|busy| FetchError::HostBusy { host, until: busy.until })
}

fn destination(from: &Url, answer: &Response) -> Result<Url, FetchError> {
    let Some(location) = answer.header("location") else {
        return Err(FetchError::Redirect(format!("HTTP status {} without a destination", answer.status)));
    };
    let mut to = from
        .join(location.trim())
        .map_err(|error| FetchError::Redirect(format!("redirect to an unreadable address ({error})")))?;
    to.set_fragment(None);
    if to == *from {
        return Err(FetchError::Redirect("redirect to itself".to_owned()));
    }
    Ok(to)
}

/// What header fields reserve: `X-Robots-Tag`, which may come several times, and `TDM-Reservation` (W3C).
fn reservations(answer: &Response, agent: &str) -> Vec<Reservation> {
    let fields = |name: &'static str| {
        answer.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
    };
    let mut found: Vec<Reservation> =
        fields("x-robots-tag").flat_map(|value| Reservation::in_directives(value, agent)).collect();
    found.extend(fields("tdm-reservation").filter(|value| value.trim() == "1").map(|_| Reservation::Tdm));
    found
}

fn fetched(url: Url, moved_permanently: bool, answer: Response) -> Fetched {
    Fetched {
        validators: Validators {
            url: Some(url.clone()),
            etag: answer.header("etag").map(str::to_owned),
            last_modified: answer.header("last-modified").map(str::to_owned),
            ..Validators::default()
        },
        content_type: answer.header("content-type").map(str::to_owned),
        url,
        moved_permanently,
        status: answer.status,
        wire_bytes: answer.wire_bytes,
        duration: answer.duration,
        reservations: Vec::new(),
        hub: None,
        fresh_for: None,
        body: answer.body,
    }
}

#[cfg(test)]
mod tests;
