//! The permits of a turn: that of the leased host, and those borrowed for other hosts, such as the target of a
//! redirect.

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

/// Maximum wait for the permit of another host: the leased host is idle meanwhile.
const MAX_BORROW_WAIT: Duration = Duration::from_secs(20);
/// Maximum wait before another attempt to borrow a host that another turn holds.
const BORROW_RETRY_DELAY: Duration = Duration::from_secs(10);
/// Maximum wait of a command for a host that a node holds.
const BORROW_TIMEOUT: Duration = Duration::from_secs(60);
/// The interval between attempts to borrow a busy host, and to renew a lease at an unreachable server.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(500);

/// The permits of a job: for its own host, and for other hosts of redirects.
pub struct HostPermits {
    context: Arc<Context>,
    /// The permit of the turn. A command has no turn and borrows every host.
    home: Option<Permit>,
    borrowed: Vec<BorrowedHost>,
    /// The time of the last progress. It is in the future during a known wait, which does not count as stuck.
    progress: watch::Sender<Instant>,
    /// The credit for a body in memory.
    credit: Option<OwnedSemaphorePermit>,
    /// Set while a body is in memory: the credit is then not released.
    has_body: bool,
    /// Minimum delay between requests to borrowed hosts.
    min_delay: Duration,
}

/// The reason why a host cannot be borrowed, with the time of the next attempt.
enum Refusal {
    /// Another turn holds the host.
    Held(Timestamp),
    /// The host is blocked, must rest for long, or its state is unknown.
    Other(Timestamp),
}

/// A host borrowed for a redirect.
struct BorrowedHost {
    turn: Turn,
    permit: Permit,
    lease: watch::Sender<Instant>,
    /// The task that renews the lease after failovers. It ends when the host is returned.
    _renewal_task: JoinSet<()>,
}

impl HostPermits {
    pub(crate) fn new(context: Arc<Context>, home: Permit, progress: watch::Sender<Instant>) -> Self {
        let min_delay = context.config.delay;
        Self {
            context,
            home: Some(home),
            borrowed: Vec::new(),
            progress,
            credit: None,
            has_body: false,
            min_delay,
        }
    }

    /// Returns the permits of a command. Each host is borrowed from the schedule, so that the command observes the
    /// delays and blocks of running nodes, and the nodes observe those of the command.
    pub fn by_hand(context: Arc<Context>) -> Self {
        let progress = watch::Sender::new(Instant::now());
        let min_delay = context.config.delay;
        Self { context, home: None, borrowed: Vec::new(), progress, credit: None, has_body: false, min_delay }
    }

    /// Reports progress. A job without progress for too long counts as stuck.
    pub(crate) fn touch(&self) {
        self.progress.send_replace(Instant::now());
    }

    /// Raises the minimum delay of all hosts, to that of the source's kind.
    pub(crate) fn raise_delay(&mut self, delay: Duration) {
        self.min_delay = self.min_delay.max(delay);
        if let Some(home) = &mut self.home {
            home.raise_delay(delay);
        }
    }

    /// Acquires the credit for a body that does not come from an exchange.
    pub(crate) async fn hold_body(&mut self) {
        self.acquire_credit().await;
        self.has_body = true;
    }

    /// Blocks the leased host for `wait`.
    pub(crate) fn rest(&mut self, wait: Duration) {
        let until = after(self.context.clock.now(), wait);
        if let Some(home) = &mut self.home {
            home.block_until(until);
        }
    }

    /// Keeps the credit: the body of the response is in memory.
    pub(crate) fn retain_credit(&mut self) {
        self.has_body = true;
    }

    /// Takes the credit, to send it along with the body's harvest.
    pub(crate) fn take_credit(&mut self) -> Option<OwnedSemaphorePermit> {
        self.has_body = false;
        self.credit.take()
    }

    /// Returns the crawl delay in the robots.txt of the leased host.
    pub(crate) fn robots_delay(&self) -> Duration {
        self.home.as_ref().map_or(Duration::ZERO, Permit::robots_delay)
    }

    /// Returns the permit of the leased host at the end of the job.
    pub(crate) fn into_home(self) -> Option<Permit> {
        self.home
    }

    /// Returns the borrowed hosts, and stores the blocks that servers requested with Retry-After.
    pub async fn settle(&mut self) {
        if let Some(home) = &self.home {
            self.store_block(home).await;
        }
        for borrowed in std::mem::take(&mut self.borrowed) {
            self.store_block(&borrowed.permit).await;
            let now = self.context.clock.now();
            let settle = Settle {
                lease: lease_of(&borrowed.turn),
                now,
                jobs: Vec::new(),
                crashed: Vec::new(),
                new_jobs: Vec::new(),
                release_until: Some(after(now, borrowed.permit.remaining_wait())),
            };
            if let Err(error) = self.context.schedule.settle(&settle).await {
                tracing::warn!(host = %borrowed.turn.host, %error, "could not return a borrowed host; its lease will expire");
            }
        }
    }

    async fn store_block(&self, permit: &Permit) {
        let now = self.context.clock.now();
        if let Some(until) = permit.blocked_until().filter(|until| *until > now)
            && let Err(error) = self.context.schedule.block(permit.host(), until, "Retry-After").await
        {
            tracing::warn!(host = %permit.host(), %error, "could not store the block of a host");
        }
    }

