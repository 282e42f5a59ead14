//! Says that the node is there, and learns what operators ask of it.
//!
//! Supervised by [`crate::supervision::node::Node`]. If it dies, others take the node for gone after a while and claim
//! earlier what it would have claimed first; nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use scheduler::Share;
use scheduler::membership::{BEAT, Beat};
use tokio::time::Instant;

use crate::context::Context;

/// How often the schedule is counted: about as often as monitoring looks.
const COUNT: Duration = Duration::from_secs(10);
/// Sources are counted with every so manieth of these.
const SOURCES: u64 = 6;

pub(crate) enum MembershipMsg {
    /// Say it again.
    Beat,
}

pub(crate) struct Membership;

pub(crate) struct MembershipState {
    context: Arc<Context>,
    since: Timestamp,
    counted_at: Option<Instant>,
    counts: u64,
}

impl MembershipState {
    /// Tells monitoring how the schedule and the cluster are doing.
    async fn count(&mut self) {
        if self.counted_at.is_some_and(|at| at.elapsed() < COUNT) {
            return;
        }
        self.counted_at = Some(Instant::now());
        self.counts += 1;
        let Context { store, schedule, metrics, clock, .. } = &*self.context;
        if self.counts % SOURCES == 1
            && let Ok(counts) = store.source_counts().await
        {
            metrics.sources_are(&counts);
        }
        let now = clock.now();
        if let Ok(counts) = schedule.counts(Share::Own, now).await {
            let waits = counts.oldest_ready.map(|since| now.duration_since(since));
            let waits = waits.and_then(|waits| Duration::try_from(waits).ok()).unwrap_or_default();
            metrics.schedule_is(&counts, waits);
        }
        if let Ok(nodes) = schedule.nodes().await {
            let alive = nodes.iter().filter(|node| node.is_alive).count();
            metrics.members_are(alive, nodes.len() - alive);
        }
    }
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
        Ok(MembershipState { context, since, counted_at: None, counts: 0 })
    }

    async fn handle(
        &self,
        _myself: ActorRef<MembershipMsg>,
        MembershipMsg::Beat: MembershipMsg,
        state: &mut MembershipState,
    ) -> Result<(), ActorProcessingErr> {
        state.count().await;
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
                // A node that has no room, or is told to claim nothing, is in touch all the same.
                context.health.claimed();
                context.order.send_if_modified(|known| std::mem::replace(known, order) != order);
            }
            Err(error) => tracing::warn!(%error, "the node cannot say that it is there"),
        }
        Ok(())
    }
}
