//! Settings of WebSub.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use url::Url;

/// Settings of WebSub: notifications about new entries by hubs that can reach the cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebSubSettings {
    /// The address at which hubs reach the nodes of the cluster, such as `https://hubs.example.kz/`. If empty, the
    /// cluster makes no subscriptions.
    pub url: String,
    /// The address and port on which this node accepts requests of hubs, such as `0.0.0.0:8090`.
    pub listen: String,
}

impl WebSubSettings {
    /// Returns the base of the callback addresses for hubs; `None` if `url` is empty.
    pub fn base(&self) -> Option<Url> {
        let mut url: Url = self.url.parse().ok()?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Some(url)
    }

    /// Returns true if only one of the two settings is set. A running node needs both or neither.
    pub fn is_half(&self) -> bool {
        self.url.is_empty() != self.listen.is_empty()
    }

    /// Returns a message if a setting is invalid.
    pub(crate) fn find_error(&self) -> Option<&'static str> {
        let is_address = |url: Url| {
            let is_base = url.query().is_none() && url.fragment().is_none();
            // The address is sent to every hub, so it must not contain secrets.
            let has_no_credentials = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https") && is_base && has_no_credentials
        };
        if !self.url.is_empty() && !self.base().is_some_and(is_address) {
            Some(
                "websub.url must be an http:// or https:// address without user name, query and fragment, such as \
                 https://hubs.example.kz/",
            )
        } else if !self.listen.is_empty() && self.listen.parse::<SocketAddr>().is_err() {
            Some("websub.listen must be an IP address and a port, such as 0.0.0.0:8090")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_addresses_are_rejected() {
        for (url, listen, base) in [
            ("", "", Some(None)),
            ("https://hubs.kz", "0.0.0.0:8090", Some(Some("https://hubs.kz/"))),
            ("http://hubs.kz/qyran", "127.0.0.1:1", Some(Some("http://hubs.kz/qyran/"))),
            ("https://hubs.kz/", "", Some(Some("https://hubs.kz/"))),
            ("", "0.0.0.0:8090", Some(None)),
            ("https://u:p@hubs.kz/", "0.0.0.0:8090", None),
            ("hubs.kz", "0.0.0.0:8090", None),
            ("ftp://hubs.kz/", "0.0.0.0:8090", None),
            ("https://hubs.kz/?a=1", "0.0.0.0:8090", None),
            ("https://hubs.kz/", "8090", None),
        ] {
            let settings = WebSubSettings { url: url.to_owned(), listen: listen.to_owned() };
            let actual = settings.base().map(String::from);
            match base {
                Some(base) => {
                    assert_eq!((settings.find_error(), actual.as_deref()), (None, base), "{url} {listen}");
                }
                None => assert!(settings.find_error().is_some(), "{url} {listen}"),
            }
            assert_eq!(settings.is_half(), url.is_empty() != listen.is_empty());
        }
    }
}
