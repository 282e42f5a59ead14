//! The right to send requests to a host: one holder, one exchange at a time, with a delay between exchanges.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use model::{Host, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::error::FetchError;

/// The time at which a permit expires. The task that renews the host's lease updates it.
pub type Deadline = watch::Receiver<Instant>;

/// The right to send requests to one host until its lease ends.
///
/// The delay runs from the end (or cancellation) of an exchange to the start of the next one.
#[derive(Debug)]
pub struct Permit {
    host: Host,
    /// The delay that the host's sources declare.
    declared_delay: Duration,
    /// The delay that the host's robots.txt declares (`Crawl-delay`).
    robots_delay: Duration,
    /// The earliest start of the next exchange.
    next_allowed: Instant,
    deadline: Deadline,
    /// The end of a pause that the server requested.
    blocked_until: Option<Timestamp>,
    /// The number of exchanges so far.
    exchanges: u64,
}

impl Permit {
    /// Creates a permit for `host`. The first exchange starts after `wait`; later ones keep `declared_delay` between
    /// them.
    pub fn new(host: Host, declared_delay: Duration, wait: Duration, deadline: Deadline) -> Self {
        Self {
            host,
            declared_delay,
            robots_delay: Duration::ZERO,
            next_allowed: Instant::now() + wait,
            deadline,
            blocked_until: None,
            exchanges: 0,
        }
    }

    /// Sets the delay that the last version of robots.txt declared.
    pub fn with_robots_delay(self, robots_delay: Duration) -> Self {
        Self { robots_delay, ..self }
    }

    /// Returns the host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the number of exchanges so far.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Returns the time until the next exchange may start.
    pub fn remaining_wait(&self) -> Duration {
        self.next_allowed.saturating_duration_since(Instant::now())
    }

    /// Returns the end of the pause that the server requested (`Retry-After`), if any.
    pub fn blocked_until(&self) -> Option<Timestamp> {
        self.blocked_until
    }

    /// Returns the delay between exchanges: the longer of the sources' delay and the delay of robots.txt.
    pub fn delay(&self) -> Duration {
        self.declared_delay.max(self.robots_delay)
    }

    /// Returns the delay that robots.txt declares.
    pub fn robots_delay(&self) -> Duration {
        self.robots_delay
    }

    /// Sets the delay that robots.txt declares. A longer delay also applies to the time since the last exchange.
    /// Returns true if the delay has changed.
    pub(super) fn set_robots_delay(&mut self, robots_delay: Duration) -> bool {
        let previous = self.delay();
        let is_changed = robots_delay != self.robots_delay;
        self.robots_delay = robots_delay;
        if self.exchanges > 0 {
            self.next_allowed += self.delay().saturating_sub(previous);
        }
        is_changed
    }

    /// Raises the delay to at least `delay` for all later exchanges.
    pub fn raise_delay(&mut self, delay: Duration) {
        self.declared_delay = self.declared_delay.max(delay);
    }

    /// Blocks the host until `until`, since the server requested a pause.
    pub fn block_until(&mut self, until: Timestamp) {
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    /// Waits for the host's delay. Fails with [`FetchError::LeaseExpired`] if an exchange of `max_exchange` could end
    /// after the lease.
    pub(super) async fn ready(&mut self, max_exchange: Duration) -> Result<(), FetchError> {
        loop {
            let now = Instant::now();
            let start = self.next_allowed.max(now);
            let deadline = *self.deadline.borrow_and_update();
            if start + max_exchange <= deadline {
                if start == now {
                    return Ok(());
                }
                // Check the deadline again after the sleep: the sleep may take longer than the lease lasts.
                sleep_until(start).await;
                continue;
            }
            // The lease may be renewed during the wait. Without a renewal the permit is no longer valid.
            if deadline <= now + max_exchange {
                return Err(FetchError::LeaseExpired);
            }
            tokio::select! {
                changed = self.deadline.changed() => if changed.is_err() { return Err(FetchError::LeaseExpired) },
                () = sleep_until(deadline - max_exchange) => (),
            }
        }
    }

    /// Records the end of an exchange. The delay starts now.
    pub(super) fn exchange_ended(&mut self) {
        self.exchanges += 1;
        self.next_allowed = Instant::now() + self.delay();
    }
}

/// The error of an unavailable permit: another turn holds the host, or the host is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitUnavailable {
    /// The time of the next attempt.
    pub until: Timestamp,
}

