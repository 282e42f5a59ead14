//! How a source is doing, and what a failure weighs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Declared, not yet asked for.
    Candidate,
    /// Asked for, but not yet read well.
    Probing,
    /// Read, and well.
    Live,
    /// Some of its recent polls failed.
    Degraded,
    /// Most of its recent polls failed; still tried, at the slow pace.
    Unreachable,
    /// Its host shows it to some only: 401, 403, 451, a login, a token.
    Restricted,
    /// Robots rules forbid its address; asked again daily.
    Disallowed,
    /// It answers, but with something that cannot be read.
    BrokenLayout,
    /// The server says it is gone for good, or it has failed for weeks; probed weekly, for ever.
    Gone,
    /// The reading of it crashed or hung again and again; an operator should look.
    Quarantined,
    /// An operator paused it.
    Paused,
    /// An operator took it out for good; what it published stays.
    Retired,
}

impl SourceState {
    /// All states, in the order in which they are shown.
    pub const ALL: [Self; 12] = [
        Self::Candidate,
        Self::Probing,
        Self::Live,
        Self::Degraded,
        Self::Unreachable,
        Self::Restricted,
        Self::Disallowed,
        Self::BrokenLayout,
        Self::Gone,
        Self::Quarantined,
        Self::Paused,
        Self::Retired,
    ];

    /// The state as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Probing => "probing",
            Self::Live => "live",
            Self::Degraded => "degraded",
            Self::Unreachable => "unreachable",
            Self::Restricted => "restricted",
            Self::Disallowed => "disallowed",
            Self::BrokenLayout => "broken_layout",
            Self::Gone => "gone",
            Self::Quarantined => "quarantined",
            Self::Paused => "paused",
            Self::Retired => "retired",
        }
    }

    /// The state that is written so, by this build or one before it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "new" => Some(Self::Candidate),
            "broken" => Some(Self::BrokenLayout),
            _ => Self::ALL.into_iter().find(|state| state.as_str() == text),
        }
    }

    /// Whether it is read, if with gaps.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Live | Self::Degraded)
    }

    /// Whether an operator, or the safety of the node, keeps it from being read.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Quarantined | Self::Paused | Self::Retired)
    }
}

/// A poll that failed: what it means, and the reason in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What the failure counts against the source.
    pub weight: FailureWeight,
    /// The state that it shows at once, however often it happened.
    pub shows: Option<SourceState>,
    /// In words an operator can act on.
    pub reason: String,
}

/// What a failure counts. The weights are Media Cloud's (rss-fetcher): hard 1, soft ½, temporary ¼.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureWeight {
    /// The name does not resolve, or the server says 410.
    Hard,
    /// 404, other refusals, or what came cannot be read: feeds come back from these.
    Soft,
    /// A time-out, a broken connection, 5xx, 429.
    Temporary,
    /// Robots rules forbid the address: nothing is wrong with the source.
    Disallowed,
    /// Robots rules are not to be had, or another host of the way is busy: no verdict, no count.
    Deferred,
}

impl FailureWeight {
    /// Failure points.
    pub fn points(self) -> f64 {
        match self {
            Self::Hard => 1.0,
            Self::Soft => 0.5,
            Self::Temporary => 0.25,
            Self::Disallowed | Self::Deferred => 0.0,
        }
    }
}

/// How a source stood before a poll.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Its state.
    pub state: SourceState,
    /// Failure points since the last success.
    pub failures: f64,
    /// The last success, or, where there was none, since when it is in its state.
    pub silent_since: Timestamp,
    /// Whether it was ever read well.
    pub was_read: bool,
}

impl Standing {
    /// From so many points on a source is unreachable: two hard failures, four soft or eight temporary ones in a row.
    pub const UNREACHABLE: f64 = 2.0;
    /// From so many on, over at least [`Self::GONE_AFTER`], it is gone. (Media Cloud disables feeds at 30 failures.)
    pub const GONE: f64 = 30.0;
    /// See [`Self::GONE`].
    pub const GONE_AFTER: Duration = Duration::from_secs(14 * 86_400);

