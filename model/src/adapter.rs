//! Other ways to read a source, for when the declared one fails; and which of them stands in for it.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Pointers, Selectors, Source, SourceKind, Timestamp};

/// A way to read a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// How.
    pub kind: SourceKind,
    /// Where.
    pub url: Url,
    /// Where things stand in a page.
    #[serde(default, skip_serializing_if = "Selectors::is_empty")]
    pub selectors: Selectors,
    /// Where things stand in JSON.
    #[serde(default, skip_serializing_if = "Pointers::is_empty")]
    pub pointers: Pointers,
}

/// A fallback that stands in for the way in which its source is declared to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandIn {
    /// The fallback's address.
    pub url: Url,
    /// The declared address that it stands in for: for another one it does not.
    pub instead_of: Url,
    /// Since when.
    pub since: Timestamp,
    /// When the declared way is tried again.
    pub next_try: Timestamp,
    /// How often it was tried in vain since.
    pub tries: u32,
}

impl Source {
    /// Fallbacks of one source, at most.
    pub const MOST_FALLBACKS: usize = 5;

    /// The same source, read in another way.
    pub fn read_by(&self, adapter: &Adapter) -> Self {
        let Adapter { kind, url, selectors, pointers } = adapter.clone();
        Self { kind, url, selectors, pointers, ..self.clone() }
    }
}
