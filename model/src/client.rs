//! The declared part of a client.

use serde::{Deserialize, Serialize};

use crate::{Name, Tenant};

/// A client of the operator. Topics and sources refer to it by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The name, unique among clients.
    pub name: Name,
    /// The client's share of a host's time relative to the weights of other clients: 1 to [`Tenant::MAX_WEIGHT`].
    pub weight: u32,
    /// Upper bound on searches for the client's topics over all sources. If absent, only the budgets of the sources
    /// apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searches: Option<u32>,
}

impl Client {
    /// The weight of a client that declares none or is not declared: the minimum weight.
    pub const DEFAULT_WEIGHT: u32 = 1;

    /// Returns the tenant that represents the client in the fair sharing of hosts.
    pub fn tenant(&self) -> Tenant {
        Tenant { client: self.name.to_string(), weight: self.weight }
    }
}
