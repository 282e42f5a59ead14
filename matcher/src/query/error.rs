//! What is wrong with a query, where, and what to do about it.

use serde::Serialize;

/// Characters that are shown before a fault, and behind it.
const AROUND: usize = 100;

/// A query that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}; {remedy}")]
pub struct QueryError {
    /// `E_PAREN`, `E_PHRASE`, `E_SYNTAX`, `E_EMPTY`, `E_CHAR`, `E_WILD`, `E_UNBOUNDED`, `E_LIMIT`; of what is named elsewhere
    /// `E_LIST`, `E_TOPIC`, `E_CYCLE`.
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

impl Warning {
    /// Whether it is about a list or topic that is named, and is kept elsewhere.
    pub fn is_of_names(&self) -> bool {
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

    /// The query with a caret under what is wrong, for a terminal.
    pub fn pointed_at(&self, query: &str) -> String {
        // Of a long query, what stands around.
        let from = self.position.saturating_sub(AROUND);
        let count = query.chars().count();
        let to = count.min(self.position.saturating_add(AROUND));
        let shown = query.chars().skip(from).take(to.saturating_sub(from));
        let line: String = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (before, after) = (if from > 0 { "…" } else { "" }, if to < count { "…" } else { "" });
        let blank = " ".repeat(self.position - from + before.chars().count());
        let carets = self.length.min(to.saturating_sub(self.position)).max(1);
        format!("  {before}{line}{after}\n  {blank}{}", "^".repeat(carets))
    }
}
