//! Due times: intervals learnt from polls, backoff after failures, and jitter that spreads polls.

use std::time::Duration;

use model::{Every, Pace, Rhythm, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

/// The evidence of a successful poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollEvidence {
    /// The number of entries that were already stored.
    pub known_entries: usize,
    /// The number of new entries.
    pub new_entries: usize,
    /// True if the poll was not much later than planned. Only such polls are evidence of the source's rate.
    pub is_on_time: bool,
    /// The actual wait before the poll, if it differs from the interval.
    pub actual_wait: Option<Duration>,
}

/// Returns the interval after a successful poll. A poll with many new entries shortens it, one without lengthens it.
///
/// An interval corresponds to a publication rate (see [`interval_of`]). Each poll moves the estimated rate; the longer
/// the wait before the poll, the more it weighs. If a poll returned only new entries, more was published than one
/// document contains: the wait is then at least halved.
pub fn learn(interval: Duration, every: Every, evidence: PollEvidence) -> Duration {
    let longest = interval_of(MIN_RATE).max(every.min);
    let interval = interval.clamp(every.min, longest);
    let is_flooded = evidence.known_entries == 0 && evidence.new_entries > 0;
    let waited = evidence.actual_wait.unwrap_or(interval);
    let upper_bound = if is_flooded { interval.min(waited) / 2 } else { longest };
    if !evidence.is_on_time {
        return interval.min(upper_bound).max(every.min);
    }
    let waited = waited.as_secs_f64().max(1.0);
    let old_rate = a_day(interval);
    let memory = DAY * (MEMORY_PUBLICATIONS / old_rate).clamp(MIN_MEMORY_DAYS, MAX_MEMORY_DAYS);
    let weight = 1.0 - (-waited / memory).exp();
    let rate = old_rate + weight * (evidence.new_entries as f64 * DAY / waited - old_rate);
    interval_of(rate.max(MIN_RATE)).min(upper_bound).clamp(every.min, longest)
}

/// Returns the interval after the first poll of a source, from the publications per day that the dates of its entries
/// show; without dates, one publication per day is assumed.
pub fn first(every: Every, per_day: Option<f64>) -> Duration {
    let rate = per_day.filter(|rate| rate.is_finite() && *rate > 0.0).unwrap_or(1.0);
    interval_of(rate.clamp(MIN_RATE, 1e6)).max(every.min)
}

/// Returns the interval of a source with `per_day` publications per day.
///
/// If requests are expensive and all publications weigh the same, the mean delay is least when intervals are
/// proportional to the inverse *square root* of the rate (Cho and Garcia-Molina 2003, "Effective page refresh
/// policies", for age). The exponent here is a little larger: together with the bound [`LATE`] it minimises the median
/// as well (measured by `bench cadence`).
pub fn interval_of(per_day: f64) -> Duration {
    Duration::from_secs_f64(ONE_PER_DAY_INTERVAL * per_day.powf(-RATE_EXPONENT))
}

/// Returns the publications per day that correspond to an interval; the inverse of [`interval_of`].
pub fn a_day(interval: Duration) -> f64 {
    (ONE_PER_DAY_INTERVAL / interval.as_secs_f64().max(1.0)).powf(1.0 / RATE_EXPONENT)
}

/// Returns the wait that results from an interval at this time of the day: shorter in hours with many publications,
/// longer in hours with few, within the bounds of the source. The wait is at most [`LATE`], unless the source is so
/// rare that this bound would cost too many polls per publication (see [`is_rare`]).
///
/// If a rate changes with time, the mean delay is least when the poll rate follows its square root: the interval
/// elapses faster in hours that publish more than the mean, and slower in others. Over a day this takes no more polls
/// than an even spread, since the mean of the roots is at most the root of the mean, which is 1.
pub fn paced(interval: Duration, every: Every, rhythm: Option<&Rhythm>, now: Timestamp) -> Duration {
    let longest = every.max.max(every.min);
    let later = |wait: Duration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let (end, late) = (later(longest), later(LATE));
    let (mut at, mut remaining) = (now, interval.as_secs_f64());
    while at < end {
        let pace = rhythm.map_or(1.0, |rhythm| rhythm.pace(at));
        let speed = pace.sqrt();
        let rest_of_hour = 3600.0 - at.as_second().rem_euclid(3600) as f64;
        let is_last = remaining <= rest_of_hour * speed;
        let step = Duration::from_secs_f64(rest_of_hour.min(remaining / speed));
        let next = at.saturating_add(step).unwrap_or(end);
        if next > late && !is_rare(interval, pace) {
            at = at.max(late);
            break;
        }
        at = next;
        if is_last {
            break;
        }
        remaining -= rest_of_hour * speed;
    }
    model::elapsed(now, at).clamp(every.min, longest)
}

