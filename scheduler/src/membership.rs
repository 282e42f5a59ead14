//! The nodes of a cluster: who is there, and what operators asked of them. For preference and display only:
//! that two nodes disagree about it costs nothing but an earlier or a later claim.

use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// How often a node says that it is there.
pub const BEAT: Duration = Duration::from_secs(1);
/// A node that has said nothing for this long counts as gone.
pub const SILENCE: Duration = Duration::from_secs(4);

/// What operators ask of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Nothing: it works.
    #[default]
    Work,
    /// To claim nothing new.
    Cordon,
    /// To hand over what it has as well.
    Drain,
}

impl Order {
    /// The order as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Cordon => "cordon",
            Self::Drain => "drain",
        }
    }

    /// Reads it back; what is unknown is no order.
    pub fn parse(text: &str) -> Self {
        match text {
            "cordon" => Self::Cordon,
            "drain" => Self::Drain,
            _ => Self::Work,
        }
    }
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Its name, with when it began.
    pub node: String,
    /// Since when it runs.
    pub since: Timestamp,
    /// Hosts that it holds.
    pub hosts: usize,
    /// Hosts that it may hold.
    pub room: usize,
    /// Its build.
    pub version: String,
    /// Where it serves metrics and probes; empty where it does not.
    pub listen: String,
}

/// A node as others know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// What it said last.
    pub beat: Beat,
    /// When.
    pub seen: Timestamp,
    /// Whether it still counts as there.
    pub is_alive: bool,
    /// What is asked of it.
    pub order: Order,
}

impl NodeView {
    /// The name that operators know it by.
    pub fn name(&self) -> &str {
        name_of(&self.beat.node)
    }
}

/// What a node holds, and looks after first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// The name that operators know it by.
    pub node: String,
    /// Hosts that it holds now.
    pub held: u64,
    /// Shards that it looks after first.
    pub shards: u64,
    /// Hosts with jobs on these.
    pub preferred: u64,
}

impl Spread {
    /// Nothing yet.
    pub fn of(node: &str) -> Self {
        Self { node: node.to_owned(), held: 0, shards: 0, preferred: 0 }
    }
}

/// A node's name, without when it began.
pub fn name_of(node: &str) -> &str {
    node.rsplit_once('~').map_or(node, |(name, _)| name)
}
