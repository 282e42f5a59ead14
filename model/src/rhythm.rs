//! At which hours of the day a source publishes.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How many publications came out at each hour of the day (UTC), those of long ago weighing less.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rhythm {
    /// By hour, from midnight.
    hours: [f64; 24],
    /// The moment that the weights are of.
    at: Timestamp,
}

impl Rhythm {
    /// What came out so many days ago weighs a third of what comes out now: seasons change, and habits.
    const MEMORY: f64 = 30.0 * 86_400.0;
    /// As many publications, spread evenly, stand beside those that were seen: of a handful nobody can tell.
    const EVEN: f64 = 10.0;
    /// No hour has less of the mean than this: a source that never published at night may begin to.
    const LEAST: f64 = 0.05;

    /// Of a source of which nothing is known.
    pub fn unknown(now: Timestamp) -> Self {
        Self { hours: [0.0; 24], at: now }
    }

    /// With further publications, whose times are exact.
    pub fn with(mut self, published: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Self {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        let faded = (-passed / Self::MEMORY).exp();
        // Rounded: it is written down, and nobody needs more of it.
        self.hours = self.hours.map(|weight| (weight * faded * 1000.0).round() / 1000.0);
        for at in published {
            self.hours[hour_of(at)] += 1.0;
        }
        self.at = now;
        self
    }

    /// How many times the mean of the day comes out around a moment's hour. Each hour counts half for itself and a quarter
    /// for each neighbour, since nobody publishes by the clock's hours.
    pub fn pace(&self, at: Timestamp) -> f64 {
        let hour = hour_of(at);
        let [before, after] = [self.hours[(hour + 23) % 24], self.hours[(hour + 1) % 24]];
        let here = (before + 2.0 * self.hours[hour] + after) / 4.0;
        let all: f64 = self.hours.iter().sum();
        ((here + Self::EVEN / 24.0) / (all + Self::EVEN) * 24.0).max(Self::LEAST)
    }
}

fn hour_of(at: Timestamp) -> usize {
    usize::try_from(at.as_second().rem_euclid(86_400) / 3600).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600 + 1800).unwrap()
    }

    /// Expected values by hand: (own/2 + neighbours/4 + 10/24) / (all + 10) · 24.
    #[test]
    fn hours_have_their_share() {
        let rhythm = |hours: &[i64]| Rhythm::unknown(at(0)).with(hours.iter().map(|hour| at(*hour)), at(0));
        for (published, hour, expected) in [
            (&[][..], 5, 1.0),
            (&[9; 10], 9, (5.0 + 10.0 / 24.0) / 20.0 * 24.0),
            (&[9; 10], 8, (2.5 + 10.0 / 24.0) / 20.0 * 24.0),
            (&[9; 10], 20, 0.5),
            (&[0; 10], 23, (2.5 + 10.0 / 24.0) / 20.0 * 24.0),
            (&[9; 400], 20, 0.05),
            (&[9 + 48; 10], 9, (5.0 + 10.0 / 24.0) / 20.0 * 24.0),
        ] {
            let pace = rhythm(published).pace(at(hour));
            assert!((pace - expected).abs() < 1e-9, "{published:?} at {hour}: {pace}");
        }
    }

    #[test]
    fn what_was_long_ago_weighs_less() {
        let old = Rhythm::unknown(at(0)).with([at(9); 100], at(0));
        let new = old.clone().with([at(15); 50], at(60 * 24));
        assert!(new.pace(at(15)) > new.pace(at(9)), "{new:?}");
        assert!(old.pace(at(15)) < old.pace(at(9)));
    }

    #[test]
    fn the_day_as_a_whole_has_its_mean() {
        let rhythm = Rhythm::unknown(at(0)).with((0..50).map(|number| at(number * number)), at(0));
        let mean = (0..24).map(|hour| rhythm.pace(at(hour))).sum::<f64>() / 24.0;
        assert!((mean - 1.0).abs() < 1e-9, "{mean}");
    }
}
