//! The CPU pool: a bounded number of concurrent parsing, extraction and matching calls.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A bounded pool that runs CPU-bound calls on blocking threads.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Semaphore>);

impl Pool {
    pub(crate) fn new(cpus: usize) -> Self {
        Self(Arc::new(Semaphore::new(cpus.max(1))))
    }

    /// Runs a call. A panic in it resumes in the caller, where it is a crash of the job.
    pub(crate) async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self.0.clone().acquire_owned().await;
        let result = tokio::task::spawn_blocking(move || {
            let _permit = permit; // held until the call ends, even if the caller is cancelled
            call()
        });
        match result.await {
            Ok(value) => value,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => std::future::pending().await, // the runtime is shutting down
        }
    }
}
