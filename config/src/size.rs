//! Sizes in human-readable form: `500KiB`, `8MiB`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// The error for a text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size; write a whole number and a unit, such as 500KiB or 8MiB")]
pub struct SizeError(String);

/// Units with their size in bytes, largest first.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl std::str::FromStr for Bytes {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError(text.to_owned());
        let trimmed = text.trim();
        let (unit, unit_bytes) = UNITS.iter().find(|(unit, _)| trimmed.ends_with(unit)).ok_or_else(error)?;
        let number: u64 =
            trimmed.strip_suffix(unit).map(str::trim).and_then(|n| n.parse().ok()).ok_or_else(error)?;
        number.checked_mul(*unit_bytes).map(Self).ok_or_else(error)
    }
}

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (unit, unit_bytes) = UNITS
            .iter()
            .find(|(_, unit_bytes)| self.0 >= *unit_bytes && self.0.is_multiple_of(*unit_bytes))
            .unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / unit_bytes)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
