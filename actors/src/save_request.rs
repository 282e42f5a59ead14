//! The request that a job sends to Storage.

use std::sync::Arc;

use model::{Harvest, Source};
use ractor::{DerivedActorRef, RpcReplyPort};
use scheduler::Settle;
use store::SaveOutcome;
use tokio::sync::OwnedSemaphorePermit;

/// A request to save a harvest and then to settle its job.
pub(crate) struct SaveRequest {
    pub(crate) harvest: Box<Harvest>,
    /// The source as declared when the harvest was gathered.
    pub(crate) source: Option<Arc<Source>>,
    pub(crate) settle: Option<Box<Settle>>,
    /// The credit of the harvest. It returns when the harvest is saved.
    pub(crate) credit: Option<OwnedSemaphorePermit>,
}

/// A request with the port for its reply.
pub(crate) struct SaveCall {
    pub(crate) request: SaveRequest,
    pub(crate) reply: RpcReplyPort<Result<SaveOutcome, String>>,
}

impl SaveRequest {
    /// Sends the request to `storage` and waits until the harvest is saved and its job settled. Fails with the
    /// reason in words.
    pub(crate) async fn send(self, storage: &DerivedActorRef<SaveCall>) -> Result<SaveOutcome, String> {
        let (sender, receiver) = ractor::concurrency::oneshot();
        let is_sent = storage.send_message(SaveCall { request: self, reply: sender.into() }).is_ok();
        match receiver.await {
            Ok(outcome) if is_sent => outcome,
            _ => Err("storage stopped before it replied".to_owned()),
        }
    }
}
