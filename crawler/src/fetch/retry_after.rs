//! The pause that a server requests: `Retry-After` (RFC 9110 §10.2.3), in seconds or as a date, or the reset time
//! of its rate limit.

use std::time::Duration;

use model::Timestamp;

use crate::dates::parse_http_date;

/// Parses the value of a `Retry-After` field into the requested pause. Returns `None` for an invalid value.
pub fn retry_after(field: &str, now: Timestamp) -> Option<Duration> {
    let field = field.trim();
    if !field.is_empty() && field.chars().all(|c| c.is_ascii_digit()) {
        return Some(Duration::from_secs(field.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let until = parse_http_date(field)?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Parses the value of a `RateLimit-Reset` or `X-RateLimit-Reset` field into the time until the server's rate
/// limit is reset.
///
/// The formats are seconds (the IETF draft; Reddit, with a fraction), seconds since 1970 (Bluesky, GitHub) and an
/// RFC 3339 date (Mastodon).
pub(super) fn rate_limit_reset(field: &str, now: Timestamp) -> Option<Duration> {
    /// The lower bound for Unix times. As a duration it would be thirty years, so a larger value is a Unix time.
    const MIN_UNIX_TIME: f64 = 1e9;
    let field = field.trim();
    let remaining =
        |until: Timestamp| Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO);
    match field.parse::<f64>() {
        Ok(seconds) if seconds >= MIN_UNIX_TIME => Timestamp::from_second(seconds as i64).ok().map(remaining),
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => field.parse().ok().map(remaining),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limit_reset_formats_are_parsed() {
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
    fn retry_after_is_seconds_or_a_date() {
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
