//! Who watches: the declared part of a client.

use serde::{Deserialize, Serialize};

use crate::{Name, Tenant};

/// A client, whose topics and sources name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Unique among clients.
    pub name: Name,
    /// Its plan's share of a host's time, beside those of others: 1 to 100.
    pub weight: u32,
    /// How many searches, over all sources, are made for its topics at most; as many as sources allow where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searches: Option<u32>,
}

impl Client {
    /// The weight of a client that declares none, or is not declared.
    pub const LEAST: u32 = 1;

    /// As hosts are shared out.
    pub fn tenant(&self) -> Tenant {
        Tenant { client: self.name.to_string(), weight: self.weight }
    }
}
