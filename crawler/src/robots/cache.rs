//! The verdict of robots.txt on a request: allowed, denied or deferred.
//!
//! The outcome of a robots.txt fetch follows RFC 9309 §2.3.1. If rules were returned, they apply. A 4xx
//! status means that there are no rules. After 5xx, 429 and network errors the rules are unknown, so
//! nothing is fetched; this does not count as a failure of the source. During such an outage the last
//! copy of the rules remains valid for a day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::rules::Rules;
use crate::fetch::{Door, FetchError, Permits, Response, RobotsOutcome, retry_after};

/// Upper bound on the size of a robots.txt, in bytes; the rest is ignored. RFC 9309 §2.5 requires at least this size.
const MAX_ROBOTS_BYTES: usize = 500 * 1024;
/// The default lifetime of cached rules, for responses without `Cache-Control`.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(6 * 3600);
/// Lower bound on the lifetime of cached rules.
const MIN_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Upper bound on the lifetime of cached rules (RFC 9309 §2.4: at most a day).
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The wait before the first retry of a failed robots.txt fetch. It doubles with each further failure.
const MIN_RETRY_WAIT: Duration = Duration::from_secs(60);
/// Upper bound on the wait before a retry.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(3600);
/// The time for which the last copy remains valid while robots.txt cannot be fetched. It is also the upper bound on a
/// `Retry-After` in these responses.
const MAX_STALENESS: Duration = Duration::from_secs(24 * 3600);
/// Upper bound on the number of files whose parsed rules are cached in the process. Other files are loaded from the
/// [`RobotsStore`].
const MAX_CACHED_FILES: usize = 10_000;

/// The verdict of robots.txt on a URL.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The URL may be fetched.
    Allowed {
        /// The matching rule; empty if none matched.
        rule: String,
        /// The delay that the rules declare.
        crawl_delay: Option<Duration>,
    },
    /// The URL must not be fetched.
    Denied {
        /// The line number of the matching rule, counted from 1.
        line: usize,
        /// The matching rule.
        rule: String,
    },
    /// The rules are unknown, so the URL must not be fetched for now.
    Deferred {
        /// The time of the next attempt.
        until: Timestamp,
        /// The reason of the last failure.
        reason: String,
    },
}

/// The stored state of a robots.txt. It persists beyond the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobotsRecord {
    /// The text of the file; `None` if the server has none (4xx).
    pub rules: Option<String>,
    /// The time of the last successful fetch; `None` before the first one.
    pub read_at: Option<Timestamp>,
    /// The time of the next fetch.
    pub expires_at: Timestamp,
    /// The number of consecutive failures.
    pub failures: u32,
    /// The reason of the last failure; empty after a success.
    pub reason: String,
}

/// A store of robots.txt records. The key is the origin: `scheme://host:port`.
#[async_trait]
pub trait RobotsStore: Send + Sync {
    /// Returns the record of an origin.
    async fn recall(&self, origin: &str) -> Option<RobotsRecord>;
    /// Stores the record of an origin.
    async fn remember(&self, origin: &str, record: &RobotsRecord);
}

/// A memory that stores nothing: the rules are cached in the process only.
#[derive(Debug, Default)]
pub struct NoRobotsStore;

#[async_trait]
impl RobotsStore for NoRobotsStore {
    async fn recall(&self, _origin: &str) -> Option<RobotsRecord> {
        None
    }
    async fn remember(&self, _origin: &str, _record: &RobotsRecord) {}
}

/// A record with its parsed rules.
struct CachedRules {
    record: RobotsRecord,
    rules: Arc<Rules>,
}

/// The robots.txt rules of all hosts, fetched on demand.
pub struct RobotsCache {
    memory: Arc<dyn RobotsStore>,
    agent: String,
    max_crawl_delay: Duration,
    /// The cached rules by origin.
    entries: Mutex<HashMap<String, Arc<CachedRules>>>,
}

impl RobotsCache {
    /// Creates an empty cache in front of `memory`.
    pub fn new(memory: Arc<dyn RobotsStore>, agent: String, max_crawl_delay: Duration) -> Self {
        Self { memory, agent, max_crawl_delay, entries: Mutex::default() }
    }