/// A provider of permits. The door gets a permit from it before each hop.
#[async_trait]
pub trait Permits: Send {
    /// Returns the permit for the host of `url`. Fails with [`PermitUnavailable`] if the permit is not available now.
    async fn permit(&mut self, url: &Url) -> Result<&mut Permit, PermitUnavailable>;

    /// Called when the delay that robots.txt declares has changed, so that the provider can store it beyond this
    /// visit.
    async fn robots_delay_changed(&mut self, _url: &Url) {}

    /// Called before the wait for a host's delay. Releases the credit for a body in memory, which would be idle
    /// during the wait.
    fn release_credit(&mut self) {}

    /// Called when an exchange is otherwise ready to start. Acquires the credit for a body in memory, and waits
    /// until one is available.
    async fn acquire_credit(&mut self) {}
}

/// Permits for a single manual visit: available for every host, with a delay per host, not shared with other
/// processes.
#[derive(Debug)]
pub struct ManualVisitPermits {
    delay: Duration,
    lease: watch::Sender<Instant>,
    permits: HashMap<Host, Permit>,
}

impl ManualVisitPermits {
    /// Creates a visit with `delay` between the exchanges with a host. The permits expire after a day.
    ///
    /// The time of the last exchange with a host is unknown, so the delay also applies before the first exchange.
    pub fn new(delay: Duration) -> Self {
        let lease = watch::Sender::new(Instant::now() + Duration::from_secs(24 * 3600));
        Self { delay, lease, permits: HashMap::new() }
    }
}

#[async_trait]
impl Permits for ManualVisitPermits {
    async fn permit(&mut self, url: &Url) -> Result<&mut Permit, PermitUnavailable> {
        let host = Host::from_url(url).ok_or(PermitUnavailable { until: Timestamp::MAX })?;
        let new_permit = || Permit::new(host.clone(), self.delay, self.delay, self.lease.subscribe());
        Ok(self.permits.entry(host.clone()).or_insert_with(new_permit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(delay: u64, lease: u64) -> (Permit, watch::Sender<Instant>) {
        let sender = watch::Sender::new(Instant::now() + Duration::from_secs(lease));
        let host = Host::from_url(&Url::parse("http://a.kz").unwrap()).unwrap();
        (Permit::new(host, Duration::from_secs(delay), Duration::ZERO, sender.subscribe()), sender)
    }

    const MAX_EXCHANGE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn the_delay_runs_from_the_end_of_an_exchange() {
        let (mut permit, _lease) = permit(5, 1000);
        permit.ready(MAX_EXCHANGE).await.unwrap();
        tokio::time::advance(Duration::from_secs(7)).await; // the exchange itself
        permit.exchange_ended();
        let ended = Instant::now();
        permit.ready(MAX_EXCHANGE).await.unwrap();
        assert_eq!(ended.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_crawl_delay_applies_immediately() {
        let (mut permit, _lease) = permit(1, 1000);
        permit.exchange_ended();
        assert!(permit.set_robots_delay(Duration::from_secs(20)));
        let ended = Instant::now();
        permit.ready(MAX_EXCHANGE).await.unwrap();
        assert_eq!(ended.elapsed(), Duration::from_secs(20));
        assert!(!permit.set_robots_delay(Duration::from_secs(20)));
        permit.set_robots_delay(Duration::ZERO);
        assert_eq!(
            permit.delay(),
            Duration::from_secs(1),
            "the delay of robots.txt can become shorter again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_exchange_starts_that_could_outlast_the_lease() {
        let (mut permit, lease) = permit(1, 25);
        permit.ready(MAX_EXCHANGE).await.unwrap();
        tokio::time::advance(Duration::from_secs(14)).await;
        permit.exchange_ended();
        permit.ready(MAX_EXCHANGE).await.unwrap(); // 15 + 10 = 25: ends exactly with the lease
        permit.exchange_ended();
        assert!(matches!(permit.ready(MAX_EXCHANGE).await, Err(FetchError::LeaseExpired)));
        lease.send_replace(Instant::now() + Duration::from_secs(60));
        permit.ready(MAX_EXCHANGE).await.unwrap();
    }

    /// A process may be stopped, or a machine suspended, in the middle of a delay.
    #[tokio::test(start_paused = true)]
    async fn a_wait_longer_than_the_lease_fails() {
        let (mut permit, _lease) = permit(5, 60);
        permit.exchange_ended();
        let ready = permit.ready(MAX_EXCHANGE);
        tokio::pin!(ready);
        tokio::select! {
            biased;
            _ = &mut ready => panic!("the delay has not passed"),
            () = std::future::ready(()) => (),
        }
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(matches!(ready.await, Err(FetchError::LeaseExpired)));
    }
}
