//! What is wrong with a query, where, and what to do about it.

use serde::Serialize;

/// A query that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}; {remedy}")]
pub struct QueryError {
    /// `E_PAREN`, `E_PHRASE`, `E_SYNTAX`, `E_EMPTY`, `E_CHAR`, `E_WILD`, `E_UNBOUNDED`, `E_LIMIT`.
    pub code: &'static str,
    /// Where, in characters from the start.
    pub position: usize,
    /// How many characters are meant; at least one.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// A query that is legal but probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// `W_MIXED`, `W_HOMOGLYPH`, `W_CASE`.
    pub code: &'static str,
    /// Where, in characters from the start.
    pub position: usize,
    /// What is probably meant.
    pub message: String,
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

    /// The query with a caret under what is wrong, for a terminal.
    pub fn pointed_at(&self, query: &str) -> String {
        let line: String = query.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("  {line}\n  {}{}", " ".repeat(self.position), "^".repeat(self.length))
    }
}
