//! Errors of a fetch, grouped by how the caller handles them.

use std::time::Duration;

use model::{Failure, FailureWeight, FetchStatus, SourceState, Timestamp};

use super::transport::TransportError;

/// An error of a fetch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL is disallowed by robots.txt.
    #[error("disallowed by robots.txt (line {line}: {rule})")]
    RobotsDenied {
        /// The line number of the matching rule.
        line: usize,
        /// The matching rule.
        rule: String,
    },
    /// The robots.txt could not be fetched, so nothing is fetched from the host for now.
    #[error("cannot fetch robots.txt: {reason}; will retry")]
    RobotsDeferred {
        /// The time of the next attempt.
        until: Timestamp,
        /// The reason of the last failure.
        reason: String,
    },
    /// A host of the redirect chain is in use by another turn, or blocked.
    #[error("host {host} is in use by another turn or has requested a pause until {}", model::rfc3339(*until))]
    HostBusy {
        /// The host.
        host: String,
        /// The time of the next attempt.
        until: Timestamp,
    },
    /// The host's lease would end before the exchange.
    #[error("the lease of the host ended before the request")]
    LeaseExpired,
    /// The scheme of the URL is not http or https.
    #[error("unsupported scheme {0:?}: expected http or https")]
    Scheme(String),
    /// An HTTP status other than success.
    #[error("HTTP status {status}")]
    Http {
        /// The HTTP status.
        status: u16,
        /// The pause that the server requests.
        retry_after: Option<Duration>,
    },
    /// The source's token is missing, or must not be sent.
    #[error("{0}")]
    Token(String),
    /// Too many redirects, or an invalid redirect.
    #[error("{0}")]
    Redirect(String),
    /// The exchange failed without a response.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl FetchError {
    /// Returns the status of the fetch in the source's history.
    pub fn status(&self) -> FetchStatus {
        match self {
            Self::RobotsDenied { .. } => FetchStatus::RobotsDenied,
            Self::RobotsDeferred { .. } | Self::HostBusy { .. } | Self::LeaseExpired => FetchStatus::Deferred,
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

    /// Returns the effect of the error on the source's health.
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
        Failure { weight, implied_state: self.implied_state(), reason: self.to_string() }
    }

    /// Returns the source state that the error proves without further failures, if any.
    fn implied_state(&self) -> Option<SourceState> {
        match self {
            Self::RobotsDenied { .. } => Some(SourceState::Disallowed),
            Self::Token(_) | Self::Http { status: 401 | 403 | 407 | 451, .. } => {
                Some(SourceState::Restricted)
            }
            Self::Http { status: 410, .. } => Some(SourceState::Gone),
            _ => None,
        }
    }

    /// Returns true if the server reports the document as permanently removed (410).
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Http { status: 410, .. })
    }

    /// Returns the time of the next attempt if the fetch was deferred, without any effect on the source's health.
    pub fn deferred_until(&self) -> Option<Timestamp> {
        match self {
            Self::RobotsDeferred { until, .. } | Self::HostBusy { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Returns true if a retry within seconds can succeed. Redirect loops and timeouts are not retried.
    pub fn is_quickly_retryable(&self) -> bool {
        matches!(self, Self::Http { status: 429 | 500.., .. } | Self::Transport(TransportError::Connect(_)))
    }

    /// Returns the pause that the server requests.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
