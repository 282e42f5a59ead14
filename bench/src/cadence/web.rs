//! The simulated sources: their publications, their troubles and their hubs.

use std::ops::Range;

/// The seconds of a day.
pub(super) const DAY: u64 = 86_400;
/// The days of publications before the month. The first document of a source shows the last of them.
pub(super) const DAYS_BEFORE: u64 = 60;
/// The days of polls after the month, in which the last publications of the month can still be found.
pub(super) const DAYS_AFTER: u64 = 1;

/// A simulated source.
pub(super) struct SimulatedSource {
    /// The publication times, ascending, in seconds since [`DAYS_BEFORE`] days before the month.
    pub(super) publications: Vec<u64>,
    /// The periods of trouble: start, end, kind.
    troubles: Vec<(u64, u64, Trouble)>,
    /// The start and the end of the redirect from the old address to the new one, if the source moves.
    pub(super) moves: Option<(u64, u64)>,
    /// The hub of the source.
    pub(super) hub: Option<Hub>,
}

/// A hub. It pushes 49 of 50 publications within a minute. One hub in four never answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hub {
    seed: u64,
    pub(super) never_answers: bool,
}

impl Hub {
    /// Returns the time at which a publication is pushed, or `None` if it is not.
    pub(super) fn push_time(self, number: usize, published_at: u64) -> Option<u64> {
        let mut random = Random(hash(self.seed, number as u64));
        (!self.never_answers && random.below(50) > 0).then(|| published_at + random.below(60))
    }
}

/// A kind of failed poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Status 404 for a while. The address works again afterwards.
    Missing,
    /// Status 403 or 429.
    Blocked,
    /// No answer in time.
    Slow,
    /// No such host name, for days or for good.
    Dead,
    /// No redirect from the old address of a source that moved.
    Moved,
}

impl SimulatedSource {
    /// Returns the source with a number. A source follows from the seed and its number.
    pub(super) fn new(seed: u64, number: u64, days: u64) -> Self {
        let mut random = Random(hash(seed, number));
        // Publications per day follow a power law, from one a week to a few hundred a day: most sources publish little.
        let share = random.share();
        let per_day = 0.15 * (1.0 - share * 0.995).powf(-1.25);
        let (begin, end) = (DAYS_BEFORE * DAY, (DAYS_BEFORE + days) * DAY);
        let time_zone = random.below(DAY);
        // Some sources publish as much at night as by day, others almost nothing at night. The day has fifteen hours.
        let night_share = 0.03 + 0.97 * random.share();
        let day_factor = 24.0 / (15.0 + 9.0 * night_share);
        let night_factor = night_share * day_factor;
        // From some day on, one source in five publishes up to eight times more, or less.
        let change = if random.below(5) == 0 { begin + random.below(end - begin) } else { u64::MAX };
        let change_factor = 8f64.powf(2.0 * random.share() - 1.0);
        let mut publications = Vec::new();
        let mut at = 0.0;
        while (at as u64) < end + DAYS_AFTER * DAY && publications.len() < 60_000 {
            let hour = ((at as u64 + time_zone) % DAY) / 3600;
            let hour_factor = if (7..22).contains(&hour) { day_factor } else { night_factor };
            let rate = if (at as u64) < change { per_day } else { per_day * change_factor };
            at += -(1.0 - random.share()).ln() * DAY as f64 / (rate * hour_factor);
            publications.push(at as u64);
        }
        publications.retain(|at| *at < end + DAYS_AFTER * DAY);
        let mut troubles = Vec::new();
        for (one_in, trouble, longest) in [
            (6, Trouble::Missing, 12 * 3600),
            (10, Trouble::Blocked, DAY),
            (4, Trouble::Slow, 6 * 3600),
            (40, Trouble::Dead, 6 * DAY),
            (60, Trouble::Dead, 100 * DAY),
        ] {
            if random.below(one_in) == 0 {
                let from = begin + random.below(end - begin);
                troubles.push((from, from + 600 + random.below(longest), trouble));
            }
        }
        // A dead source publishes nothing.
        let dead_periods: Vec<(u64, u64)> = troubles
            .iter()
            .filter(|(.., trouble)| *trouble == Trouble::Dead)
            .map(|(from, to, _)| (*from, *to))
            .collect();
        publications.retain(|at| dead_periods.iter().all(|(from, to)| at < from || at >= to));
        // One source in twenty moves for good. Its old address redirects for two days to three weeks.
        let moves = (random.below(20) == 0).then(|| {
            let from = begin + random.below(end - begin);
            (from, from + 2 * DAY + random.below(19 * DAY))
        });
        let hub =
            (random.below(8) == 0).then(|| Hub { seed: random.next(), never_answers: random.below(4) == 0 });
        Self { publications, troubles, moves, hub }
    }

    /// Returns the number of publications in a month.
    pub(super) fn publications_in(&self, month: &Range<u64>) -> usize {
        self.publications.iter().filter(|at| month.contains(at)).count()
    }

    /// Returns the trouble of a poll at `now`, or `None` if the poll succeeds. `has_followed` is true for a poll of the
    /// new address.
    pub(super) fn trouble_at(&self, now: u64, has_followed: bool) -> Option<Trouble> {
        let redirect_ended = !has_followed && self.moves.is_some_and(|(_, until)| now >= until);
        if redirect_ended {
            return Some(Trouble::Moved);
        }
        self.troubles.iter().find(|(from, to, _)| (*from..*to).contains(&now)).map(|(.., trouble)| *trouble)
    }
}

/// Returns a hash of a seed and a number.
pub(super) fn hash(seed: u64, number: u64) -> u64 {
    Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number).next()
}

/// The random numbers of SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// Returns a number from 0 to `end`, without `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Returns a number from 0 to 1, without 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
