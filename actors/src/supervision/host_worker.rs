//! The worker of one leased host: it owns the lease, its renewal and the permit, and runs the jobs one at a time.
//!
//! Supervised by [`crate::supervision::dispatcher::Dispatcher`]. If it fails, its lease expires and the host rests
//! for one delay. Documents that were fetched but not saved are fetched again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crawler::Permit;
use model::{HostHealth, Job, Name, PollOutcome, Settlement, SourceState, Timestamp, Turn, after};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use scheduler::{Lease, ScheduleError, Settle};
use service::{BackendError, jobs_of};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::context::Context;
use crate::job::host_permits::permit_of;
use crate::metrics::{Backend, JobEnd, LeaseEnd};
use crate::save_request::SaveRequest;
use crate::supervision::fetcher::{Done, Fetcher, FetcherArgs, FetcherMsg};

/// Maximum wait for the health of a host. Without it, the sources are read as if there were no incident.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum wait for storage to save the state of a quarantined source.
const QUARANTINE_TIMEOUT: Duration = Duration::from_secs(10);
/// Number of consecutive crashes that quarantines a source until an operator resumes it.
const MAX_CRASHES: u32 = 5;

pub(crate) enum HostWorkerMsg {
    /// Start the next job, or end the turn.
    Next,
    /// A fetcher has finished its job and returns the permit.
    Done(Box<Done>),
    /// Renew the lease; stop a stuck fetcher.
    Tick,
    /// Start no further job; end the turn after the current one.
    Drain,
}

impl From<Done> for HostWorkerMsg {
    fn from(done: Done) -> Self {
        Self::Done(Box::new(done))
    }
}

/// The way back, which a derived actor reference requires.
impl TryFrom<HostWorkerMsg> for Done {
    type Error = HostWorkerMsg;

    fn try_from(message: HostWorkerMsg) -> Result<Self, HostWorkerMsg> {
        match message {
            HostWorkerMsg::Done(done) => Ok(*done),
            message => Err(message),
        }
    }
}

pub(crate) struct HostWorker;

pub(crate) struct HostWorkerArgs {
    pub(crate) context: Arc<Context>,
    pub(crate) turn: Turn,
    /// The time of the claim request, from which the lease deadline counts.
    pub(crate) asked_at: Instant,
}

pub(crate) struct HostWorkerState {
    context: Arc<Context>,
    turn: Turn,
    jobs: VecDeque<Job>,
    /// The permit of the host; `None` while a fetcher has it.
    permit: Option<Permit>,
    /// The health of the host; `None` if the host has too few sources to have one.
    health: Option<HostHealth>,
    is_health_loaded: bool,
    lease: watch::Sender<Instant>,
    current: Option<Current>,
    is_draining: bool,
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
            is_health_loaded: false,
            lease,
            current: None,
            is_draining: false,
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
            HostWorkerMsg::Drain => state.is_draining = true,
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
                // `Done` clears `current`, so a fetcher that ends before `Done` was stopped because it made no
                // progress.
                state.crashed(&myself, &reason.unwrap_or_else(|| "no progress".to_owned())).await?;
            }
            _ => (),
        }
        Ok(())
    }
}

