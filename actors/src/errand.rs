//! The permits of a turn: the leased host's own, and those of other hosts that a redirect leads to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use crawler::fetch::{Busy, Deadline};
use crawler::{Permit, Permits};
use model::{Host, Timestamp, Turn};
use scheduler::{Borrowed, Claim, Lease, Settle};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::context::Context;

/// Another host's permit is not waited for longer than this: the host we hold would wait as well.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// A host that is held by somebody is asked for again after this.
const RETRY: Duration = Duration::from_secs(10);

/// Permits for what a job needs: its own host, and hosts on the way.
pub(crate) struct Errand {
    context: Arc<Context>,
    home: Permit,
    lent: Vec<Lent>,
}

struct Lent {
    turn: Turn,
    permit: Permit,
    _lease: watch::Sender<Instant>,
}

impl Errand {
    pub(crate) fn new(context: Arc<Context>, home: Permit) -> Self {
        Self { context, home, lent: Vec::new() }
    }

    /// The host's permit, at the end of the job.
    pub(crate) fn into_home(self) -> Permit {
        self.home
    }

    /// Gives lent hosts back, and writes down what servers asked for in Retry-After.
    pub(crate) async fn settle(&mut self) {
        self.write_down_block(&self.home).await;
        for lent in std::mem::take(&mut self.lent) {
            self.write_down_block(&lent.permit).await;
            let now = self.context.clock.now();
            let settle = Settle {
                lease: Lease { host: lent.turn.host.clone(), token: lent.turn.token },
                now,
                jobs: Vec::new(),
                crashed: Vec::new(),
                found: Vec::new(),
                release_until: Some(after(now, lent.permit.wait_left())),
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

    async fn borrow_host(&mut self, host: &Host) -> Result<(), Busy> {
        let config = &self.context.config;
        let asked_at = Instant::now();
        let now = self.context.clock.now();
        let claim =
            Claim { node: config.name.clone(), now, due_by: now, lease: config.lease, hosts: 1, jobs: 0 };
        let lent = self.context.schedule.borrow_host(host, config.delay, &claim).await;
        let turn = match lent {
            Ok(Borrowed::Yes(turn)) => turn,
            // Until the end of a lease is a guess at the worst; a block is certain.
            Ok(Borrowed::No { until }) if until <= after(now, config.lease) => {
                return Err(Busy { until: until.min(after(now, RETRY)) });
            }
            Ok(Borrowed::No { until }) => return Err(Busy { until }),
            Err(error) => {
                tracing::warn!(%host, %error, "a host on the way cannot be had");
                return Err(Busy { until: after(now, RETRY) });
            }
        };
        let wait = Duration::try_from(turn.next_allowed_at.duration_since(now)).unwrap_or_default();
        let lease = watch::Sender::new(deadline(asked_at, config.lease));
        let permit = Permit::new(turn.host.clone(), turn.delay, wait, lease.subscribe());
        self.lent.push(Lent { turn, permit, _lease: lease });
        if wait > LONGEST_WAIT {
            self.settle().await;
            return Err(Busy { until: after(now, wait) });
        }
        Ok(())
    }
}

#[async_trait]
impl Permits for Errand {
    async fn permit(&mut self, url: &Url) -> Result<&mut Permit, Busy> {
        let host = self.context.roster().host_of(url).ok_or(Busy { until: Timestamp::MAX })?;
        if *self.home.host() == host {
            return Ok(&mut self.home);
        }
        if !self.lent.iter().any(|lent| lent.turn.host == host) {
            self.borrow_host(&host).await?;
        }
        let lent = self.lent.iter_mut().find(|lent| lent.turn.host == host);
        lent.map(|lent| &mut lent.permit).ok_or(Busy { until: Timestamp::MAX })
    }
}

/// When a lease that was asked for at `asked_at` is over for certain, less a margin for the way.
pub(crate) fn deadline(asked_at: Instant, lease: Duration) -> Instant {
    asked_at + lease.saturating_sub(Duration::from_millis(250))
}

pub(crate) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// A permit for the host of a turn.
pub(crate) fn permit_of(turn: &Turn, now: Timestamp, deadline: Deadline) -> Permit {
    let wait = Duration::try_from(turn.next_allowed_at.duration_since(now)).unwrap_or_default();
    Permit::new(turn.host.clone(), turn.delay, wait, deadline)
}