/// Returns true if the source publishes so little, at `pace` times its daily mean, that its wait may exceed [`LATE`].
pub fn is_rare(interval: Duration, pace: f64) -> bool {
    a_day(interval) * pace * LATE.as_secs_f64() / DAY < 1.0 / MAX_POLLS_PER_PUBLICATION
}

/// Returns the wait while a WebSub hub announces publications. It is short enough that a document still contains the
/// entries that the hub did not announce.
pub fn interval_with_hub(interval: Duration, every: Every) -> Duration {
    let window = Duration::from_secs_f64(DAY * WINDOW_ENTRIES / a_day(interval));
    every.max.min(window).max(every.min)
}

/// Returns the wait after a successful poll: the interval, or the freshness lifetime that the server declares, if
/// that is longer. Values above [`MAX_FRESHNESS`] describe caches, not the publication rate, and are capped; so are
/// values above the longest interval of the source.
pub fn wait(interval: Duration, every: Every, fresh_for: Option<Duration>) -> Duration {
    let fresh = fresh_for.unwrap_or_default().min(MAX_FRESHNESS).min(every.max.max(every.min));
    interval.max(fresh)
}

/// Upper bound on the freshness lifetime that a server may declare. (Many front ends declare a day or a year for all
/// documents alike.)
pub const MAX_FRESHNESS: Duration = Duration::from_secs(3600);

/// Upper bound on the wait between two polls of a source that responds and is not rare.
pub const LATE: Duration = Duration::from_secs(3 * 3600);

/// One day in seconds.
const DAY: f64 = 86_400.0;
/// Publications after which a source with a hub is polled. Documents contain about twenty entries, and in the daytime
/// that many may be published in half the time.
const WINDOW_ENTRIES: f64 = 7.0;
/// The interval of a source with one publication per day, in seconds.
const ONE_PER_DAY_INTERVAL: f64 = 9.5 * 3600.0;
/// Intervals fall with this power of the rate.
const RATE_EXPONENT: f64 = 0.75;
/// Upper bound on the polls per publication that keep a wait below [`LATE`].
const MAX_POLLS_PER_PUBLICATION: f64 = 85.0;
/// Lower bound on the estimated publications per day: one in two months. Lower rates are treated alike.
const MIN_RATE: f64 = 1.0 / 60.0;
/// The number of further publications after which the weight of a poll falls to 1/e, about a third.
const MEMORY_PUBLICATIONS: f64 = 10.0;
/// Lower bound, in days, on the time after which the weight of a poll falls to 1/e.
const MIN_MEMORY_DAYS: f64 = 3.0;
/// Upper bound, in days, on the time after which the weight of a poll falls to 1/e.
const MAX_MEMORY_DAYS: f64 = 60.0;

/// Returns the wait after the `failures`-th failed poll in a row. It grows linearly by `step`, up to `longest`
/// (linear as in Media Cloud's rss-fetcher, because feeds recover), and is never shorter than the source's own
/// interval.
pub fn backoff(failures: u32, step: Duration, longest: Duration, interval: Duration) -> Duration {
    step.saturating_mul(failures.max(1)).max(interval.min(longest)).min(longest.max(interval))
}

/// Returns the wait of a source after the `failures`-th failed poll in a row, for the pace of its current state.
pub fn after_failure(pace: Pace, failures: u32, node: Backoff, interval: Duration) -> Duration {
    let plain = backoff(failures, node.step, node.longest, interval);
    match pace {
        Pace::Later { steps, longest } => {
            plain.max(backoff(failures, node.step * steps, longest.unwrap_or(node.longest), interval))
        }
        Pace::After(wait) => plain.max(wait),
        Pace::Adaptive(_) | Pace::Never => plain,
    }
}

/// The backoff settings of a node (`poll.backoff`, `poll.max_backoff`).
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The wait added by each failure.
    pub step: Duration,
    /// Upper bound on the wait.
    pub longest: Duration,
}

/// Adds up to a tenth to a wait, the same for the same key and round, so that sources that failed together are not
/// retried together.
pub fn spread(wait: Duration, key: &str, round: u64) -> Duration {
    wait.mul_f64(1.0 + 0.1 * fraction(key, round))
}

