//! Ways to poll: ours, one that asks evenly, and one that backs off.

use std::time::Duration;

use model::{
    Every, Failure, FailureWeight, Pace, Rhythm, SourceKind, SourceState, Standing, Subscription, Timestamp,
};
use scheduler::due::{self, Backoff, Seen};

use super::web::{DAY, Trouble};

/// Bounds of all pollers.
pub(super) const EVERY: Every = Every { min: Duration::from_secs(300), max: Duration::from_secs(6 * 3600) };

/// What a poll saw.
pub(super) enum ItemContext<'p> {
    /// How many entries were known, and when the new ones came out.
    Read {
        known: usize,
        fresh: &'p [u64],
    },
    Failed(Trouble),
}

/// What a subscription at a hub has told since the last poll, as that shows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    pub(super) entries: u64,
    /// It did not tell of these, which came out a while before the poll.
    pub(super) missed: u64,
}

/// How long a source is left alone.
pub(super) trait Poller {
    /// Whether it asks hubs, where they are offered.
    fn asks_hubs(&self) -> bool {
        false
    }

    /// What a hub that answers told; before [`Poller::wait`] of the same poll.
    fn told(&mut self, _told: Told) {}

    /// The wait after a poll at `now`.
    fn wait(&mut self, sight: &ItemContext<'_>, now: u64, key: u64) -> Duration;
}

/// The cadence and the states of a node.
pub(super) struct Ours {
    interval: Duration,
    failed: u32,
    backoff: Backoff,
    standing: Standing,
    rhythm: Rhythm,
    has_hubs: bool,
    /// What its hub is relied on for, where one answers.
    credit: Option<i64>,
    /// When it was read last, and is asked next.
    planned: Option<(u64, u64)>,
}

impl Ours {
    pub(super) fn new(has_hubs: bool) -> Self {
        let standing = Standing {
            state: SourceState::Candidate,
            failures: 0.0,
            silent_since: moment(0),
            was_read: false,
        };
        let poll = config::Settings::default().poll;
        Self {
            interval: due::first(EVERY, None),
            failed: 0,
            backoff: Backoff { step: poll.backoff, longest: poll.max_backoff },
            standing,
            rhythm: Rhythm::unknown(moment(0)),
            has_hubs,
            credit: None,
            planned: None,
        }
    }
}

impl Poller for Ours {
    fn asks_hubs(&self) -> bool {
        self.has_hubs
    }

    fn told(&mut self, told: Told) {
        let before = self.credit.unwrap_or(0);
        self.credit = Some(Subscription::credit_after(before, told.entries, told.missed));
    }

    fn wait(&mut self, sight: &ItemContext<'_>, now: u64, key: u64) -> Duration {
        let wait = match *sight {
            ItemContext::Read { known, fresh } => {
                self.interval = match self.planned {
                    Some((last, planned)) if self.standing.was_read => {
                        let waited = Some(Duration::from_secs(planned - last));
                        let seen = Seen {
                            known,
                            fresh: fresh.len(),
                            on_time: planned == now && self.credit.is_none_or(|credit| credit <= 0),
                            waited,
                        };
                        due::learn(self.interval, EVERY, seen)
                    }
                    _ => due::first(EVERY, pace(fresh, now)),
                };
                let published = fresh.iter().map(|at| moment(*at));
                self.rhythm = self.rhythm.clone().with(published, moment(now));
                self.failed = 0;
                self.standing = Standing {
                    state: SourceState::Live,
                    failures: 0.0,
                    silent_since: moment(now),
                    was_read: true,
                };
                let paced = due::paced(self.interval, EVERY, Some(&self.rhythm), moment(now));
                match self.credit {
                    Some(1..) => due::while_told(self.interval, EVERY).max(paced),
                    _ => paced,
                }
            }
            ItemContext::Failed(trouble) => {
                let (weight, shows) = match trouble {
                    Trouble::Missing => (FailureWeight::Soft, None),
                    Trouble::Blocked => (FailureWeight::Soft, Some(SourceState::Restricted)),
                    Trouble::Slow => (FailureWeight::Temporary, None),
                    Trouble::Dead | Trouble::Left => (FailureWeight::Hard, None),
                };
                let failure = Failure { weight, shows, reason: String::new() };
                let (state, failures) = self.standing.after(&failure, moment(now));
                self.standing = Standing { state, failures, ..self.standing };
                self.failed += 1;
                let pace = Pace::of(SourceKind::Feed, state);
                let usual = due::paced(self.interval, EVERY, None, moment(now));
                due::after_failure(pace, self.failed, self.backoff, usual)
            }
        };
        let wait = due::drift(wait, &key.to_string(), now);
        let last = match (sight, self.planned) {
            (ItemContext::Failed(_), Some((last, _))) => last,
            _ => now,
        };
        self.planned = Some((last, now + wait.as_secs().max(1)));
        wait
    }
}

/// The publications a day that the dates of a first document tell of.
fn pace(fresh: &[u64], now: u64) -> Option<f64> {
    let newer = fresh.len() / 2;
    let since = now - fresh.iter().rev().nth(newer)?;
    (fresh.len() >= 4 && since > 0).then(|| newer as f64 * DAY as f64 / since as f64)
}

/// Asks after the same time, whatever happens.
pub(super) struct Fixed(pub(super) Duration);

impl Poller for Fixed {
    fn wait(&mut self, _sight: &ItemContext<'_>, _now: u64, _key: u64) -> Duration {
        self.0
    }
}

/// Doubles its interval after each poll that brings nothing, and begins anew after one that does.
pub(super) struct Exponential(pub(super) Duration);

impl Poller for Exponential {
    fn wait(&mut self, sight: &ItemContext<'_>, _now: u64, _key: u64) -> Duration {
        self.0 = match sight {
            ItemContext::Read { fresh: [_, ..], .. } => EVERY.min,
            _ => (self.0 * 2).min(EVERY.max),
        };
        self.0
    }
}

fn moment(second: u64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + i64::try_from(second).unwrap_or(0))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}
