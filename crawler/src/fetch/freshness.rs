//! The freshness lifetime of a response (RFC 9111 §4.2.1): `Cache-Control: max-age` or `Expires`, minus `Age`.

use std::time::Duration;

use model::Timestamp;

use super::transport::Response;
use crate::dates::parse_http_date;

/// Returns the remaining freshness lifetime of a response, during which a new request is useless. Returns `None`
/// if the server declares none, or a lifetime of zero.
pub(super) fn freshness(response: &Response, now: Timestamp) -> Option<Duration> {
    let age = response
        .header("age")
        .and_then(|age| age.trim().parse().ok())
        .map_or(Duration::ZERO, Duration::from_secs);
    let cache_control = response.header("cache-control").map(str::to_ascii_lowercase).unwrap_or_default();
    let directives = || cache_control.split(',').map(str::trim);
    if directives().any(|directive| matches!(directive, "no-cache" | "no-store")) {
        return None;
    }
    let max_age = directives().find_map(|directive| directive.strip_prefix("max-age="));
    let lifetime = match max_age.and_then(|seconds| seconds.trim_matches('"').parse().ok()) {
        Some(seconds) => Duration::from_secs(seconds),
        None => {
            let start = response.header("date").and_then(parse_http_date).unwrap_or(now);
            Duration::try_from(parse_http_date(response.header("expires")?)?.duration_since(start)).ok()?
        }
    };
    Some(lifetime.saturating_sub(age)).filter(|lifetime| !lifetime.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_follows_cache_control_expires_and_age() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let (later, date) = ("Mon, 23 Nov 2026 10:10:00 GMT", "Mon, 23 Nov 2026 10:05:00 GMT");
        type Fields<'f> = &'f [(&'f str, &'f str)];
        let cases: [(Fields<'_>, Option<u64>); 14] = [
            (&[("cache-control", "max-age=300")], Some(300)),
            (&[("cache-control", "public, Max-Age=\"300\", must-revalidate")], Some(300)),
            (&[("cache-control", "max-age=300"), ("age", "120")], Some(180)),
            (&[("cache-control", "max-age=300"), ("age", "400")], None),
            (&[("cache-control", "max-age=300"), ("expires", later)], Some(300)),
            (&[("cache-control", "no-cache, max-age=300")], None),
            (&[("cache-control", "no-store")], None),
            (&[("cache-control", "s-maxage=300")], None),
            (&[("cache-control", "max-age=soon")], None),
            (&[("expires", later)], Some(600)),
            (&[("expires", later), ("date", date)], Some(300)),
            (&[("expires", "0")], None),
            (&[("expires", date), ("date", later)], None),
            (&[], None),
        ];
        for (fields, expected) in cases {
            let headers =
                fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let response = Response { headers, ..Response::default() };
            assert_eq!(freshness(&response, now), expected.map(Duration::from_secs), "{fields:?}");
        }
    }
}
