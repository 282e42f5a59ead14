//! The result of one attempt to read a source: in the declared way, or through a fallback.

use model::{Harvest, HubOffer, Planned, PollOutcome};

/// The result of reading the source in one way. It is stored and settled, or followed by an attempt in another way.
pub(crate) struct Attempt {
    pub(crate) harvest: Harvest,
    pub(crate) outcome: PollOutcome,
    /// New jobs to plan.
    pub(crate) jobs: Vec<Planned>,
    /// The hub that the source advertises.
    pub(crate) offer: Offer,
    /// The number of new entries that were published too long ago for a working hub, or at an unknown time.
    pub(crate) late: u64,
    /// Set when the lease expired before the response arrived.
    pub(crate) is_interrupted: bool,
}

impl Attempt {
    pub(crate) fn without_jobs(harvest: Harvest, outcome: PollOutcome) -> Self {
        Self { harvest, outcome, jobs: Vec::new(), offer: Offer::Unknown, late: 0, is_interrupted: false }
    }
}

/// The hub that a poll found advertised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Offer {
    /// The poll read no document that would advertise a hub.
    #[default]
    Unknown,
    /// The source advertises no hub.
    None,
    /// The source advertises this hub.
    Hub(HubOffer),
}
