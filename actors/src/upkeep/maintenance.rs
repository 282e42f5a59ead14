//! The actor that runs periodic duties: rematching, retention, links of near-duplicates, permanent moves of sources.
//!
//! Supervised by [`crate::supervision::node::Node`]. A restart loses nothing, because each duty can start again.

use std::sync::Arc;
use std::time::Duration;

use model::{HostHealth, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::context::Context;
use crate::upkeep::moves::follow_moves;
use crate::upkeep::stories;
use service::{BackendError, rematch};

/// The interval between checks for pending duties.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The time for which a node has the duty of rematching. Another node may take it then; a repeated rematch has no
/// effect.
const REMATCH_DUTY: Duration = Duration::from_secs(60);
/// The interval between removals of expired items.
const RETENTION_INTERVAL: Duration = Duration::from_secs(600);
/// Upper bound on the linking steps in one check, so that other duties do not wait.
const LINK_STEPS: usize = 5;
/// The interval between checks for moved sources.
const MOVE_INTERVAL: Duration = Duration::from_secs(1800);

pub(crate) enum MaintenanceMsg {
    /// Run the pending duties.
    Check,
}

pub(crate) struct Maintenance;

pub(crate) struct MaintenanceState {
    context: Arc<Context>,
    /// The version of the declared objects that all stored items have been matched against.
    matched_version: Option<i64>,
    last_retention: Option<Instant>,
    last_move_check: Option<Instant>,
}

impl Actor for Maintenance {
    type Msg = MaintenanceMsg;
    type State = MaintenanceState;
    type Arguments = Arc<Context>;

    async fn pre_start(
        &self,
        myself: ActorRef<MaintenanceMsg>,
        context: Arc<Context>,
    ) -> Result<MaintenanceState, ActorProcessingErr> {
        myself.send_interval(CHECK_INTERVAL, || MaintenanceMsg::Check);
        Ok(MaintenanceState { context, matched_version: None, last_retention: None, last_move_check: None })
    }

    async fn handle(
        &self,
        _myself: ActorRef<MaintenanceMsg>,
        MaintenanceMsg::Check: MaintenanceMsg,
        state: &mut MaintenanceState,
    ) -> Result<(), ActorProcessingErr> {
        if let Err(error) = state.run_duties().await {
            tracing::warn!(%error, "maintenance failed; will retry");
        }
        Ok(())
    }
}

impl MaintenanceState {
    async fn run_duties(&mut self) -> Result<(), BackendError> {
        let context = &self.context;
        let version = context.store.objects_version().await?;
        if self.matched_version != Some(version) && self.has_duty("rematch", REMATCH_DUTY).await? {
            rematch(&*context.store, context.clock.now(), |_| ()).await?;
            self.matched_version = Some(version);
        }
        if self.last_retention.is_none_or(|at| at.elapsed() >= RETENTION_INTERVAL)
            && self.has_duty("upkeep", RETENTION_INTERVAL).await?
        {
            self.last_retention = Some(Instant::now());
            self.remove_expired().await?;
            self.end_incidents().await?;
            // Planning again loses nothing, and restores page jobs that were lost between store and schedule.
            context.catch_up(true).await?;
        }
        if self.last_move_check.is_none_or(|at| at.elapsed() >= MOVE_INTERVAL)
            && self.has_duty("moves", MOVE_INTERVAL).await?
        {
            self.last_move_check = Some(Instant::now());
            follow_moves(&self.context).await?;
        }
        self.link().await
    }

    /// Ends the incidents of hosts that no longer have enough sources to detect the end of an incident.
    async fn end_incidents(&self) -> Result<(), BackendError> {
        let (context, now) = (&self.context, self.context.clock.now());
        let incidents = context.store.incidents(now, Timestamp::MAX).await?;
        for incident in incidents.iter().filter(|incident| incident.to.is_none()) {
            if context.snapshot().sources_at(&incident.host) < HostHealth::MIN_FAILING_SOURCES {
                context.store.end_incident(&incident.host, now).await?;
            }
        }
        Ok(())
    }

    /// Runs a bounded number of linking steps, so that other duties do not wait for all items.
    async fn link(&self) -> Result<(), BackendError> {
        for _ in 0..LINK_STEPS {
            if self.context.is_draining() || !stories::link_some(&self.context).await? {
                break;
            }
        }
        Ok(())
    }

    /// Tries to take a duty of the cluster for `hold`. Returns true if this node has it.
    async fn has_duty(&self, duty: &str, hold: Duration) -> Result<bool, BackendError> {
        self.context.take_duty(duty, hold).await
    }

    async fn remove_expired(&self) -> Result<(), BackendError> {
        let config = &self.context.config;
        let now = self.context.clock.now();
        if config.retention.is_zero() {
            return Ok(());
        }
        while self.context.store.retain(config.retention, now).await? > 0 {}
        Ok(())
    }
}
