//! Settings of the door for hubs.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use url::Url;

/// Hubs that tell what is new (WebSub), where these can reach the cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebSubSettings {
    /// The address at which hubs reach some node of the cluster, as `https://hubs.example.kz/`; they are asked for nothing
    /// where it is empty.
    pub url: String,
    /// Where this node hears them, as `0.0.0.0:8090`.
    pub listen: String,
}

impl WebSubSettings {
    /// What is put before the paths that hubs call; none where they are asked for nothing.
    pub fn base(&self) -> Option<Url> {
        let mut url: Url = self.url.parse().ok()?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Some(url)
    }

    /// Hubs are given the one, and heard at the other: a node that runs needs both.
    pub fn is_half(&self) -> bool {
        self.url.is_empty() != self.listen.is_empty()
    }

    /// What makes no sense about them.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        let is_address = |url: Url| {
            let is_bare = url.query().is_none() && url.fragment().is_none();
            // Whatever stands there is told to every hub.
            let is_open = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https") && is_bare && is_open
        };
        if !self.url.is_empty() && !self.base().is_some_and(is_address) {
            Some("websub.url must be an address as hubs see it, as https://hubs.example.kz/")
        } else if !self.listen.is_empty() && self.listen.parse::<SocketAddr>().is_err() {
            Some("websub.listen must be an address and a port, as 0.0.0.0:8090")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hubs_are_given_must_make_sense() {
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
            let told = settings.base().map(String::from);
            match base {
                Some(base) => assert_eq!((settings.wrong(), told.as_deref()), (None, base), "{url} {listen}"),
                None => assert!(settings.wrong().is_some(), "{url} {listen}"),
            }
            assert_eq!(settings.is_half(), url.is_empty() != listen.is_empty());
        }
    }
}
