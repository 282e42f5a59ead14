//! How often sources are asked, by kind and state: the one table. What is learnt, asked for by servers, or declared, moves within it.

use std::time::Duration;

use crate::{Every, SourceKind, SourceState};

/// How long a source is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As it publishes; within these bounds, where it declares none.
    Learnt(Every),
    /// Longer after each failure in a row: by so many of the node's steps (`poll.backoff`), up to so long, or to the node's longest.
    Later {
        /// Steps for each failure.
        steps: u32,
        /// The longest, where it is not the node's.
        longest: Option<Duration>,
    },
    /// For so long.
    After(Duration),
    /// For ever: it is fed, or an operator stopped it.
    Never,
}

const fn minutes(number: u64) -> Duration {
    Duration::from_secs(number * 60)
}

const DAY: Duration = minutes(24 * 60);

impl Pace {
    /// Of a kind of source in a state.
    pub fn of(kind: SourceKind, state: SourceState) -> Self {
        use SourceState::*;
        match (state, kind) {
            (Quarantined | Paused | Retired, _) | (_, SourceKind::Import) => Self::Never,
            // Robots rules are asked for again daily; what is gone weekly, for ever: sites come back.
            (Disallowed, _) => Self::After(DAY),
            (Gone, _) => Self::After(7 * DAY),
            // Who shows itself to some only is not pressed.
            (Restricted, _) => Self::Later { steps: 10, longest: Some(DAY) },
            (Unreachable | BrokenLayout, _) => Self::Later { steps: 1, longest: None },
            // A stream is listened to without end, in turns with what else its host has.
            (_, SourceKind::Jetstream) => Self::After(Duration::from_secs(1)),
            (Candidate | Probing | Live | Degraded, kind) => Self::Learnt(Self::usual(kind)),
        }
    }

    /// The bounds within which a kind of source is asked that declares none.
    pub fn usual(kind: SourceKind) -> Every {
        let (min, max) = match kind {
            // A sitemap without news may be a million old pages.
            SourceKind::Sitemap => (minutes(5), DAY),
            // GDELT is brought up to date each quarter of an hour.
            SourceKind::Gdelt => (minutes(15), minutes(6 * 60)),
            _ => (minutes(5), minutes(6 * 60)),
        };
        Every { min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By product.md §5 and what the states say of themselves.
    #[test]
    fn each_kind_has_a_pace_in_each_state() {
        let hours = |number: u64| minutes(number * 60);
        let learnt = |min, max| Pace::Learnt(Every { min, max });
        let [later, slowly] =
            [Pace::Later { steps: 1, longest: None }, Pace::Later { steps: 10, longest: Some(DAY) }];
        let read = [SourceState::Candidate, SourceState::Probing, SourceState::Live, SourceState::Degraded];
        for (kind, expected) in [
            (SourceKind::Feed, learnt(minutes(5), hours(6))),
            (SourceKind::Listing, learnt(minutes(5), hours(6))),
            (SourceKind::Telegram, learnt(minutes(5), hours(6))),
            (SourceKind::Sitemap, learnt(minutes(5), hours(24))),
            (SourceKind::Gdelt, learnt(minutes(15), hours(6))),
            (SourceKind::Jetstream, Pace::After(Duration::from_secs(1))),
            (SourceKind::Import, Pace::Never),
        ] {
            for state in SourceState::ALL {
                let expected = match state {
                    _ if expected == Pace::Never || state.is_stopped() => Pace::Never,
                    SourceState::Unreachable | SourceState::BrokenLayout => later,
                    SourceState::Restricted => slowly,
                    SourceState::Disallowed => Pace::After(DAY),
                    SourceState::Gone => Pace::After(7 * DAY),
                    state => {
                        assert!(read.contains(&state));
                        expected
                    }
                };
                assert_eq!(Pace::of(kind, state), expected, "{kind:?} {state:?}");
            }
        }
    }
}
