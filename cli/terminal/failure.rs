//! How commands fail: a message, a hint, an exit code.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 a server cannot be reached, 5 differences, 6 partly failed, 130
//! interrupted.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{Clock, SystemClock, rfc3339};
use serde_json::json;

use crate::terminal::output::{Format, clean};

/// What kind of failure it is; decides the exit code.
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

/// Why a command could not do what was asked.
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

/// Says on stderr why it failed, in the form of `-o`.
pub(crate) fn report(error: &anyhow::Error, format: Format) -> ExitCode {
    if is_broken_pipe(error) {
        // Whoever read us has seen enough.
        return ExitCode::SUCCESS;
    }
    let (kind, hint) = match error.downcast_ref::<Failure>() {
        Some(failure) => (failure.kind, failure.hint.clone()),
        None if error.downcast_ref::<config::SettingsError>().is_some() => {
            (Kind::Usage, "config/qyran.toml shows every setting with its default".to_owned())
        }
        None if is_unreachable(error) => (Kind::Unreachable, String::new()),
        None => (Kind::Failed, String::new()),
    };
    let (code, name) = kind.code();
    let message = format!("{error:#}");
    let told = if matches!(format, Format::Json | Format::Jsonl) {
        json!({"error": {"code": name, "message": message, "hint": (!hint.is_empty()).then_some(hint)}})
            .to_string()
    } else {
        let mut text = format!("error: {}", cleaned_lines(&message));
        if !hint.is_empty() {
            text.push_str(&format!("\n  hint: {}", cleaned_lines(&hint)));
        }
        text
    };
    say(&told);
    ExitCode::from(code)
}

/// A server of the cluster is away, or does not let us in.
fn is_unreachable(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<store::StoreError>(), Some(store::StoreError::Unreachable { .. }))
        || matches!(
            error.downcast_ref::<scheduler::ScheduleError>(),
            Some(scheduler::ScheduleError::Unreachable(_))
        )
}

/// Prints what clap says about a wrong call, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the terminal is gone.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// A line on stderr. A closed stderr is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Set where the log is JSON: then nothing else may stand between its lines.
static LOG_IS_JSON: AtomicBool = AtomicBool::new(false);

/// The log is JSON from now on.
pub(crate) fn log_is_json() {
    LOG_IS_JSON.store(true, Ordering::Relaxed);
}

/// A line on stderr of a command that runs for long: a line of the log where that is for programs.
pub(crate) fn tell(line: &str) {
    if LOG_IS_JSON.load(Ordering::Relaxed) {
        say(&json!({"timestamp": rfc3339(SystemClock.now()), "level": "INFO", "message": line}).to_string());
    } else {
        say(line);
    }
}

pub(crate) fn cleaned_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
