//! A second look at what goes out: is each host given the rest that it was owed, and asked by one at a time?
//!
//! Permits keep the rules; this only watches, from its own notes, and tells a [`FetchObserver`]. It sees one process:
//! what several do to a host is for the host's own log to judge (`origin`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Host;
use tokio::time::Instant;

/// When so many hosts are remembered, those that owe nothing any more are forgotten; the next time when there are
/// twice as many as were left.
const SWEEP: usize = 10_000;
/// The schedule tells times in whole milliseconds, so a rest may come out shorter by a few.
const TOLERANCE: Duration = Duration::from_millis(5);

/// A rule that must never be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A host rests between two exchanges.
    Delay,
    /// One exchange at a time.
    Concurrency,
    /// Nothing is asked for that robots.txt forbids.
    Robots,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Delay, Self::Concurrency, Self::Robots];

    /// The rule as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Concurrency => "concurrency",
            Self::Robots => "robots",
        }
    }
}

/// How asking for a robots.txt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RobotsOutcome {
    /// There are rules.
    Rules,
    /// The server has none: everything is allowed.
    None,
    /// It cannot be had: nothing is allowed for now.
    Failed,
}

impl RobotsOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Rules, Self::None, Self::Failed];

    /// The outcome as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::None => "none",
            Self::Failed => "failed",
        }
    }
}

/// Who is told of what happens at the door.
pub trait FetchObserver: Send + Sync {
    /// A host's rest was waited for.
    fn waited(&self, _wait: Duration) {}
    /// Robots rules were needed: were they at hand?
    fn robots_needed(&self, _are_known: bool) {}
    /// They were asked for.
    fn robots_asked(&self, _outcome: RobotsOutcome) {}
    /// A rule was broken. It never should be.
    fn violated(&self, _rule: Rule) {}
}

/// NoObserver watches.
pub(super) struct NoObserver;

impl FetchObserver for NoObserver {}

/// Notes on every host that was asked.
#[derive(Debug, Default)]
pub(super) struct Audit {
    notes: Mutex<Notes>,
}

#[derive(Debug)]
struct Notes {
    hosts: HashMap<Host, Note>,
    sweep_at: usize,
}

impl Default for Notes {
    fn default() -> Self {
        Self { hosts: HashMap::new(), sweep_at: SWEEP }
    }
}

#[derive(Debug, Default)]
struct Note {
    under_way: u32,
    rests_until: Option<Instant>,
}

impl Audit {
    /// An exchange begins. The rule that it breaks, if it does.
    pub(super) fn begin(&self, host: &Host) -> Option<Rule> {
        let now = Instant::now();
        let mut notes = self.lock();
        if notes.hosts.len() >= notes.sweep_at {
            let is_owed =
                |note: &Note| note.under_way > 0 || note.rests_until.is_some_and(|until| until > now);
            notes.hosts.retain(|_, note| is_owed(note));
            notes.sweep_at = SWEEP.max(2 * notes.hosts.len());
        }
        let note = notes.hosts.entry(host.clone()).or_default();
        note.under_way += 1;
        if note.under_way > 1 {
            return Some(Rule::Concurrency);
        }
        note.rests_until.is_some_and(|until| now + TOLERANCE < until).then_some(Rule::Delay)
    }

    /// It has ended, or was given up: the host is owed this rest.
    pub(super) fn end(&self, host: &Host, rest: Duration) {
        if let Some(note) = self.lock().hosts.get_mut(host) {
            note.under_way = note.under_way.saturating_sub(1);
            note.rests_until = Some(Instant::now() + rest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn who_comes_too_soon_or_twice_is_seen() {
        let audit = Audit::default();
        let [one, other] = ["a.kz", "b.kz"].map(|name| Host::stored(name.to_owned()));
        assert_eq!(audit.begin(&one), None);
        assert_eq!(audit.begin(&other), None);
        assert_eq!(audit.begin(&one), Some(Rule::Concurrency));
        audit.end(&one, REST);
        audit.end(&one, REST);
        tokio::time::advance(REST - Duration::from_millis(6)).await;
        assert_eq!(audit.begin(&one), Some(Rule::Delay));
        audit.end(&one, REST);
        tokio::time::advance(REST).await;
        assert_eq!(audit.begin(&one), None);
    }

    #[tokio::test(start_paused = true)]
    async fn notes_do_not_grow_without_end() {
        let audit = Audit::default();
        for number in 0..3 * SWEEP {
            let host = Host::stored(format!("h{number}"));
            audit.begin(&host);
            audit.end(&host, Duration::from_millis(1));
            if number % 100 == 0 {
                tokio::time::advance(REST).await;
            }
        }
        assert!(audit.lock().hosts.len() <= SWEEP);
    }
}
