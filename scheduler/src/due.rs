//! When next: intervals learnt from evidence, backoff after failures, jitter that spreads.

use std::time::Duration;

use model::{Every, Pace, Rhythm, Timestamp};
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
    /// How long was waited for it, where that was not the interval.
    pub waited: Option<Duration>,
}

/// The interval after a successful poll: a source that brings much is asked sooner, one that brings nothing later.
///
/// An interval stands for a rate (see [`interval_of`]), and what a poll brought moves that rate, the more the longer it was
/// waited for. A poll that brought nothing known says that more came out than a document shows: the wait is halved at least.
pub fn learn(interval: Duration, every: Every, seen: Seen) -> Duration {
    let most = interval_of(RAREST).max(every.min);
    let interval = interval.clamp(every.min, most);
    let is_flooded = seen.known == 0 && seen.fresh > 0;
    let waited = seen.waited.unwrap_or(interval);
    let halved = if is_flooded { interval.min(waited) / 2 } else { most };
    if !seen.on_time {
        return interval.min(halved).max(every.min);
    }
    let waited = waited.as_secs_f64().max(1.0);
    let before = a_day(interval);
    let memory = DAY * (REMEMBERED / before).clamp(LEAST_MEMORY, MOST_MEMORY);
    let weight = 1.0 - (-waited / memory).exp();
    let rate = before + weight * (seen.fresh as f64 * DAY / waited - before);
    interval_of(rate.max(RAREST)).min(halved).clamp(every.min, most)
}

/// The interval of a source that was read for the first time: by the publications a day that its entries' dates tell of, or
/// as of one that publishes once a day.
pub fn first(every: Every, a_day: Option<f64>) -> Duration {
    let rate = a_day.filter(|rate| rate.is_finite() && *rate > 0.0).unwrap_or(1.0);
    interval_of(rate.clamp(RAREST, 1e6)).max(every.min)
}

/// The interval of a source with so many publications a day.
///
/// Where requests are dear and each publication weighs the same, the mean delay is least where intervals fall with the
/// *square root* of what comes out (Cho and Garcia-Molina 2003, "Effective page refresh policies", for age). They fall a little
/// faster here: with the bound of [`LATE`] beside it that makes the median least as well (measured by `bench cadence`).
pub fn interval_of(a_day: f64) -> Duration {
    Duration::from_secs_f64(ONE_A_DAY * a_day.powf(-STEEPNESS))
}

/// The publications a day that an interval stands for.
pub fn a_day(interval: Duration) -> f64 {
    (ONE_A_DAY / interval.as_secs_f64().max(1.0)).powf(1.0 / STEEPNESS)
}

/// The wait that an interval makes at this time of the day: shorter while much comes out, longer while little does, within the
/// bounds of the source. Nothing is longer on its way than [`LATE`], but for what is so rare that many polls would be made
/// for one publication that comes home sooner.
///
/// Where a rate changes with time, the mean delay is least where polls follow its square root: the interval passes faster at
/// hours that publish more than the mean, and slower at others. Over a day this takes no more polls than an even spread,
/// since the mean of the roots is never more than the root of the mean (1).
pub fn paced(interval: Duration, every: Every, rhythm: Option<&Rhythm>, now: Timestamp) -> Duration {
    let most = every.max.max(every.min);
    let later = |wait: Duration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let (end, late) = (later(most), later(LATE));
    let (mut at, mut left) = (now, interval.as_secs_f64());
    while at < end {
        let pace = rhythm.map_or(1.0, |rhythm| rhythm.pace(at));
        let speed = pace.sqrt();
        let hour = 3600.0 - at.as_second().rem_euclid(3600) as f64;
        let passes = left <= hour * speed;
        let next = at.saturating_add(Duration::from_secs_f64(hour.min(left / speed))).unwrap_or(end);
        if next > late && !is_rare(interval, pace) {
            at = at.max(late);
            break;
        }
        at = next;
        if passes {
            break;
        }
        left -= hour * speed;
    }
    Duration::try_from(at.duration_since(now)).unwrap_or_default().clamp(every.min, most)
}

