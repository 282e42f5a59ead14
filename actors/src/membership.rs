//! Says that the node is there, and learns what operators ask of it.
//!
//! Supervised by [`crate::node::Node`]. If it dies, others take the node for gone after a while and claim
//! earlier what it would have claimed first; nothing is lost.

use std::sync::Arc;

use model::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use scheduler::membership::{BEAT, Beat};

use crate::context::Context;

pub(crate) enum MembershipMsg {
    /// Say it again.
    Beat,
}

pub(crate) struct Membership;

pub(crate) struct MembershipState {
    context: Arc<Context>,
    since: Timestamp,
}

impl Actor for Membership {
    type Msg = MembershipMsg;
    type State = MembershipState;
    type Arguments = Arc<Context>;

    async fn pre_start(
        &self,
        myself: ActorRef<MembershipMsg>,
        context: Arc<Context>,
    ) -> Result<MembershipState, ActorProcessingErr> {
        myself.send_interval(BEAT, || MembershipMsg::Beat);
        let since = context.clock.now();
        Ok(MembershipState { context, since })
    }

    async fn handle(
        &self,
        _myself: ActorRef<MembershipMsg>,
        MembershipMsg::Beat: MembershipMsg,
        state: &mut MembershipState,
    ) -> Result<(), ActorProcessingErr> {
        let context = &state.context;
        let beat = Beat {
            node: context.config.name.clone(),
            since: state.since,
            hosts: context.hosts_held(),
            room: context.config.hosts,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listen: context.config.listen.clone(),
        };
        match context.schedule.heartbeat(&beat).await {
            Ok(order) => {
                context.order.send_if_modified(|known| std::mem::replace(known, order) != order);
            }
            Err(error) => tracing::warn!(%error, "the node cannot say that it is there"),
        }
        Ok(())
    }
}
