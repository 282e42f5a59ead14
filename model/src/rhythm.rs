//! The hours of the day at which a source publishes.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The number of publications in each hour of the day (UTC). The weight of a publication decays with its age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rhythm {
    /// Weights by hour, from midnight.
    hours: [f64; 24],
    /// The time to which the weights have decayed.
    at: Timestamp,
}

impl Rhythm {
    /// Time constant of the exponential decay, in seconds. A publication of 30 days ago has about a third of the weight
    /// of a new one, since publishing habits change with the seasons.
    const DECAY_SECONDS: f64 = 30.0 * 86_400.0;
    /// The number of evenly spread publications added to the observed ones. They smooth the rhythm while there are few
    /// observations.
    const PRIOR_PUBLICATIONS: f64 = 10.0;
    /// Lower bound on the rate of an hour relative to the mean. A source that never published at night may start to.
    const MIN_PACE: f64 = 0.05;

    /// Returns the rhythm of a source without observed publications.
    pub fn unknown(now: Timestamp) -> Self {
        Self { hours: [0.0; 24], at: now }
    }

    /// Adds publications. Their times must be exact, not days.
    pub fn with(mut self, published: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Self {
        let elapsed = now.duration_since(self.at).as_secs_f64().max(0.0);
        let decay = (-elapsed / Self::DECAY_SECONDS).exp();
        // Rounding keeps the stored JSON short. More precision has no use.
        self.hours = self.hours.map(|weight| (weight * decay * 1000.0).round() / 1000.0);
        for at in published {
            self.hours[hour_of(at)] += 1.0;
        }
        self.at = now;
        self
    }

    /// Returns the publication rate around the hour of `at`, relative to the mean of the day. The hour itself counts
    /// half and each neighbour a quarter, since publishers do not follow the boundaries of hours.
    pub fn pace(&self, at: Timestamp) -> f64 {
        let hour = hour_of(at);
        let [previous, next] = [self.hours[(hour + 23) % 24], self.hours[(hour + 1) % 24]];
        let smoothed = (previous + 2.0 * self.hours[hour] + next) / 4.0;
        let total: f64 = self.hours.iter().sum();
        let prior = Self::PRIOR_PUBLICATIONS;
        ((smoothed + prior / 24.0) / (total + prior) * 24.0).max(Self::MIN_PACE)
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

    /// Expected values by hand: (own/2 + neighbours/4 + 10/24) / (total + 10) · 24.
    #[test]
    fn pace_is_the_smoothed_share_of_the_hour() {
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
    fn old_publications_weigh_less() {
        let first = Rhythm::unknown(at(0)).with([at(9); 100], at(0));
        let second = first.clone().with([at(15); 50], at(60 * 24));
        assert!(second.pace(at(15)) > second.pace(at(9)), "{second:?}");
        assert!(first.pace(at(15)) < first.pace(at(9)));
    }

    #[test]
    fn the_mean_pace_of_a_day_is_one() {
        let rhythm = Rhythm::unknown(at(0)).with((0..50).map(|n| at(n * n)), at(0));
        let mean = (0..24).map(|hour| rhythm.pace(at(hour))).sum::<f64>() / 24.0;
        assert!((mean - 1.0).abs() < 1e-9, "{mean}");
    }
}
