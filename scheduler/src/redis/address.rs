//! Addresses of Redis deployments.

use std::str::FromStr;

/// The address of one Redis server, of a master under Sentinel, or of a Redis Cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`; `rediss://` over TLS.
    One(String),
    /// `redis+sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]…/NAME[/DB]`; `rediss+sentinel://` over TLS.
    Sentinel {
        /// The addresses of the Sentinels.
        sentinels: Vec<String>,
        /// The name of the master in the Sentinels' configuration.
        master: String,
        /// The start of the master's address: scheme, user and password.
        prefix: String,
        /// The end of the master's address: the number of the database.
        suffix: String,
    },
    /// `redis+cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]…`; `rediss+cluster://` over TLS.
    Cluster(Vec<String>),
}

/// An error of parsing an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The scheme is unknown.
    #[error(
        "unknown scheme in the schedule's address; use redis://, rediss://, redis+sentinel:// or redis+cluster://"
    )]
    Scheme,
    /// The name of the master is missing.
    #[error(
        "the Sentinel address has no master name; write it after the hosts: redis+sentinel://HOST,HOST/NAME"
    )]
    Master,
    /// The host is missing.
    #[error("the address has no host")]
    NoHost,
    /// The client library rejected the address.
    #[error("{0}")]
    Other(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let (transport, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(transport, "redis" | "rediss") {
            return Err(AddressError::Scheme);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let hosts: Vec<&str> = hosts.split(',').filter(|host| !host.is_empty()).collect();
        if hosts.is_empty() {
            return Err(AddressError::NoHost);
        }
        let prefix = format!("{transport}://{user}");
        match kind {
            "" => check(text.to_owned()).map(Self::One),
            "cluster" => {
                let nodes = hosts.iter().map(|host| check(format!("{prefix}{host}")));
                Ok(Self::Cluster(nodes.collect::<Result<_, _>>()?))
            }
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(AddressError::Master);
                }
                let sentinels = hosts.iter().map(|host| {
                    let port = if has_port(host) { "" } else { ":26379" };
                    check(format!("{transport}://{host}{port}"))
                });
                Ok(Self::Sentinel {
                    sentinels: sentinels.collect::<Result<_, _>>()?,
                    master: master.to_owned(),
                    prefix,
                    suffix: format!("/{database}"),
                })
            }
            _ => Err(AddressError::Scheme),
        }
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Parses an address with the client library, whose error messages do not contain the password.
fn check(address: String) -> Result<String, AddressError> {
    match redis::Client::open(address.as_str()) {
        Ok(_) => Ok(address),
        Err(error) => Err(AddressError::Other(error.to_string())),
    }
}

/// Formats the address without user and password, for messages.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(address) => f.write_str(&without_credentials(address)),
            Self::Sentinel { sentinels, master, .. } => {
                let sentinels: Vec<String> =
                    sentinels.iter().map(|address| without_credentials(address)).collect();
                write!(f, "{master} at {}", sentinels.join(", "))
            }
            Self::Cluster(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(|address| without_credentials(address)).collect();
                f.write_str(&nodes.join(", "))
            }
        }
    }
}

fn without_credentials(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        let one = |text: &str| Ok(Address::One(text.to_owned()));
        let cases = [
            ("redis://h", one("redis://h")),
            ("rediss://u:p@h:7000/2", one("rediss://u:p@h:7000/2")),
            (
                "redis+cluster://u:p@a,b:7001",
                Ok(Address::Cluster(vec!["redis://u:p@a".into(), "redis://u:p@b:7001".into()])),
            ),
            (
                "rediss+sentinel://:p@a,b:7/main/3",
                Ok(Address::Sentinel {
                    sentinels: vec!["rediss://a:26379".into(), "rediss://b:7".into()],
                    master: "main".into(),
                    prefix: "rediss://:p@".into(),
                    suffix: "/3".into(),
                }),
            ),
            ("redis+sentinel://a,b", Err(AddressError::Master)),
            ("redis+ring://a", Err(AddressError::Scheme)),
            ("postgres://a", Err(AddressError::Scheme)),
            ("a:6379", Err(AddressError::Scheme)),
            ("redis+cluster:///", Err(AddressError::NoHost)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Address>(), expected, "{text}");
        }
    }

    #[test]
    fn passwords_are_not_displayed() {
        for text in
            ["redis://u:geheim@h/1", "redis+sentinel://u:geheim@a,b/m", "redis+cluster://u:geheim@a,b"]
        {
            let address: Address = text.parse().unwrap();
            assert!(!address.to_string().contains("geheim"), "{address}");
        }
    }
}
