//! What asking for robots.txt means for a request: allowed, denied, or no verdict yet.
//!
//! RFC 9309 §2.3.1: rules that were read are obeyed; a 4xx answer means that there are none; 5xx,
//! 429 and network errors mean that nobody knows, so nothing is fetched, and nothing is held
//! against the source. A good copy outlives such an outage for a day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::rules::Rules;
use crate::fetch::{Door, FetchError, Permits, Response, RobotsOutcome, retry_after};

/// Only this much of a file counts when it is fetched (RFC 9309 §2.5 asks for at least that).
const MAX_ROBOTS_BYTES: usize = 500 * 1024;
/// Rules are asked for again after this, unless the answer's Cache-Control says otherwise…
const LIFE: Duration = Duration::from_secs(6 * 3600);
/// …between these bounds (RFC 9309 §2.4: at most a day).
const LIFE_BOUNDS: (Duration, Duration) = (Duration::from_secs(15 * 60), Duration::from_secs(24 * 3600));
/// While rules are not to be had they are asked for again after this, and twice as long each time, to an hour.
const RETRY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// A good copy serves this long after it was read while no fresh one is to be had.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// Parsed rules kept in memory; beyond it the memory behind is asked.
const MAX_PARSED: usize = 10_000;

/// Robots' word on an address.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It may be fetched.
    Allowed {
        /// The rule that says so; empty where none matched.
        rule: String,
        /// The delay the rules ask for.
        crawl_delay: Option<Duration>,
    },
    /// It may not.
    Denied {
        /// The line that decided, counted from 1.
        line: usize,
        /// The rule as it stands there.
        rule: String,
    },
    /// Nobody knows yet.
    Deferred {
        /// When to ask again.
        until: Timestamp,
        /// Why there is no verdict.
        reason: String,
    },
}

/// What is remembered of a robots.txt. It outlives the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobotsRecord {
    /// The rules as they were read; `None` where the server has none (4xx).
    pub rules: Option<String>,
    /// When `rules` was read; `None` while no answer ever was good.
    pub read_at: Option<Timestamp>,
    /// When to ask again.
    pub expires_at: Timestamp,
    /// Failures in a row, and the last one in words.
    pub failures: u32,
    /// Why the last asking failed; empty when it did not.
    pub reason: String,
}

/// Where robots rules are remembered. The key is `scheme://host:port`.
#[async_trait]
pub trait RobotsMemory: Send + Sync {
    /// What is remembered.
    async fn recall(&self, origin: &str) -> Option<RobotsRecord>;
    /// Remembers.
    async fn remember(&self, origin: &str, record: &RobotsRecord);
}

/// Remembers nothing beyond the process.
#[derive(Debug, Default)]
pub struct NoMemory;

#[async_trait]
impl RobotsMemory for NoMemory {
    async fn recall(&self, _origin: &str) -> Option<RobotsRecord> {
        None
    }
    async fn remember(&self, _origin: &str, _record: &RobotsRecord) {}
}

struct Known {
    record: RobotsRecord,
    rules: Arc<Rules>,
}

/// The rules of many hosts, asked for when they are needed.
pub struct RobotsCache {
    memory: Arc<dyn RobotsMemory>,
    agent: String,
    max_crawl_delay: Duration,
    known: Mutex<HashMap<String, Arc<Known>>>,
}

impl RobotsCache {
    /// An empty cache before `memory`.
    pub fn new(memory: Arc<dyn RobotsMemory>, agent: String, max_crawl_delay: Duration) -> Self {
        Self { memory, agent, max_crawl_delay, known: Mutex::default() }
    }

