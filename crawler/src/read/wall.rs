//! Pages that servers redirect to instead of the requested document: logins, consents, captchas, parked domains.

use url::Url;

/// Path segments and first host labels of login and consent pages.
const WALL_SEGMENTS: &[&str] = &[
    "login",
    "log-in",
    "signin",
    "sign-in",
    "auth",
    "oauth",
    "sso",
    "register",
    "signup",
    "consent",
    "captcha",
    "challenge",
    "subscribe",
    "paywall",
    "account",
    "accounts",
    "suspended",
    "suspendedpage.cgi",
    "parking",
    "domain-parking",
];

/// Hosts that sell or park expired domains.
const PARKING_HOSTS: &[&str] = &[
    "sedo.com",
    "sedoparking.com",
    "parkingcrew.net",
    "bodis.com",
    "dan.com",
    "afternic.com",
    "hugedomains.com",
    "godaddy.com",
    "reg.ru",
    "nic.ru",
    "parking.ps.kz",
    "above.com",
    "uniregistry.com",
];

/// Returns a description of the wall if a redirect from `from` to `to` leads to one instead of the requested
/// document.
pub fn detect_wall(from: &Url, to: &Url) -> Option<String> {
    if from == to {
        return None;
    }
    let host = to.host_str().unwrap_or("").trim_end_matches('.').to_ascii_lowercase();
    let own_host = from.host_str().unwrap_or("").trim_end_matches('.').to_ascii_lowercase();
    let is_under = |host: &str, parking: &str| {
        host == parking || host.strip_suffix(parking).is_some_and(|rest| rest.ends_with('.'))
    };
    // Registrars publish news on their own hosts as well.
    let is_parked = |parking: &&&str| is_under(&host, parking) && !is_under(&own_host, parking);
    if let Some(parking) = PARKING_HOSTS.iter().find(is_parked) {
        return Some(format!("redirected to {parking}: the domain is parked or for sale"));
    }
    let segments = |url: &Url| -> Vec<String> {
        let first = url.host_str().and_then(|host| host.split('.').next()).into_iter();
        first.chain(url.path_segments().into_iter().flatten()).map(str::to_ascii_lowercase).collect()
    };
    // A segment of the requested address, such as that of `/accounts/1`, does not indicate a wall.
    let requested = segments(from);
    let is_wall =
        |segment: &String| WALL_SEGMENTS.contains(&segment.as_str()) && !requested.contains(segment);
    let wall = segments(to).into_iter().find(is_wall)?;
    Some(format!("redirected to {} ({wall}): access is restricted", to.host_str().unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walls_are_detected_by_redirect_targets() {
        let wall = |from: &str, to: &str| {
            detect_wall(&Url::parse(from).unwrap(), &Url::parse(to).unwrap()).is_some()
        };
        for (from, to, expected) in [
            ("https://a.kz/rss", "https://a.kz/login?next=/rss", true),
            ("https://a.kz/rss", "https://accounts.a.kz/", true),
            ("https://a.kz/rss", "https://www.sedoparking.com/a.kz", true),
            ("https://a.kz/rss", "https://consent.google.com/x", true),
            ("https://a.kz/rss", "https://a.kz/feed", false),
            ("https://reg.ru/blog/rss", "https://www.reg.ru/blog/rss/", false),
            ("https://a.kz/rss", "https://b.kz/rss", false),
            ("https://a.kz/auth/rss", "https://a.kz/auth/feed", false),
            ("https://m.kz/api/v1/accounts/1/statuses", "https://m.kz/login?next=x", true),
            ("https://m.kz/api/v1/accounts/1/statuses", "https://m.kz/api/v2/accounts/1/statuses", false),
            ("https://a.kz/rss", "https://a.kz/authors/rss", false),
            ("https://a.kz/rss", "https://a.kz/rss", false),
        ] {
            assert_eq!(wall(from, to), expected, "{from} -> {to}");
        }
    }
}
