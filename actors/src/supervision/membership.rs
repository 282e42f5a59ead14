//! Sends heartbeats of the node, and receives the orders of operators.
//!
//! Supervised by [`crate::supervision::node::Node`]. If it fails, other nodes consider the node dead after the
//! heartbeat timeout and claim its share of hosts sooner. Nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use scheduler::Share;
use scheduler::membership::{BEAT, Beat};
use tokio::time::Instant;

use crate::context::Context;

/// The interval between updates of the schedule metrics: about the scrape interval of monitoring.
const COUNT_INTERVAL: Duration = Duration::from_secs(10);
/// The number of schedule updates per update of the source metrics.
const COUNTS_PER_SOURCE_COUNT: u64 = 6;

pub(crate) enum MembershipMsg {
    /// Send a heartbeat.
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
    /// Updates the metrics of the schedule, the sources and the cluster.
    async fn count(&mut self) {
        if self.counted_at.is_some_and(|at| at.elapsed() < COUNT_INTERVAL) {
            return;
        }
        self.counted_at = Some(Instant::now());
        self.counts += 1;
        let Context { store, schedule, metrics, clock, .. } = &*self.context;
        if self.counts % COUNTS_PER_SOURCE_COUNT == 1
            && let Ok(counts) = store.source_counts().await
        {
            metrics.set_sources(&counts);
        }
        let now = clock.now();
        if let Ok(counts) = schedule.counts(Share::Own, now).await {
            let wait = counts.oldest_ready.map(|since| now.duration_since(since));
            let wait = wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default();
            metrics.set_schedule(&counts, wait);
        }
        if let Ok(nodes) = schedule.nodes().await {
            let alive = nodes.iter().filter(|node| node.is_alive).count();
            metrics.set_members(alive, nodes.len() - alive);
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
            hosts: context.leased_host_count(),
            room: context.config.hosts,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listen: context.config.listen.clone(),
        };
        match context.schedule.heartbeat(&beat).await {
            Ok(order) => {
                // The heartbeat shows that the schedule is reachable even if the node claims nothing.
                context.health.record_claim();
                context.order.send_if_modified(|current| std::mem::replace(current, order) != order);
            }
            Err(error) => tracing::warn!(%error, "could not send a heartbeat"),
        }
        Ok(())
    }
}
