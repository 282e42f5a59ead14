//! Which host next: due times, leases, tokens and politeness that outlive the process.
//!
//! The unit is the *host turn*: one host, handed to one node for a while, with its due jobs and a
//! fencing token. One holder, so one connection; and what the host is owed (its next permit, a
//! block it asked for, its robots rules) is kept here and survives lease, queue and process.
//! [`Schedule`] is the seam, [`InMemory`] its model and [`Sqlite`] the embedded one; the contract
//! suite is what all of them promise. [`due`] is the arithmetic of "when next", pure.
//!
//! What is not here: fetching, and anything that would be lost with this crate's data: a schedule
//! can be rebuilt from the store.

#[cfg(test)]
mod contract;
pub mod due;
mod fairness;
pub mod membership;
mod memory;
mod redis;
mod schedule;
#[cfg(test)]
mod simulation;
mod sqlite;

pub use memory::InMemory;
pub use redis::{Address, AddressError, Redis, ServerUsage};
pub use schedule::{
    Borrowed, Claim, HostCounts, HostView, Lease, Leaving, Schedule, ScheduleError, Settle, Share, Stake,
};
pub use sqlite::Sqlite;
