//! One leased host: owns its lease, its renewal and its permit, and has its jobs done one at a time.
//!
//! Supervised by [`crate::supervision::dispatcher::Dispatcher`]. If it dies, its lease runs out and the host rests
//! for one delay: nothing that was fetched and not stored is lost, it is fetched again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crawler::Permit;
use model::{HostHealth, Job, JobId, Name, PollOutcome, Settlement, SourceState, Timestamp, Turn, after};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use scheduler::{Lease, ScheduleError, Settle};
use service::{BackendError, jobs_of};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::context::Context;
use crate::job::host_permits::permit_of;
use crate::job::job_run::JobError;
use crate::metrics::{Backend, JobEnd, LeaseEnd};
use crate::supervision::fetcher::{Fetcher, FetcherArgs, FetcherMsg};
use crate::supervision::storage::StorageMsg;

/// How a host is doing is not waited for longer than this: its sources are read all the same.
const LOOK: Duration = Duration::from_secs(5);
/// Crashes in a row after which a source is put aside until somebody looks.
const MAX_CRASHES: u32 = 5;

pub(crate) enum HostWorkerMsg {
    /// Start the next job, or end the turn.
    Next,
    /// A fetcher is done; its permit comes back.
    Done(Box<Done>),
    /// Renew the lease; look after the fetcher.
    Tick,
    /// Start nothing new; end the turn when the current exchange is done.
    Drain,
}

/// How a fetcher's job went.
pub(crate) struct Done {
    pub(crate) job: JobId,
    pub(crate) permit: Option<Permit>,
    /// How the host is doing now.
    pub(crate) health: Option<HostHealth>,
    /// Nothing was to be done, nor will be.
    pub(crate) ended: bool,
    pub(crate) outcome: Result<(), JobError>,
}

pub(crate) struct HostWorker;

pub(crate) struct HostWorkerArgs {
    pub(crate) context: Arc<Context>,
    pub(crate) turn: Turn,
    /// When the turn was asked for.
    pub(crate) asked_at: Instant,
}

pub(crate) struct HostWorkerState {
    context: Arc<Context>,
    turn: Turn,
    jobs: VecDeque<Job>,
    /// With us while no fetcher has it.
    permit: Option<Permit>,
    /// How the host is doing, where it has sources enough to tell.
    health: Option<HostHealth>,
    has_looked: bool,
    lease: watch::Sender<Instant>,
    current: Option<Current>,
    draining: bool,
}

struct Current {
    job: Job,
    fetcher: ActorRef<FetcherMsg>,
    progress: watch::Receiver<Instant>,
}

impl Actor for HostWorker {
    type Msg = HostWorkerMsg;
    type State = HostWorkerState;
    type Arguments = HostWorkerArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<HostWorkerMsg>,
        args: HostWorkerArgs,
    ) -> Result<HostWorkerState, ActorProcessingErr> {
        let HostWorkerArgs { context, turn, asked_at } = args;
        let lease = watch::Sender::new(context.config.deadline(asked_at, context.config.lease));
        let permit = permit_of(&turn, context.clock.now(), lease.subscribe());
        let tick =
            (context.config.lease / 3).min(context.config.stuck_after / 4).max(Duration::from_millis(50));
        myself.send_interval(tick, || HostWorkerMsg::Tick);
        myself.cast(HostWorkerMsg::Next)?;
        let jobs = turn.jobs.iter().cloned().collect();
        Ok(HostWorkerState {
            context,
            turn,
            jobs,
            permit: Some(permit),
            health: None,
            has_looked: false,
            lease,
            current: None,
            draining: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<HostWorkerMsg>,
        message: HostWorkerMsg,
        state: &mut HostWorkerState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            HostWorkerMsg::Next => state.next(&myself).await?,
            HostWorkerMsg::Done(done) => state.done(&myself, *done).await?,
            HostWorkerMsg::Tick => state.tick(&myself).await,
            HostWorkerMsg::Drain => state.draining = true,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<HostWorkerMsg>,
        event: SupervisionEvent,
        state: &mut HostWorkerState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) if state.is_current(cell.get_id()) => {
                state.crashed(&myself, &error.to_string()).await?;
            }
            SupervisionEvent::ActorTerminated(cell, _, reason) if state.is_current(cell.get_id()) => {
                // Its `Done` clears `current`; who ends before that was stopped by us.
                state.crashed(&myself, &reason.unwrap_or_else(|| "no progress".to_owned())).await?;
            }
            _ => (),
        }
        Ok(())
    }
}

/// How a host is doing that has sources enough to tell. A single pass does not wait for hosts that fail.
async fn health_of(context: &Context, turn: &Turn) -> Option<HostHealth> {
    let is_told = context.snapshot().sources_at(&turn.host) >= HostHealth::MIN_FAILING_SOURCES;
    if !is_told || context.config.pass.is_some() {
        return None;
    }
    match timeout(LOOK, context.store.host_health(&turn.host)).await {
        Ok(Ok(known)) => Some(known),
        Ok(Err(error)) => {
            tracing::warn!(host = %turn.host, %error, "how it is doing cannot be read");
            None
        }
        Err(_) => None,
    }
}

