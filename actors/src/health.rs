//! The last signs of life of a node.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time without a pulse after which the root actor counts as hung.
const MAX_PULSE_AGE: Duration = Duration::from_secs(30);
/// The time without a successful claim after which the schedule counts as lost.
const MAX_CLAIM_AGE: Duration = Duration::from_secs(30);

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of the check.
    pub name: &'static str,
    /// True if the check passed.
    pub is_well: bool,
    /// The reason in words.
    pub detail: String,
}

/// The times of the last signs of life.
#[derive(Debug, Default)]
pub(crate) struct Health {
    last_pulse: Mutex<Option<Instant>>,
    last_claim: Mutex<Option<Instant>>,
}

impl Health {
    /// Records that the root actor handled a pulse.
    pub(crate) fn record_pulse(&self) {
        *self.last_pulse.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Records a successful request to the schedule.
    pub(crate) fn record_claim(&self) {
        *self.last_claim.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns the check that the root actor makes progress.
    pub(crate) fn root_check(&self) -> Check {
        check_age("root", age(&self.last_pulse), MAX_PULSE_AGE)
    }

    /// Returns the check that the schedule answers.
    pub(crate) fn schedule_check(&self) -> Check {
        check_age("schedule", age(&self.last_claim), MAX_CLAIM_AGE)
    }
}

fn age(moment: &Mutex<Option<Instant>>) -> Option<Duration> {
    moment.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
}

fn check_age(name: &'static str, age: Option<Duration>, max_age: Duration) -> Check {
    let detail = match age {
        None => "not yet".to_owned(),
        Some(age) => format!("{} s ago", age.as_secs()),
    };
    Check { name, is_well: age.is_some_and(|age| age <= max_age), detail }
}