    /// Returns the verdict on a URL. Fetches robots.txt if no unexpired rules are cached.
    pub(crate) async fn verdict(
        &self,
        url: &Url,
        door: &Door,
        permits: &mut dyn Permits,
        now: Timestamp,
    ) -> Result<Verdict, FetchError> {
        let cached = self.get_or_fetch(url, door, permits, now).await?;
        let record = &cached.record;
        let is_valid = record
            .read_at
            .is_some_and(|at| record.failures == 0 || now.duration_since(at).unsigned_abs() < MAX_STALENESS);
        if !is_valid {
            return Ok(Verdict::Deferred {
                until: record.expires_at.max(now),
                reason: record.reason.clone(),
            });
        }
        let decision = cached.rules.decide(&self.agent, url.as_str());
        Ok(match decision.line {
            Some(line) if !decision.allowed => Verdict::Denied { line, rule: decision.rule },
            _ => {
                let crawl_delay =
                    cached.rules.crawl_delay(&self.agent).map(|delay| delay.min(self.max_crawl_delay));
                Verdict::Allowed { rule: decision.rule, crawl_delay }
            }
        })
    }

    /// Returns true if the cached rules disallow a URL; false if none are cached.
    pub(crate) fn is_disallowed(&self, url: &Url) -> bool {
        let cached = self.lock().get(&url.origin().ascii_serialization()).cloned();
        cached.is_some_and(|cached| !cached.rules.decide(&self.agent, url.as_str()).allowed)
    }

    /// Returns the sitemaps in the robots.txt of a URL's host.
    pub(crate) async fn sitemaps(
        &self,
        url: &Url,
        door: &Door,
        permits: &mut dyn Permits,
        now: Timestamp,
    ) -> Result<Vec<Url>, FetchError> {
        let cached = self.get_or_fetch(url, door, permits, now).await?;
        Ok(cached.rules.sitemaps().iter().filter_map(|text| url.join(text).ok()).collect())
    }

    /// Returns the rules for a URL. Fetches robots.txt unless unexpired rules are cached.
    async fn get_or_fetch(
        &self,
        url: &Url,
        door: &Door,
        permits: &mut dyn Permits,
        now: Timestamp,
    ) -> Result<Arc<CachedRules>, FetchError> {
        let origin = url.origin().ascii_serialization();
        let cached = self.lock().get(&origin).cloned();
        let cached = match cached {
            Some(cached) => Some(cached),
            None => self.memory.recall(&origin).await.map(|record| self.insert(&origin, record)),
        };
        let unexpired = cached.as_ref().filter(|cached| cached.record.expires_at > now);
        door.observer().robots_looked_up(unexpired.is_some());
        if let Some(unexpired) = unexpired {
            return Ok(unexpired.clone());
        }
        let mut robots_url = url.clone();
        robots_url.set_path("/robots.txt");
        robots_url.set_query(None);
        robots_url.set_fragment(None);
        let previous = cached.map(|cached| cached.record.clone());
        let record = match door.fetch_robots(&robots_url, permits, MAX_ROBOTS_BYTES).await {
            // No request was sent, so the record does not change.
            Err(error @ (FetchError::LeaseExpired | FetchError::HostBusy { .. } | FetchError::Scheme(_))) => {
                return Err(error);
            }
            Ok(response) => next_record(Ok(&response), previous, now),
            Err(error) => next_record(Err(&error), previous, now),
        };
        door.observer().robots_fetched(match &record {
            RobotsRecord { failures: 1.., .. } => RobotsOutcome::Failed,
            RobotsRecord { rules: None, .. } => RobotsOutcome::None,
            RobotsRecord { rules: Some(_), .. } => RobotsOutcome::Rules,
        });
        self.memory.remember(&origin, &record).await;
        Ok(self.insert(&origin, record))
    }

