//! The root actor: starts the parts of a node, restarts failed parts, and stops the node in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use scheduler::Leaving;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::context::Context;
use crate::supervision::dispatcher::{Dispatcher, DispatcherMsg};
use crate::supervision::membership::Membership;
use crate::supervision::object_sync::ObjectSync;
use crate::supervision::storage::Storage;
use crate::upkeep::maintenance::Maintenance;

/// Maximum restarts of a part within [`RESTART_WINDOW`]. One more ends the node.
const MAX_RESTARTS: usize = 3;
/// The period in which restarts are counted.
const RESTART_WINDOW: Duration = Duration::from_secs(60);
/// The interval between liveness signals of the root actor.
const PULSE_INTERVAL: Duration = Duration::from_secs(1);
/// The base of the wait before a restart. The wait doubles with each failure.
const RESTART_WAIT: Duration = Duration::from_millis(100);

/// The failure that ended a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The node could not start.
    #[error("could not start the node: {0}")]
    Start(String),
    /// A part failed too often.
    #[error("the {0} failed more than {MAX_RESTARTS} times within a minute")]
    Meltdown(&'static str),
}

/// A running node.
pub struct Node {
    context: Arc<Context>,
    root: ActorRef<RootMsg>,
    ended: JoinHandle<()>,
    outcome: tokio::sync::watch::Receiver<Option<NodeError>>,
}

impl Node {
    /// Starts a node. Hosts still leased by an earlier process of this name rest for one delay.
    pub async fn start(context: Context) -> Result<Self, NodeError> {
        let context = Arc::new(context);
        let start_error = |error: String| NodeError::Start(error);
        let now = context.clock.now();
        context
            .schedule
            .reclaim(&context.config.name, now, Leaving::Crashed)
            .await
            .map_err(|error| start_error(error.to_string()))?;
        context.catch_up(false).await.map_err(|error| start_error(error.to_string()))?;
        let (sender, outcome) = tokio::sync::watch::channel(None);
        let args = RootArgs { context: context.clone(), outcome: sender };
        let (root, ended) =
            Actor::spawn(None, Root, args).await.map_err(|error| start_error(error.to_string()))?;
        Ok(Self { context, root, ended, outcome })
    }

    /// Returns the shared context of the node, with its tally and metrics.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Starts an orderly stop: the node claims no more turns, and finishes or returns the running ones.
    pub fn drain(&self) {
        drop(self.root.cast(RootMsg::Drain));
    }

    /// Waits until the node has ended: after [`Node::drain`], or at the end of a single pass. Fails if a part of the
    /// node failed too often.
    pub async fn ended(&mut self) -> Result<(), NodeError> {
        drop((&mut self.ended).await);
        let outcome = self.outcome.borrow().clone();
        outcome.map_or(Ok(()), Err)
    }
}

enum RootMsg {
    Drain,
    /// Report liveness.
    Pulse,
    /// The drain period is over.
    DrainTimeout,
    Restart(Part),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Storage,
    ObjectSync,
    Maintenance,
    Membership,
    Dispatcher,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::ObjectSync => "object_sync",
            Self::Maintenance => "maintenance",
            Self::Membership => "membership",
            Self::Dispatcher => "dispatcher",
        }
    }
}

struct Root;

struct RootArgs {
    context: Arc<Context>,
    outcome: tokio::sync::watch::Sender<Option<NodeError>>,
}

struct RootState {
    context: Arc<Context>,
    outcome: tokio::sync::watch::Sender<Option<NodeError>>,
    parts: Vec<(Part, ActorCell)>,
    dispatcher: Option<ActorRef<DispatcherMsg>>,
    failures: VecDeque<(Part, Instant)>,
}

