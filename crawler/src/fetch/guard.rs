//! The address guard: prevents requests to addresses that are not public (server-side request forgery).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// A filter of the addresses that requests may go to.
///
/// By default all addresses that are not public are rejected, as IP literals and after name resolution, at every hop.
#[derive(Clone, Default)]
pub struct AddressGuard {
    /// The additional addresses that the operator allows.
    allowed: Option<Arc<dyn Fn(IpAddr) -> bool + Send + Sync>>,
    /// The addresses of host names that are not looked up in DNS.
    pins: Arc<BTreeMap<String, IpAddr>>,
}

impl std::fmt::Debug for AddressGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressGuard").field("pins", &self.pins).finish_non_exhaustive()
    }
}

/// The error of an address that the guard rejected. It passes through the error types of other crates.
#[derive(Debug, thiserror::Error)]
#[error("address {0} is not public")]
pub(super) struct Rejected(pub(super) IpAddr);

/// The error of a host name that does not resolve.
#[derive(Debug, thiserror::Error)]
#[error("{0} does not resolve")]
pub(super) struct Unresolved(pub(super) String);

impl AddressGuard {
    /// Creates a guard that also accepts the addresses for which `allowed` returns true. The names in `pins`
    /// resolve to the given addresses.
    pub fn new(
        allowed: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
        pins: BTreeMap<String, IpAddr>,
    ) -> Self {
        Self { allowed: Some(Arc::new(allowed)), pins: Arc::new(pins) }
    }

    /// Returns true if the operator has pinned the name to an address.
    pub(super) fn is_pinned(&self, name: &str) -> bool {
        self.pins.contains_key(name.trim_end_matches('.'))
    }

    /// Returns true if requests may go to the address.
    pub fn admits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.as_ref().is_some_and(|allowed| allowed(address))
    }

    /// Fails with the address if the host of `url` is an IP literal that the guard rejects. Host names are checked
    /// after their resolution.
    pub fn check_literal(&self, url: &Url) -> Result<(), IpAddr> {
        let literal = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            _ => return Ok(()),
        };
        if self.admits(literal) { Ok(()) } else { Err(literal) }
    }

    async fn lookup(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let resolved: Vec<SocketAddr> = match self.pins.get(name.trim_end_matches('.')) {
            Some(address) => vec![SocketAddr::new(*address, 0)],
            None => match tokio::net::lookup_host((name, 0)).await {
                Ok(addresses) => addresses.collect(),
                Err(_) => Vec::new(),
            },
        };
        let Some(first) = resolved.first().map(SocketAddr::ip) else {
            return Err(Box::new(Unresolved(name.to_owned())));
        };
        // One rejected address among several may be a DNS rebinding attack or a mistake: use only the accepted ones.
        let accepted: Vec<SocketAddr> =
            resolved.into_iter().filter(|address| self.admits(address.ip())).collect();
        if accepted.is_empty() { Err(Box::new(Rejected(first))) } else { Ok(accepted) }
    }
}

impl Resolve for AddressGuard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses: Addrs = Box::new(guard.lookup(name.as_str()).await?.into_iter());
            Ok(addresses)
        })
    }
}

/// Returns true if an address is globally reachable according to IANA's special-purpose address registries.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local() // includes the cloud metadata address 169.254.169.254
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // shared address space, RFC 6598
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)) // benchmarking, RFC 2544
        || v4 == Ipv4Addr::new(168, 63, 129, 16)) // a cloud metadata service at a public address
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let s = v6.segments();
    if let Some(v4) = v6.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] || s[0] == 0x2002 {
        // NAT64 and 6to4 addresses embed an IPv4 address.
        let (high, low) = if s[0] == 0x2002 { (s[1], s[2]) } else { (s[6], s[7]) };
        return is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    // Only 2000::/3 is allocated. Teredo and documentation addresses within it are not public.
    s[0] & 0xe000 == 0x2000 && !(s[0] == 0x2001 && (s[1] < 0x200 || s[1] == 0xdb8)) && s[0] & 0xfff0 != 0x3ff0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_admitted() {
        let guard = AddressGuard::default();
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "100.64.0.1",
            "198.18.0.1",
            "168.63.129.16",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!guard.admits(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "95.56.0.1", "2a00:1450:4010::1", "64:ff9b::808:808"] {
            assert!(guard.admits(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn ip_literals_in_all_notations_are_checked() {
        let guard = AddressGuard::default();
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://0177.0.0.1/",
        ] {
            assert!(guard.check_literal(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        let open = AddressGuard::new(|address| address.is_loopback(), BTreeMap::new());
        assert_eq!(open.check_literal(&Url::parse("http://127.0.0.1/").unwrap()), Ok(()));
    }

    #[tokio::test]
    async fn pinned_addresses_are_checked() {
        let pins = BTreeMap::from([("news.sim".to_owned(), "127.0.0.9".parse().unwrap())]);
        assert!(AddressGuard::new(|_| false, pins.clone()).lookup("news.sim").await.is_err());
        let open = AddressGuard::new(|address| address.is_loopback(), pins);
        assert_eq!(open.lookup("news.sim").await.unwrap()[0].ip().to_string(), "127.0.0.9");
    }
}