impl HostWorkerState {
    fn is_current(&self, id: ractor::ActorId) -> bool {
        self.current.as_ref().is_some_and(|current| current.fetcher.get_id() == id)
    }

    async fn next(&mut self, myself: &ActorRef<HostWorkerMsg>) -> Result<(), ActorProcessingErr> {
        let Some(job) = self.jobs.pop_front().filter(|_| !self.draining) else {
            return self.end(myself).await;
        };
        // It comes back with each job's end, before the next begins.
        let Some(permit) = self.permit.take() else { return self.end(myself).await };
        if job.crashes >= MAX_CRASHES {
            self.quarantine(&job).await;
            self.permit = Some(permit);
            return Ok(myself.cast(HostWorkerMsg::Next)?);
        }
        if !self.has_looked {
            self.has_looked = true;
            self.health = health_of(&self.context, &self.turn).await;
        }
        let progress = watch::Sender::new(Instant::now());
        let args = FetcherArgs {
            context: self.context.clone(),
            job: job.id.clone(),
            turn: self.turn.clone(),
            permit,
            health: self.health.clone(),
            has_waiting_jobs: !self.jobs.is_empty(),
            progress: progress.clone(),
            host_worker: myself.clone(),
        };
        let (fetcher, _) = Actor::spawn_linked(None, Fetcher, args, myself.get_cell()).await?;
        let free = job.due.max(self.turn.next_allowed_at);
        let lag = model::elapsed(free, self.context.clock.now());
        self.context.metrics.job_began(job.id.kind, lag);
        self.current = Some(Current { job, fetcher, progress: progress.subscribe() });
        Ok(())
    }

    async fn done(&mut self, myself: &ActorRef<HostWorkerMsg>, done: Done) -> Result<(), ActorProcessingErr> {
        let Done { job, permit, health, ended, outcome } = done;
        if let Some(current) = self.current.take() {
            current.fetcher.stop(None);
        }
        if let Some(permit) = permit {
            self.turn.robots_delay = permit.robots_delay();
            self.permit = Some(permit);
        }
        if !ended {
            self.health = health;
            // One canary a turn: the other jobs stay due.
            if self.health.as_ref().is_some_and(|health| health.incident.is_some()) {
                self.jobs.clear();
            }
        }
        let end = if outcome.is_ok() { JobEnd::Done } else { JobEnd::Retried };
        self.context.metrics.job_ended(job.kind, end);
        if ended {
            self.settle(vec![Settlement::ended(job)], Vec::new()).await;
        } else if let Err(reason) = outcome {
            // Nothing was settled: the job is due again after a while, and is not to blame.
            self.context.tally.interrupted();
            tracing::warn!(source = %job.source, %reason, "a job was interrupted");
            let again = Settlement::again(job, self.context.clock.now(), self.context.config.backoff);
            self.settle(vec![again], Vec::new()).await;
        }
        Ok(myself.cast(HostWorkerMsg::Next)?)
    }

    async fn crashed(
        &mut self,
        myself: &ActorRef<HostWorkerMsg>,
        reason: &str,
    ) -> Result<(), ActorProcessingErr> {
        let Some(Current { job, .. }) = self.current.take() else { return Ok(()) };
        self.context.tally.restarted();
        self.context.tally.interrupted();
        self.context.metrics.restarted("fetcher");
        let is_dead = job.crashes + 1 >= MAX_CRASHES;
        self.context.metrics.job_ended(job.id.kind, if is_dead { JobEnd::Dead } else { JobEnd::Retried });
        tracing::error!(source = %job.id.source, crashes = job.crashes + 1, reason, "a fetcher crashed");
        // The permit died with it: an exchange may have been under way until now.
        let now = self.context.clock.now();
        // What robots.txt asks for may have been learnt by the fetcher alone; it has written it down.
        let written = self.context.schedule.host(&self.turn.host).await.ok().flatten();
        let delay = written.map_or(self.turn.delay, |host| host.delay).max(self.turn.robots_delay);
        let rested = Turn { next_allowed_at: after(now, delay), ..self.turn.clone() };
        self.permit = Some(permit_of(&rested, now, self.lease.subscribe()));
        if is_dead {
            self.quarantine(&job).await;
        } else {
            let wait = self.context.config.backoff.saturating_mul(job.crashes + 1);
            self.settle(Vec::new(), vec![Settlement::again(job.id, now, wait)]).await;
        }
        Ok(myself.cast(HostWorkerMsg::Next)?)
    }

