//! An independent check of the politeness rules: the delay between exchanges with a host, and one exchange at a time.
//!
//! Permits enforce the rules. The audit keeps its own records and reports violations to a [`FetchObserver`]. It
//! covers one process; the tests check several processes by the request log of the simulated hosts (`origin`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Host;
use tokio::time::Instant;

/// The number of tracked hosts at which the first sweep removes hosts whose delay has passed. Each later sweep
/// runs when the number of hosts has doubled since the previous one, and never below this number.
const SWEEP_THRESHOLD: usize = 10_000;
/// Tolerance for a short delay. The schedule stores times in whole milliseconds, so a delay may be a few milliseconds
/// too short.
const TOLERANCE: Duration = Duration::from_millis(5);

/// A politeness rule that must never be violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The delay between two exchanges with a host.
    Delay,
    /// At most one concurrent exchange with a host.
    Concurrency,
    /// No request that robots.txt disallows.
    Robots,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Delay, Self::Concurrency, Self::Robots];

    /// Returns the name of the rule in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Concurrency => "concurrency",
            Self::Robots => "robots",
        }
    }
}

/// The outcome of a robots.txt fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RobotsOutcome {
    /// The server returned rules.
    Rules,
    /// The server has no robots.txt: everything is allowed.
    None,
    /// The fetch failed: nothing is fetched from the host for now, unless a recent copy exists.
    Failed,
}

impl RobotsOutcome {
    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Rules, Self::None, Self::Failed];

    /// Returns the name of the outcome in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::None => "none",
            Self::Failed => "failed",
        }
    }
}

/// An observer of the door's events. All methods do nothing by default.
pub trait FetchObserver: Send + Sync {
    /// Called after the wait for a host's delay, with its duration.
    fn waited(&self, _wait: Duration) {}
    /// Called when robots.txt rules are looked up. `is_cached` is true if unexpired rules are cached.
    fn robots_looked_up(&self, _is_cached: bool) {}
    /// Called after a robots.txt fetch.
    fn robots_fetched(&self, _outcome: RobotsOutcome) {}
    /// Called when a rule is violated, which is always a bug.
    fn rule_violated(&self, _rule: Rule) {}
}

/// The default observer, which does nothing.
pub(super) struct NoObserver;

impl FetchObserver for NoObserver {}

/// The records of all hosts that this process sends requests to.
#[derive(Debug, Default)]
pub(super) struct Audit {
    records: Mutex<HostRecords>,
}

#[derive(Debug)]
struct HostRecords {
    hosts: HashMap<Host, HostRecord>,
    /// The number of hosts at which the next sweep runs.
    sweep_at: usize,
}

impl Default for HostRecords {
    fn default() -> Self {
        Self { hosts: HashMap::new(), sweep_at: SWEEP_THRESHOLD }
    }
}

#[derive(Debug, Default)]
struct HostRecord {
    /// The number of exchanges in progress.
    in_progress: u32,
    /// The end of the host's current delay.
    delay_ends: Option<Instant>,
}

impl Audit {
    /// Records the start of an exchange. Returns the rule that the exchange violates, if any.
    pub(super) fn begin(&self, host: &Host) -> Option<Rule> {
        let now = Instant::now();
        let mut records = self.lock();
        if records.hosts.len() >= records.sweep_at {
            let is_active = |record: &HostRecord| {
                record.in_progress > 0 || record.delay_ends.is_some_and(|end| end > now)
            };
            records.hosts.retain(|_, record| is_active(record));
            records.sweep_at = SWEEP_THRESHOLD.max(2 * records.hosts.len());
        }
        let record = records.hosts.entry(host.clone()).or_default();
        record.in_progress += 1;
        if record.in_progress > 1 {
            return Some(Rule::Concurrency);
        }
        record.delay_ends.is_some_and(|end| now + TOLERANCE < end).then_some(Rule::Delay)
    }

    /// Records the end or the cancellation of an exchange. The next exchange with the host must start no earlier than
    /// `delay` from now.
    pub(super) fn end(&self, host: &Host, delay: Duration) {
        if let Some(record) = self.lock().hosts.get_mut(host) {
            record.in_progress = record.in_progress.saturating_sub(1);
            record.delay_ends = Some(Instant::now() + delay);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HostRecords> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn early_and_concurrent_exchanges_are_violations() {
        let audit = Audit::default();
        let [one, other] = ["a.kz", "b.kz"].map(|name| Host::from_stored(name.to_owned()));
        assert_eq!(audit.begin(&one), None);
        assert_eq!(audit.begin(&other), None);
        assert_eq!(audit.begin(&one), Some(Rule::Concurrency));
        audit.end(&one, DELAY);
        audit.end(&one, DELAY);
        tokio::time::advance(DELAY - Duration::from_millis(6)).await;
        assert_eq!(audit.begin(&one), Some(Rule::Delay));
        audit.end(&one, DELAY);
        tokio::time::advance(DELAY).await;
        assert_eq!(audit.begin(&one), None);
    }

    #[tokio::test(start_paused = true)]
    async fn records_of_idle_hosts_are_removed() {
        let audit = Audit::default();
        for number in 0..3 * SWEEP_THRESHOLD {
            let host = Host::from_stored(format!("h{number}"));
            audit.begin(&host);
            audit.end(&host, Duration::from_millis(1));
            if number % 100 == 0 {
                tokio::time::advance(DELAY).await;
            }
        }
        assert!(audit.lock().hosts.len() <= SWEEP_THRESHOLD);
    }
}
