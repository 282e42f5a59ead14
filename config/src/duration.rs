//! Durations in human-readable form: `90s`, `5m`, `1h30m`, `7d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// The error for a text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; write a number and a unit, such as 500ms, 30s, 5m, 1h30m or 7d")]
pub struct DurationError(String);

/// Units with their length in milliseconds, longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Parses a duration of at most 100 years. Units may be combined (`1h30m`).
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.to_owned());
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(error());
    }
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(error)?;
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters).ok_or_else(error)?;
        let (_, unit_millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let number: u64 = number.parse().map_err(|_| error())?;
        millis =
            number.checked_mul(*unit_millis).and_then(|part| millis.checked_add(part)).ok_or_else(error)?;
        rest = tail.trim_start();
    }
    if millis > 100 * 366 * 86_400_000 {
        return Err(error());
    }
    Ok(Duration::from_millis(millis))
}

/// Formats a duration so that [`parse_duration`] returns the same value, to the millisecond.
pub fn format_duration(duration: Duration) -> String {
    let mut remaining = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if remaining == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, unit_millis) in UNITS {
        if remaining / unit_millis > 0 {
            text.push_str(&format!("{}{unit}", remaining / unit_millis));
            remaining %= unit_millis;
        }
    }
    text
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_duration(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_combinations_are_parsed() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("0s", 0),
            ("2m 5s", 125_000),
        ] {
            assert_eq!(parse_duration(text).unwrap().as_millis(), millis, "{text}");
        }
        for text in ["", "5", "m", "5 parsecs", "-1s", "1.5h", "99999999999999999999d", "5м"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn printed_durations_parse_to_the_same_value() {
        for millis in [0, 1, 999, 1000, 61_001, 86_400_000, 90_061_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
