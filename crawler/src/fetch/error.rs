//! Why nothing came home, sorted by what the caller will do about it.

use std::time::Duration;

use model::{Failure, FailureWeight, FetchStatus, SourceState, Timestamp};

use super::transport::TransportError;

/// Why a fetch brought nothing home.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Robots rules forbid it.
    #[error("robots.txt forbids it (line {line}: {rule})")]
    RobotsDenied {
        /// The line that decided.
        line: usize,
        /// The rule as it stands there.
        rule: String,
    },
    /// No robots rules to be had: no verdict yet.
    #[error("robots.txt is not to be had ({reason}); asked again later")]
    RobotsDeferred {
        /// When to ask again.
        until: Timestamp,
        /// Why there is none.
        reason: String,
    },
    /// A host that is needed is held by another turn, or blocked.
    #[error("the host {host} is being visited, or asked to be left alone, until {}", model::rfc3339(*until))]
    HostBusy {
        /// Which.
        host: String,
        /// When to ask again.
        until: Timestamp,
    },
    /// The lease of the host ends before the exchange could.
    #[error("the turn ended before it was reached")]
    LeaseEnds,
    /// Only http and https are spoken.
    #[error("the scheme {0:?} is not spoken")]
    Scheme(String),
    /// An HTTP status that is no success.
    #[error("HTTP status {status}")]
    Http {
        /// Which.
        status: u16,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// A token that the host asks for is not to be had, or not to be shown.
    #[error("{0}")]
    Token(String),
    /// Redirects without end, or without a readable destination.
    #[error("{0}")]
    Redirect(String),
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl FetchError {
    /// How the exchange is written in the history.
    pub fn status(&self) -> FetchStatus {
        match self {
            Self::RobotsDenied { .. } => FetchStatus::RobotsDenied,
            Self::RobotsDeferred { .. } | Self::HostBusy { .. } | Self::LeaseEnds => FetchStatus::Deferred,
            Self::Scheme(_) => FetchStatus::Blocked,
            Self::Token(_) => FetchStatus::NoToken,
            Self::Http { status: 429, .. } => FetchStatus::Http429,
            Self::Http { status: 500.., .. } => FetchStatus::Http5xx,
            Self::Http { .. } => FetchStatus::Http4xx,
            Self::Redirect(_) => FetchStatus::Redirect,
            Self::Transport(TransportError::Timeout(_)) => FetchStatus::Timeout,
            Self::Transport(TransportError::Dns(_)) => FetchStatus::Dns,
            Self::Transport(TransportError::Blocked(_)) => FetchStatus::Blocked,
            Self::Transport(TransportError::Connect(_)) => FetchStatus::Connect,
            Self::Transport(TransportError::TooLarge(_)) => FetchStatus::TooLarge,
            Self::Transport(TransportError::Decode(_)) => FetchStatus::Unreadable,
        }
    }

    /// What it counts against its source.
    pub fn failure(&self) -> Failure {
        let weight = match self.status() {
            FetchStatus::RobotsDenied => FailureWeight::Disallowed,
            FetchStatus::Deferred => FailureWeight::Deferred,
            FetchStatus::Dns => FailureWeight::Hard,
            FetchStatus::Timeout | FetchStatus::Connect | FetchStatus::Http429 | FetchStatus::Http5xx => {
                FailureWeight::Temporary
            }
            FetchStatus::Http4xx if self.is_gone() => FailureWeight::Hard,
            _ => FailureWeight::Soft,
        };
        Failure { weight, shows: self.shows(), reason: self.to_string() }
    }

    /// The state that it shows at once.
    fn shows(&self) -> Option<SourceState> {
        match self {
            Self::RobotsDenied { .. } => Some(SourceState::Disallowed),
            Self::Token(_) | Self::Http { status: 401 | 403 | 407 | 451, .. } => {
                Some(SourceState::Restricted)
            }
            Self::Http { status: 410, .. } => Some(SourceState::Gone),
            _ => None,
        }
    }

    /// The server says that it is gone for good.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Http { status: 410, .. })
    }

    /// When there may be a verdict, for those that have none yet.
    pub fn deferred_until(&self) -> Option<Timestamp> {
        match self {
            Self::RobotsDeferred { until, .. } | Self::HostBusy { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Whether trying again within seconds can help: not for redirect loops and time-outs.
    pub fn is_worth_a_quick_retry(&self) -> bool {
        matches!(self, Self::Http { status: 429 | 500.., .. } | Self::Transport(TransportError::Connect(_)))
    }

    /// How long the server asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
