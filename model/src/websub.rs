//! WebSub (W3C Recommendation, 2018): subscriptions at hubs, and the documents that hubs deliver.

use std::time::Duration;

use url::Url;

use crate::{Name, Source, Timestamp};

/// A hub that a document advertises. The hub delivers new content of the document to its subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubOffer {
    /// The address for subscription requests.
    pub hub: Url,
    /// The document's topic URL at the hub, exactly as the publisher writes it: hubs compare it byte by byte.
    pub topic_url: String,
}

/// The secret with which a hub signs the documents that it delivers. Never logged or displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct HubSecret(pub String);

impl std::fmt::Debug for HubSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A subscription to a source at a hub, with its state and statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// The subscribed source.
    pub source: Name,
    /// The source's address at the time of the subscription. The subscription does not apply to another address.
    pub source_url: Url,
    /// The unguessable identifier in the callback address.
    pub id: String,
    /// The base of the callback address, which precedes the identifier.
    pub base: Url,
    /// The hub and the topic URL.
    pub offer: HubOffer,
    /// The secret for signatures.
    pub secret: HubSecret,
    /// The time of the last subscription request.
    pub asked_at: Timestamp,
    /// The time of the next subscription request.
    pub renew_at: Timestamp,
    /// The end of the subscription, as confirmed by the hub's verification request; `None` without confirmation.
    pub lease_until: Option<Timestamp>,
    /// The reason for a missing or denied subscription, if known.
    pub refused: Option<String>,
    /// The credit of the hub: delivered new entries since its last miss, minus [`Self::MISS_PENALTY`] per missed entry.
    pub credit: i64,
    /// The number of delivered documents.
    pub pushes: u64,
    /// The number of new entries in the delivered documents.
    pub entries: u64,
    /// The number of missed entries: new entries that a poll found minutes after their publication.
    pub missed: u64,
    /// The estimated number of polls that the subscription has made unnecessary.
    pub polls_saved: f64,
    /// The number of documents that wait to be read.
    pub waiting: u64,
}

impl Subscription {
    /// Upper bound on waiting documents per source. Further documents are rejected; the hub retries later.
    pub const MAX_WAITING_DOCUMENTS: usize = 20;
    /// The requested lease duration. The hub decides on the actual duration.
    pub const REQUESTED_LEASE: Duration = Duration::from_secs(10 * 86_400);
    /// Upper bound on the lease duration that a hub may confirm.
    pub const MAX_LEASE: Duration = Duration::from_secs(30 * 86_400);
    /// Credit lost per missed entry. The hub must deliver this many new entries to make up for one miss.
    pub const MISS_PENALTY: i64 = 10;
    /// Upper bound on the absolute value of the credit.
    pub const MAX_CREDIT: i64 = 100;
    /// Delay before the next request to a hub that did not respond or denied the subscription. Also the minimum delay
    /// before a request to another hub that the source advertises.
    pub const RETRY_DELAY: Duration = Duration::from_secs(86_400);
    /// The time of the next request to a hub that the source no longer advertises: never, unless it advertises the hub
    /// again. Every store can represent this time.
    pub const NEVER: Timestamp = Timestamp::constant(4_102_444_800, 0);
    /// Maximum attempts to read a document. A document that keeps crashing its reader is then dropped.
    pub const MAX_READ_ATTEMPTS: u32 = 3;
    /// Minimum delay between two subscription requests to a hub.
    const MIN_RENEWAL_DELAY: Duration = Duration::from_secs(300);
    /// Maximum time between a subscription request and the hub's verification request.
    const VERIFICATION_TIMEOUT: Duration = Duration::from_secs(86_400);

    /// Returns an unconfirmed subscription, to be requested from the hub.
    pub fn new(
        source: &Source,
        offer: HubOffer,
        base: Url,
        (id, secret): (String, HubSecret),
        now: Timestamp,
    ) -> Self {
        Self {
            source: source.name.clone(),
            source_url: source.url.clone(),
            id,
            base,
            offer,
            secret,
            asked_at: now,
            renew_at: add(now, Self::RETRY_DELAY),
            lease_until: None,
            refused: None,
            credit: 0,
            pushes: 0,
            entries: 0,
            missed: 0,
            polls_saved: 0.0,
            waiting: 0,
        }
    }

    /// Returns the subscription after a renewal request at `now`. If the hub does not respond, the request is repeated
    /// before the lease ends.
    pub fn renewed(self, now: Timestamp) -> Self {
        let lease_until = self.lease_until.filter(|until| *until > now);
        let wait = lease_until.map_or(Self::RETRY_DELAY, |until| elapsed(now, until) * 2 / 3);
        let wait = wait.clamp(Self::MIN_RENEWAL_DELAY, Self::RETRY_DELAY);
        Self { asked_at: now, renew_at: add(now, wait), ..self }
    }

