//! The live status line on stderr during long operations.

use std::io::{IsTerminal, Write};

/// A line on stderr that is overwritten in place. Prints nothing if stderr is not a terminal.
pub(crate) struct StatusLine {
    is_shown: bool,
    is_dirty: bool,
}

impl StatusLine {
    /// Creates a line that is shown if `is_enabled` and if stderr is a terminal.
    pub(crate) fn new(is_enabled: bool) -> Self {
        Self { is_shown: is_enabled && std::io::stderr().is_terminal(), is_dirty: false }
    }

    /// Replaces the text of the line.
    pub(crate) fn show(&mut self, text: &str) {
        if self.is_shown {
            self.is_dirty = true;
            // ECMA-48: erase the line. A closed terminal is ignored.
            let _ = write!(std::io::stderr(), "\r\x1b[2K{text}");
        }
    }

    /// Erases the line.
    pub(crate) fn clear(&mut self) {
        if self.is_dirty {
            self.is_dirty = false;
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.clear();
    }
}