    pub(crate) async fn verdict(
        &self,
        url: &Url,
        door: &Door,
        permits: &mut dyn Permits,
        now: Timestamp,
    ) -> Result<Verdict, FetchError> {
        let known = self.fresh(url, door, permits, now).await?;
        let record = &known.record;
        let usable = record
            .read_at
            .is_some_and(|at| record.failures == 0 || now.duration_since(at).unsigned_abs() < STALE);
        if !usable {
            return Ok(Verdict::Deferred {
                until: record.expires_at.max(now),
                reason: record.reason.clone(),
            });
        }
        let decision = known.rules.decide(&self.agent, url.as_str());
        Ok(match decision.line {
            Some(line) if !decision.allowed => Verdict::Denied { line, rule: decision.rule },
            _ => {
                let crawl_delay =
                    known.rules.crawl_delay(&self.agent).map(|delay| delay.min(self.max_crawl_delay));
                Verdict::Allowed { rule: decision.rule, crawl_delay }
            }
        })
    }

    /// Whether the rules that are at hand forbid an address; false where there are none.
    pub(crate) fn forbids(&self, url: &Url) -> bool {
        let known = self.lock().get(&url.origin().ascii_serialization()).cloned();
        known.is_some_and(|known| !known.rules.decide(&self.agent, url.as_str()).allowed)
    }

    pub(crate) async fn sitemaps(
        &self,
        url: &Url,
        door: &Door,
        permits: &mut dyn Permits,
        now: Timestamp,
    ) -> Result<Vec<Url>, FetchError> {
        let known = self.fresh(url, door, permits, now).await?;
        Ok(known.rules.sitemaps().iter().filter_map(|text| url.join(text).ok()).collect())
    }

    /// The rules for an address, asked for unless they are known and not expired.
    async fn fresh(
        &self,
        url: &Url,
        door: &Door,
        permits: &mut dyn Permits,
        now: Timestamp,
    ) -> Result<Arc<Known>, FetchError> {
        let origin = url.origin().ascii_serialization();
        let held = self.lock().get(&origin).cloned();
        let held = match held {
            Some(held) => Some(held),
            None => self.memory.recall(&origin).await.map(|record| self.keep(&origin, record)),
        };
        let fresh = held.as_ref().filter(|held| held.record.expires_at > now);
        door.witness().robots_needed(fresh.is_some());
        if let Some(fresh) = fresh {
            return Ok(fresh.clone());
        }
        let mut robots = url.clone();
        robots.set_path("/robots.txt");
        robots.set_query(None);
        robots.set_fragment(None);
        let before = held.map(|held| held.record.clone());
        let record = match door.fetch_robots(&robots, permits, MAX_ROBOTS_BYTES).await {
            // Not asked at all: nothing was learnt.
            Err(error @ (FetchError::LeaseEnds | FetchError::HostBusy { .. } | FetchError::Scheme(_))) => {
                return Err(error);
            }
            Ok(answer) => outcome(Ok(&answer), before, now),
            Err(error) => outcome(Err(&error), before, now),
        };
        door.witness().robots_asked(match &record {
            RobotsRecord { failures: 1.., .. } => RobotsOutcome::Failed,
            RobotsRecord { rules: None, .. } => RobotsOutcome::None,
            RobotsRecord { rules: Some(_), .. } => RobotsOutcome::Rules,
        });
        self.memory.remember(&origin, &record).await;
        Ok(self.keep(&origin, record))
    }

