//! Protections that controls of tests switch off, to show that the tests notice.

use std::str::FromStr;

/// A protection that can be switched off in builds with the cargo feature `fault-injection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// A node stops its work when its lease ends.
    Deadline,
    /// A harvest that cannot be stored is kept until it can, and fetching stops meanwhile.
    Retry,
    /// The items of a harvest and the state of its source are stored in one transaction.
    Transaction,
    /// A Redis server that may not know every lease hands out no turns for a while.
    Embargo,
    /// A node leaves a master that still answers when Sentinels name another one.
    Following,
    /// A stopping node finishes its work and hands its hosts over.
    Drain,
}

impl FromStr for Protection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "deadline" => Self::Deadline,
            "retry" => Self::Retry,
            "transaction" => Self::Transaction,
            "embargo" => Self::Embargo,
            "following" => Self::Following,
            "drain" => Self::Drain,
            _ => return Err(format!("no protection {text:?}")),
        })
    }
}

/// The protections that are switched off. Without the cargo feature `fault-injection`, none can be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisabledProtections {
    #[cfg(feature = "fault-injection")]
    protections: Vec<Protection>,
}

impl DisabledProtections {
    /// Switches protections off. Fails in builds without fault injection, unless `protections` is empty.
    #[cfg(feature = "fault-injection")]
    pub fn new(protections: &[Protection]) -> Result<Self, &'static str> {
        Ok(Self { protections: protections.to_vec() })
    }

    /// Switches protections off. Fails in builds without fault injection, unless `protections` is empty.
    #[cfg(not(feature = "fault-injection"))]
    pub fn new(protections: &[Protection]) -> Result<Self, &'static str> {
        if protections.is_empty() { Ok(Self {}) } else { Err("this build has no fault injection") }
    }

    /// Returns true if a protection is switched off.
    #[cfg(feature = "fault-injection")]
    pub fn contains(&self, protection: Protection) -> bool {
        self.protections.contains(&protection)
    }

    /// Returns true if a protection is switched off: never, in builds without fault injection.
    #[cfg(not(feature = "fault-injection"))]
    pub const fn contains(&self, _protection: Protection) -> bool {
        false
    }
}
