//! Does one job of one source, then ends. Owns nothing that outlives it but the host's permit, which
//! it hands back.
//!
//! Supervised by [`crate::fleet::Fleet`]. If it dies, the job counts as crashed and is due again;
//! the host rests for one delay.

use std::sync::Arc;

use crawler::Permit;
use model::{HostHealth, JobId, JobKind, Turn};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::context::Context;
use crate::errand::Errand;
use crate::fleet::{Done, FleetMsg};
use crate::roster::Roster;
use crate::visit::{Interrupted, Visit};
use crate::{backfill, pages, poll, push};

pub(crate) enum FetcherMsg {
    /// Do the job, then report to the fleet.
    Do(Box<Visit>),
}

pub(crate) struct Fetcher;

pub(crate) struct FetcherArgs {
    pub(crate) context: Arc<Context>,
    pub(crate) job: JobId,
    pub(crate) turn: Turn,
    pub(crate) permit: Permit,
    /// How the host is doing, where it has sources enough to tell.
    pub(crate) health: Option<HostHealth>,
    pub(crate) others_wait: bool,
    pub(crate) progress: watch::Sender<Instant>,
    pub(crate) fleet: ActorRef<FleetMsg>,
}

pub(crate) struct FetcherState {
    fleet: ActorRef<FleetMsg>,
}

impl Actor for Fetcher {
    type Msg = FetcherMsg;
    type State = FetcherState;
    type Arguments = FetcherArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<FetcherMsg>,
        args: FetcherArgs,
    ) -> Result<FetcherState, ActorProcessingErr> {
        let FetcherArgs { context, job, turn, permit, health, others_wait, progress, fleet } = args;
        let errand = Errand::new(context.clone(), permit, progress);
        let is_known =
            |roster: &Roster| roster.source(&job.source).is_some_and(|source| roster.has_job(&source, &job));
        // Another node may know of a change before this one: what it planned must not be ended here.
        if !is_known(&context.roster())
            && context.store.objects_version().await.is_ok_and(|version| version != context.roster().version)
            && let Err(error) = context.reload().await
        {
            tracing::warn!(%error, source = %job.source, "whether a source is declared still cannot be looked at");
        }
        let roster = context.roster();
        match roster.source(&job.source).filter(|source| roster.has_job(source, &job)) {
            Some(source) => {
                let visit =
                    Visit::new(context, roster, source, job, &turn, errand).at_host(health, others_wait);
                myself.cast(FetcherMsg::Do(Box::new(visit)))?;
            }
            // Removed, paused, needed by no topic any more, or moved to another host while its job was on the way:
            // nothing is to be done.
            None => {
                let permit = errand.into_home();
                let done = Done { job, permit, health, ended: true, outcome: Ok(()) };
                fleet.cast(FleetMsg::Done(Box::new(done)))?;
            }
        }
        Ok(FetcherState { fleet })
    }

    async fn handle(
        &self,
        _myself: ActorRef<FetcherMsg>,
        message: FetcherMsg,
        state: &mut FetcherState,
    ) -> Result<(), ActorProcessingErr> {
        let FetcherMsg::Do(visit) = message;
        let (visit, outcome) = Box::pin(work(*visit)).await;
        let Visit { job, errand, host_health: health, .. } = visit;
        let done = Done { job, permit: errand.into_home(), health, ended: false, outcome };
        // It does not stop itself: news of its end would overtake `Done` (ractor hands supervision events
        // over before messages) and look like a crash. The fleet stops it.
        state.fleet.cast(FleetMsg::Done(Box::new(done)))?;
        Ok(())
    }
}

async fn work(mut visit: Visit) -> (Visit, Result<(), Interrupted>) {
    let outcome = match visit.job.kind {
        JobKind::Poll | JobKind::Search => Box::pin(poll::poll(&mut visit)).await,
        JobKind::Backfill => backfill::backfill(&mut visit).await,
        JobKind::Pages => pages::pages(&mut visit).await,
        JobKind::Push => push::read_pushes(&mut visit).await,
    };
    (visit, outcome)
}
