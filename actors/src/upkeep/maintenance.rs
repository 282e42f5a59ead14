//! What has to happen now and then: noticing changed objects, matching again, retention.
//!
//! Supervised by [`crate::supervision::node::Node`]. If it dies, nothing is lost: each duty begins anew.

use std::sync::Arc;
use std::time::Duration;

use model::{HostHealth, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use service::{BackendError, rematch};
use tokio::time::Instant;

use crate::context::Context;
use crate::upkeep::moves::follow;
use crate::upkeep::stories;

/// How soon a change of the objects is noticed.
const LOOK: Duration = Duration::from_secs(1);
/// How long matching again is a node's after it began: then another one may, and nothing is doubled.
const REMATCH: Duration = Duration::from_secs(60);
/// How often what is old is removed.
const RETAIN: Duration = Duration::from_secs(600);

/// Steps of linking reprints in one look.
const LINK_STEPS: usize = 5;
/// How often sources are looked at that moved.
const MOVES: Duration = Duration::from_secs(1800);

pub(crate) enum MaintenanceMsg {
    /// Look whether something is to be done.
    Look,
}

pub(crate) struct Maintenance;

pub(crate) struct MaintenanceState {
    context: Arc<Context>,
    /// The version of the objects that everything stored has been matched against.
    matched: Option<i64>,
    retained_at: Option<Instant>,
    followed_at: Option<Instant>,
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
        myself.send_interval(LOOK, || MaintenanceMsg::Look);
        Ok(MaintenanceState { context, matched: None, retained_at: None, followed_at: None })
    }

    async fn handle(
        &self,
        _myself: ActorRef<MaintenanceMsg>,
        MaintenanceMsg::Look: MaintenanceMsg,
        state: &mut MaintenanceState,
    ) -> Result<(), ActorProcessingErr> {
        if let Err(error) = state.look().await {
            tracing::warn!(%error, "maintenance failed; will retry");
        }
        Ok(())
    }
}

impl MaintenanceState {
    async fn look(&mut self) -> Result<(), BackendError> {
        let context = &self.context;
        let version = context.store.objects_version().await?;
        if self.matched != Some(version) && self.has_duty("rematch", REMATCH).await? {
            rematch(&*context.store, context.clock.now(), |_| ()).await?;
            self.matched = Some(version);
        }
        if self.retained_at.is_none_or(|at| at.elapsed() >= RETAIN) && self.has_duty("upkeep", RETAIN).await?
        {
            self.retained_at = Some(Instant::now());
            self.retain().await?;
            self.end_incidents().await?;
            // Planning anew loses nothing, and finds pages whose job got lost between store and schedule.
            context.catch_up(true).await?;
        }
        if self.followed_at.is_none_or(|at| at.elapsed() >= MOVES) && self.has_duty("moves", MOVES).await? {
            self.followed_at = Some(Instant::now());
            follow(&self.context).await?;
        }
        self.link().await
    }

    /// Of a host that has too few sources by now nobody looks how it is doing: its incident is over.
    async fn end_incidents(&self) -> Result<(), BackendError> {
        let (context, now) = (&self.context, self.context.clock.now());
        let open = context.store.incidents(now, Timestamp::MAX).await?;
        for incident in open.iter().filter(|incident| incident.to.is_none()) {
            if context.snapshot().sources_at(&incident.host) < HostHealth::MIN_FAILING_SOURCES {
                context.store.end_incident(&incident.host, now).await?;
            }
        }
        Ok(())
    }

    /// Links reprints, for a while: the other duties must not wait until all are.
    async fn link(&self) -> Result<(), BackendError> {
        for _ in 0..LINK_STEPS {
            if self.context.is_draining() || !stories::link_some(&self.context).await? {
                break;
            }
        }
        Ok(())
    }

    /// Of a cluster, one node does it at a time.
    async fn has_duty(&self, duty: &str, hold: Duration) -> Result<bool, BackendError> {
        self.context.take_duty(duty, hold).await
    }

    async fn retain(&self) -> Result<(), BackendError> {
        let config = &self.context.config;
        let now = self.context.clock.now();
        if config.retention.is_zero() {
            return Ok(());
        }
        let retain = || self.context.store.retain(config.retention, now);
        while retain().await? > 0 {}
        Ok(())
    }
}