    /// Parses the rules of a record and adds them to the cache.
    fn insert(&self, origin: &str, record: RobotsRecord) -> Arc<CachedRules> {
        let rules =
            Arc::new(record.rules.as_deref().map(|text| Rules::parse(text.as_bytes())).unwrap_or_default());
        let cached = Arc::new(CachedRules { record, rules });
        let mut entries = self.lock();
        if entries.len() >= MAX_CACHED_FILES {
            entries.clear(); // Rules are loaded from the memory again on demand.
        }
        entries.insert(origin.to_owned(), cached.clone());
        cached
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<CachedRules>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the record after a robots.txt fetch. `previous` is the record before it.
fn next_record(
    result: Result<&Response, &FetchError>,
    previous: Option<RobotsRecord>,
    now: Timestamp,
) -> RobotsRecord {
    let after = |wait: Duration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let reason = match result {
        Ok(response) if (200..300).contains(&response.status) => {
            let rules = decode_text(complete_lines(response));
            let expires_at = after(lifetime(response));
            return RobotsRecord {
                rules: Some(rules),
                read_at: Some(now),
                expires_at,
                failures: 0,
                reason: String::new(),
            };
        }
        Ok(response) if (400..500).contains(&response.status) && response.status != 429 => {
            return RobotsRecord {
                rules: None,
                read_at: Some(now),
                expires_at: after(DEFAULT_LIFETIME),
                failures: 0,
                reason: String::new(),
            };
        }
        Ok(response) => format!("HTTP status {}", response.status),
        // RFC 9309 §2.3.1.2: after too many redirects the file is treated as unavailable, so everything is allowed.
        Err(FetchError::Redirect(_)) => {
            return RobotsRecord {
                rules: None,
                read_at: Some(now),
                expires_at: after(DEFAULT_LIFETIME),
                failures: 0,
                reason: String::new(),
            };
        }
        Err(error) => error.to_string(),
    };
    let failures = previous.as_ref().map_or(0, |previous| previous.failures) + 1;
    let wait = MIN_RETRY_WAIT.saturating_mul(1 << (failures - 1).min(6)).min(MAX_RETRY_WAIT);
    let requested_pause = result
        .ok()
        .and_then(|response| retry_after(response.header("retry-after")?, now))
        .unwrap_or_default();
    RobotsRecord {
        rules: previous.as_ref().and_then(|previous| previous.rules.clone()),
        read_at: previous.and_then(|previous| previous.read_at),
        expires_at: after(wait.max(requested_pause.min(MAX_STALENESS))),
        failures,
        reason,
    }
}

/// Returns the body without the incomplete last line of a truncated file.
fn complete_lines(response: &Response) -> &[u8] {
    if !response.truncated {
        return &response.body;
    }
    let end = response.body.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(0);
    response.body.get(..end).unwrap_or_default()
}

/// Decodes a file. In a file that is not UTF-8, non-ASCII bytes are percent-encoded, as in the URLs that patterns
/// are matched against.
fn decode_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes
            .iter()
            .map(|byte| if byte.is_ascii() { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
            .collect(),
    }
}

/// Returns the lifetime of rules in the cache: `Cache-Control: max-age` within its bounds, or the default.
fn lifetime(response: &Response) -> Duration {
    let max_age = response
        .header("cache-control")
        .and_then(|field| {
            field.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
        })
        .map(Duration::from_secs);
    max_age.unwrap_or(DEFAULT_LIFETIME).clamp(MIN_LIFETIME, MAX_LIFETIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }

    fn response(status: u16, body: &str) -> Response {
        Response { status, body: body.as_bytes().to_vec().into(), ..Response::default() }
    }

    #[test]
    fn the_status_decides_as_in_rfc_9309() {
        let rules = "User-agent: *\nDisallow: /";
        for (status, is_success, has_rules) in [
            (200, true, true),
            (404, true, false),
            (403, true, false),
            (410, true, false),
            (429, false, false),
            (500, false, false),
            (503, false, false),
        ] {
            let record = next_record(Ok(&response(status, rules)), None, now());
            assert_eq!(record.read_at.is_some(), is_success, "{status}");
            assert_eq!(record.rules.is_some(), has_rules, "{status}");
        }
        let timeout = FetchError::Transport(crate::fetch::TransportError::Timeout("response"));
        assert_eq!(next_record(Err(&timeout), None, now()).read_at, None);
    }

    #[test]
    fn an_outage_preserves_the_rules_and_increases_the_wait() {
        let success = next_record(Ok(&response(200, "User-agent: *\nDisallow: /x")), None, now());
        let mut record = success.clone();
        let mut waits = Vec::new();
        for _ in 0..9 {
            record = next_record(Ok(&response(503, "")), Some(record), now());
            waits.push(record.expires_at.duration_since(now()).as_secs());
        }
        assert_eq!((record.rules, record.read_at), (success.rules, success.read_at));
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    }

    #[test]
    fn a_truncated_file_loses_its_incomplete_last_line() {
        let mut truncated = response(200, "User-agent: *\nDisallow: /private\nDisallow: /pub");
        truncated.truncated = true;
        assert_eq!(
            next_record(Ok(&truncated), None, now()).rules.as_deref(),
            Some("User-agent: *\nDisallow: /private")
        );
    }
}
