//! The signals that stop a process: SIGTERM and SIGINT.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::terminal::failure::Failure;
use crate::terminal::message::print_status;

/// A listener for SIGTERM and SIGINT.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Registers the listener. Fails if the process cannot handle signals.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("could not listen for signals: {error}")))
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for either signal.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }

    /// Waits for `end`, the shutdown in progress. Returns `None` if another signal arrives first: the process must then
    /// exit immediately with code 130.
    pub(crate) async fn or_second_signal<T>(&mut self, end: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            output = end => Some(output),
            () = self.received() => {
                print_status("stopped immediately; unfinished work is repeated on the next run");
                None
            }
        }
    }
}
