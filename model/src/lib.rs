//! The vocabulary of Qyran: sources, topics, items, matches, hosts, jobs. No I/O, no async, no clocks.
//!
//! Every other crate speaks in these words and in no others. The three types that matter:
//! [`Source`] (something that publishes), [`Item`] (one publication as read) and [`Topic`] (a
//! monitoring request). An item that matched at least one topic is a *material*; the pair is a
//! [`Match`].
//!
//! What is not here: how anything is fetched, read, matched, scheduled or stored.

mod adapter;
mod article_pages;
mod backfill;
mod cadence;
mod canonical;
mod client;
mod harvest;
mod health;
mod host;
mod incident;
mod item;
mod job;
mod likeness;
mod list;
mod name;
mod pointers;
mod post;
mod push;
mod reservation;
mod rhythm;
mod shown;
mod source;
mod time;
mod topic;

pub use adapter::{Adapter, StandIn};
pub use article_pages::{ArticlePages, SeenPage};
pub use backfill::Backfill;
pub use cadence::Pace;
pub use canonical::{canonical_url, same_site};
pub use client::Client;
pub use harvest::{Entry, FetchRecord, FetchStatus, Finding, Harvest, PageWork, SourceNews, Validators};
pub use health::{Failure, FailureWeight, SourceState, Standing};
pub use host::Host;
pub use incident::{HostHealth, HostIncident, Incident};
pub use item::{Item, ItemKey, Match, Precision, Published, PublishedMethod, Span, Zone, excerpt_around};
pub use job::{Job, JobId, JobKind, Planned, Settlement, Tenant, Token, Turn};
pub use likeness::{Alike, Kinship, Likeness, Originality, Sight};
pub use list::List;
pub use name::{Name, NameError};
pub use pointers::Pointers;
pub use post::{Post, PostKind};
pub use push::{HubOffer, HubSecret, Push, PushNews, Subscription};
pub use reservation::Reservation;
pub use rhythm::Rhythm;
pub use shown::{Showing, Shown};
pub use source::{ArticleMode, Category, Every, Rights, Selectors, Source, SourceKind, Watch, is_template};
pub use time::{Clock, SystemClock, TestClock, Timestamp, rfc3339};
pub use topic::{Tag, Topic};
