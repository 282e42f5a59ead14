//! The right to talk to a host: one holder, one exchange at a time, the delay between them kept.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use model::{Host, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::error::FetchError;

/// Until when a permit may be used. Whoever renews the lease moves it.
pub type Deadline = watch::Receiver<Instant>;

/// The right to talk to one host while its lease lasts.
///
/// Delay runs from the end (or abandonment) of the previous exchange to the start of the next.
#[derive(Debug)]
pub struct Permit {
    host: Host,
    /// What the host's sources ask for.
    declared: Duration,
    /// What its robots.txt asks for.
    robots: Duration,
    next_allowed: Instant,
    deadline: Deadline,
    blocked_until: Option<Timestamp>,
    exchanges: u64,
}

impl Permit {
    /// A permit for `host`: the first exchange not before `wait` has passed, then `declared` between them.
    pub fn new(host: Host, declared: Duration, wait: Duration, deadline: Deadline) -> Self {
        Self {
            host,
            declared,
            robots: Duration::ZERO,
            next_allowed: Instant::now() + wait,
            deadline,
            blocked_until: None,
            exchanges: 0,
        }
    }

    /// The same, where robots.txt asked for a delay when it was read last.
    pub fn with_robots_delay(self, robots: Duration) -> Self {
        Self { robots, ..self }
    }

    /// The host it is for.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Exchanges made under it.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// How long until the host may be asked again.
    pub fn wait_left(&self) -> Duration {
        self.next_allowed.saturating_duration_since(Instant::now())
    }

    /// What the server asked for in Retry-After, if it did.
    pub fn blocked_until(&self) -> Option<Timestamp> {
        self.blocked_until
    }

    /// The delay kept between exchanges: the longer of what sources and robots.txt ask for.
    pub fn delay(&self) -> Duration {
        self.declared.max(self.robots)
    }

    /// The delay that robots.txt asks for.
    pub fn robots_delay(&self) -> Duration {
        self.robots
    }

    /// Robots.txt asks for this delay. A longer one holds from the last exchange on. True: it is news.
    pub(super) fn follow_robots(&mut self, robots: Duration) -> bool {
        let before = self.delay();
        let is_news = robots != self.robots;
        self.robots = robots;
        if self.exchanges > 0 {
            self.next_allowed += self.delay().saturating_sub(before);
        }
        is_news
    }

    /// Keeps this delay from now on, at least.
    pub fn slow_to(&mut self, delay: Duration) {
        self.declared = self.declared.max(delay);
    }

    /// Leaves the host alone until then: it said so, in whatever way.
    pub fn block_until(&mut self, until: Timestamp) {
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    /// Waits for the host's delay. Fails when the lease would not outlast the wait and `exchange`.
    pub(super) async fn ready(&mut self, exchange: Duration) -> Result<(), FetchError> {
        loop {
            let now = Instant::now();
            let start = self.next_allowed.max(now);
            let deadline = *self.deadline.borrow_and_update();
            if start + exchange <= deadline {
                if start == now {
                    return Ok(());
                }
                // Looked at again afterwards: who sleeps may oversleep, and the lease with it.
                sleep_until(start).await;
                continue;
            }
            // The lease may be renewed while we wait for our turn; past its end we are nobody.
            if deadline <= now + exchange {
                return Err(FetchError::LeaseEnds);
            }
            tokio::select! {
                changed = self.deadline.changed() => if changed.is_err() { return Err(FetchError::LeaseEnds) },
                () = sleep_until(deadline - exchange) => (),
            }
        }
    }

    pub(super) fn exchange_ended(&mut self) {
        self.exchanges += 1;
        self.next_allowed = Instant::now() + self.delay();
    }
}

/// The permit is somebody else's now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// When to ask again.
    pub until: Timestamp,
}

/// Hands out permits: the door asks for one before each hop.
#[async_trait]
pub trait Permits: Send {
    /// The permit for the host of `url`, or who-knows-when.
    async fn permit(&mut self, url: &Url) -> Result<&mut Permit, Busy>;

