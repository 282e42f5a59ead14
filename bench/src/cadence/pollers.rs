//! The compared poll strategies: that of Qyran, fixed intervals, and exponential backoff.

use std::time::Duration;

use model::{
    Every, Failure, FailureWeight, Pace, Rhythm, SourceKind, SourceState, Standing, Subscription, Timestamp,
};
use scheduler::due::{self, Backoff, PollEvidence};

use super::web::{DAY, Trouble};

/// The bounds of the intervals of all pollers.
pub(super) const BOUNDS: Every = Every { min: Duration::from_secs(300), max: Duration::from_secs(6 * 3600) };

/// The result of a poll.
pub(super) enum PollResult<'p> {
    /// The number of entries that earlier polls found, and the publication times of the new entries.
    Read {
        old_entries: usize,
        new_entries: &'p [u64],
    },
    Failed(Trouble),
}

/// The pushes of a hub since the last poll, as the poll implied_state them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PushCounts {
    /// Entries that were pushed.
    pub(super) entries: u64,
    /// Entries that were not pushed, although they came out more than five minutes before the poll.
    pub(super) missed: u64,
}

/// A poll strategy for one source.
pub(super) trait Poller {
    /// Returns true if the poller subscribes to hubs.
    fn uses_hubs(&self) -> bool {
        false
    }

    /// Records the pushes of the hub. It is called before [`Poller::wait`] of the same poll.
    fn count_pushes(&mut self, _pushes: PushCounts) {}

    /// Returns the wait after a poll at `now`. `key` is the number of the source.
    fn wait(&mut self, result: &PollResult<'_>, now: u64, key: u64) -> Duration;
}

/// The strategy of a node of Qyran, with its states of sources.
pub(super) struct Qyran {
    interval: Duration,
    failure_count: u32,
    backoff: Backoff,
    standing: Standing,
    rhythm: Rhythm,
    has_hubs: bool,
    /// The credit of the hub (see [`Subscription::credit_after`]), once it has answered.
    credit: Option<i64>,
    /// The times of the last successful poll and of the next poll.
    poll_times: Option<(u64, u64)>,
}

impl Qyran {
    pub(super) fn new(has_hubs: bool) -> Self {
        let standing = Standing {
            state: SourceState::Candidate,
            failures: 0.0,
            silent_since: timestamp(0),
            was_read: false,
        };
        let poll = config::Settings::default().poll;
        Self {
            interval: due::first(BOUNDS, None),
            failure_count: 0,
            backoff: Backoff { step: poll.backoff, longest: poll.max_backoff },
            standing,
            rhythm: Rhythm::unknown(timestamp(0)),
            has_hubs,
            credit: None,
            poll_times: None,
        }
    }
}

impl Poller for Qyran {
    fn uses_hubs(&self) -> bool {
        self.has_hubs
    }

    fn count_pushes(&mut self, pushes: PushCounts) {
        let credit = self.credit.unwrap_or(0);
        self.credit = Some(Subscription::credit_after(credit, pushes.entries, pushes.missed));
    }

    fn wait(&mut self, result: &PollResult<'_>, now: u64, key: u64) -> Duration {
        let wait = match *result {
            PollResult::Read { old_entries, new_entries } => {
                self.interval = match self.poll_times {
                    Some((last, next)) if self.standing.was_read => {
                        let actual_wait = Some(Duration::from_secs(next - last));
                        let evidence = PollEvidence {
                            known_entries: old_entries,
                            new_entries: new_entries.len(),
                            is_on_time: next == now && self.credit.is_none_or(|credit| credit <= 0),
                            actual_wait,
                        };
                        due::learn(self.interval, BOUNDS, evidence)
                    }
                    _ => due::first(BOUNDS, publications_per_day(new_entries, now)),
                };
                let publications = new_entries.iter().map(|at| timestamp(*at));
                self.rhythm = self.rhythm.clone().with(publications, timestamp(now));
                self.failure_count = 0;
                self.standing = Standing {
                    state: SourceState::Live,
                    failures: 0.0,
                    silent_since: timestamp(now),
                    was_read: true,
                };
                let interval = due::paced(self.interval, BOUNDS, Some(&self.rhythm), timestamp(now));
                match self.credit {
                    Some(1..) => due::interval_with_hub(self.interval, BOUNDS).max(interval),
                    _ => interval,
                }
            }
            PollResult::Failed(trouble) => {
                let (weight, implied_state) = match trouble {
                    Trouble::Missing => (FailureWeight::Soft, None),
                    Trouble::Blocked => (FailureWeight::Soft, Some(SourceState::Restricted)),
                    Trouble::Slow => (FailureWeight::Temporary, None),
                    Trouble::Dead | Trouble::Moved => (FailureWeight::Hard, None),
                };
                let failure = Failure { weight, implied_state, reason: String::new() };
                let (state, failures) = self.standing.after(&failure, timestamp(now));
                self.standing = Standing { state, failures, ..self.standing };
                self.failure_count += 1;
                let pace = Pace::of(SourceKind::Feed, state);
                let interval = due::paced(self.interval, BOUNDS, None, timestamp(now));
                due::after_failure(pace, self.failure_count, self.backoff, interval)
            }
        };
        let wait = due::drift(wait, &key.to_string(), now);
        let last = match (result, self.poll_times) {
            (PollResult::Failed(_), Some((last, _))) => last,
            _ => now,
        };
        self.poll_times = Some((last, now + wait.as_secs().max(1)));
        wait
    }
}

/// Returns the publications per day that the newer half of the first document implied_state. Returns `None` for fewer than four
/// entries.
fn publications_per_day(entries: &[u64], now: u64) -> Option<f64> {
    let newer = entries.len() / 2;
    let seconds = now - entries.iter().rev().nth(newer)?;
    (entries.len() >= 4 && seconds > 0).then(|| newer as f64 * DAY as f64 / seconds as f64)
}

/// A poller with a fixed interval.
pub(super) struct Fixed(pub(super) Duration);

impl Poller for Fixed {
    fn wait(&mut self, _result: &PollResult<'_>, _now: u64, _key: u64) -> Duration {
        self.0
    }
}

/// A poller that doubles its interval after each poll that fails or finds nothing new, and starts over after each other
/// poll.
pub(super) struct Exponential(pub(super) Duration);

impl Poller for Exponential {
    fn wait(&mut self, result: &PollResult<'_>, _now: u64, _key: u64) -> Duration {
        self.0 = match result {
            PollResult::Read { new_entries: [_, ..], .. } => BOUNDS.min,
            _ => (self.0 * 2).min(BOUNDS.max),
        };
        self.0
    }
}

/// Converts a second of the simulation to a timestamp.
fn timestamp(second: u64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + i64::try_from(second).unwrap_or(0))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}
