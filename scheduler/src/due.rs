//! When next: intervals learnt from evidence, backoff after failures, jitter that spreads.

use std::time::Duration;

use model::Every;
use xxhash_rust::xxh3::xxh3_64;

/// What a successful poll saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Entries that were known before.
    pub known: usize,
    /// Entries that were new.
    pub fresh: usize,
    /// The poll was not much later than planned: only such polls tell something about the source.
    pub on_time: bool,
}

/// The interval after a successful poll: a source that brings much is asked sooner, one that brings
/// nothing later, within its bounds.
///
/// The bands are Media Cloud's (rss-fetcher): more than 67 of 100 entries known, longer; fewer than
/// 33, shorter. Nothing new at all is a step of half.
pub fn learn(interval: Duration, every: Every, seen: Seen) -> Duration {
    let interval = interval.clamp(every.min, every.max.max(every.min));
    if !seen.on_time {
        return interval;
    }
    let all = seen.known + seen.fresh;
    let factor = if seen.fresh == 0 {
        1.5
    } else if seen.known * 100 > all * 67 {
        1.2
    } else if seen.known * 100 < all * 33 {
        0.5
    } else {
        1.0
    };
    interval.mul_f64(factor).clamp(every.min, every.max.max(every.min))
}

/// The wait after the `failures`-th failed poll in a row: it grows by `step` each time (linear, as
/// Media Cloud's: feeds come back), to `longest`; never sooner than the source's own interval.
pub fn backoff(failures: u32, step: Duration, longest: Duration, interval: Duration) -> Duration {
    step.saturating_mul(failures.max(1)).max(interval.min(longest)).min(longest.max(interval))
}

/// Spreads a wait by up to a tenth, the same for the same key: sources that fell into step part again.
pub fn spread(wait: Duration, key: &str, round: u64) -> Duration {
    let hash = xxh3_64(format!("{key}\u{0}{round}").as_bytes());
    let share = (hash % 1000) as f64 / 1000.0;
    wait.mul_f64(1.0 + 0.1 * share)
}

/// A part of a wait, the same for the same key: what is begun anew all at once begins each at another moment.
pub fn part_of(wait: Duration, key: &str) -> Duration {
    wait.mul_f64((xxh3_64(key.as_bytes()) % 1000) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn minutes(n: u64) -> Duration {
        Duration::from_secs(n * 60)
    }

    const EVERY: Every = Every { min: minutes(5), max: minutes(60) };

    #[test]
    fn evidence_moves_the_interval() {
        for (interval, known, fresh, on_time, expected) in [
            (10, 20, 0, true, 15),
            (10, 19, 1, true, 12),
            (10, 1, 19, true, 5),
            (10, 10, 10, true, 10),
            (50, 20, 0, true, 60),
            (5, 0, 20, true, 5),
            (10, 20, 0, false, 10),
            (1, 10, 10, true, 5),
        ] {
            let learnt = learn(minutes(interval), EVERY, Seen { known, fresh, on_time });
            assert_eq!(learnt, minutes(expected), "{interval} {known} {fresh} {on_time}");
        }
    }

    #[test]
    fn backoff_is_linear_and_bounded() {
        let waits: Vec<u64> =
            [1, 2, 3, 100].map(|n| backoff(n, minutes(1), minutes(30), minutes(2)).as_secs() / 60).to_vec();
        assert_eq!(waits, [2, 2, 3, 30]);
    }

    proptest! {
        #[test]
        fn intervals_stay_in_bounds(interval in 0u64..100_000, known in 0usize..1000, fresh in 0usize..1000, on_time: bool) {
            let learnt = learn(Duration::from_secs(interval), EVERY, Seen { known, fresh, on_time });
            prop_assert!(learnt >= EVERY.min && learnt <= EVERY.max);
        }

        #[test]
        fn spreading_adds_at_most_a_tenth(seconds in 1u64..100_000, key in "[a-z]{1,8}", round: u64) {
            let wait = Duration::from_secs(seconds);
            let spread = spread(wait, &key, round);
            prop_assert!(spread >= wait && spread <= wait.mul_f64(1.1001));
        }
    }
}