    /// Puts a source aside that crashes again and again.
    async fn quarantine(&self, job: &Job) {
        let now = self.context.clock.now();
        let source = &job.id.source;
        tracing::error!(%source, "put in quarantine after {MAX_CRASHES} crashes in a row; `qyran source resume` tries it again");
        let record = self.context.store.source(source).await.ok().flatten();
        let outcome = record.map(|record| PollOutcome {
            state: SourceState::Quarantined,
            reason: format!("reading it crashed {MAX_CRASHES} times in a row; `qyran source resume {source}` tries it again"),
            failures: record.failures,
            ok: false,
            deferred: false,
            interval: record.interval.unwrap_or(record.source.every.min),
            next_poll: now,
            moved_to: None,
            validators: None,
        });
        let harvest = model::Harvest {
            robots_delay: self.turn.robots_delay,
            objects_version: self.context.snapshot().version(),
            outcome,
            ..model::Harvest::new(source.clone(), self.turn.host.clone(), self.turn.token, now)
        };
        let settle = self.settle_of(vec![Settlement::ended(job.id.clone())], Vec::new());
        let storage = self.context.storage.borrow().clone();
        if let Some(storage) = storage {
            let message = |reply| StorageMsg::Keep {
                harvest: Box::new(harvest),
                source: None,
                settle: Some(Box::new(settle)),
                _credit: None,
                reply,
            };
            drop(storage.call(message, Some(Duration::from_secs(10))).await);
        }
        // Its other jobs as well: nothing of it is done until somebody has looked.
        if let Err(error) = self.take_back(source).await {
            tracing::warn!(%source, %error, "the jobs of a source in quarantine could not be taken back");
        }
    }

    async fn take_back(&self, source: &Name) -> Result<(), BackendError> {
        let jobs = jobs_of(&*self.context.store, std::slice::from_ref(source)).await;
        let jobs = jobs?;
        Ok(self.context.schedule.remove(&jobs).await?)
    }

    async fn tick(&mut self, myself: &ActorRef<HostWorkerMsg>) {
        let (asked_at, config) = (Instant::now(), &self.context.config);
        let until = after(self.context.clock.now(), config.lease);
        let answer = self.context.schedule.renew(&self.lease(), until).await;
        let is_answered = matches!(answer, Ok(()) | Err(ScheduleError::Fenced { .. }));
        self.context.metrics.asked(Backend::Schedule, "renew", asked_at.elapsed(), is_answered);
        match answer {
            Ok(()) => drop(self.lease.send_replace(config.deadline(asked_at, config.lease))),
            Err(ScheduleError::Fenced { .. }) if config.disabled.contains(model::Protection::Deadline) => (),
            Err(ScheduleError::Fenced { .. }) => {
                // Somebody else has the host: whatever is under way must end now.
                tracing::warn!(host = %self.turn.host, "the lease was lost");
                self.context.metrics.lease_ended(LeaseEnd::Fenced);
                myself.kill();
            }
            Err(error) => tracing::warn!(host = %self.turn.host, %error, "the lease could not be renewed"),
        }
        if let Some(current) = &self.current
            && current.progress.borrow().elapsed() > self.context.config.stuck_after
        {
            current.fetcher.kill();
        }
    }

    /// Gives the host back.
    async fn end(&mut self, myself: &ActorRef<HostWorkerMsg>) -> Result<(), ActorProcessingErr> {
        let wait = self.permit.as_ref().map_or(self.turn.delay, Permit::remaining_wait);
        let now = self.context.clock.now();
        self.write_down_rest(now).await;
        let settle =
            Settle { release_until: Some(after(now, wait)), ..self.settle_of(Vec::new(), Vec::new()) };
        if let Err(error) = self.context.schedule.settle(&settle).await {
            tracing::warn!(host = %self.turn.host, %error, "the host could not be given back; its lease runs out");
        }
        self.context.metrics.lease_ended(LeaseEnd::Released);
        myself.stop(None);
        Ok(())
    }

    /// What the host asked for, or its state does, holds for whoever has it next, until an operator takes it back.
    async fn write_down_rest(&self, now: Timestamp) {
        let rests = self.permit.as_ref().and_then(Permit::blocked_until);
        let Some(until) = rests.filter(|until| *until > now) else { return };
        let incident = self.health.as_ref().and_then(|health| health.incident.as_ref());
        let reason = match incident {
            Some(incident) => format!("nothing of it comes through: {}", incident.reason),
            None => "it asked to be left alone".to_owned(),
        };
        if let Err(error) = self.context.schedule.block(&self.turn.host, until, &reason).await {
            tracing::warn!(host = %self.turn.host, %error, "that it is left alone could not be written down");
        }
    }

    async fn settle(&self, jobs: Vec<Settlement>, crashed: Vec<Settlement>) {
        if let Err(error) = self.context.schedule.settle(&self.settle_of(jobs, crashed)).await {
            tracing::warn!(host = %self.turn.host, %error, "jobs could not be settled");
        }
    }

    fn settle_of(&self, jobs: Vec<Settlement>, crashed: Vec<Settlement>) -> Settle {
        Settle {
            lease: self.lease(),
            now: self.context.clock.now(),
            jobs,
            crashed,
            found: Vec::new(),
            release_until: None,
        }
    }

    fn lease(&self) -> Lease {
        Lease { host: self.turn.host.clone(), token: self.turn.token }
    }
}