/// Whether so little comes out, at so many times the mean of the day, that it may wait for longer than [`LATE`].
pub fn is_rare(interval: Duration, pace: f64) -> bool {
    a_day(interval) * pace * LATE.as_secs_f64() / DAY < 1.0 / POLLS_FOR_ONE
}

/// The wait while a hub tells what comes out: what it does not tell of is still shown then.
pub fn while_told(interval: Duration, every: Every) -> Duration {
    let shown = Duration::from_secs_f64(DAY * FEW / a_day(interval));
    every.max.min(shown).max(every.min)
}

/// The wait after a poll that went well: the interval, or for as long as the server says that nothing changes. Longer than
/// [`LONGEST_FRESH`] it says of caches, and not of what is published; never longer than the source may be left alone.
pub fn wait(interval: Duration, every: Every, fresh_for: Option<Duration>) -> Duration {
    let fresh = fresh_for.unwrap_or_default().min(LONGEST_FRESH).min(every.max.max(every.min));
    interval.max(fresh)
}

/// Of what servers say of freshness so much is believed. (Many front ends say a day, or a year, of everything alike.)
pub const LONGEST_FRESH: Duration = Duration::from_secs(3600);

/// What comes out is home within this, of sources that answer.
pub const LATE: Duration = Duration::from_secs(3 * 3600);

const DAY: f64 = 86_400.0;
/// Documents show some twenty entries; by day as many may come out in half the time.
const FEW: f64 = 7.0;
/// The interval of a source that publishes once a day, seconds.
const ONE_A_DAY: f64 = 9.5 * 3600.0;
/// The power of the rate with which intervals fall.
const STEEPNESS: f64 = 0.75;
/// So many polls are made, at most, for one publication that is home within [`LATE`] by them.
const POLLS_FOR_ONE: f64 = 85.0;
/// Rates below this are alike: one in two months, a day.
const RAREST: f64 = 1.0 / 60.0;
/// What was seen weighs a third once so many publications more came out,
const REMEMBERED: f64 = 10.0;
/// or, at least and at most, so many days later.
const LEAST_MEMORY: f64 = 3.0;
const MOST_MEMORY: f64 = 60.0;

/// The wait after the `failures`-th failed poll in a row: it grows by `step` each time (linear, as
/// Media Cloud's: feeds come back), to `longest`; never sooner than the source's own interval.
pub fn backoff(failures: u32, step: Duration, longest: Duration, interval: Duration) -> Duration {
    step.saturating_mul(failures.max(1)).max(interval.min(longest)).min(longest.max(interval))
}

/// The wait of a source after the `failures`-th failed poll in a row, by the pace of the state that it is in now.
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

/// How a node waits after failures (`poll.backoff`, `poll.max_backoff`).
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Each failure adds this.
    pub step: Duration,
    /// The longest wait.
    pub longest: Duration,
}

/// Spreads a wait by up to a tenth, the same for the same key: what failed together is not tried again together.
pub fn spread(wait: Duration, key: &str, round: u64) -> Duration {
    wait.mul_f64(1.0 + 0.1 * share(key, round))
}

/// Spreads a wait by up to a fiftieth: sources that fell into step part again, and nothing comes home much later for that.
pub fn drift(wait: Duration, key: &str, round: u64) -> Duration {
    wait.mul_f64(1.0 + 0.02 * share(key, round))
}

