//! The permits of a turn: the leased host's own, and those of other hosts that a redirect leads to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use crawler::fetch::{Deadline, PermitUnavailable};
use crawler::{Permit, Permits};
use model::{Host, Timestamp, Turn, after};
use scheduler::{Borrowed, Claim, Lease, ScheduleError, Settle};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::context::Context;

/// Another host's permit is not waited for longer than this: the host we hold would wait as well.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// A host that is held by somebody is asked for again after this.
const RETRY: Duration = Duration::from_secs(10);
/// A visit by hand waits so long for a host that a node visits, and looks so often.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(500);

/// Permits for what a job needs: its own host, and hosts on the way.
pub struct HostPermits {
    context: Arc<Context>,
    /// The permit of the turn; a visit by hand has none, and lends every host.
    home: Option<Permit>,
    lent: Vec<Lent>,
    /// Until when waiting is no standstill.
    progress: watch::Sender<Instant>,
    /// The right to have a body in memory.
    credit: Option<OwnedSemaphorePermit>,
    /// Something is in memory: the credit stays.
    is_laden: bool,
    /// The delay that hosts on the way are asked with, at least.
    pace: Duration,
}

/// Why a host is not lent, and when to ask again.
enum Refusal {
    /// Another turn has it.
    Held(Timestamp),
    /// It is blocked, or must rest for long, or nobody can tell.
    Other(Timestamp),
}

struct Lent {
    turn: Turn,
    permit: Permit,
    lease: watch::Sender<Instant>,
    /// Ends with it.
    _keeper: JoinSet<()>,
}

impl HostPermits {
    pub(crate) fn new(context: Arc<Context>, home: Permit, progress: watch::Sender<Instant>) -> Self {
        let pace = context.config.delay;
        Self { context, home: Some(home), lent: Vec::new(), progress, credit: None, is_laden: false, pace }
    }

    /// For a visit by hand: every host is lent from the schedule, so that it keeps the delays and blocks
    /// that a running node keeps, and the node keeps those of the visit.
    pub fn by_hand(context: Arc<Context>) -> Self {
        let progress = watch::Sender::new(Instant::now());
        let pace = context.config.delay;
        Self { context, home: None, lent: Vec::new(), progress, credit: None, is_laden: false, pace }
    }

    /// A sign of life: whoever gives none for long is taken to be stuck.
    pub(crate) fn touch(&self) {
        self.progress.send_replace(Instant::now());
    }

    /// Asks every host with this delay from now on, at least: what its kind of host bears.
    pub(crate) fn raise_delay(&mut self, delay: Duration) {
        self.pace = self.pace.max(delay);
        if let Some(home) = &mut self.home {
            home.raise_delay(delay);
        }
    }

    /// Takes the right to have a body in memory that came in another way than by an exchange.
    pub(crate) async fn hold_body(&mut self) {
        self.acquire_credit().await;
        self.is_laden = true;
    }

    /// Leaves the host alone for a while.
    pub(crate) fn rest(&mut self, wait: Duration) {
        let until = after(self.context.clock.now(), wait);
        if let Some(home) = &mut self.home {
            home.block_until(until);
        }
    }

    /// What came home is in memory from now on.
    pub(crate) fn load(&mut self) {
        self.is_laden = true;
    }

    /// The credit of what was brought home, to travel with it.
    pub(crate) fn unload(&mut self) -> Option<OwnedSemaphorePermit> {
        self.is_laden = false;
        self.credit.take()
    }

    /// What robots.txt of the leased host asks for.
    pub(crate) fn robots_delay(&self) -> Duration {
        self.home.as_ref().map_or(Duration::ZERO, Permit::robots_delay)
    }

    /// The host's permit, at the end of the job.
    pub(crate) fn into_home(self) -> Option<Permit> {
        self.home
    }

    /// Gives lent hosts back, and writes down what servers asked for in Retry-After.
    pub async fn settle(&mut self) {
        if let Some(home) = &self.home {
            self.write_down_block(home).await;
        }
        for lent in std::mem::take(&mut self.lent) {
            self.write_down_block(&lent.permit).await;
            let now = self.context.clock.now();
            let settle = Settle {
                lease: lease_of(&lent.turn),
                now,
                jobs: Vec::new(),
                crashed: Vec::new(),
                found: Vec::new(),
                release_until: Some(after(now, lent.permit.remaining_wait())),
            };
            if let Err(error) = self.context.schedule.settle(&settle).await {
                tracing::warn!(host = %lent.turn.host, %error, "a lent host could not be given back; its lease runs out");
            }
        }
    }

    async fn write_down_block(&self, permit: &Permit) {
        let now = self.context.clock.now();
        if let Some(until) = permit.blocked_until().filter(|until| *until > now)
            && let Err(error) = self.context.schedule.block(permit.host(), until, "Retry-After").await
        {
            tracing::warn!(host = %permit.host(), %error, "a block could not be written down");
        }
    }

