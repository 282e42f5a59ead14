//! Pages that stand before what was asked for: logins, consents, checks for robots, parked names.

use url::Url;

/// What stands in a path, or before a host, where people are asked to log in or to agree first.
const WALLS: &[&str] = &[
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

/// Hosts of those who sell names that somebody gave up.
const PARKED: &[&str] = &[
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

/// Whether a redirect from `from` to `to` leads to a wall, and not to what was asked for: what it is, in words.
pub fn wall_before(from: &Url, to: &Url) -> Option<String> {
    if from == to {
        return None;
    }
    let host = to.host_str().unwrap_or("").trim_end_matches('.').to_ascii_lowercase();
    let own = from.host_str().unwrap_or("").trim_end_matches('.').to_ascii_lowercase();
    let is_under = |host: &str, parked: &str| {
        host == parked || host.strip_suffix(parked).is_some_and(|rest| rest.ends_with('.'))
    };
    // Those who sell names have news as well.
    let is_sold = |parked: &&&str| is_under(&host, parked) && !is_under(&own, parked);
    if let Some(parked) = PARKED.iter().find(is_sold) {
        return Some(format!("its name leads to {parked}, where names are sold"));
    }
    let parts = |url: &Url| -> Vec<String> {
        let first = url.host_str().and_then(|host| host.split('.').next()).into_iter();
        first.chain(url.path_segments().into_iter().flatten()).map(str::to_ascii_lowercase).collect()
    };
    // Who asks for `/accounts/1` is not led to a wall by that word.
    let asked = parts(from);
    let wall = parts(to).into_iter().find(|part| WALLS.contains(&part.as_str()) && !asked.contains(part))?;
    Some(format!("its server leads to {} ({wall}): it is shown to some only", to.host_str().unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walls_are_known_by_where_redirects_lead() {
        let wall = |from: &str, to: &str| {
            wall_before(&Url::parse(from).unwrap(), &Url::parse(to).unwrap()).is_some()
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
