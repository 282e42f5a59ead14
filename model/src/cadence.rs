//! Poll intervals by kind and state of a source, in one table. Learned, declared and server-requested intervals stay
//! within it.

use std::time::Duration;

use crate::{Every, SourceKind, SourceState};

/// The rule for the time until the next poll of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// An interval learned from the publication rate, within these bounds unless the source declares others.
    Adaptive(Every),
    /// A delay that grows with each consecutive failure.
    Later {
        /// The growth for each failure, in steps of the setting `poll.backoff`.
        steps: u32,
        /// The maximum delay; `None` for the setting `poll.max_backoff`.
        longest: Option<Duration>,
    },
    /// A fixed delay.
    After(Duration),
    /// Never: the source is imported or stopped.
    Never,
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

const DAY: Duration = minutes(24 * 60);

impl Pace {
    /// Returns the rule for a kind of source in a state.
    pub fn of(kind: SourceKind, state: SourceState) -> Self {
        use SourceState::*;
        match (state, kind) {
            (Quarantined | Paused | Retired, _) | (_, SourceKind::Import) => Self::Never,
            // robots.txt is checked again daily. Sources that are gone are polled weekly without end: sites come back.
            (Disallowed, _) => Self::After(DAY),
            (Gone, _) => Self::After(7 * DAY),
            // A host that restricts access is polled with long delays.
            (Restricted, _) => Self::Later { steps: 10, longest: Some(DAY) },
            (Unreachable | BrokenLayout, _) => Self::Later { steps: 1, longest: None },
            // A stream is read continuously, alternating with the host's other jobs.
            (_, SourceKind::Jetstream) => Self::After(Duration::from_secs(1)),
            (Candidate | Probing | Live | Degraded, kind) => Self::Adaptive(Self::default_bounds(kind)),
        }
    }

    /// Returns the bounds of the poll interval for sources of a kind that declare none.
    pub fn default_bounds(kind: SourceKind) -> Every {
        let (min, max) = match kind {
            // A sitemap without new entries may list a million old pages.
            SourceKind::Sitemap => (minutes(5), DAY),
            // GDELT updates every 15 minutes.
            SourceKind::Gdelt => (minutes(15), minutes(6 * 60)),
            _ => (minutes(5), minutes(6 * 60)),
        };
        Every { min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from the tables of cadence and states in docs/sources.md.
    #[test]
    fn each_kind_and_state_has_the_expected_pace() {
        let hours = |count: u64| minutes(count * 60);
        let learned = |min, max| Pace::Adaptive(Every { min, max });
        let [backoff, slow_backoff] =
            [Pace::Later { steps: 1, longest: None }, Pace::Later { steps: 10, longest: Some(DAY) }];
        let polled_states =
            [SourceState::Candidate, SourceState::Probing, SourceState::Live, SourceState::Degraded];
        for (kind, expected) in [
            (SourceKind::Feed, learned(minutes(5), hours(6))),
            (SourceKind::Listing, learned(minutes(5), hours(6))),
            (SourceKind::Telegram, learned(minutes(5), hours(6))),
            (SourceKind::Sitemap, learned(minutes(5), hours(24))),
            (SourceKind::Gdelt, learned(minutes(15), hours(6))),
            (SourceKind::Jetstream, Pace::After(Duration::from_secs(1))),
            (SourceKind::Import, Pace::Never),
        ] {
            for state in SourceState::ALL {
                let expected = match state {
                    _ if expected == Pace::Never || state.is_stopped() => Pace::Never,
                    SourceState::Unreachable | SourceState::BrokenLayout => backoff,
                    SourceState::Restricted => slow_backoff,
                    SourceState::Disallowed => Pace::After(DAY),
                    SourceState::Gone => Pace::After(7 * DAY),
                    state => {
                        assert!(polled_states.contains(&state));
                        expected
                    }
                };
                assert_eq!(Pace::of(kind, state), expected, "{kind:?} {state:?}");
            }
        }
    }
}
