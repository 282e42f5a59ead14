//! Does one job of one source, then ends. Owns nothing that outlives it but the host's permit, which
//! it hands back.
//!
//! Supervised by [`crate::fleet::HostWorker`]. If it dies, the job counts as crashed and is due again;
//! the host rests for one delay.

use std::sync::Arc;

use crawler::Permit;
use model::{HostHealth, JobId, JobKind, Turn};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::context::Context;
use crate::job::host_permits::HostPermits;
use crate::job::job_run::{JobError, JobRun};
use crate::job::{backfill, pages, poll, websub};
use crate::supervision::host_worker::{Done, HostWorkerMsg};
use service::Snapshot;

pub(crate) enum FetcherMsg {
    /// Do the job, then report to the fleet.
    Do(Box<JobRun>),
}

pub(crate) struct Fetcher;

pub(crate) struct FetcherArgs {
    pub(crate) context: Arc<Context>,
    pub(crate) job: JobId,
    pub(crate) turn: Turn,
    pub(crate) permit: Permit,
    /// How the host is doing, where it has sources enough to tell.
    pub(crate) health: Option<HostHealth>,
    pub(crate) has_waiting_jobs: bool,
    pub(crate) progress: watch::Sender<Instant>,
    pub(crate) host_worker: ActorRef<HostWorkerMsg>,
}

pub(crate) struct FetcherState {
    host_worker: ActorRef<HostWorkerMsg>,
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
        let FetcherArgs { context, job, turn, permit, health, has_waiting_jobs, progress, host_worker } =
            args;
        let permits = HostPermits::new(context.clone(), permit, progress);
        let is_known = |snapshot: &Snapshot| {
            snapshot.source(&job.source).is_some_and(|source| snapshot.has_job(&source, &job))
        };
        // Another node may know of a change before this one: what it planned must not be ended here.
        if !is_known(&context.snapshot())
            && context
                .store
                .objects_version()
                .await
                .is_ok_and(|version| version != context.snapshot().version())
            && let Err(error) = context.reload().await
        {
            tracing::warn!(%error, source = %job.source, "whether a source is declared still cannot be looked at");
        }
        let snapshot = context.snapshot();
        match snapshot.source(&job.source).filter(|source| snapshot.has_job(source, &job)) {
            Some(source) => {
                let run = JobRun::new(context, snapshot, source, job, &turn, permits)
                    .with_host(health, has_waiting_jobs);
                myself.cast(FetcherMsg::Do(Box::new(run)))?;
            }
            // Removed, paused, needed by no topic any more, or moved to another host while its job was on the way:
            // nothing is to be done.
            None => {
                let permit = permits.into_home();
                let done = Done { job, permit, health, ended: true, outcome: Ok(()) };
                host_worker.cast(HostWorkerMsg::Done(Box::new(done)))?;
            }
        }
        Ok(FetcherState { host_worker })
    }

    async fn handle(
        &self,
        _myself: ActorRef<FetcherMsg>,
        message: FetcherMsg,
        state: &mut FetcherState,
    ) -> Result<(), ActorProcessingErr> {
        let FetcherMsg::Do(run) = message;
        let (run, outcome) = Box::pin(work(*run)).await;
        let JobRun { job, permits, host_health: health, .. } = run;
        let done = Done { job, permit: permits.into_home(), health, ended: false, outcome };
        // It does not stop itself: news of its end would overtake `Done` (ractor hands supervision events
        // over before messages) and look like a crash. The fleet stops it.
        state.host_worker.cast(HostWorkerMsg::Done(Box::new(done)))?;
        Ok(())
    }
}

async fn work(mut run: JobRun) -> (JobRun, Result<(), JobError>) {
    let outcome = match run.job.kind {
        JobKind::Poll | JobKind::Search => Box::pin(poll::poll(&mut run)).await,
        JobKind::Backfill => backfill::backfill(&mut run).await,
        JobKind::Pages => pages::pages(&mut run).await,
        JobKind::WebSub => websub::read_documents(&mut run).await,
    };
    (run, outcome)
}
