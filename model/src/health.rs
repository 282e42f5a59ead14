//! How a source is doing, and what a failure weighs.

use serde::{Deserialize, Serialize};

/// How a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Declared, not yet read.
    New,
    /// Read, and well.
    Live,
    /// Some of its recent polls failed.
    Degraded,
    /// Most of its recent polls failed; still tried, at the slow pace.
    Unreachable,
    /// Robots rules forbid its address; asked again daily.
    Disallowed,
    /// It answers, but with something that cannot be read.
    Broken,
    /// The server says it is gone for good; probed weekly.
    Gone,
    /// The reading of it crashed or hung again and again; an operator should look.
    Quarantined,
    /// An operator paused it.
    Paused,
}

impl SourceState {
    /// All states, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Live,
        Self::Degraded,
        Self::Unreachable,
        Self::Disallowed,
        Self::Broken,
        Self::Gone,
        Self::Quarantined,
        Self::Paused,
    ];

    /// The state as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Live => "live",
            Self::Degraded => "degraded",
            Self::Unreachable => "unreachable",
            Self::Disallowed => "disallowed",
            Self::Broken => "broken",
            Self::Gone => "gone",
            Self::Quarantined => "quarantined",
            Self::Paused => "paused",
        }
    }

    /// The state that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A poll that failed: what it means, and the reason in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What the failure counts against the source.
    pub weight: FailureWeight,
    /// In words an operator can act on.
    pub reason: String,
}

/// What a failure counts. The weights are Media Cloud's (rss-fetcher): hard 1, soft ½, temporary ¼.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureWeight {
    /// The name does not resolve, or the server says 410.
    Hard,
    /// 404, other refusals, or what came cannot be read: feeds come back from these.
    Soft,
    /// A time-out, a broken connection, 5xx, 429.
    Temporary,
    /// Robots rules forbid the address: nothing is wrong with the source.
    Disallowed,
    /// Robots rules are not to be had, or another host of the way is busy: no verdict, no count.
    Deferred,
}

impl FailureWeight {
    /// Failure points.
    pub fn points(self) -> f64 {
        match self {
            Self::Hard => 1.0,
            Self::Soft => 0.5,
            Self::Temporary => 0.25,
            Self::Disallowed | Self::Deferred => 0.0,
        }
    }
}
