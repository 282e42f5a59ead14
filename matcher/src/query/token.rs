//! The tokens of a query.

use super::tree::MaxDistance;

/// Upper bound on the length of a query (product limit).
pub(super) const MAX_CHARACTERS: usize = 20_000;
/// The distance of a NEAR without a number, in words between the operands.
pub(super) const DEFAULT_NEAR_DISTANCE: u32 = 4;
/// Upper bound on the distance of NEAR.
pub(super) const MAX_NEAR_DISTANCE: u32 = 100;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Open,
    Close,
    And,
    Or,
    Comma,
    Not,
    Near {
        reach: MaxDistance,
        ordered: bool,
    },
    NotNear {
        reach: MaxDistance,
        ordered: bool,
    },
    /// `ATLEAST/3`, before parentheses.
    AtLeast(u32),
    /// `~3`.
    Slop(u32),
    /// `^2`.
    Weight(u32),
    /// Text in quotes.
    Quoted(String),
    /// Text in square brackets.
    Bracketed(String),
    /// Text in braces.
    Braced(String),
    /// `!word` or `=word`.
    Exact(String),
    /// A bare word, with its wildcards.
    Word(String),
    /// `exact`, `case`, `forms` or `translit`, before parentheses.
    Function(String),
    /// The name of a field. Its value follows.
    Field(String),
    /// The value of a field, as written.
    Value(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// The position, in characters from the start of the query.
    pub(super) position: usize,
    pub(super) length: usize,
}

/// Prefixes of a web address.
pub(super) const SCHEMES: &[&str] = &["http://", "https://", "www."];
