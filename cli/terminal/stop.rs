//! Being told to stop: SIGTERM, SIGINT.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::terminal::failure::{Failure, tell};

/// Listens for the two signals that ask a process to end.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::failed(format!("signals cannot be heard: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for either.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }

    /// Waits for `end`, which is under way already. `None`: a further signal came, and the process is to
    /// end at once with 130.
    pub(crate) async fn or_at_once<T>(&mut self, end: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = end => Some(done),
            () = self.asked() => {
                tell("ended at once; what was under way is done again next time");
                None
            }
        }
    }
}
