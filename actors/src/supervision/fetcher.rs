//! Runs one job of one source, then ends. It returns the host's permit and owns nothing else that outlives it.
//!
//! Supervised by [`crate::supervision::host_worker::HostWorker`]. If it fails, the job counts as crashed and is due
//! again, and the host rests for one delay.

use std::sync::Arc;

use crawler::Permit;
use model::{HostHealth, JobId, JobKind, Turn};
use ractor::{Actor, ActorProcessingErr, ActorRef, DerivedActorRef};
use service::Snapshot;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::context::Context;
use crate::job::host_permits::HostPermits;
use crate::job::job_run::{JobError, JobRun};
use crate::job::{backfill, pages, poll, websub};

pub(crate) enum FetcherMsg {
    /// Run the job, then report to the host worker.
    Run(Box<JobRun>),
}

/// The result of a fetcher's job.
pub(crate) struct Done {
    pub(crate) job: JobId,
    pub(crate) permit: Option<Permit>,
    /// The current health of the host.
    pub(crate) health: Option<HostHealth>,
    /// Set when the job no longer exists: nothing was done, and the job is removed from the schedule.
    pub(crate) is_obsolete: bool,
    pub(crate) outcome: Result<(), JobError>,
}

pub(crate) struct Fetcher;

pub(crate) struct FetcherArgs {
    pub(crate) context: Arc<Context>,
    pub(crate) job: JobId,
    pub(crate) turn: Turn,
    pub(crate) permit: Permit,
    /// The health of the host; `None` if the host has too few sources to have one.
    pub(crate) health: Option<HostHealth>,
    pub(crate) has_waiting_jobs: bool,
    pub(crate) progress: watch::Sender<Instant>,
    pub(crate) host_worker: DerivedActorRef<Done>,
}

pub(crate) struct FetcherState {
    host_worker: DerivedActorRef<Done>,
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
        let has_job = |snapshot: &Snapshot| {
            snapshot.source(&job.source).is_some_and(|source| snapshot.has_job(&source, &job))
        };
        // Another node may have planned the job after a change that this node has not loaded yet. The job must not be
        // ended as obsolete.
        if !has_job(&context.snapshot())
            && context
                .store
                .objects_version()
                .await
                .is_ok_and(|version| version != context.snapshot().version())
            && let Err(error) = context.reload().await
        {
            tracing::warn!(%error, source = %job.source, "could not reload the declared objects");
        }
        let snapshot = context.snapshot();
        match snapshot.source(&job.source).filter(|source| snapshot.has_job(source, &job)) {
            Some(source) => {
                let run = JobRun::new(context, snapshot, source, job, &turn, permits)
                    .with_host(health, has_waiting_jobs);
                myself.cast(FetcherMsg::Run(Box::new(run)))?;
            }
            // After the job was claimed, the source was removed, paused or moved to another host, or no topic needs
            // its search any more: the job is obsolete.
            None => {
                let permit = permits.into_home();
                let done = Done { job, permit, health, is_obsolete: true, outcome: Ok(()) };
                host_worker.send_message(done)?;
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
        let FetcherMsg::Run(run) = message;
        let (run, outcome) = Box::pin(run_job(*run)).await;
        let JobRun { job, permits, host_health: health, .. } = run;
        let done = Done { job, permit: permits.into_home(), health, is_obsolete: false, outcome };
        // The host worker stops the fetcher. If the fetcher stopped itself, its end would look like a crash: ractor
        // delivers supervision events before messages such as `Done`.
        state.host_worker.send_message(done)?;
        Ok(())
    }
}

async fn run_job(mut run: JobRun) -> (JobRun, Result<(), JobError>) {
    let outcome = match run.job.kind {
        JobKind::Poll | JobKind::Search => Box::pin(poll::poll(&mut run)).await,
        JobKind::Backfill => backfill::backfill(&mut run).await,
        JobKind::Pages => pages::pages(&mut run).await,
        JobKind::WebSub => websub::read_documents(&mut run).await,
    };
    (run, outcome)
}
