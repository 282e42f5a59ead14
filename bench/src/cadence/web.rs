//! The simulated web: when sources publish, what becomes of them, and the hubs that they offer.

use std::ops::Range;

pub(super) const DAY: u64 = 86_400;
/// Sources published for so many days before anybody asks: the first document shows the last of it.
pub(super) const BEFORE: u64 = 60;
/// And go on for so many days behind the month: what came out at its end has time to come home.
pub(super) const BEHIND: u64 = 1;

/// A source of the simulated web.
pub(super) struct Simulated {
    /// When something comes out, in seconds since [`BEFORE`] the month began; rising.
    pub(super) publications: Vec<u64>,
    /// From, to, and what it answers then.
    troubles: Vec<(u64, u64, Trouble)>,
    /// From when on its address leads to another for good, and until when it does.
    pub(super) moves: Option<(u64, u64)>,
    /// The hub that it offers.
    pub(super) hub: Option<Hub>,
}

/// A hub: whoever asks it is told, within a minute, of what comes out, but for one publication in fifty; of four, one never
/// answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hub {
    seed: u64,
    pub(super) is_deaf: bool,
}

impl Hub {
    /// When it tells of a publication by its number, if it does.
    pub(super) fn tells_at(self, number: usize, published: u64) -> Option<u64> {
        let mut dice = Dice(due_hash(self.seed, number as u64));
        (!self.is_deaf && dice.below(50) > 0).then(|| published + dice.below(60))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// 404 for a while: the address is there again afterwards.
    Missing,
    /// 403 or 429: asked to stay away.
    Blocked,
    /// No answer in time.
    Slow,
    /// The name is gone: until it rises again, or for good.
    Dead,
    /// It moved, and the old address leads nowhere any more.
    Left,
}

impl Simulated {
    pub(super) fn new(seed: u64, number: u64, days: u64) -> Self {
        let mut dice = Dice(due_hash(seed, number));
        // Publications a day, from one in a week to some hundred: most sources publish little (a power law).
        let share = dice.share();
        let a_day = 0.15 * (1.0 - share * 0.995).powf(-1.25);
        let (begin, end) = (BEFORE * DAY, (BEFORE + days) * DAY);
        let shift = dice.below(DAY);
        // Some publish as much by night as by day, others nearly nothing; fifteen hours are day.
        let contrast = 0.03 + 0.97 * dice.share();
        let by_day = 24.0 / (15.0 + 9.0 * contrast);
        let by_night = contrast * by_day;
        // One in five publishes more, or less, from some day on: up to eight times.
        let turn = if dice.below(5) == 0 { begin + dice.below(end - begin) } else { u64::MAX };
        let later = 8f64.powf(2.0 * dice.share() - 1.0);
        let mut publications = Vec::new();
        let mut at = 0.0;
        while (at as u64) < end + BEHIND * DAY && publications.len() < 60_000 {
            let hour = ((at as u64 + shift) % DAY) / 3600;
            let busy = if (7..22).contains(&hour) { by_day } else { by_night };
            let now_a_day = if (at as u64) < turn { a_day } else { a_day * later };
            at += -(1.0 - dice.share()).ln() * DAY as f64 / (now_a_day * busy);
            publications.push(at as u64);
        }
        publications.retain(|at| *at < end + BEHIND * DAY);
        let mut troubles = Vec::new();
        for (one_in, trouble, longest) in [
            (6, Trouble::Missing, 12 * 3600),
            (10, Trouble::Blocked, DAY),
            (4, Trouble::Slow, 6 * 3600),
            (40, Trouble::Dead, 6 * DAY),
            (60, Trouble::Dead, 100 * DAY),
        ] {
            if dice.below(one_in) == 0 {
                let from = begin + dice.below(end - begin);
                troubles.push((from, from + 600 + dice.below(longest), trouble));
            }
        }
        // What is dead publishes nothing.
        let dead: Vec<(u64, u64)> = troubles
            .iter()
            .filter(|(.., trouble)| *trouble == Trouble::Dead)
            .map(|(from, to, _)| (*from, *to))
            .collect();
        publications.retain(|at| dead.iter().all(|(from, to)| at < from || at >= to));
        // One in twenty moves for good; the old address leads on for two days to three weeks.
        let moves = (dice.below(20) == 0).then(|| {
            let from = begin + dice.below(end - begin);
            (from, from + 2 * DAY + dice.below(19 * DAY))
        });
        let hub = (dice.below(8) == 0).then(|| Hub { seed: dice.next(), is_deaf: dice.below(4) == 0 });
        Self { publications, troubles, moves, hub }
    }

    pub(super) fn published_in(&self, month: &Range<u64>) -> usize {
        self.publications.iter().filter(|at| month.contains(at)).count()
    }

    /// What whoever asks the address as it was, or the one that it leads to, is answered instead of a document.
    pub(super) fn trouble_at(&self, now: u64, has_followed: bool) -> Option<Trouble> {
        let has_left = !has_followed && self.moves.is_some_and(|(_, until)| now >= until);
        if has_left {
            return Some(Trouble::Left);
        }
        self.troubles.iter().find(|(from, to, _)| (*from..*to).contains(&now)).map(|(.., trouble)| *trouble)
    }
}

pub(super) fn due_hash(seed: u64, number: u64) -> u64 {
    Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number).next()
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// From 0 to 1, 1 left out.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
