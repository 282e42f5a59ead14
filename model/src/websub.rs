//! Being told instead of asking: subscriptions at hubs (WebSub, W3C 2018), and what hubs push.

use std::time::Duration;

use url::Url;

use crate::{Name, Source, Timestamp};

/// A hub that a document offers, which tells whoever asks for it what is new in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubOffer {
    /// Where the hub is asked.
    pub hub: Url,
    /// What the document is called there: letter by letter as its publisher writes it, since hubs compare letters.
    pub topic_url: String,
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
    /// Where that was read: of one that is read elsewhere it tells nothing.
    pub source_url: Url,
    /// What it is called in the address that the hub calls: nobody can guess it.
    pub id: String,
    /// What stands before that in the address.
    pub base: Url,
    /// Which hub, and for what.
    pub offer: HubOffer,
    /// What it signs with.
    pub secret: HubSecret,
    /// When it was asked last.
    pub asked_at: Timestamp,
    /// When it is asked again.
    pub ask_again_at: Timestamp,
    /// The hub asked back, and tells until then.
    pub lease_until: Option<Timestamp>,
    /// Why it does not, in its words.
    pub refused: Option<String>,
    /// New entries that it told of since it missed one, less [`Self::A_MISS`] for each that it missed.
    pub credit: i64,
    /// Documents that it pushed.
    pub pushes: u64,
    /// New entries in these.
    pub entries: u64,
    /// New entries that polls found, minutes after they came out.
    pub missed: u64,
    /// Polls that were not made, since it would have told.
    pub polls_saved: f64,
    /// Documents that wait to be read.
    pub waiting: u64,
}

impl Subscription {
    /// Documents of one source that wait to be read, at most: a hub tries again later.
    pub const MOST_WAITING: usize = 20;
    /// How long a hub is asked to tell; it decides.
    pub const LEASE: Duration = Duration::from_secs(10 * 86_400);
    /// It may decide on this at most.
    pub const LONGEST_LEASE: Duration = Duration::from_secs(30 * 86_400);
    /// A hub that missed an entry is relied on again when it told of so many, for each that it missed.
    pub const A_MISS: i64 = 10;
    /// More is not held against it, nor counted for it.
    pub const MOST_CREDIT: i64 = 100;
    /// A hub that did not answer, or refused, is asked again after this; one that it is too early to ask again as well.
    pub const RETRY: Duration = Duration::from_secs(86_400);
    /// A hub that is offered no more is not asked again, unless it is offered once more. (A moment that every store can keep.)
    pub const NEVER: Timestamp = Timestamp::constant(4_102_444_800, 0);
    /// How often a document is begun to be read, at most: one that crashes its reader is dropped then.
    pub const MOST_TRIES: u32 = 3;
    /// No hub is asked more often.
    const SOONEST: Duration = Duration::from_secs(300);
    /// It asks back within this time, or not at all.
    const VERIFIED_WITHIN: Duration = Duration::from_secs(86_400);

    /// One that a hub is to be asked for.
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
            ask_again_at: later(now, Self::RETRY),
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

    /// The same, asked for once more. Where no answer comes it is asked again while there is time.
    pub fn asked_again(self, now: Timestamp) -> Self {
        let left = self.lease_until.filter(|until| *until > now);
        let left = left.map_or(Self::RETRY, |until| since(now, until) * 2 / 3);
        Self { asked_at: now, ask_again_at: later(now, left.clamp(Self::SOONEST, Self::RETRY)), ..self }
    }

    /// When a hub that tells until then is asked again: after two thirds of it.
    pub fn renewed_at(&self, until: Timestamp) -> Timestamp {
        if self.ask_again_at == Self::NEVER {
            return Self::NEVER;
        }
        later(self.asked_at, (since(self.asked_at, until) * 2 / 3).max(Self::SOONEST))
    }

    /// Whether the hub tells what is new.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    /// Whether polls may be slow: it tells, and told of what came out last.
    pub fn is_relied_on(&self, now: Timestamp) -> bool {
        self.credit > 0 && self.is_active(now)
    }

    /// Whether a hub that asks back now may do so: it was asked not long ago.
    pub fn may_be_verified(&self, now: Timestamp) -> bool {
        since(self.asked_at, now) <= Self::VERIFIED_WITHIN
    }

    /// The credit after so many entries more that it told of, or missed.
    pub fn credit_after(credit: i64, told: u64, missed: u64) -> i64 {
        let count = |count: u64| i64::try_from(count).unwrap_or(Self::MOST_CREDIT).min(Self::MOST_CREDIT);
        let before = if missed > 0 { credit.min(0) } else { credit };
        (before + count(told) - Self::A_MISS * count(missed)).clamp(-Self::MOST_CREDIT, Self::MOST_CREDIT)
    }
}

fn later(at: Timestamp, wait: Duration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn since(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// A document that a hub pushed, and nobody has read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSubDocument {
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
    /// How often its reading was begun, this time included.
    pub tries: u32,
}

/// What reading told of a subscription: added to what is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SubscriptionDelta {
    /// New entries that the hub told of.
    pub entries: u64,
    /// New entries that it did not tell of.
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

    fn subscription() -> Subscription {
        let offer =
            HubOffer { hub: "https://hub.kz/".parse().unwrap(), topic_url: "https://a.kz/".to_owned() };
        let source =
            Source::new(Name::new("s").unwrap(), crate::SourceKind::Feed, "https://a.kz/".parse().unwrap());
        let base = "https://push.kz/".parse().unwrap();
        Subscription::new(&source, offer, base, ("i".into(), HubSecret("tölem".to_owned())), at(0))
    }

    #[test]
    fn hubs_are_asked_again_before_they_stop() {
        let new = subscription();
        assert_eq!(new.ask_again_at, at(24 * HOUR));
        assert!(new.may_be_verified(at(HOUR)) && !new.may_be_verified(at(25 * HOUR)));
        assert!(!new.is_active(at(0)));
        assert_eq!(new.renewed_at(at(240 * HOUR)), at(160 * HOUR));
        assert_eq!(new.renewed_at(at(60)), at(300));
        for (lease, now, expected) in [
            (None, 5, 5 + 24 * HOUR),
            (Some(240 * HOUR), 160 * HOUR, 184 * HOUR),
            (Some(240 * HOUR), 237 * HOUR, 239 * HOUR),
            (Some(240 * HOUR), 241 * HOUR, 265 * HOUR),
        ] {
            let known = Subscription { lease_until: lease.map(at), ..new.clone() };
            assert_eq!(known.asked_again(at(now)).ask_again_at, at(expected), "{lease:?} at {now}");
        }
        assert!(!format!("{new:?}").contains("tölem"));
    }

    /// By hand: an entry told is one, an entry missed is ten less, and takes what was gathered before.
    #[test]
    fn a_hub_that_misses_much_is_not_relied_on() {
        for (before, told, missed, expected) in [
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
                Subscription::credit_after(before, told, missed),
                expected,
                "{before} {told} {missed}"
            );
        }
    }
}
