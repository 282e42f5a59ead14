//! Failures of commands: a message, a hint, an exit code.
//!
//! Exit codes: 0 success, 1 failure, 2 usage error, 3 not found, 4 server unreachable, 5 differences, 6 partial failure,
//! 130 interrupted.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{Clock, SystemClock, rfc3339};
use serde_json::json;

use crate::terminal::output::{Format, clean};

/// The kind of a failure. It determines the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Failed,
    Usage,
    NotFound,
    Unreachable,
}

impl Kind {
    fn code(self) -> (u8, &'static str) {
        match self {
            Self::Failed => (1, "failed"),
            Self::Usage => (2, "usage"),
            Self::NotFound => (3, "not_found"),
            Self::Unreachable => (4, "unreachable"),
        }
    }
}

/// A failed command: the message and the hint for the user.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: String,
}

impl Failure {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into(), hint: String::new() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into(), hint: String::new() }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { kind: Kind::NotFound, message: message.into(), hint: String::new() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints an error to stderr, as JSON if `-o` is JSON, and returns its exit code.
pub(crate) fn report(error: &anyhow::Error, format: Format) -> ExitCode {
    if is_broken_pipe(error) {
        // The reader of the pipe needs no more output (`| head -1`).
        return ExitCode::SUCCESS;
    }
    let (kind, hint) = match error.downcast_ref::<Failure>() {
        Some(failure) => (failure.kind, failure.hint.clone()),
        None if error.downcast_ref::<config::SettingsError>().is_some() => {
            (Kind::Usage, "config/qyran.toml lists every setting with its default".to_owned())
        }
        None if is_unreachable(error) => (Kind::Unreachable, String::new()),
        None => (Kind::Failed, String::new()),
    };
    let (code, name) = kind.code();
    let message = format!("{error:#}");
    let report = if matches!(format, Format::Json | Format::Jsonl) {
        json!({"error": {"code": name, "message": message, "hint": (!hint.is_empty()).then_some(hint)}})
            .to_string()
    } else {
        let mut text = format!("error: {}", cleaned_lines(&message));
        if !hint.is_empty() {
            text.push_str(&format!("\n  hint: {}", cleaned_lines(&hint)));
        }
        text
    };
    say(&report);
    ExitCode::from(code)
}

/// Returns true if a server of the cluster cannot be reached or rejects the login.
fn is_unreachable(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<store::StoreError>(), Some(store::StoreError::Unreachable { .. }))
        || matches!(
            error.downcast_ref::<scheduler::ScheduleError>(),
            Some(scheduler::ScheduleError::Unreachable(_))
        )
}

/// Prints clap's usage error, or the requested help, and returns the exit code.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // If the terminal is closed, the message has no reader.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// Prints a line to stderr. Ignores a closed stderr.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Set if the log is JSON. Status lines are JSON then, because they share stderr with the log.
static LOG_IS_JSON: AtomicBool = AtomicBool::new(false);

/// Switches the status lines of [`tell`] to JSON.
pub(crate) fn use_json_log() {
    LOG_IS_JSON.store(true, Ordering::Relaxed);
}

/// Prints a status line of a long-running command to stderr: as text, or as a log record if the log is JSON.
pub(crate) fn tell(line: &str) {
    if LOG_IS_JSON.load(Ordering::Relaxed) {
        say(&json!({"timestamp": rfc3339(SystemClock.now()), "level": "INFO", "message": line}).to_string());
    } else {
        say(line);
    }
}

/// Removes control characters from a text, except its line breaks.
pub(crate) fn cleaned_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
