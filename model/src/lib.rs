//! The domain model of Qyran: sources, topics, items, matches, hosts and jobs. No I/O, no async.
//!
//! All other crates use these types. The three central ones are [`Source`] (a feed, site or channel that publishes),
//! [`Item`] (one publication) and [`Topic`] (a monitoring request). An item that matches at least one topic is a
//! *material*; a pair of topic and item is a [`Match`].
//!
//! The crate contains no fetching, parsing, matching, scheduling or storage.

mod article_pages;
mod backfill;
mod cadence;
mod canonical;
mod client;
mod fallback;
mod harvest;
mod health;
mod host;
mod incident;
mod item;
mod job;
mod list;
mod name;
mod near_duplicate;
mod page_window;
mod pointers;
mod post;
mod protection;
mod reservation;
mod rhythm;
mod source;
mod time;
mod topic;
mod websub;

pub use article_pages::{ArticlePages, PageCondition};
pub use backfill::Backfill;
pub use cadence::Pace;
pub use canonical::{canonical_url, same_site};
pub use client::Client;
pub use fallback::{ActiveFallback, Fallback};
pub use harvest::{
    Entry, FetchRecord, FetchStatus, Finding, Harvest, PageWork, PollOutcome, SourceUpdates, Validators,
};
pub use health::{Failure, FailureWeight, SourceState, Standing};
pub use host::Host;
pub use incident::{HostHealth, HostIncident, Incident};
pub use item::{Item, ItemKey, Match, Precision, Published, PublishedMethod, Span, Zone, excerpt_around};
pub use job::{Job, JobId, JobKind, Planned, Settlement, Tenant, Token, Turn};
pub use list::List;
pub use name::{Name, NameError};
pub use near_duplicate::{ItemContext, Originality, Similarity, SimilarityKind, Sketch};
pub use page_window::{PageWindow, WindowDocument};
pub use pointers::Pointers;
pub use post::{Post, PostKind};
pub use protection::{DisabledProtections, Protection};
pub use reservation::Reservation;
pub use rhythm::Rhythm;
pub use source::{
    ArticleMode, Category, Every, Rights, Selectors, Source, SourceKind, Watch, has_query_placeholder,
};
pub use time::{Clock, SystemClock, TestClock, Timestamp, after, elapsed, rfc3339};
pub use topic::{Tag, Topic};
pub use websub::{HubOffer, HubSecret, Subscription, SubscriptionDelta, WebSubDocument};