/// Loads the health of a host. Returns `None` if the host has too few sources to have one, and in a single pass: that
/// does not wait for canaries.
async fn load_health(context: &Context, turn: &Turn) -> Option<HostHealth> {
    let has_health = context.snapshot().sources_at(&turn.host) >= HostHealth::MIN_FAILING_SOURCES;
    if !has_health || context.config.pass.is_some() {
        return None;
    }
    match timeout(HEALTH_TIMEOUT, context.store.host_health(&turn.host)).await {
        Ok(Ok(health)) => Some(health),
        Ok(Err(error)) => {
            tracing::warn!(host = %turn.host, %error, "could not load the health of a host");
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
        let Some(job) = self.jobs.pop_front().filter(|_| !self.is_draining) else {
            return self.end(myself).await;
        };
        // Each job returns the permit before the next one starts.
        let Some(permit) = self.permit.take() else { return self.end(myself).await };
        if job.crashes >= MAX_CRASHES {
            self.quarantine(&job).await;
            self.permit = Some(permit);
            return Ok(myself.cast(HostWorkerMsg::Next)?);
        }
        if !self.is_health_loaded {
            self.is_health_loaded = true;
            self.health = load_health(&self.context, &self.turn).await;
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
            host_worker: myself.get_derived(),
        };
        let (fetcher, _) = Actor::spawn_linked(None, Fetcher, args, myself.get_cell()).await?;
        let free = job.due.max(self.turn.next_allowed_at);
        let lag = model::elapsed(free, self.context.clock.now());
        self.context.metrics.record_job_start(job.id.kind, lag);
        self.current = Some(Current { job, fetcher, progress: progress.subscribe() });
        Ok(())
    }

    async fn done(&mut self, myself: &ActorRef<HostWorkerMsg>, done: Done) -> Result<(), ActorProcessingErr> {
        let Done { job, permit, health, is_obsolete, outcome } = done;
        if let Some(current) = self.current.take() {
            current.fetcher.stop(None);
        }
        if let Some(permit) = permit {
            self.turn.robots_delay = permit.robots_delay();
            self.permit = Some(permit);
        }
        if !is_obsolete {
            self.health = health;
            // A turn during an incident runs one canary; the other jobs stay due.
            if self.health.as_ref().is_some_and(|health| health.incident.is_some()) {
                self.jobs.clear();
            }
        }
        let end = if outcome.is_ok() { JobEnd::Done } else { JobEnd::Retried };
        self.context.metrics.record_job_end(job.kind, end);
        if is_obsolete {
            self.settle(vec![Settlement::ended(job)], Vec::new()).await;
        } else if let Err(reason) = outcome {
            // The job was not settled. It is due again after a backoff and does not count as crashed.
            self.context.tally.record_interruption();
            tracing::warn!(source = %job.source, %reason, "a job was interrupted");
            let settlement = Settlement::again(job, self.context.clock.now(), self.context.config.backoff);
            self.settle(vec![settlement], Vec::new()).await;
        }
        Ok(myself.cast(HostWorkerMsg::Next)?)
    }

    async fn crashed(
        &mut self,
        myself: &ActorRef<HostWorkerMsg>,
        reason: &str,
    ) -> Result<(), ActorProcessingErr> {
        let Some(Current { job, .. }) = self.current.take() else { return Ok(()) };
        self.context.tally.record_restart();
        self.context.tally.record_interruption();
        self.context.metrics.record_restart("fetcher");
        let is_quarantined = job.crashes + 1 >= MAX_CRASHES;
        self.context
            .metrics
            .record_job_end(job.id.kind, if is_quarantined { JobEnd::Dead } else { JobEnd::Retried });
        tracing::error!(source = %job.id.source, crashes = job.crashes + 1, reason, "a fetcher crashed");
        // The permit is lost with the fetcher. An exchange may have been in progress until now, so the host rests for
        // one delay.
        let now = self.context.clock.now();
        // The fetcher may have stored a new crawl delay from robots.txt.
        let stored = self.context.schedule.host(&self.turn.host).await.ok().flatten();
        let delay = stored.map_or(self.turn.delay, |host| host.delay).max(self.turn.robots_delay);
        let rested_turn = Turn { next_allowed_at: after(now, delay), ..self.turn.clone() };
        self.permit = Some(permit_of(&rested_turn, now, self.lease.subscribe()));
        if is_quarantined {
            self.quarantine(&job).await;
        } else {
            let wait = self.context.config.backoff.saturating_mul(job.crashes + 1);
            self.settle(Vec::new(), vec![Settlement::again(job.id, now, wait)]).await;
        }
        Ok(myself.cast(HostWorkerMsg::Next)?)
    }

    /// Quarantines a source after too many crashes: stores the state and removes its jobs.
    async fn quarantine(&self, job: &Job) {
        let now = self.context.clock.now();
        let source = &job.id.source;
        tracing::error!(%source, "quarantined the source after {MAX_CRASHES} consecutive crashes; use `qyran source resume` to retry");
        let record = self.context.store.source(source).await.ok().flatten();
        let outcome = record.map(|record| PollOutcome {
            state: SourceState::Quarantined,
            reason: format!("{MAX_CRASHES} consecutive attempts to read it crashed; use `qyran source resume {source}` to retry"),
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
            let request = SaveRequest {
                harvest: Box::new(harvest),
                source: None,
                settle: Some(Box::new(settle)),
                credit: None,
            };
            drop(timeout(QUARANTINE_TIMEOUT, request.send(&storage)).await);
        }
        // All jobs of the source are removed until an operator resumes it.
        if let Err(error) = self.remove_jobs(source).await {
            tracing::warn!(%source, %error, "could not remove the jobs of a quarantined source");
        }
    }

    async fn remove_jobs(&self, source: &Name) -> Result<(), BackendError> {
        let jobs = jobs_of(&*self.context.store, std::slice::from_ref(source)).await?;
        Ok(self.context.schedule.remove(&jobs).await?)
    }

    /// Renews the lease, and stops a fetcher without progress.
    async fn tick(&mut self, myself: &ActorRef<HostWorkerMsg>) {
        let (asked_at, config) = (Instant::now(), &self.context.config);
        let until = after(self.context.clock.now(), config.lease);
        let answer = self.context.schedule.renew(&self.lease(), until).await;
        let is_answered = matches!(answer, Ok(()) | Err(ScheduleError::Fenced { .. }));
        self.context.metrics.record_request(Backend::Schedule, "renew", asked_at.elapsed(), is_answered);
        match answer {
            Ok(()) => drop(self.lease.send_replace(config.deadline(asked_at, config.lease))),
            Err(ScheduleError::Fenced { .. }) if config.disabled.contains(model::Protection::Deadline) => (),
            Err(ScheduleError::Fenced { .. }) => {
                // Another node may hold the host: a running exchange must end now.
                tracing::warn!(host = %self.turn.host, "lost the lease of a host; its jobs run again under the next lease");
                self.context.metrics.record_lease_end(LeaseEnd::Fenced);
                myself.kill();
            }
            Err(error) => {
                tracing::warn!(host = %self.turn.host, %error, "could not renew the lease of a host")
            }
        }
        if let Some(current) = &self.current
            && current.progress.borrow().elapsed() > self.context.config.stuck_after
        {
            current.fetcher.kill();
        }
    }

    /// Returns the host and ends the worker.
    async fn end(&mut self, myself: &ActorRef<HostWorkerMsg>) -> Result<(), ActorProcessingErr> {
        let wait = self.permit.as_ref().map_or(self.turn.delay, Permit::remaining_wait);
        let now = self.context.clock.now();
        self.store_block(now).await;
        let settle =
            Settle { release_until: Some(after(now, wait)), ..self.settle_of(Vec::new(), Vec::new()) };
        if let Err(error) = self.context.schedule.settle(&settle).await {
            tracing::warn!(host = %self.turn.host, %error, "could not return a host; its lease will expire");
        }
        self.context.metrics.record_lease_end(LeaseEnd::Released);
        myself.stop(None);
        Ok(())
    }

    /// Stores the block of the host that a server requested, or that its incident requires. It applies to all nodes
    /// until it ends or an operator removes it.
    async fn store_block(&self, now: Timestamp) {
        let blocked_until = self.permit.as_ref().and_then(Permit::blocked_until);
        let Some(until) = blocked_until.filter(|until| *until > now) else { return };
        let incident = self.health.as_ref().and_then(|health| health.incident.as_ref());
        let reason = match incident {
            Some(incident) => format!("all requests fail: {}", incident.reason),
            None => "requested by the server".to_owned(),
        };
        if let Err(error) = self.context.schedule.block(&self.turn.host, until, &reason).await {
            tracing::warn!(host = %self.turn.host, %error, "could not store the block of a host");
        }
    }

    async fn settle(&self, jobs: Vec<Settlement>, crashed: Vec<Settlement>) {
        if let Err(error) = self.context.schedule.settle(&self.settle_of(jobs, crashed)).await {
            tracing::warn!(host = %self.turn.host, %error, "could not settle jobs");
        }
    }

    fn settle_of(&self, jobs: Vec<Settlement>, crashed: Vec<Settlement>) -> Settle {
        Settle {
            lease: self.lease(),
            now: self.context.clock.now(),
            jobs,
            crashed,
            new_jobs: Vec::new(),
            release_until: None,
        }
    }

    fn lease(&self) -> Lease {
        Lease { host: self.turn.host.clone(), token: self.turn.token }
    }
}
