//! Wall-clock time. Pure code takes `now` as a parameter; only code with I/O holds a [`Clock`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A point in time, in UTC.
pub type Timestamp = jiff::Timestamp;

/// A source of wall-clock time. Sleeping and measuring durations use tokio's time instead.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock for tests that moves only by [`TestClock::advance`].
#[derive(Debug, Clone)]
pub struct TestClock(Arc<Mutex<Timestamp>>);

impl TestClock {
    /// Returns a clock that shows `start`.
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the time `wait` after `at`, or the maximum time if that is out of range.
pub fn after(at: Timestamp, wait: Duration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// Returns the time between two points, or zero if `to` is not later than `from`.
pub fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// Formats a time as RFC 3339 in UTC with whole seconds, the format of all printed times.
pub fn rfc3339(at: Timestamp) -> String {
    let truncated = Timestamp::from_second(at.as_second()).unwrap_or(at);
    truncated.to_string()
}
