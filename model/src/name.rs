//! Names of declared objects.

use serde::{Deserialize, Serialize};

/// The name of a declared object: letters, digits, `-`, `_` and `.`, at most 128 characters. The first and the last
/// character is a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

/// The reason why a string is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The string is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The string is too long to be printed in a table or used as a key.
    #[error("a name has at most 128 characters")]
    TooLong,
    /// The string contains a character that would need quoting in some context.
    #[error("a name may contain letters, digits, '-', '_' and '.', not {0:?}")]
    Character(char),
    /// The first or last character is punctuation. `-o` would look like a flag, and `..` like a directory.
    #[error("a name must start and end with a letter or a digit")]
    Edge,
}

impl Name {
    /// Checks and wraps a name. Fails with [`NameError`] if the text is not a valid name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.chars().count() > 128 {
            return Err(NameError::TooLong);
        }
        match text.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
            Some(character) => Err(NameError::Character(character)),
            None if !text.starts_with(char::is_alphanumeric) || !text.ends_with(char::is_alphanumeric) => {
                Err(NameError::Edge)
            }
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Derives a name from a text by replacing invalid characters with hyphens. Fails with [`NameError::Empty`] if no
    /// letter or digit remains.
    pub fn near(text: &str) -> Result<Self, NameError> {
        let is_valid = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let words: Vec<&str> = text.split(|c| !is_valid(c)).filter(|word| !word.is_empty()).collect();
        let name: String = words.join("-").chars().take(128).collect();
        Self::new(name.trim_matches(|c: char| !c.is_alphanumeric()))
    }

    /// Wraps a stored name without checking it. The rules may be stricter now than when the name was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}
