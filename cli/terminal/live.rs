//! What moves on a terminal while something takes long: a line of status on stderr.

use std::io::{IsTerminal, Write};

/// A line on stderr that is written over; nothing at all where stderr is no terminal.
pub(crate) struct StatusLine {
    is_shown: bool,
    is_dirty: bool,
}

impl StatusLine {
    /// A line that is shown if `wanted` and if there is a terminal.
    pub(crate) fn new(wanted: bool) -> Self {
        Self { is_shown: wanted && std::io::stderr().is_terminal(), is_dirty: false }
    }

    pub(crate) fn show(&mut self, text: &str) {
        if self.is_shown {
            self.is_dirty = true;
            // ECMA-48: erase the line. A terminal that went away is no reason to stop.
            let _ = write!(std::io::stderr(), "\r\x1b[2K{text}");
        }
    }

    /// Takes the line away.
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
