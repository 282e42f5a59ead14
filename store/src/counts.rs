//! Conversion of counts from database rows.

use model::{SourceKind, SourceState};

use crate::StoreError;

/// Parses rows of kind, state and number of sources. An unknown state counts as [`SourceState::Candidate`].
pub(crate) fn parse_source_counts(
    rows: Vec<(String, String, i64)>,
) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError> {
    let parse = |(kind, state, count): (String, String, i64)| {
        let kind: SourceKind = serde_json::from_value(serde_json::Value::String(kind))?;
        Ok((kind, SourceState::parse(&state).unwrap_or(SourceState::Candidate), count.unsigned_abs()))
    };
    rows.into_iter().map(parse).collect()
}
