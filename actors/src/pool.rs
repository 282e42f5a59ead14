//! The CPU pool: reading, extracting and matching, a bounded number at a time.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Runs CPU-bound calls on blocking threads, at most so many at once.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Semaphore>);

impl Pool {
    pub(crate) fn new(cpus: usize) -> Self {
        Self(Arc::new(Semaphore::new(cpus.max(1))))
    }

    /// Runs a call. A panic in it goes on in the caller, where it is a crash of the job.
    pub(crate) async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self.0.clone().acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit; // held until the call ends, also when nobody waits for it any more
            call()
        });
        match done.await {
            Ok(value) => value,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => std::future::pending().await, // the runtime is shutting down
        }
    }
}
