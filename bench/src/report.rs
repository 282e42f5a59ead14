//! Output of the benchmarks.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// Upper bound on the size of an input file, in bytes.
const MAX_INPUT_BYTES: u64 = 1 << 30;

/// Prints the figures as JSON.
pub(crate) fn print(figures: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, figures)?;
    writeln!(out)?;
    Ok(())
}

/// Writes a line to stderr.
pub(crate) fn line(text: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Shows progress, if stderr is a terminal.
pub(crate) fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        // ECMA-48: erase the line.
        let _ = write!(std::io::stderr(), "\r\x1b[2K{text}");
    }
}

/// Erases the progress.
pub(crate) fn clear_progress() {
    progress("");
}

/// Reads a file, or stdin for `-`.
pub(crate) fn read_input(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path).with_context(|| path.display().to_string())?),
    };
    reader.take(MAX_INPUT_BYTES).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    Ok(bytes)
}