    /// Borrows a host. Only a command waits for a host that a turn holds: two turns that wait for each other would
    /// deadlock.
    async fn borrow_or_wait(&mut self, host: &Host) -> Result<(), PermitUnavailable> {
        let timeout = if self.home.is_some() { Duration::ZERO } else { BORROW_TIMEOUT };
        let deadline = Instant::now() + timeout;
        loop {
            match self.borrow_host(host).await {
                Err(Refusal::Held(_)) if Instant::now() < deadline => sleep(ATTEMPT_INTERVAL).await,
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
        let answer = self.context.schedule.borrow_host(host, self.min_delay, &claim).await;
        let turn = match answer {
            Ok(Borrowed::Yes(turn)) => turn,
            // A time within the lease duration may be the end of a lease, which can come earlier. A later one is a
            // block.
            Ok(Borrowed::No { until }) if until <= after(now, config.lease) => {
                return Err(Refusal::Held(until.min(after(now, BORROW_RETRY_DELAY))));
            }
            Ok(Borrowed::No { until }) => return Err(Refusal::Other(until)),
            Err(error) => {
                tracing::warn!(%host, %error, "could not borrow a host");
                return Err(Refusal::Other(after(now, BORROW_RETRY_DELAY)));
            }
        };
        let wait = model::elapsed(now, turn.next_allowed_at);
        let lease = watch::Sender::new(config.deadline(asked_at, config.lease));
        let permit = permit_of(&turn, now, lease.subscribe());
        let mut renewal_task = JoinSet::new();
        renewal_task.spawn(renew_after_failovers(self.context.clone(), lease_of(&turn), lease.clone()));
        self.borrowed.push(BorrowedHost { turn, permit, lease, _renewal_task: renewal_task });
        if wait > MAX_BORROW_WAIT {
            self.settle().await;
            return Err(Refusal::Other(after(now, wait)));
        }
        Ok(())
    }

    /// Renews a borrowed host that is needed for another hop, for the remaining wait and that hop.
    async fn renew(&self, borrowed: &BorrowedHost) {
        let length = self.context.config.lease + borrowed.permit.remaining_wait();
        if let Err(error) = renew(&self.context, &lease_of(&borrowed.turn), length, &borrowed.lease).await {
            tracing::warn!(host = %borrowed.turn.host, %error, "could not renew the lease of a borrowed host");
        }
    }
}

/// Renews the lease of a borrowed host and moves its deadline. If the lease was fenced, the deadline is now: the host
/// must not receive further requests.
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

/// Renews the lease of a borrowed host after each failover: the new server may not know the lease.
async fn renew_after_failovers(context: Arc<Context>, lease: Lease, deadline: watch::Sender<Instant>) {
    let Some(mut failovers) = context.schedule.failovers() else { return };
    while failovers.changed().await.is_ok() {
        loop {
            let remaining = deadline.borrow().saturating_duration_since(Instant::now());
            let length = remaining.max(context.config.lease);
            match renew(&context, &lease, length, &deadline).await {
                // Retried until the new server knows the lease, or the lease has expired.
                Err(ScheduleError::Unreachable(_)) if !remaining.is_zero() => sleep(ATTEMPT_INTERVAL).await,
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
        match self.borrowed.iter().find(|borrowed| borrowed.turn.host == host) {
            _ if is_home => (),
            Some(borrowed) => self.renew(borrowed).await,
            None => self.borrow_or_wait(&host).await?,
        }
        let mut hosts = self.borrowed.iter_mut();
        let borrowed = hosts.find(|borrowed| borrowed.turn.host == host).map(|borrowed| &mut borrowed.permit);
        let permit = if is_home { self.home.as_mut() } else { borrowed }
            .ok_or(PermitUnavailable { until: Timestamp::MAX })?;
        // A job that waits for a delay is not stuck.
        self.progress.send_replace(Instant::now() + permit.remaining_wait());
        Ok(permit)
    }

    async fn robots_delay_changed(&mut self, url: &Url) {
        let Ok(permit) = self.permit(url).await else { return };
        let (host, delay) = (permit.host().clone(), permit.robots_delay());
        if let Err(error) = self.context.schedule.ask_delay(&host, delay).await {
            tracing::warn!(%host, %error, "could not store the crawl delay of robots.txt");
        }
    }

    fn release_credit(&mut self) {
        if !self.has_body {
            self.credit = None;
        }
    }

    async fn acquire_credit(&mut self) {
        while self.credit.is_none() {
            self.touch(); // a job that waits for storage is not stuck
            let waiting = timeout(Duration::from_secs(5), self.context.credits.clone().acquire_owned());
            // The semaphore is never closed.
            self.credit = waiting.await.ok().and_then(Result::ok);
        }
    }
}

/// Returns a permit for the host of a turn.
pub(crate) fn permit_of(turn: &Turn, now: Timestamp, deadline: Deadline) -> Permit {
    let wait = model::elapsed(now, turn.next_allowed_at);
    Permit::new(turn.host.clone(), turn.delay, wait, deadline).with_robots_delay(turn.robots_delay)
}
