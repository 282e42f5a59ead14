//! How long an answer stays as it is, as its server says (RFC 9111 §4.2.1): `Cache-Control: max-age`, or `Expires`, less `Age`.

use std::time::Duration;

use model::Timestamp;

use super::transport::Response;
use crate::dates::parse_http_date;

/// For how long it is of no use to ask again; `None` where the server does not say, or says that it may change at once.
pub(super) fn freshness(answer: &Response, now: Timestamp) -> Option<Duration> {
    let age = answer
        .header("age")
        .and_then(|age| age.trim().parse().ok())
        .map_or(Duration::ZERO, Duration::from_secs);
    let control = answer.header("cache-control").map(str::to_ascii_lowercase).unwrap_or_default();
    let directives = || control.split(',').map(str::trim);
    if directives().any(|directive| matches!(directive, "no-cache" | "no-store")) {
        return None;
    }
    let most = directives().find_map(|directive| directive.strip_prefix("max-age="));
    let fresh = match most.and_then(|most| most.trim_matches('"').parse().ok()) {
        Some(seconds) => Duration::from_secs(seconds),
        None => {
            let begins = answer.header("date").and_then(parse_http_date).unwrap_or(now);
            Duration::try_from(parse_http_date(answer.header("expires")?)?.duration_since(begins)).ok()?
        }
    };
    Some(fresh.saturating_sub(age)).filter(|fresh| !fresh.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_say_how_long_an_answer_stays() {
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
            let answer = Response { headers, ..Response::default() };
            assert_eq!(freshness(&answer, now), expected.map(Duration::from_secs), "{fields:?}");
        }
    }
}