/// Adds up to a fiftieth to a wait, the same for the same key and round, so that synchronised sources drift apart
/// without much added delay.
pub fn drift(wait: Duration, key: &str, round: u64) -> Duration {
    wait.mul_f64(1.0 + 0.02 * fraction(key, round))
}

/// Returns a number from 0 to below 1, the same for the same key and round.
fn fraction(key: &str, round: u64) -> f64 {
    (xxh3_64(format!("{key}\u{0}{round}").as_bytes()) % 1000) as f64 / 1000.0
}

/// Returns a fraction of a wait, the same for the same key, so that jobs planned at the same time start at different
/// times.
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

    fn evidence_of(known_entries: usize, new_entries: usize, is_on_time: bool) -> PollEvidence {
        PollEvidence { known_entries, new_entries, is_on_time, actual_wait: None }
    }

    /// The expected values, in milliseconds, were computed independently of this code (with Python's `math`).
    #[test]
    fn a_poll_moves_the_interval() {
        for (interval, known, fresh, on_time, expected) in [
            (10, 20, 0, true, 601043),
            (10, 19, 1, true, 600358),
            (10, 1, 19, true, 588334),
            (10, 0, 20, true, 300000),
            (50, 20, 0, true, 3026155),
            (50, 18, 2, true, 2968164),
            (5, 0, 20, true, 300000),
            (10, 0, 20, false, 300000), // an overflow counts even if the poll was late
            (10, 20, 0, false, 600000),
            (1, 10, 10, true, 300000),
            (600, 20, 0, true, 37066113),
            (600, 19, 1, true, 34462708),
        ] {
            let new_interval = learn(minutes(interval), EVERY, evidence_of(known, fresh, on_time));
            let difference = new_interval.as_millis().abs_diff(expected);
            assert!(difference <= 1, "{interval} {known} {fresh} {on_time}: {new_interval:?}");
        }
    }

    /// Two new entries after half a day are a rate of four per day, so the interval of that rate does not change.
    #[test]
    fn the_actual_wait_determines_the_rate() {
        let every = Every { min: minutes(1), max: minutes(2000) };
        let evidence = |actual_wait| PollEvidence { actual_wait, ..evidence_of(20, 2, true) };
        let interval = interval_of(4.0);
        let longer = learn(interval, every, evidence(Some(minutes(720))));
        assert!(longer.as_secs().abs_diff(interval.as_secs()) <= 1, "{longer:?}");
        assert!(learn(interval, every, evidence(Some(minutes(90)))) < interval);
    }

    /// For a source with a constant rate the interval converges to that rate.
    #[test]
    fn a_constant_rate_is_learnt() {
        let every = Every { min: minutes(1), max: minutes(2000) };
        for (per_day, start) in [(24.0, 2000), (24.0, 5), (1.0, 60), (100.0, 600)] {
            let (mut interval, mut unread) = (minutes(start), 0.0);
            let mut elapsed = 0.0;
            while elapsed < 60.0 {
                let days = interval.as_secs_f64() / DAY;
                elapsed += days;
                unread += per_day * days;
                let fresh = unread as usize;
                unread -= fresh as f64;
                interval = learn(interval, every, evidence_of(20, fresh, true));
            }
            let ratio = a_day(interval) / per_day;
            assert!((0.8..1.25).contains(&ratio), "{per_day} per day from {start} minutes: {interval:?}");
        }
    }

    /// Computed by hand for a source that published a hundred times at nine o'clock and never at other hours. That hour
    /// has 50/110 + 10/24/110 of the day, 11.0 times the mean, and elapses 3.32 times as fast. The night has
    /// the larger of 0.05 and (10/24)/110, 0.0909, and elapses at 0.30 of the speed. At night, an interval of
    /// one hour corresponds to 1.8 publications per day, and its wait is at most three hours; an interval of ten hours
    /// corresponds to 0.08.
    #[test]
    fn the_wait_follows_the_daily_rhythm_of_the_source() {
        let at =
            |hours: u64| Timestamp::from_second(1_795_046_400).unwrap() + Duration::from_secs(hours * 3600);
        let rhythm = Rhythm::unknown(at(9)).with([at(9); 100], at(9));
        let every = Every { min: minutes(1), max: minutes(600) };
        for (interval, hour, expected) in
            [(60, 9, 18.1), (60, 15, 180.0), (10, 15, 33.2), (0, 15, 1.0), (600, 15, 600.0)]
        {
            let wait = paced(minutes(interval), every, Some(&rhythm), at(hour)).as_secs_f64() / 60.0;
            assert!((wait - expected).abs() < 0.1, "{interval} at {hour}: {wait}");
        }
        let even = Rhythm::unknown(at(0));
        assert_eq!(paced(minutes(130), every, Some(&even), at(3)), minutes(130));
        assert_eq!(paced(minutes(130), every, None, at(3)), minutes(130));
    }

    /// Computed by hand: nine and a half hours times the rate to the power of -0.75, capped at three hours. The cap
    /// does not apply to rates below one publication in 85 times three hours, which is 0.094 per day.
    #[test]
    fn only_rare_sources_wait_longer_than_three_hours() {
        let every = Every { min: minutes(5), max: minutes(360) };
        for (per_day, expected) in [
            (0.05, 360.0),
            (0.09, 360.0),
            (0.11, 180.0),
            (1.0, 180.0),
            (4.0, 180.0),
            (5.0, 170.5),
            (24.0, 52.6),
            (100.0, 18.0),
            (1e5, 5.0),
        ] {
            let wait = paced(interval_of(per_day), every, None, Timestamp::UNIX_EPOCH).as_secs_f64() / 60.0;
            assert!((wait - expected).abs() < 0.1, "{per_day} per day: {wait}");
        }
        let day = Every { min: minutes(5), max: minutes(24 * 60) };
        assert_eq!(paced(interval_of(0.03), day, None, Timestamp::UNIX_EPOCH), minutes(24 * 60));
    }

    #[test]
    fn declared_freshness_is_capped() {
        let long = Every { min: minutes(5), max: minutes(600) };
        for (interval, every, fresh, expected) in [
            (10, EVERY, None, 10),
            (10, EVERY, Some(5), 10),
            (10, EVERY, Some(30), 30),
            (10, Every { min: minutes(5), max: minutes(20) }, Some(30), 20),
            (10, long, Some(24 * 60), 60),
            (300, long, Some(24 * 60), 300),
        ] {
            let waits = wait(minutes(interval), every, fresh.map(minutes));
            assert_eq!(waits, minutes(expected), "{interval} {every:?} {fresh:?}");
        }
    }

    /// For a step of one minute and a source with an interval of ten minutes.
    #[test]
    fn the_pace_of_a_state_determines_the_wait() {
        const DAY: Duration = minutes(24 * 60);
        let node = Backoff { step: minutes(1), longest: minutes(600) };
        for (pace, failures, expected) in [
            (Pace::Adaptive(EVERY), 1, minutes(10)),
            (Pace::Later { steps: 1, longest: None }, 30, minutes(30)),
            (Pace::Later { steps: 1, longest: None }, 10_000, minutes(600)),
            (Pace::Later { steps: 10, longest: Some(DAY) }, 1, minutes(10)),
            (Pace::Later { steps: 10, longest: Some(DAY) }, 30, minutes(300)),
            (Pace::Later { steps: 10, longest: Some(DAY) }, 10_000, DAY),
            (Pace::After(7 * DAY), 1, 7 * DAY),
            (Pace::After(Duration::from_secs(1)), 3, minutes(10)),
        ] {
            assert_eq!(after_failure(pace, failures, node, minutes(10)), expected, "{pace:?} {failures}");
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
            let new_interval = learn(Duration::from_secs(interval), EVERY, evidence_of(known, fresh, on_time));
            prop_assert!(new_interval >= EVERY.min && new_interval <= interval_of(MIN_RATE));
        }

        /// A day of polls that follow a rhythm has no more polls than a day of evenly spread ones.
        #[test]
        fn a_rhythm_does_not_add_polls(hours in proptest::collection::vec(0i64..24, 0..60), interval in 5u64..60) {
            let midnight = Timestamp::UNIX_EPOCH;
            let at_hour = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
            let rhythm = Rhythm::unknown(midnight).with(hours.into_iter().map(at_hour), midnight);
            let every = Every { min: Duration::from_secs(1), max: minutes(6000) };
            let (mut at, mut polls) = (midnight, 0);
            while at < at_hour(24) {
                at += paced(minutes(interval), every, Some(&rhythm), at);
                polls += 1;
            }
            prop_assert!(polls <= 24 * 60 / interval + 2, "{polls}");
        }

        #[test]
        fn spreading_adds_at_most_a_tenth(seconds in 1u64..100_000, key in "[a-z]{1,8}", round: u64) {
            let wait = Duration::from_secs(seconds);
            let spread = spread(wait, &key, round);
            prop_assert!(spread >= wait && spread <= wait.mul_f64(1.1001));
        }
    }
}
