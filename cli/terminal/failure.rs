//! Failures of commands: a message, a hint, an exit code.
//!
//! Exit codes: 0 success, 1 failure, 2 usage error, 3 not found, 4 server unreachable, 5 differences, 6 partial failure,
//! 130 interrupted.

use std::fmt;
use std::process::ExitCode;

use serde_json::json;

use crate::terminal::message::{clean_lines, print_message};
use crate::terminal::output::Format;

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
        let mut text = format!("error: {}", clean_lines(&message));
        if !hint.is_empty() {
            text.push_str(&format!("\n  hint: {}", clean_lines(&hint)));
        }
        text
    };
    print_message(&report);
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

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
