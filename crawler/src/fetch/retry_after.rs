//! How long a server asks to be left alone: by the `Retry-After` field (RFC 9110 §10.2.3), seconds or a date; or, where it only
//! counts requests, by the time at which it begins to count anew.

use std::time::Duration;

use model::Timestamp;

use crate::dates::parse_http_date;

/// How long the server asks to be left alone; `None` where the field says nothing readable.
pub fn retry_after(field: &str, now: Timestamp) -> Option<Duration> {
    let field = field.trim();
    if !field.is_empty() && field.chars().all(|c| c.is_ascii_digit()) {
        return Some(Duration::from_secs(field.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let until = parse_http_date(field)?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// How long until a server counts requests anew, as the field `RateLimit-Reset` or `X-RateLimit-Reset` of a refusal tells: in seconds
/// (the IETF's draft; Reddit, with a fraction), as seconds since 1970 (Bluesky, GitHub) or as a date of RFC 3339 (Mastodon).
pub(super) fn rate_limit_reset(field: &str, now: Timestamp) -> Option<Duration> {
    /// NoObserver makes one wait for thirty years: it is a moment.
    const MOMENTS: f64 = 1e9;
    let field = field.trim();
    let left = |until: Timestamp| Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO);
    match field.parse::<f64>() {
        Ok(seconds) if seconds >= MOMENTS => Timestamp::from_second(seconds as i64).ok().map(left),
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => field.parse().ok().map(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_begin_anew() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        for (field, expected) in [
            ("30", Some(30.0)),
            ("12.5", Some(12.5)),
            ("1795428060", Some(60.0)),
            ("2026-11-23T10:05:00.000Z", Some(300.0)),
            ("2026-11-23T09:00:00Z", Some(0.0)),
            ("-5", None),
            ("1e300", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(rate_limit_reset(field, now), expected.map(Duration::from_secs_f64), "{field:?}");
        }
    }

    #[test]
    fn both_forms() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        for (field, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Mon, 23 Nov 2026 10:01:00 GMT", Some(60)),
            ("Mon, 23 Nov 2026 09:00:00 GMT", Some(0)),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(field, now), expected.map(Duration::from_secs), "{field:?}");
        }
    }
}
