//! Whether a node is well: what liveness, readiness and startup probes ask.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use scheduler::membership::Order;
use tokio::time::Instant;

use crate::context::Context;

/// A root that has not moved for this long hangs.
const HANGS: Duration = Duration::from_secs(30);
/// A node whose claims have failed for this long has lost its schedule.
const LOST: Duration = Duration::from_secs(30);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub is_well: bool,
    /// In words.
    pub detail: String,
}

/// Signs of life.
#[derive(Debug, Default)]
pub(crate) struct Health {
    pulse: Mutex<Option<Instant>>,
    claimed: Mutex<Option<Instant>>,
}

impl Health {
    /// The root moves.
    pub(crate) fn pulse(&self) {
        *self.pulse.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The schedule has answered.
    pub(crate) fn claimed(&self) {
        *self.claimed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

fn age(moment: &Mutex<Option<Instant>>) -> Option<Duration> {
    moment.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
}

fn recent(name: &'static str, age: Option<Duration>, most: Duration) -> Check {
    let detail = match age {
        None => "not yet".to_owned(),
        Some(age) => format!("{} s ago", age.as_secs()),
    };
    Check { name, is_well: age.is_some_and(|age| age <= most), detail }
}

impl Context {
    /// Whether this process works at all. Nothing outside of it is asked.
    pub fn liveness(&self) -> Vec<Check> {
        vec![recent("root", age(&self.health.pulse), HANGS)]
    }

    /// Whether it takes part: it claims, and is not told to stop.
    pub fn readiness(&self) -> Vec<Check> {
        let is_asked_to_stop = self.is_draining();
        let order = self.order();
        vec![
            recent("schedule", age(&self.health.claimed), LOST),
            Check {
                name: "draining",
                is_well: !is_asked_to_stop,
                detail: if is_asked_to_stop { "told to stop" } else { "no" }.to_owned(),
            },
            Check { name: "order", is_well: order != Order::Drain, detail: order.as_str().to_owned() },
        ]
    }

    /// Whether it has begun: its objects are loaded.
    pub fn startup(&self) -> Vec<Check> {
        let version = self.snapshot().version();
        vec![Check { name: "objects", is_well: version > 0, detail: format!("version {version}") }]
    }
}
