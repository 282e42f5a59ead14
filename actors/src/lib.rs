//! The running system: actors that fetch, read, match and store. The only crate that uses ractor.
//!
//! ```text
//! Node ─┬─ Storage        one: saves harvests in batches, one transaction each, then settles their jobs
//!       ├─ ObjectSync     one: applies changes of the declared objects
//!       ├─ Maintenance    one: rematching, retention, links of near-duplicates
//!       ├─ Membership     one: sends heartbeats, receives orders of operators
//!       └─ Dispatcher     one: claims turns of hosts
//!             └─ HostWorker   one per leased host: owns the lease, its renewal and the politeness permit
//!                   └─ Fetcher    one at a time: runs one job of one source
//! ```
//!
//! Data flows one way: a Fetcher sends a harvest to Storage and waits until it is saved. Reading, extraction and
//! matching are function calls on the CPU pool (`pool.rs`). The mailboxes of ractor are unbounded, so each exchange
//! first needs a *credit*. The credit travels with the harvest and returns when the harvest is saved: the number of
//! credits bounds the memory of the node.
//!
//! Restarts: Node restarts its children at most three times a minute, with growing waits; more failures end the node.
//! The lease of a failed HostWorker expires, and its host rests for one delay. A Fetcher that panics or makes no
//! progress counts as a crash of its job; five in a row quarantine the source.
//!
//! The folders: `supervision` holds the actors, `job` the steps of one job, `upkeep` the periodic duties, `metrics`
//! the metrics. Decisions about text, addresses and schedules are functions of the crates below.

mod context;
mod health;
mod import;
mod job;
mod metrics;
mod pool;
mod probes;
mod robots_store;
mod save_request;
mod supervision;
mod tally;
mod upkeep;

#[cfg(test)]
mod tests;

pub use context::{Context, NodeConfig, Pass};
pub use health::Check;
pub use import::Importer;
pub use job::host_permits::HostPermits;
pub use job::websub::{
    HubReply, handle_hub_delivery, handle_hub_verification, has_subscription, record_rejected_hub_request,
};
pub use metrics::{Metrics, process_stats};
pub use robots_store::ScheduleRobotsStore;
pub use supervision::node::{Node, NodeError};
pub use tally::{Event, Tally, Totals};
pub use upkeep::stories::link_all;
