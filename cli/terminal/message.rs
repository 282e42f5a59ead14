//! Messages on stderr, without control characters of the terminal.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{Clock, SystemClock, rfc3339};
use serde_json::json;

/// Prints a line to stderr. Ignores a closed stderr.
pub(crate) fn print_message(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Set if the log is JSON. Status lines are JSON then, because they share stderr with the log.
static LOG_IS_JSON: AtomicBool = AtomicBool::new(false);

/// Switches the status lines of [`print_status`] to JSON.
pub(crate) fn use_json_log() {
    LOG_IS_JSON.store(true, Ordering::Relaxed);
}

/// Prints a status line of a long-running command to stderr: as text, or as a log record if the log is JSON.
pub(crate) fn print_status(line: &str) {
    if LOG_IS_JSON.load(Ordering::Relaxed) {
        print_message(
            &json!({"timestamp": rfc3339(SystemClock.now()), "level": "INFO", "message": line}).to_string(),
        );
    } else {
        print_message(line);
    }
}

/// Removes control characters from a text, except its line breaks.
pub(crate) fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// Returns true for a character that a terminal interprets instead of showing: a C0, DEL or C1 control, or a character
/// that changes the text direction.
pub(crate) fn is_terminal_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns a text without control characters; tabs and line breaks become blanks.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\t' || c == '\n' { ' ' } else { c })
        .filter(|c| !is_terminal_control(*c))
        .collect()
}