    fn keep(&self, origin: &str, record: RobotsRecord) -> Arc<Known> {
        let rules =
            Arc::new(record.rules.as_deref().map(|text| Rules::parse(text.as_bytes())).unwrap_or_default());
        let known = Arc::new(Known { record, rules });
        let mut all = self.lock();
        if all.len() >= MAX_PARSED {
            all.clear(); // What is needed again comes back from memory.
        }
        all.insert(origin.to_owned(), known.clone());
        known
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer to the question for robots.txt means. Pure.
fn outcome(
    answer: Result<&Response, &FetchError>,
    before: Option<RobotsRecord>,
    now: Timestamp,
) -> RobotsRecord {
    let after = |wait: Duration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let reason = match answer {
        Ok(answer) if (200..300).contains(&answer.status) => {
            let rules = text(whole_lines(answer));
            let expires_at = after(life(answer));
            return RobotsRecord {
                rules: Some(rules),
                read_at: Some(now),
                expires_at,
                failures: 0,
                reason: String::new(),
            };
        }
        Ok(answer) if (400..500).contains(&answer.status) && answer.status != 429 => {
            return RobotsRecord {
                rules: None,
                read_at: Some(now),
                expires_at: after(LIFE),
                failures: 0,
                reason: String::new(),
            };
        }
        Ok(answer) => format!("HTTP status {}", answer.status),
        // RFC 9309 §2.3.1.2: too many redirects count as unavailable, which allows.
        Err(FetchError::Redirect(_)) => {
            return RobotsRecord {
                rules: None,
                read_at: Some(now),
                expires_at: after(LIFE),
                failures: 0,
                reason: String::new(),
            };
        }
        Err(error) => error.to_string(),
    };
    let failures = before.as_ref().map_or(0, |before| before.failures) + 1;
    let wait = RETRY.0.saturating_mul(1 << (failures - 1).min(6)).min(RETRY.1);
    let asked =
        answer.ok().and_then(|answer| retry_after(answer.header("retry-after")?, now)).unwrap_or_default();
    RobotsRecord {
        rules: before.as_ref().and_then(|before| before.rules.clone()),
        read_at: before.and_then(|before| before.read_at),
        expires_at: after(wait.max(asked.min(STALE))),
        failures,
        reason,
    }
}

/// A cut file ends in half a rule: that line does not count.
fn whole_lines(answer: &Response) -> &[u8] {
    if !answer.truncated {
        return &answer.body;
    }
    let end = answer.body.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(0);
    answer.body.get(..end).unwrap_or_default()
}

/// The file as text. Bytes that are not UTF-8 become their percent-encoding, which is what they are
/// in the addresses that patterns are matched against.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes
            .iter()
            .map(|byte| if byte.is_ascii() { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
            .collect(),
    }
}

fn life(answer: &Response) -> Duration {
    let asked = answer
        .header("cache-control")
        .and_then(|field| {
            field.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
        })
        .map(Duration::from_secs);
    asked.unwrap_or(LIFE).clamp(LIFE_BOUNDS.0, LIFE_BOUNDS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }

    fn answer(status: u16, body: &str) -> Response {
        Response { status, body: body.as_bytes().to_vec().into(), ..Response::default() }
    }

    #[test]
    fn rfc_9309_by_status() {
        let rules = "User-agent: *\nDisallow: /";
        for (status, readable, has_rules) in [
            (200, true, true),
            (404, true, false),
            (403, true, false),
            (410, true, false),
            (429, false, false),
            (500, false, false),
            (503, false, false),
        ] {
            let record = outcome(Ok(&answer(status, rules)), None, now());
            assert_eq!(record.read_at.is_some(), readable, "{status}");
            assert_eq!(record.rules.is_some(), has_rules, "{status}");
        }
        let timeout = FetchError::Transport(crate::fetch::TransportError::Timeout("answer"));
        assert_eq!(outcome(Err(&timeout), None, now()).read_at, None);
    }

    #[test]
    fn a_good_copy_outlives_an_outage_and_the_waits_grow() {
        let good = outcome(Ok(&answer(200, "User-agent: *\nDisallow: /x")), None, now());
        let mut record = good.clone();
        let mut waits = Vec::new();
        for _ in 0..9 {
            record = outcome(Ok(&answer(503, "")), Some(record), now());
            waits.push(record.expires_at.duration_since(now()).as_secs());
        }
        assert_eq!((record.rules, record.read_at), (good.rules, good.read_at));
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    }

    #[test]
    fn a_cut_file_loses_its_last_half_line() {
        let mut cut = answer(200, "User-agent: *\nDisallow: /private\nDisallow: /pub");
        cut.truncated = true;
        assert_eq!(
            outcome(Ok(&cut), None, now()).rules.as_deref(),
            Some("User-agent: *\nDisallow: /private")
        );
    }
}