    /// A turn of ours must not wait for another's, for that may wait for ours; a person may.
    async fn borrow_patiently(&mut self, host: &Host) -> Result<(), PermitUnavailable> {
        let patience = if self.home.is_some() { Duration::ZERO } else { PATIENCE };
        let give_up = Instant::now() + patience;
        loop {
            match self.borrow_host(host).await {
                Err(Refusal::Held(_)) if Instant::now() < give_up => sleep(LOOK).await,
                Err(Refusal::Held(until) | Refusal::Other(until)) => return Err(PermitUnavailable { until }),
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn borrow_host(&mut self, host: &Host) -> Result<(), Refusal> {
        let config = &self.context.config;
        let asked_at = Instant::now();
        let now = self.context.clock.now();
        let claim =
            Claim { node: config.name.clone(), now, due_by: now, lease: config.lease, hosts: 1, jobs: 0 };
        let lent = self.context.schedule.borrow_host(host, self.pace, &claim).await;
        let turn = match lent {
            Ok(Borrowed::Yes(turn)) => turn,
            // Until the end of a lease is a guess at the worst; a block is certain.
            Ok(Borrowed::No { until }) if until <= after(now, config.lease) => {
                return Err(Refusal::Held(until.min(after(now, RETRY))));
            }
            Ok(Borrowed::No { until }) => return Err(Refusal::Other(until)),
            Err(error) => {
                tracing::warn!(%host, %error, "a host on the way cannot be had");
                return Err(Refusal::Other(after(now, RETRY)));
            }
        };
        let wait = model::elapsed(now, turn.next_allowed_at);
        let lease = watch::Sender::new(config.deadline(asked_at, config.lease));
        let permit = permit_of(&turn, now, lease.subscribe());
        let mut keeper = JoinSet::new();
        keeper.spawn(keep_over_failovers(self.context.clone(), lease_of(&turn), lease.clone()));
        self.lent.push(Lent { turn, permit, lease, _keeper: keeper });
        if wait > LONGEST_WAIT {
            self.settle().await;
            return Err(Refusal::Other(after(now, wait)));
        }
        Ok(())
    }

    /// A lent host that is needed for another hop stays ours for as long as that may take.
    async fn renew(&self, lent: &Lent) {
        let length = self.context.config.lease + lent.permit.remaining_wait();
        if let Err(error) = renew(&self.context, &lease_of(&lent.turn), length, &lent.lease).await {
            tracing::warn!(host = %lent.turn.host, %error, "a lent host could not be renewed");
        }
    }
}

/// Makes a lent host's lease last. One that is over must not be asked any more.
async fn renew(
    context: &Context,
    lease: &Lease,
    length: Duration,
    deadline: &watch::Sender<Instant>,
) -> Result<(), ScheduleError> {
    let (asked_at, now) = (Instant::now(), context.clock.now());
    let answer = context.schedule.renew(lease, after(now, length)).await;
    match &answer {
        Ok(()) => drop(deadline.send_replace(context.config.deadline(asked_at, length))),
        Err(ScheduleError::Fenced { .. }) => drop(deadline.send_replace(asked_at)),
        Err(_) => (),
    }
    answer
}

/// A server that took another's place may not know of a lent host: it is told at once, as it is told of leases.
async fn keep_over_failovers(context: Arc<Context>, lease: Lease, deadline: watch::Sender<Instant>) {
    let Some(mut failovers) = context.schedule.failovers() else { return };
    while failovers.changed().await.is_ok() {
        loop {
            let left = deadline.borrow().saturating_duration_since(Instant::now());
            let length = left.max(context.config.lease);
            match renew(&context, &lease, length, &deadline).await {
                // It is told before others may have the host, or the lease is over.
                Err(ScheduleError::Unreachable(_)) if !left.is_zero() => sleep(LOOK).await,
                _ => break,
            }
        }
    }
}

fn lease_of(turn: &Turn) -> Lease {
    Lease { host: turn.host.clone(), token: turn.token }
}

#[async_trait]
impl Permits for HostPermits {
    async fn permit(&mut self, url: &Url) -> Result<&mut Permit, PermitUnavailable> {
        let host = self.context.snapshot().host_of(url).ok_or(PermitUnavailable { until: Timestamp::MAX })?;
        let is_home = self.home.as_ref().is_some_and(|home| *home.host() == host);
        match self.lent.iter().find(|lent| lent.turn.host == host) {
            _ if is_home => (),
            Some(lent) => self.renew(lent).await,
            None => self.borrow_patiently(&host).await?,
        }
        let lent = self.lent.iter_mut().find(|lent| lent.turn.host == host).map(|lent| &mut lent.permit);
        let permit = if is_home { self.home.as_mut() } else { lent }
            .ok_or(PermitUnavailable { until: Timestamp::MAX })?;
        // Keeping a delay is no standstill.
        self.progress.send_replace(Instant::now() + permit.remaining_wait());
        Ok(permit)
    }

    async fn robots_delay_changed(&mut self, url: &Url) {
        let Ok(permit) = self.permit(url).await else { return };
        let (host, delay) = (permit.host().clone(), permit.robots_delay());
        if let Err(error) = self.context.schedule.ask_delay(&host, delay).await {
            tracing::warn!(%host, %error, "a delay that robots.txt asks for could not be written down");
        }
    }

    fn release_credit(&mut self) {
        if !self.is_laden {
            self.credit = None;
        }
    }

    async fn acquire_credit(&mut self) {
        while self.credit.is_none() {
            self.touch(); // waiting for storage is no standstill of ours
            let waiting = timeout(Duration::from_secs(5), self.context.credits.clone().acquire_owned());
            // The semaphore is never closed.
            self.credit = waiting.await.ok().and_then(Result::ok);
        }
    }
}

/// A permit for the host of a turn.
pub(crate) fn permit_of(turn: &Turn, now: Timestamp, deadline: Deadline) -> Permit {
    let wait = model::elapsed(now, turn.next_allowed_at);
    Permit::new(turn.host.clone(), turn.delay, wait, deadline).with_robots_delay(turn.robots_delay)
}
