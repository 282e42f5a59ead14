//! Cluster membership: the live nodes and the operators' orders for them. It serves preference and display
//! only: if two nodes disagree about it, a claim is merely earlier or later.

use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// Interval between the heartbeats of a node.
pub const BEAT: Duration = Duration::from_secs(1);
/// Time without a heartbeat after which a node counts as dead.
pub const SILENCE: Duration = Duration::from_secs(4);

/// An operator's order for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Normal operation.
    #[default]
    Work,
    /// Claim no new hosts.
    Cordon,
    /// Claim no new hosts and hand back the leased ones.
    Drain,
}

impl Order {
    /// Returns the order as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Cordon => "cordon",
            Self::Drain => "drain",
        }
    }

    /// Parses the text of an order; unknown text is [`Order::Work`].
    pub fn parse(text: &str) -> Self {
        match text {
            "cordon" => Self::Cordon,
            "drain" => Self::Drain,
            _ => Self::Work,
        }
    }
}

/// The heartbeat of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The name of the node with its start time.
    pub node: String,
    /// The start time of the node.
    pub since: Timestamp,
    /// The number of hosts that the node leases.
    pub hosts: usize,
    /// The maximum number of hosts that the node may lease.
    pub room: usize,
    /// The build of the node.
    pub version: String,
    /// The address of its metrics and probes; empty if it serves none.
    pub listen: String,
}

/// The record that other nodes have of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// The last heartbeat.
    pub beat: Beat,
    /// The time of the last heartbeat.
    pub seen: Timestamp,
    /// True if the last heartbeat is recent enough for the node to count as alive.
    pub is_alive: bool,
    /// The operator's order for the node.
    pub order: Order,
}

impl NodeView {
    /// Returns the operator-facing name of the node.
    pub fn name(&self) -> &str {
        name_of(&self.beat.node)
    }
}

/// The hosts and shards of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// The operator-facing name of the node.
    pub node: String,
    /// The number of hosts that the node leases now.
    pub held: u64,
    /// The number of shards that prefer the node.
    pub shards: u64,
    /// The number of hosts with jobs on these shards.
    pub preferred: u64,
}

impl Spread {
    /// Returns the empty record of a node.
    pub fn of(node: &str) -> Self {
        Self { node: node.to_owned(), held: 0, shards: 0, preferred: 0 }
    }
}

/// Returns a node's name without its start time.
pub fn name_of(node: &str) -> &str {
    node.rsplit_once('~').map_or(node, |(name, _)| name)
}
