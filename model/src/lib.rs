//! The vocabulary of Qyran: sources, topics, items, matches, hosts, jobs. No I/O, no async, no clocks.
//!
//! Every other crate speaks in these words and in no others. The three types that matter:
//! [`Source`] (something that publishes), [`Item`] (one publication as read) and [`Topic`] (a
//! monitoring request). An item that matched at least one topic is a *material*; the pair is a
//! [`Match`].
//!
//! What is not here: how anything is fetched, read, matched, scheduled or stored.

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
mod reservation;
mod rhythm;
mod source;
mod time;
mod topic;
mod websub;

pub use article_pages::{ArticlePages, SeenPage};
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
pub use near_duplicate::{Originality, Sight, Similarity, SimilarityKind, Sketch};
pub use page_window::{PageWindow, WindowDocument};
pub use pointers::Pointers;
pub use post::{Post, PostKind};
pub use reservation::Reservation;
pub use rhythm::Rhythm;
pub use source::{ArticleMode, Category, Every, Rights, Selectors, Source, SourceKind, Watch, is_template};
pub use time::{Clock, SystemClock, TestClock, Timestamp, rfc3339};
pub use topic::{Tag, Topic};
pub use websub::{HubOffer, HubSecret, Subscription, SubscriptionDelta, WebSubDocument};
