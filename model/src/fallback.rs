//! Other ways to read a source, for when the declared one fails; and which of them stands in for it.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Pointers, Selectors, Source, SourceKind, Timestamp};

/// A way to read a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
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
pub struct ActiveFallback {
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
    /// The declared way is back. What was read otherwise is known by its address still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_over: bool,
}

impl Source {
    /// Fallbacks of one source, at most.
    pub const MOST_FALLBACKS: usize = 5;

    /// The same source, read in another way.
    pub fn read_with(&self, fallback: &Fallback) -> Self {
        let Fallback { kind, url, selectors, pointers } = fallback.clone();
        // A token was meant for where the source is declared.
        let token = self.token.clone().filter(|_| url.origin() == self.url.origin());
        Self { kind, url, selectors, pointers, token, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;

    /// A token goes to the origin that its source is declared at, and to no fallback elsewhere.
    #[test]
    fn tokens_stay_where_they_were_meant_for() {
        let source = Source {
            token: Name::new("secret").ok(),
            ..Source::new(Name::new("s").unwrap(), SourceKind::Json, "https://api.kz/v1".parse().unwrap())
        };
        for (url, keeps) in [
            ("https://api.kz/v2", true),
            ("https://api.kz:444/v2", false),
            ("http://api.kz/v2", false),
            ("https://other.kz/", false),
        ] {
            let fallback = Fallback {
                kind: SourceKind::Feed,
                url: url.parse().unwrap(),
                selectors: Selectors::default(),
                pointers: Pointers::default(),
            };
            assert_eq!(source.read_with(&fallback).token.is_some(), keeps, "{url}");
        }
    }
}
