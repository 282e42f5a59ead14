//! The running system. The only crate that knows ractor.
//!
//! ```text
//! Node ─┬─ Storage       one: saves harvests in batches, one transaction, then settles
//!       ├─ Maintenance   one: notices changed objects, matches again, retention
//!       ├─ Membership    one: says that the node is there, learns what operators ask of it
//!       └─ Dispatcher    one: claims host turns
//!             └─ HostWorker   one a leased host: owns lease, renewal, politeness permit
//!                  └─ Fetcher   one at a time: does one job of one source
//! ```
//!
//! Data goes one way: a Fetcher hands a harvest to Storage and waits until it is kept. Reading,
//! extracting and matching are plain calls on the CPU pool (`pool.rs`). Mailboxes of ractor are
//! unbounded, so an exchange needs a *credit* first, which travels with the harvest and comes back when
//! it is stored: the number of credits is the node's memory bound.
//!
//! Who restarts whom: Node restarts its children (three times a minute at most, with growing waits;
//! more often ends the node). A HostWorker that dies loses its lease with a guard gap. A Fetcher that
//! panics or makes no progress is a crash of its job; five in a row quarantine the source.
//!
//! What is not here: decisions about text, addresses or time tables; those are plain functions of
//! the crates below.

mod backfill;
mod context;
mod deletions;
mod dispatcher;
mod fallback;
mod fetcher;
mod gather;
mod health;
mod host_permits;
mod host_worker;
mod import;
mod job_run;
mod maintenance;
mod membership;
mod metrics;
mod moves;
mod node;
mod pages;
mod poll;
mod poll_outcome;
mod pool;
mod push;
mod rematch;
mod robots_memory;
mod searches;
mod snapshot;
mod storage;
mod stories;
mod subscribe;
mod tally;

#[cfg(test)]
mod availability_tests;
#[cfg(test)]
mod backfill_tests;
#[cfg(test)]
mod evidence_tests;
#[cfg(test)]
mod push_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use context::{Context, NodeConfig, Pass};
pub use health::Check;
pub use host_permits::HostPermits;
pub use import::Importer;
pub use metrics::Metrics;
pub use node::{Node, NodeError};
pub use push::{HubReply, hub_asks, hub_pushes, hub_was_refused, is_subscribed};
pub use rematch::{Archive, Progress, rematch};
pub use robots_memory::ScheduleRobotsStore;
pub use searches::{Search, Searches, searches_of};
pub use snapshot::{hosts_of, jobs_of, plan_backfill, plan_now, plan_sources, tenant_of};
pub use stories::link_all;
pub use tally::{Event, Tally, Totals};