    /// Robots.txt asks for another delay than it did: whoever outlives this visit should know.
    async fn delay_changed(&mut self, _url: &Url) {}

    /// A wait for a host's delay begins: what is scarce should not be held meanwhile.
    fn resign(&mut self) {}

    /// Everything else is ready for an exchange: takes the right to have its body in memory.
    async fn admit(&mut self) {}
}

/// Permits for a single visit by hand: any host of the way, each with its delay, nothing remembered.
#[derive(Debug)]
pub struct OneVisit {
    delay: Duration,
    lease: watch::Sender<Instant>,
    permits: HashMap<Host, Permit>,
}

impl OneVisit {
    /// A visit that keeps `delay` between exchanges with any one host, for at most a day. NoObserver remembers
    /// when a host was asked last, so the delay is kept before the first exchange, too.
    pub fn new(delay: Duration) -> Self {
        let lease = watch::Sender::new(Instant::now() + Duration::from_secs(24 * 3600));
        Self { delay, lease, permits: HashMap::new() }
    }
}

#[async_trait]
impl Permits for OneVisit {
    async fn permit(&mut self, url: &Url) -> Result<&mut Permit, Busy> {
        let host = Host::of(url).ok_or(Busy { until: Timestamp::MAX })?;
        let fresh = || Permit::new(host.clone(), self.delay, self.delay, self.lease.subscribe());
        Ok(self.permits.entry(host.clone()).or_insert_with(fresh))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(delay: u64, lease: u64) -> (Permit, watch::Sender<Instant>) {
        let sender = watch::Sender::new(Instant::now() + Duration::from_secs(lease));
        let host = Host::of(&Url::parse("http://a.kz").unwrap()).unwrap();
        (Permit::new(host, Duration::from_secs(delay), Duration::ZERO, sender.subscribe()), sender)
    }

    const EXCHANGE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn the_delay_runs_from_the_end_of_an_exchange() {
        let (mut permit, _lease) = permit(5, 1000);
        permit.ready(EXCHANGE).await.unwrap();
        tokio::time::advance(Duration::from_secs(7)).await; // the exchange itself
        permit.exchange_ended();
        let ended = Instant::now();
        permit.ready(EXCHANGE).await.unwrap();
        assert_eq!(ended.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_crawl_delay_holds_at_once() {
        let (mut permit, _lease) = permit(1, 1000);
        permit.exchange_ended();
        assert!(permit.follow_robots(Duration::from_secs(20)));
        let ended = Instant::now();
        permit.ready(EXCHANGE).await.unwrap();
        assert_eq!(ended.elapsed(), Duration::from_secs(20));
        assert!(!permit.follow_robots(Duration::from_secs(20)));
        permit.follow_robots(Duration::ZERO);
        assert_eq!(permit.delay(), Duration::from_secs(1), "robots.txt may take it back");
    }

    #[tokio::test(start_paused = true)]
    async fn no_exchange_begins_that_the_lease_may_not_outlast() {
        let (mut permit, lease) = permit(1, 25);
        permit.ready(EXCHANGE).await.unwrap();
        tokio::time::advance(Duration::from_secs(14)).await;
        permit.exchange_ended();
        permit.ready(EXCHANGE).await.unwrap(); // 15 + 10 = 25: just fits
        permit.exchange_ended();
        assert!(matches!(permit.ready(EXCHANGE).await, Err(FetchError::LeaseEnds)));
        lease.send_replace(Instant::now() + Duration::from_secs(60));
        permit.ready(EXCHANGE).await.unwrap();
    }

    /// A process that is stopped, or a machine that sleeps, in the middle of a delay.
    #[tokio::test(start_paused = true)]
    async fn who_oversleeps_the_lease_asks_nothing() {
        let (mut permit, _lease) = permit(5, 60);
        permit.exchange_ended();
        let waiting = permit.ready(EXCHANGE);
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("the delay has not passed"),
            () = std::future::ready(()) => (),
        }
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(matches!(waiting.await, Err(FetchError::LeaseEnds)));
    }
}
