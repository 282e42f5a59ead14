//! Errors and warnings of queries, with their positions and remedies.

use serde::Serialize;

/// Characters of context that [`QueryError::with_carets`] prints on each side of the error.
const CONTEXT_CHARACTERS: usize = 100;

/// A query that cannot be parsed or is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}; {remedy}")]
pub struct QueryError {
    /// The error code: `E_PAREN`, `E_PHRASE`, `E_SYNTAX`, `E_EMPTY`, `E_CHAR`, `E_WILD`, `E_FUZZY`, `E_FIELD`,
    /// `E_VALUE`, `E_NEAR_RANGE`, `E_NEAR_OPERAND`, `E_UNBOUNDED`, `E_LIMIT` or `E_COST`; for references `E_LIST`,
    /// `E_TOPIC` or `E_CYCLE`.
    pub code: &'static str,
    /// The position of the error, in characters from the start.
    pub position: usize,
    /// The length of the erroneous part in characters, at least one.
    pub length: usize,
    /// The description of the error.
    pub message: String,
    /// The suggested correction.
    pub remedy: String,
}

/// A construct that is legal but probably unintended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The warning code: `W_MIXED`, `W_NOT_PAGE`, `W_LATIN_IN_CYRILLIC`, `W_CASE`, `W_STOPWORD`, `W_QUOTES_FIX_FORM`,
    /// `W_SIGNS`, `W_UNSUPPORTED_BY_SOURCE`, `W_LIST` or `W_TOPIC`.
    pub code: &'static str,
    /// The position of the construct, in characters from the start.
    pub position: usize,
    /// The description, with the probable intention.
    pub message: String,
}

impl Warning {
    /// Returns true if the warning is about an unresolved list or topic, which is defined outside the query.
    pub fn is_unresolved_reference(&self) -> bool {
        matches!(self.code, "W_LIST" | "W_TOPIC")
    }
}

impl QueryError {
    pub(super) fn new(
        code: &'static str,
        position: usize,
        length: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code, position, length: length.max(1), message: message.into(), remedy: remedy.into() }
    }

    /// Formats the query for a terminal, with carets under the error.
    pub fn with_carets(&self, query: &str) -> String {
        // A long query is cut to the context of the error.
        let from = self.position.saturating_sub(CONTEXT_CHARACTERS);
        let count = query.chars().count();
        let to = count.min(self.position.saturating_add(CONTEXT_CHARACTERS));
        let context = query.chars().skip(from).take(to.saturating_sub(from));
        let line: String = context.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let prefix = if from > 0 { "…" } else { "" };
        let suffix = if to < count { "…" } else { "" };
        let indent = " ".repeat(self.position - from + prefix.chars().count());
        let carets = self.length.min(to.saturating_sub(self.position)).max(1);
        format!("  {prefix}{line}{suffix}\n  {indent}{}", "^".repeat(carets))
    }
}
