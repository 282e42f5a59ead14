//! Claims turns of hosts and starts a host worker for each.
//!
//! Supervised by [`crate::supervision::node::Node`]. If it fails, its host workers end with it and their leases
//! expire.

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

/// The interval between claims while the node has room for more hosts.
const CLAIM_INTERVAL: Duration = Duration::from_millis(200);
/// Maximum hosts claimed in one call. Larger batches only delay other nodes (measured).
const MAX_HOSTS_PER_CLAIM: usize = 32;
/// Consecutive failed claims that end a single pass. A node continues to retry.
const MAX_FAILED_CLAIMS: u32 = 50;
/// Maximum jobs of a host in one turn.
const MAX_JOBS_PER_TURN: usize = 20;

pub(crate) enum DispatcherMsg {
    /// Claim as many turns as the node has room for.
    Claim,
    /// Stop claiming, and drain the host workers.
    Drain,
}

pub(crate) struct Dispatcher;

pub(crate) struct DispatcherState {
    context: Arc<Context>,
    /// The running host workers, each with its lease.
    host_workers: HashMap<ActorId, (Lease, ActorRef<HostWorkerMsg>)>,
    is_draining: bool,
    /// The number of consecutive failed claims.
    failed_claims: u32,
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
        myself.send_interval(CLAIM_INTERVAL, || DispatcherMsg::Claim);
        myself.cast(DispatcherMsg::Claim)?;
        let failovers = context.schedule.failovers();
        Ok(DispatcherState {
            context,
            host_workers: HashMap::new(),
            is_draining: false,
            failed_claims: 0,
            failovers,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<DispatcherMsg>,
        message: DispatcherMsg,
        state: &mut DispatcherState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DispatcherMsg::Claim => state.follow_order(&myself).await?,
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
                    state.context.tally.record_restart();
                    state.context.metrics.record_restart("host_worker");
                    tracing::error!(%host, %error, "a host worker crashed; its lease will expire");
                }
            }
            SupervisionEvent::ActorTerminated(cell, ..) => {
                state.host_workers.remove(&cell.get_id());
                // More turns may be due already, and a claim without result is cheap.
                if !state.is_draining {
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
    /// Claims turns, unless an operator has ordered to cordon or drain the node.
    async fn follow_order(&mut self, myself: &ActorRef<DispatcherMsg>) -> Result<(), ActorProcessingErr> {
        self.context.leased_hosts.store(self.host_workers.len(), Ordering::Relaxed);
        self.renew_after_failover();
        match self.context.order() {
            Order::Work => self.claim(myself).await,
            Order::Cordon => Ok(()),
            Order::Drain => {
                self.drain_workers();
                Ok(())
            }
        }
    }

    async fn claim(&mut self, myself: &ActorRef<DispatcherMsg>) -> Result<(), ActorProcessingErr> {
        let config = &self.context.config;
        while !self.is_draining && self.host_workers.len() < config.hosts {
            let now = self.context.clock.now();
            let claim = Claim {
                node: config.name.clone(),
                now,
                due_by: self.due_by(now),
                lease: config.lease,
                hosts: (config.hosts - self.host_workers.len()).min(MAX_HOSTS_PER_CLAIM),
                jobs: MAX_JOBS_PER_TURN,
            };
            let asked_at = Instant::now();
            let answer = self.context.schedule.claim(&claim).await;
            self.context.metrics.record_request(
                Backend::Schedule,
                "claim",
                asked_at.elapsed(),
                answer.is_ok(),
            );
            let turns = match answer {
                Ok(turns) => turns,
                Err(error) => {
                    self.failed_claims += 1;
                    tracing::error!(%error, "could not claim turns");
                    // A single pass must end even if the schedule stays unavailable.
                    if config.pass.is_some() && self.failed_claims >= MAX_FAILED_CLAIMS {
                        return Err(format!("could not claim turns: {error}").into());
                    }
                    return Ok(());
                }
            };
            self.failed_claims = 0;
            self.context.health.record_claim();
            self.context.metrics.record_claim(turns.len());
            let is_full = turns.len() == claim.hosts;
            for turn in turns {
                let lease = Lease { host: turn.host.clone(), token: turn.token };
                // A turn must not start twice. The next turn of a host may arrive before the event that its worker
                // has ended, so the lease is compared, not the host.
                if self.host_workers.values().any(|(existing, _)| *existing == lease) {
                    tracing::error!(host = %lease.host, "the schedule returned a turn that is already running on this node");
                    continue;
                }
                let args = HostWorkerArgs { context: self.context.clone(), turn, asked_at };
                let (host_worker, _) = Actor::spawn_linked(None, HostWorker, args, myself.get_cell()).await?;
                self.host_workers.insert(host_worker.get_id(), (lease, host_worker));
            }
            if !is_full {
                break;
            }
        }
        Ok(())
    }

    fn due_by(&self, now: Timestamp) -> Timestamp {
        self.context.config.pass.as_ref().map_or(now, |pass| pass.due_by)
    }

    fn drain(&mut self) {
        self.is_draining = true;
        self.drain_workers();
    }

    /// Renews all leases after a failover: the new server may not know them, and must not lease the hosts to other
    /// nodes.
    fn renew_after_failover(&mut self) {
        let Some(failovers) = &mut self.failovers else { return };
        if failovers.has_changed().unwrap_or(false) {
            failovers.mark_unchanged();
            for (_, host_worker) in self.host_workers.values() {
                drop(host_worker.cast(HostWorkerMsg::Tick));
            }
        }
    }

    /// Tells the host workers to end their turns.
    fn drain_workers(&self) {
        for (_, host_worker) in self.host_workers.values() {
            drop(host_worker.cast(HostWorkerMsg::Drain));
        }
    }

    /// Stops a draining dispatcher after its last host worker, and that of a single pass when nothing remains to be
    /// done.
    async fn end_when_done(&mut self, myself: &ActorRef<DispatcherMsg>) {
        if !self.host_workers.is_empty() {
            return;
        }
        let is_done = match &self.context.config.pass {
            _ if self.is_draining => true,
            None => false,
            // A pass waits for delays and leases, but only a limited time for a blocked host.
            Some(pass) => {
                let blocked_by = after(self.context.clock.now(), pass.longest_wait);
                let next = self.context.schedule.next_due(pass.due_by, blocked_by).await;
                next.is_ok_and(|next| next.is_none())
            }
        };
        if is_done {
            myself.stop(Some("done".to_owned()));
        }
    }
}
