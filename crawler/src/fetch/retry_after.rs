//! The `Retry-After` field (RFC 9110 §10.2.3): seconds, or a date.

use std::time::Duration;

use model::Timestamp;

use crate::dates::http_date;

/// How long the server asks to be left alone; `None` where the field says nothing readable.
pub fn retry_after(field: &str, now: Timestamp) -> Option<Duration> {
    let field = field.trim();
    if !field.is_empty() && field.chars().all(|c| c.is_ascii_digit()) {
        return Some(Duration::from_secs(field.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let until = http_date(field)?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

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
