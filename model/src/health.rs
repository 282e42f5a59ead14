//! The state of a source, and the effect of a failed poll on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The state of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Declared, never polled.
    Candidate,
    /// Polled, but no poll has succeeded yet.
    Probing,
    /// The last poll succeeded.
    Live,
    /// Read in part: polls failed since the last success, a fallback is in use, or article pages changed.
    Degraded,
    /// All polls since the last success failed, with two failure points or more. Polling continues with growing intervals.
    Unreachable,
    /// The host restricts access: status 401, 403 or 451, a login page, or a required token.
    Restricted,
    /// The host's robots.txt disallows the address. Checked again daily.
    Disallowed,
    /// The host responds, but the response cannot be parsed.
    BrokenLayout,
    /// The server reports that the source is gone for good, or polls have failed for weeks. Polled weekly without end.
    Gone,
    /// Jobs of the source crashed or hung repeatedly. An operator must look into it.
    Quarantined,
    /// Paused by an operator.
    Paused,
    /// Retired by an operator for good. Stored items stay.
    Retired,
}

impl SourceState {
    /// All states, in display order.
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

    /// Returns the state's identifier.
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

    /// Parses a state's identifier. Accepts the identifiers of earlier builds.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "new" => Some(Self::Candidate),
            "broken" => Some(Self::BrokenLayout),
            _ => Self::ALL.into_iter().find(|state| state.as_str() == text),
        }
    }

    /// Returns true if polls of the source succeed, at least some of them.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Live | Self::Degraded)
    }

    /// Returns true if an operator stopped the source or the node quarantined it.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Quarantined | Self::Paused | Self::Retired)
    }
}

/// A failed poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The weight of the failure.
    pub weight: FailureWeight,
    /// The state that the source takes at once, regardless of its failure points.
    pub implied_state: Option<SourceState>,
    /// The reason, in words that an operator can act on.
    pub reason: String,
}

/// The weight of a failed poll. The points are those of Media Cloud's rss-fetcher: hard 1, soft ½, temporary ¼.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureWeight {
    /// The host name does not resolve, or the server returns 410.
    Hard,
    /// Status 404, another refusal, or an unreadable response. Feeds recover from these.
    Soft,
    /// A timeout, a broken connection, 5xx or 429.
    Temporary,
    /// The host's robots.txt disallows the address. The source itself works.
    Disallowed,
    /// No verdict: robots.txt is unavailable, or another host on the way is busy. Nothing is counted.
    Deferred,
}

impl FailureWeight {
    /// Returns the failure points.
    pub fn points(self) -> f64 {
        match self {
            Self::Hard => 1.0,
            Self::Soft => 0.5,
            Self::Temporary => 0.25,
            Self::Disallowed | Self::Deferred => 0.0,
        }
    }
}

/// The condition of a source before a poll.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// The state.
    pub state: SourceState,
    /// Failure points since the last success.
    pub failures: f64,
    /// The time of the last successful poll. If no poll has succeeded, the time of the last change of state.
    pub silent_since: Timestamp,
    /// True if any poll has succeeded.
    pub was_read: bool,
}

impl Standing {
    /// Failure points from which a source is unreachable: two hard, four soft or eight temporary failures in a row.
    pub const UNREACHABLE_POINTS: f64 = 2.0;
    /// Failure points from which a source is gone, if it has been silent for at least [`Self::GONE_AFTER`].
    /// Media Cloud disables feeds at 30 failures.
    pub const GONE_POINTS: f64 = 30.0;
    /// Minimum time without a successful poll before a source is gone. See [`Self::GONE_POINTS`].
    pub const GONE_AFTER: Duration = Duration::from_secs(14 * 86_400);

    /// Returns the state and the failure points after a poll that failed at `now`.
    pub fn after(self, failure: &Failure, now: Timestamp) -> (SourceState, f64) {
        let points = self.failures + failure.weight.points();
        let silent = crate::elapsed(self.silent_since, now);
        let state = match failure.implied_state {
            _ if failure.weight == FailureWeight::Deferred => self.state,
            Some(state) => state,
            None if points >= Self::GONE_POINTS && silent >= Self::GONE_AFTER => SourceState::Gone,
            // Only a successful poll ends `Gone`.
            None if self.state == SourceState::Gone => SourceState::Gone,
            None if points >= Self::UNREACHABLE_POINTS => SourceState::Unreachable,
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

    fn failure(weight: FailureWeight, implied_state: Option<SourceState>) -> Failure {
        Failure { weight, implied_state, reason: "x".to_owned() }
    }

    #[test]
    fn a_failure_leads_from_each_state_to_the_expected_state() {
        use FailureWeight::{Deferred, Disallowed, Hard, Soft, Temporary};
        use SourceState as S;
        for (state, was_read, failures, day, weight, implied_state, expected) in [
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
            let standing = Standing { state, failures, silent_since: at(0), was_read };
            assert_eq!(
                standing.after(&failure(weight, implied_state), at(day)).0,
                expected,
                "{standing:?} {weight:?} {implied_state:?}"
            );
        }
    }

    #[test]
    fn identifiers_of_earlier_builds_are_accepted() {
        assert_eq!(SourceState::parse("new"), Some(SourceState::Candidate));
        assert_eq!(SourceState::parse("broken"), Some(SourceState::BrokenLayout));
        assert!(SourceState::ALL.into_iter().all(|state| SourceState::parse(state.as_str()) == Some(state)));
    }

    proptest! {
        /// A failure never lowers the points and never stops a source. Unless the failure itself implies `Gone`, only
        /// weeks of failures make a source gone.
        #[test]
        fn failures_never_lower_points_or_stop_a_source(
            weights in proptest::collection::vec(0usize..5, 0..200),
            step in 0i64..3,
        ) {
            use FailureWeight::{Deferred, Disallowed, Hard, Soft, Temporary};
            let mut standing =
                Standing { state: SourceState::Live, failures: 0.0, silent_since: at(0), was_read: true };
            for (index, weight) in weights.into_iter().enumerate() {
                let day = index as i64 * step;
                let weight = [Hard, Soft, Temporary, Disallowed, Deferred][weight];
                let implied_state = (weight == Disallowed).then_some(SourceState::Disallowed);
                let (state, points) = standing.after(&failure(weight, implied_state), at(day));
                prop_assert!(points >= standing.failures);
                prop_assert!(!state.is_stopped());
                if state == SourceState::Gone {
                    prop_assert!(points >= Standing::GONE_POINTS && day >= 14);
                }
                if weight == Deferred {
                    prop_assert_eq!((state, points), (standing.state, standing.failures));
                }
                standing = Standing { state, failures: points, ..standing };
            }
        }
    }
}
