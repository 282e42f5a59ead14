//! The unit of politeness: a host or a group of hosts.

use serde::{Deserialize, Serialize};
use url::Url;

/// A host name without scheme and port, or a politeness group that an operator declared.
///
/// Each IP literal is a separate host: hosts are not grouped by address range or public suffix. A group has the form
/// `group:NAME`, which is not a valid host name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Host(String);

impl Host {
    /// Returns the host of an address; `None` for addresses without one (`data:`, `mailto:`).
    pub fn from_url(url: &Url) -> Option<Self> {
        let name = url.host_str()?.trim_end_matches('.');
        (!name.is_empty()).then(|| Self(name.to_ascii_lowercase()))
    }

    /// Returns the host that represents a politeness group.
    pub fn group(name: &str) -> Self {
        Self(format!("group:{name}"))
    }

    /// Wraps a stored host without checking it.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str) -> Option<String> {
        Host::from_url(&Url::parse(url).unwrap()).map(|host| host.as_str().to_owned())
    }

    #[test]
    fn port_scheme_case_and_final_dot_are_ignored() {
        for url in ["http://news.kz/a", "https://NEWS.kz:8443/b", "http://news.kz./"] {
            assert_eq!(host(url).as_deref(), Some("news.kz"), "{url}");
        }
        assert_eq!(host("http://[::1]:80/").as_deref(), Some("[::1]"));
        assert_eq!(host("mailto:a@b.kz"), None);
    }
}