impl Actor for Root {
    type Msg = RootMsg;
    type State = RootState;
    type Arguments = RootArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<RootMsg>,
        args: RootArgs,
    ) -> Result<RootState, ActorProcessingErr> {
        let RootArgs { context, outcome } = args;
        let mut state =
            RootState { context, outcome, parts: Vec::new(), dispatcher: None, failures: VecDeque::new() };
        state.context.health.record_pulse();
        myself.send_interval(PULSE_INTERVAL, || RootMsg::Pulse);
        // Storage starts before the actors that send harvests to it.
        for part in [Part::Storage, Part::ObjectSync, Part::Maintenance, Part::Membership, Part::Dispatcher] {
            state.start(&myself, part).await?;
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<RootMsg>,
        message: RootMsg,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMsg::Drain => state.drain(&myself),
            RootMsg::Pulse => state.context.health.record_pulse(),
            RootMsg::DrainTimeout => state.end(&myself).await,
            RootMsg::Restart(part) => state.start(&myself, part).await?,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RootMsg>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                if let Some(part) = state.remove_part(&cell) {
                    tracing::error!(part = part.name(), %error, "a part of the node failed");
                    state.restart(&myself, part).await;
                }
            }
            SupervisionEvent::ActorTerminated(cell, ..) => match state.remove_part(&cell) {
                // The dispatcher stops when all work is done: then the whole node ends.
                Some(Part::Dispatcher) => state.end(&myself).await,
                Some(part) => state.restart(&myself, part).await,
                None => (),
            },
            _ => (),
        }
        Ok(())
    }
}

impl RootState {
    async fn start(&mut self, myself: &ActorRef<RootMsg>, part: Part) -> Result<(), ActorProcessingErr> {
        let (context, root) = (self.context.clone(), myself.get_cell());
        let cell = match part {
            Part::Storage => {
                let (storage, _) = Actor::spawn_linked(None, Storage, context, root).await?;
                self.context.storage.send_replace(Some(storage.get_derived()));
                storage.get_cell()
            }
            Part::ObjectSync => Actor::spawn_linked(None, ObjectSync, context, root).await?.0.get_cell(),
            Part::Maintenance => Actor::spawn_linked(None, Maintenance, context, root).await?.0.get_cell(),
            Part::Membership => Actor::spawn_linked(None, Membership, context, root).await?.0.get_cell(),
            Part::Dispatcher => {
                let (dispatcher, _) = Actor::spawn_linked(None, Dispatcher, context, root).await?;
                self.dispatcher = Some(dispatcher.clone());
                dispatcher.get_cell()
            }
        };
        self.parts.push((part, cell));
        Ok(())
    }

    fn remove_part(&mut self, cell: &ActorCell) -> Option<Part> {
        let index = self.parts.iter().position(|(_, running)| running.get_id() == cell.get_id())?;
        Some(self.parts.swap_remove(index).0)
    }

    /// Restarts a part after a growing wait. After too many failures within [`RESTART_WINDOW`] the node ends instead.
    async fn restart(&mut self, myself: &ActorRef<RootMsg>, part: Part) {
        self.context.tally.record_restart();
        self.context.metrics.record_restart(part.name());
        self.failures.push_back((part, Instant::now()));
        self.failures.retain(|(_, at)| at.elapsed() < RESTART_WINDOW);
        let failures = self.failures.iter().filter(|(failed_part, _)| *failed_part == part).count();
        if failures > MAX_RESTARTS {
            self.outcome.send_replace(Some(NodeError::Meltdown(part.name())));
            self.end(myself).await;
            return;
        }
        let wait = RESTART_WAIT * (1 << failures.min(8));
        drop(myself.send_after(wait, move || RootMsg::Restart(part)));
    }

    fn drain(&mut self, myself: &ActorRef<RootMsg>) {
        self.context.draining.send_replace(true);
        match &self.dispatcher {
            Some(dispatcher) => drop(dispatcher.cast(DispatcherMsg::Drain)),
            None => myself.stop(None),
        }
        drop(myself.send_after(self.context.config.drain, || RootMsg::DrainTimeout));
    }

    /// Stops all parts. Jobs that were not settled are due again.
    async fn end(&mut self, myself: &ActorRef<RootMsg>) {
        self.context.draining.send_replace(true);
        for (_, cell) in &self.parts {
            cell.kill();
        }
        let now = self.context.clock.now();
        if let Err(error) =
            self.context.schedule.reclaim(&self.context.config.name, now, Leaving::HandedBack).await
        {
            tracing::warn!(%error, "could not release the hosts; they rest until their leases expire");
        }
        myself.stop(None);
    }
}
