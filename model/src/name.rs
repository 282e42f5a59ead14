//! Names of declared objects.

use serde::{Deserialize, Serialize};

/// The name of a source or topic: letters, digits, `-`, `_` and `.`, at most 128 characters; the first
/// and the last is a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

/// Why a string is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name cannot be empty")]
    Empty,
    /// Too long to be printed in a table or used as a key.
    #[error("a name has at most 128 characters")]
    TooLong,
    /// A character that would need quoting somewhere.
    #[error("a name may hold letters, digits, '-', '_' and '.', not {0:?}")]
    Character(char),
    /// `-o` would be taken for a flag, `..` for a folder.
    #[error("a name begins and ends with a letter or a digit")]
    Edge,
}

impl Name {
    /// Checks and wraps a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.chars().count() > 128 {
            return Err(NameError::TooLong);
        }
        match text.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
            Some(bad) => Err(NameError::Character(bad)),
            None if !text.starts_with(char::is_alphanumeric) || !text.ends_with(char::is_alphanumeric) => {
                Err(NameError::Edge)
            }
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The name that a text makes: what may not stand in one becomes a hyphen.
    pub fn near(text: &str) -> Result<Self, NameError> {
        let is_kept = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let words: Vec<&str> = text.split(|c| !is_kept(c)).filter(|word| !word.is_empty()).collect();
        let name: String = words.join("-").chars().take(128).collect();
        Self::new(name.trim_matches(|c: char| !c.is_alphanumeric()))
    }

    /// A name as it was stored: what names must be may have become stricter since.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}
