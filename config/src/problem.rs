//! Problems in files written by the operator.

use std::path::PathBuf;

/// A problem in a file. Displayed as `FILE:LINE: MESSAGE; REMEDY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the file, as passed by the caller.
    pub file: PathBuf,
    /// The line, counted from 1; `None` for a problem of the whole file.
    pub line: Option<usize>,
    /// The reason.
    pub message: String,
    /// The suggested correction; empty if the message contains it.
    pub remedy: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}