fn share(key: &str, round: u64) -> f64 {
    (xxh3_64(format!("{key}\u{0}{round}").as_bytes()) % 1000) as f64 / 1000.0
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

    /// Expected values by the formula, worked out apart from this code (Python's `math`), in milliseconds.
    #[test]
    fn evidence_moves_the_interval() {
        for (interval, known, fresh, on_time, expected) in [
            (10, 20, 0, true, 601043),
            (10, 19, 1, true, 600358),
            (10, 1, 19, true, 588334),
            (10, 0, 20, true, 300000),
            (50, 20, 0, true, 3026155),
            (50, 18, 2, true, 2968164),
            (5, 0, 20, true, 300000),
            (10, 0, 20, false, 300000), // a flood tells all the same
            (10, 20, 0, false, 600000),
            (1, 10, 10, true, 300000),
            (600, 20, 0, true, 37066113),
            (600, 19, 1, true, 34462708),
        ] {
            let learnt = learn(minutes(interval), EVERY, Seen { known, fresh, on_time, waited: None });
            let difference = learnt.as_millis().abs_diff(expected);
            assert!(difference <= 1, "{interval} {known} {fresh} {on_time}: {learnt:?}");
        }
    }

    /// What came in eight times the interval is an eighth of what it would be in one: half a day for a rate of four a day.
    #[test]
    fn what_was_waited_longer_for_weighs_by_the_time() {
        let every = Every { min: minutes(1), max: minutes(2000) };
        let seen = |waited| Seen { known: 20, fresh: 2, on_time: true, waited };
        let interval = interval_of(4.0);
        let longer = learn(interval, every, seen(Some(minutes(720))));
        assert!(longer.as_secs().abs_diff(interval.as_secs()) <= 1, "{longer:?}");
        assert!(learn(interval, every, seen(Some(minutes(90)))) < interval);
    }

    /// Left alone with a source of an even pace, the interval comes to where that pace is.
    #[test]
    fn an_even_pace_is_found() {
        let every = Every { min: minutes(1), max: minutes(2000) };
        for (a_day, start) in [(24.0, 2000), (24.0, 5), (1.0, 60), (100.0, 600)] {
            let (mut interval, mut owed) = (minutes(start), 0.0);
            let mut passed = 0.0;
            while passed < 60.0 {
                let days = interval.as_secs_f64() / DAY;
                passed += days;
                owed += a_day * days;
                let fresh = owed as usize;
                owed -= fresh as f64;
                interval = learn(interval, every, Seen { known: 20, fresh, on_time: true, waited: None });
            }
            let found = super::a_day(interval) / a_day;
            assert!((0.8..1.25).contains(&found), "{a_day} a day from {start} minutes: {interval:?}");
        }
    }

    /// By hand, for a source that published a hundred times at nine and nothing else: the hour has 50/110 + 10/24/110 of the
    /// day, 11.0 times the mean, and passes 3.32 times as fast; the night has the least, 0.05 or (10/24)/110, 0.0909, and
    /// passes at 0.30 of the speed. By night one of an hour has 1.8 a day, and waits for no more than three hours; one of ten
    /// has 0.08.
    #[test]
    fn an_interval_follows_the_hours_of_its_source() {
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

    /// By hand: nine and a half hours times the rate to the power of -0.75, three hours at most, but for rates below one in
    /// 85 in three hours, 0.094 a day.
    #[test]
    fn nothing_is_late_that_is_not_rare() {
        let every = Every { min: minutes(5), max: minutes(360) };
        for (a_day, expected) in [
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
            let wait = paced(interval_of(a_day), every, None, Timestamp::UNIX_EPOCH).as_secs_f64() / 60.0;
            assert!((wait - expected).abs() < 0.1, "{a_day} a day: {wait}");
        }
        let day = Every { min: minutes(5), max: minutes(24 * 60) };
        assert_eq!(paced(interval_of(0.03), day, None, Timestamp::UNIX_EPOCH), minutes(24 * 60));
    }

    #[test]
    fn freshness_is_kept_within_reason() {
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

    /// With steps of a minute, to a day at most, for a source of ten minutes.
    #[test]
    fn states_have_their_waits() {
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
            let learnt = learn(Duration::from_secs(interval), EVERY, Seen { known, fresh, on_time, waited: None });
            prop_assert!(learnt >= EVERY.min && learnt <= interval_of(RAREST));
        }

        /// A day of polls by the rhythm is no more polls than one of even ones.
        #[test]
        fn a_rhythm_takes_no_more_polls(hours in proptest::collection::vec(0i64..24, 0..60), interval in 5u64..60) {
            let midnight = Timestamp::UNIX_EPOCH;
            let of = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
            let rhythm = Rhythm::unknown(midnight).with(hours.into_iter().map(of), midnight);
            let every = Every { min: Duration::from_secs(1), max: minutes(6000) };
            let (mut at, mut polls) = (midnight, 0);
            while at < of(24) {
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