    /// The state after a poll that failed at `now`, and the failure points then.
    pub fn after(self, failure: &Failure, now: Timestamp) -> (SourceState, f64) {
        let points = self.failures + failure.weight.points();
        let silent = Duration::try_from(now.duration_since(self.silent_since)).unwrap_or_default();
        let state = match failure.shows {
            _ if failure.weight == FailureWeight::Deferred => self.state,
            Some(state) => state,
            None if points >= Self::GONE && silent >= Self::GONE_AFTER => SourceState::Gone,
            // What is gone stays so until it is read.
            None if self.state == SourceState::Gone => SourceState::Gone,
            None if points >= Self::UNREACHABLE => SourceState::Unreachable,
            None if self.was_read => SourceState::Degraded,
            None => SourceState::Probing,
        };
        (state, points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + day * 86_400).unwrap()
    }

    fn failure(weight: FailureWeight, shows: Option<SourceState>) -> Failure {
        Failure { weight, shows, reason: "x".to_owned() }
    }

    /// The table of the issue: what a state becomes by a failure.
    #[test]
    fn failures_move_the_state() {
        use FailureWeight::{Deferred, Disallowed, Hard, Soft, Temporary};
        use SourceState as S;
        for (state, was_read, failures, day, weight, shows, expected) in [
            (S::Candidate, false, 0.0, 0, Temporary, None, S::Probing),
            (S::Probing, false, 1.5, 0, Soft, None, S::Unreachable),
            (S::Live, true, 0.0, 0, Soft, None, S::Degraded),
            (S::Live, true, 0.0, 0, Hard, None, S::Degraded),
            (S::Degraded, true, 1.0, 0, Hard, None, S::Unreachable),
            (S::Degraded, true, 1.75, 0, Temporary, None, S::Unreachable),
            (S::Degraded, true, 1.5, 0, Temporary, None, S::Degraded),
            (S::Unreachable, true, 29.5, 14, Soft, None, S::Gone),
            (S::Unreachable, true, 29.5, 13, Soft, None, S::Unreachable),
            (S::Unreachable, true, 20.0, 100, Soft, None, S::Unreachable),
            (S::Gone, true, 1.0, 2, Temporary, None, S::Gone),
            (S::Live, true, 0.0, 0, Hard, Some(S::Gone), S::Gone),
            (S::Live, true, 0.0, 0, Soft, Some(S::Restricted), S::Restricted),
            (S::Live, true, 0.0, 0, Disallowed, Some(S::Disallowed), S::Disallowed),
            (S::Live, true, 0.0, 0, Soft, Some(S::BrokenLayout), S::BrokenLayout),
            (S::Live, true, 0.0, 0, Deferred, None, S::Live),
            (S::Gone, true, 9.0, 99, Soft, Some(S::Restricted), S::Restricted),
        ] {
            let before = Standing { state, failures, silent_since: at(0), was_read };
            assert_eq!(
                before.after(&failure(weight, shows), at(day)).0,
                expected,
                "{before:?} {weight:?} {shows:?}"
            );
        }
    }

    #[test]
    fn states_are_read_as_builds_before_wrote_them() {
        assert_eq!(SourceState::parse("new"), Some(SourceState::Candidate));
        assert_eq!(SourceState::parse("broken"), Some(SourceState::BrokenLayout));
        assert!(SourceState::ALL.into_iter().all(|state| SourceState::parse(state.as_str()) == Some(state)));
    }

    proptest! {
        /// Whatever happens, points never fall by a failure, nothing is stopped by one, and only two things make a source
        /// gone: its server's word, or weeks of failures.
        #[test]
        fn histories_of_failures(weights in proptest::collection::vec(0usize..5, 0..200), step in 0i64..3) {
            use FailureWeight::{Deferred, Disallowed, Hard, Soft, Temporary};
            let mut standing = Standing { state: SourceState::Live, failures: 0.0, silent_since: at(0), was_read: true };
            for (number, weight) in weights.into_iter().enumerate() {
                let day = number as i64 * step;
                let weight = [Hard, Soft, Temporary, Disallowed, Deferred][weight];
                let shows = (weight == Disallowed).then_some(SourceState::Disallowed);
                let (state, points) = standing.after(&failure(weight, shows), at(day));
                prop_assert!(points >= standing.failures);
                prop_assert!(!state.is_stopped());
                if state == SourceState::Gone {
                    prop_assert!(points >= Standing::GONE && day >= 14);
                }
                if weight == Deferred {
                    prop_assert_eq!((state, points), (standing.state, standing.failures));
                }
                standing = Standing { state, failures: points, ..standing };
            }
        }
    }
}