    /// Returns the time to renew a lease that ends at `until`: after two thirds of its duration.
    pub fn renewed_at(&self, until: Timestamp) -> Timestamp {
        if self.renew_at == Self::NEVER {
            return Self::NEVER;
        }
        add(self.asked_at, (elapsed(self.asked_at, until) * 2 / 3).max(Self::MIN_RENEWAL_DELAY))
    }

    /// Returns true if the hub has confirmed the subscription and the lease has not ended.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    /// Returns true if the hub is reliable enough to slow down polling: the subscription is active and its credit is
    /// positive.
    pub fn is_reliable(&self, now: Timestamp) -> bool {
        self.credit > 0 && self.is_active(now)
    }

    /// Returns true if a verification request at `now` is plausible: the last subscription request is recent.
    pub fn accepts_verification(&self, now: Timestamp) -> bool {
        elapsed(self.asked_at, now) <= Self::VERIFICATION_TIMEOUT
    }

    /// Returns the credit after further delivered and missed entries. A miss cancels positive credit.
    pub fn credit_after(credit: i64, delivered: u64, missed: u64) -> i64 {
        let capped = |count: u64| i64::try_from(count).unwrap_or(Self::MAX_CREDIT).min(Self::MAX_CREDIT);
        let base = if missed > 0 { credit.min(0) } else { credit };
        let credit = base + capped(delivered) - Self::MISS_PENALTY * capped(missed);
        credit.clamp(-Self::MAX_CREDIT, Self::MAX_CREDIT)
    }
}

fn add(at: Timestamp, wait: Duration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    crate::elapsed(from, to)
}

/// A document that a hub delivered and that waits to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSubDocument {
    /// The identifier, in order of arrival.
    pub id: i64,
    /// The source.
    pub source: Name,
    /// The time of arrival.
    pub at: Timestamp,
    /// The `Content-Type` field.
    pub content_type: Option<String>,
    /// The document.
    pub body: Vec<u8>,
    /// The number of attempts to read the document, including the current one.
    pub tries: u32,
}

/// Increments of a subscription's counters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SubscriptionDelta {
    /// New entries that the hub delivered.
    pub entries: u64,
    /// New entries that the hub missed.
    pub missed: u64,
    /// Polls saved; see [`Subscription::polls_saved`].
    pub polls_saved: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn subscription() -> Subscription {
        let offer =
            HubOffer { hub: "https://hub.kz/".parse().unwrap(), topic_url: "https://a.kz/".to_owned() };
        let source =
            Source::new(Name::new("s").unwrap(), crate::SourceKind::Feed, "https://a.kz/".parse().unwrap());
        let base = "https://push.kz/".parse().unwrap();
        Subscription::new(&source, offer, base, ("i".into(), HubSecret("tölem".to_owned())), at(0))
    }

    #[test]
    fn subscriptions_are_renewed_before_the_lease_ends() {
        let new = subscription();
        assert_eq!(new.renew_at, at(24 * HOUR));
        assert!(new.accepts_verification(at(HOUR)) && !new.accepts_verification(at(25 * HOUR)));
        assert!(!new.is_active(at(0)));
        assert_eq!(new.renewed_at(at(240 * HOUR)), at(160 * HOUR));
        assert_eq!(new.renewed_at(at(60)), at(300));
        for (lease, now, expected) in [
            (None, 5, 5 + 24 * HOUR),
            (Some(240 * HOUR), 160 * HOUR, 184 * HOUR),
            (Some(240 * HOUR), 237 * HOUR, 239 * HOUR),
            (Some(240 * HOUR), 241 * HOUR, 265 * HOUR),
        ] {
            let subscription = Subscription { lease_until: lease.map(at), ..new.clone() };
            assert_eq!(subscription.renewed(at(now)).renew_at, at(expected), "{lease:?} at {now}");
        }
        assert!(!format!("{new:?}").contains("tölem"));
    }

    /// A delivered entry adds one; a missed entry subtracts ten and cancels positive credit.
    #[test]
    fn missed_entries_cost_a_hub_its_credit() {
        for (credit, delivered, missed, expected) in [
            (0, 1, 0, 1),
            (0, 0, 0, 0),
            (50, 0, 1, -10),
            (-10, 10, 0, 0),
            (-10, 11, 0, 1),
            (-95, 0, 3, -100),
            (99, 5, 0, 100),
            (0, u64::MAX, u64::MAX, -100),
        ] {
            assert_eq!(
                Subscription::credit_after(credit, delivered, missed),
                expected,
                "{credit} {delivered} {missed}"
            );
        }
    }
}
