//! Applies changes of the declared objects: a new snapshot, and the jobs that the changes require.
//!
//! Supervised by [`crate::supervision::node::Node`]. If it fails, no change is lost: the next round applies it.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::context::Context;

/// The interval between checks of the version of the objects. It bounds the time until an edit takes effect.
const CHANGE_POLL_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) enum ObjectSyncMsg {
    /// Apply the changes, if there are any.
    Poll,
}

pub(crate) struct ObjectSync;

impl Actor for ObjectSync {
    type Msg = ObjectSyncMsg;
    type State = Arc<Context>;
    type Arguments = Arc<Context>;

    async fn pre_start(
        &self,
        myself: ActorRef<ObjectSyncMsg>,
        context: Arc<Context>,
    ) -> Result<Arc<Context>, ActorProcessingErr> {
        myself.send_interval(CHANGE_POLL_INTERVAL, || ObjectSyncMsg::Poll);
        Ok(context)
    }

    async fn handle(
        &self,
        _myself: ActorRef<ObjectSyncMsg>,
        ObjectSyncMsg::Poll: ObjectSyncMsg,
        context: &mut Arc<Context>,
    ) -> Result<(), ActorProcessingErr> {
        if let Err(error) = apply_changes(context).await {
            tracing::warn!(%error, "could not apply changes of the declared objects; will retry");
        }
        Ok(())
    }
}

async fn apply_changes(context: &Context) -> Result<(), service::BackendError> {
    let version = context.store.objects_version().await?;
    if version != context.snapshot().version() {
        context.reload().await?;
    }
    // A schedule that lost its data is planned again.
    context.catch_up(false).await?;
    context.merge_topics().await;
    Ok(())
}
