//! Being told instead of asking: subscriptions at hubs (WebSub, W3C 2018), and what hubs push.

use std::time::Duration;

use url::Url;

use crate::{Name, Timestamp};

/// A hub that a document offers, which tells whoever asks for it what is new in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubOffer {
    /// Where the hub is asked.
    pub hub: Url,
    /// What the document is called there.
    pub topic_url: Url,
}

/// What a hub signs with what it pushes. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HubSecret(pub String);

impl std::fmt::Debug for HubSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// That a hub was asked to tell what is new in a source, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// Of which source.
    pub source: Name,
    /// What it is called in the address that the hub calls: nobody can guess it.
    pub id: String,
    /// Which hub, and for what.
    pub offer: HubOffer,
    /// What it signs with.
    pub secret: HubSecret,
    /// When it was asked last.
    pub asked_at: Timestamp,
    /// The hub asked back, and tells until then.
    pub lease_until: Option<Timestamp>,
    /// Why it does not, in its words.
    pub refused: Option<String>,
    /// What came out last came by it: polls may be slow.
    pub is_trusted: bool,
    /// Documents that it pushed.
    pub pushes: u64,
    /// New entries in these.
    pub entries: u64,
    /// New entries that polls found, minutes after they came out.
    pub missed: u64,
    /// Polls that were not made, since it would have told.
    pub polls_saved: f64,
}

impl Subscription {
    /// Documents of one source that wait to be read, at most: a hub tries again later.
    pub const MOST_WAITING: usize = 20;
    /// How long a hub is asked to tell; it decides.
    pub const LEASE: Duration = Duration::from_secs(10 * 86_400);
    /// Bounds of what it may decide.
    pub const LEASES: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(30 * 86_400));
    /// A hub that did not answer, or refused, is asked again after this.
    const RETRY: Duration = Duration::from_secs(86_400);
    /// And one that let a renewal pass.
    const RENEWALS: Duration = Duration::from_secs(3600);
    /// It asks back within this time, or not at all.
    const VERIFIED_WITHIN: Duration = Duration::from_secs(86_400);

    /// One that a hub is to be asked for.
    pub fn new(source: Name, offer: HubOffer, id: String, secret: HubSecret, now: Timestamp) -> Self {
        Self {
            source,
            id,
            offer,
            secret,
            asked_at: now,
            lease_until: None,
            refused: None,
            is_trusted: false,
            pushes: 0,
            entries: 0,
            missed: 0,
            polls_saved: 0.0,
        }
    }

    /// Whether the hub tells what is new.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    /// Whether polls may be slow: it tells, and what came out last came by it.
    pub fn is_relied_on(&self, now: Timestamp) -> bool {
        self.is_trusted && self.is_active(now)
    }

    /// When the hub is asked again: for the first time, or anew after two thirds of what is left.
    pub fn asked_again_at(&self, now: Timestamp) -> Timestamp {
        let later = |wait| self.asked_at.saturating_add(wait).unwrap_or(Timestamp::MAX);
        match self.lease_until.filter(|until| *until > now) {
            None => later(Self::RETRY),
            Some(until) => {
                let left = Duration::try_from(until.duration_since(self.asked_at)).unwrap_or_default();
                // A short lease cannot wait for an hour.
                later((left * 2 / 3).max(Self::RENEWALS.min(left / 3)))
            }
        }
    }

    /// Whether a hub that asks back now may do so: it was asked not long ago.
    pub fn may_be_verified(&self, now: Timestamp) -> bool {
        let since = Duration::try_from(now.duration_since(self.asked_at)).unwrap_or_default();
        since <= Self::VERIFIED_WITHIN
    }
}

/// A document that a hub pushed, and nobody has read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// In the order of arrival.
    pub id: i64,
    /// Of which source.
    pub source: Name,
    /// When it came.
    pub at: Timestamp,
    /// The `Content-Type` field.
    pub content_type: Option<String>,
    /// The document.
    pub body: Vec<u8>,
}

/// What reading told of a subscription: added to what is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PushNews {
    /// See [`Subscription::is_trusted`].
    pub is_trusted: bool,
    /// See [`Subscription::entries`].
    pub entries: u64,
    /// See [`Subscription::missed`].
    pub missed: u64,
    /// See [`Subscription::polls_saved`].
    pub polls_saved: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn hubs_are_asked_again_before_they_stop() {
        let offer =
            HubOffer { hub: "https://hub.kz/".parse().unwrap(), topic_url: "https://a.kz/".parse().unwrap() };
        let secret = HubSecret("tölem".to_owned());
        let new = Subscription::new(Name::new("s").unwrap(), offer, "i".into(), secret, at(0));
        for (lease, now, expected) in [
            (None, 0, 24 * HOUR),
            (Some(240 * HOUR), 0, 160 * HOUR),
            (Some(240 * HOUR), 241 * HOUR, 24 * HOUR),
            (Some(600), 0, 400),
        ] {
            let known = Subscription { lease_until: lease.map(at), ..new.clone() };
            assert_eq!(known.asked_again_at(at(now)), at(expected), "{lease:?} at {now}");
            assert_eq!(known.is_active(at(now)), lease.is_some_and(|lease| lease > now));
        }
        assert!(new.may_be_verified(at(HOUR)) && !new.may_be_verified(at(25 * HOUR)));
        assert!(!format!("{new:?}").contains("tölem"));
    }
}
