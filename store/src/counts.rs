//! Rows of counts, read back into the vocabulary.

use model::{SourceKind, SourceState};

use crate::StoreError;

/// Sources by kind and state, as both databases count them.
pub(crate) fn of_sources(
    rows: Vec<(String, String, i64)>,
) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError> {
    let read = |(kind, state, count): (String, String, i64)| {
        let kind: SourceKind = serde_json::from_value(serde_json::Value::String(kind))?;
        Ok((kind, SourceState::parse(&state).unwrap_or(SourceState::Candidate), count.unsigned_abs()))
    };
    rows.into_iter().map(read).collect()
}
