//! Fallbacks: alternative ways to read a source while the declared way fails.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Pointers, Selectors, Source, SourceKind, Timestamp};

/// An alternative way to read a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// The format or platform.
    pub kind: SourceKind,
    /// The address.
    pub url: Url,
    /// CSS selectors for HTML pages.
    #[serde(default, skip_serializing_if = "Selectors::is_empty")]
    pub selectors: Selectors,
    /// JSON pointers for JSON documents.
    #[serde(default, skip_serializing_if = "Pointers::is_empty")]
    pub pointers: Pointers,
}

/// The fallback in use for a source whose declared way fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveFallback {
    /// The fallback's address.
    pub url: Url,
    /// The declared address that the fallback replaces. If the source's address changes, the fallback no longer
    /// applies.
    pub instead_of: Url,
    /// The time from which the fallback is in use.
    pub since: Timestamp,
    /// The time of the next attempt to read the declared way.
    pub next_try: Timestamp,
    /// The number of failed attempts to read the declared way since then.
    pub tries: u32,
    /// Set when the declared way works again. The record stays because items read through the fallback are identified
    /// by their addresses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_over: bool,
}

impl Source {
    /// Upper bound on fallbacks of one source.
    pub const MAX_FALLBACKS: usize = 5;

    /// Returns the source as read through a fallback.
    pub fn with_fallback(&self, fallback: &Fallback) -> Self {
        let Fallback { kind, url, selectors, pointers } = fallback.clone();
        // The token belongs to the declared origin and must not be sent to another one.
        let token = self.token.clone().filter(|_| url.origin() == self.url.origin());
        Self { kind, url, selectors, pointers, token, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;

    #[test]
    fn tokens_are_sent_only_to_the_declared_origin() {
        let source = Source {
            token: Name::new("secret").ok(),
            ..Source::new(Name::new("s").unwrap(), SourceKind::Json, "https://api.kz/v1".parse().unwrap())
        };
        for (url, has_token) in [
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
            assert_eq!(source.with_fallback(&fallback).token.is_some(), has_token, "{url}");
        }
    }
}
