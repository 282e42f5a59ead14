//! Claims host turns and starts a fleet for each.
//!
//! Supervised by [`crate::supervision::node::Node`]. If it dies, its fleets die with it and their leases run out.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{Timestamp, after};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use scheduler::membership::Order;
use scheduler::{Claim, Lease};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::context::Context;
use crate::metrics::Backend;
use crate::supervision::host_worker::{HostWorker, HostWorkerArgs, HostWorkerMsg};

/// How often the schedule is asked while there is room for more.
const PACE: Duration = Duration::from_millis(200);
/// Hosts claimed in one call: larger batches only make others wait (measured).
const BATCH: usize = 32;
/// Claims that fail in a row before a single pass gives up; a node goes on trying.
const MAX_FAILURES: u32 = 50;
/// Jobs of a host handed out in one turn.
const JOBS: usize = 20;

pub(crate) enum DispatcherMsg {
    /// Claim what there is room for.
    Claim,
    /// Claim no more; tell the fleets.
    Drain,
}

pub(crate) struct Dispatcher;

pub(crate) struct DispatcherState {
    context: Arc<Context>,
    /// Each works off the turn of one lease.
    host_workers: HashMap<ActorId, (Lease, ActorRef<HostWorkerMsg>)>,
    draining: bool,
    /// Claims in a row that failed.
    failures: u32,
    failovers: Option<watch::Receiver<u64>>,
}

impl Actor for Dispatcher {
    type Msg = DispatcherMsg;
    type State = DispatcherState;
    type Arguments = Arc<Context>;

    async fn pre_start(
        &self,
        myself: ActorRef<DispatcherMsg>,
        context: Arc<Context>,
    ) -> Result<DispatcherState, ActorProcessingErr> {
        myself.send_interval(PACE, || DispatcherMsg::Claim);
        myself.cast(DispatcherMsg::Claim)?;
        let failovers = context.schedule.failovers();
        Ok(DispatcherState { context, host_workers: HashMap::new(), draining: false, failures: 0, failovers })
    }

    async fn handle(
        &self,
        myself: ActorRef<DispatcherMsg>,
        message: DispatcherMsg,
        state: &mut DispatcherState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DispatcherMsg::Claim => state.obey(&myself).await?,
            DispatcherMsg::Drain => state.drain(),
        }
        state.end_when_done(&myself).await;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<DispatcherMsg>,
        event: SupervisionEvent,
        state: &mut DispatcherState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                if let Some((Lease { host, .. }, _)) = state.host_workers.remove(&cell.get_id()) {
                    state.context.tally.restarted();
                    state.context.metrics.restarted("host_worker");
                    tracing::error!(%host, %error, "a fleet crashed; its lease runs out");
                }
            }
            SupervisionEvent::ActorTerminated(cell, ..) => {
                state.host_workers.remove(&cell.get_id());
                // There may be more to do at once; asking costs little where there is not.
                if !state.draining {
                    myself.cast(DispatcherMsg::Claim)?;
                }
            }
            _ => (),
        }
        state.end_when_done(&myself).await;
        Ok(())
    }
}

impl DispatcherState {
    /// Claims, unless operators ask for something else.
    async fn obey(&mut self, myself: &ActorRef<DispatcherMsg>) -> Result<(), ActorProcessingErr> {
        self.context.held.store(self.host_workers.len(), Ordering::Relaxed);
        self.renew_after_failover();
        match self.context.order() {
            Order::Work => self.claim(myself).await,
            Order::Cordon => Ok(()),
            Order::Drain => {
                self.hand_over();
                Ok(())
            }
        }
    }

    async fn claim(&mut self, myself: &ActorRef<DispatcherMsg>) -> Result<(), ActorProcessingErr> {
        let config = &self.context.config;
        while !self.draining && self.host_workers.len() < config.hosts {
            let now = self.context.clock.now();
            let claim = Claim {
                node: config.name.clone(),
                now,
                due_by: self.due_by(now),
                lease: config.lease,
                hosts: (config.hosts - self.host_workers.len()).min(BATCH),
                jobs: JOBS,
            };
            let asked_at = Instant::now();
            let answer = self.context.schedule.claim(&claim).await;
            self.context.metrics.asked(Backend::Schedule, "claim", asked_at.elapsed(), answer.is_ok());
            let turns = match answer {
                Ok(turns) => turns,
                Err(error) => {
                    self.failures += 1;
                    tracing::error!(%error, "no turns can be claimed");
                    // Somebody waits for the end of a single pass.
                    if config.pass.is_some() && self.failures >= MAX_FAILURES {
                        return Err(format!("no turns can be claimed: {error}").into());
                    }
                    return Ok(());
                }
            };
            self.failures = 0;
            self.context.health.claimed();
            self.context.metrics.claimed(turns.len());
            let full = turns.len() == claim.hosts;
            for turn in turns {
                let lease = Lease { host: turn.host.clone(), token: turn.token };
                // One turn is not begun twice. The next one of a host may come before news of the last one's end.
                if self.host_workers.values().any(|(held, _)| *held == lease) {
                    tracing::error!(host = %lease.host, "the schedule handed out a turn that this node has begun");
                    continue;
                }
                let args = HostWorkerArgs { context: self.context.clone(), turn, asked_at };
                let (host_worker, _) = Actor::spawn_linked(None, HostWorker, args, myself.get_cell()).await?;
                self.host_workers.insert(host_worker.get_id(), (lease, host_worker));
            }
            if !full {
                break;
            }
        }
        Ok(())
    }

    fn due_by(&self, now: Timestamp) -> Timestamp {
        self.context.config.pass.as_ref().map_or(now, |pass| pass.due_by)
    }

    fn drain(&mut self) {
        self.draining = true;
        self.hand_over();
    }

    /// A server that may not know our leases is told of them before it hands our hosts to others.
    fn renew_after_failover(&mut self) {
        let Some(failovers) = &mut self.failovers else { return };
        if failovers.has_changed().unwrap_or(false) {
            failovers.mark_unchanged();
            for (_, host_worker) in self.host_workers.values() {
                drop(host_worker.cast(HostWorkerMsg::Tick));
            }
        }
    }

    fn hand_over(&self) {
        for (_, host_worker) in self.host_workers.values() {
            drop(host_worker.cast(HostWorkerMsg::Drain));
        }
    }

    /// A draining dispatcher ends with its last fleet; a single pass when nothing is left of it.
    async fn end_when_done(&mut self, myself: &ActorRef<DispatcherMsg>) {
        if !self.host_workers.is_empty() {
            return;
        }
        let done = match &self.context.config.pass {
            _ if self.draining => true,
            None => false,
            // Delays and leases are waited out; a host that asks to be left alone only for a while.
            Some(pass) => {
                let blocked_by = after(self.context.clock.now(), pass.longest_wait);
                let next = self.context.schedule.next_due(pass.due_by, blocked_by).await;
                next.is_ok_and(|next| next.is_none())
            }
        };
        if done {
            myself.stop(Some("done".to_owned()));
        }
    }
}
