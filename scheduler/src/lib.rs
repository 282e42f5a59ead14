//! Durable scheduling of host turns: due times, leases, fencing tokens and politeness.
//!
//! The unit of work is the *host turn*: one host, leased to one node, with its due jobs and a fencing token.
//! A host has one holder and therefore one connection. The politeness state of a host (its next permit, its
//! block, its robots rules) is stored here and survives the lease and the process.
//! [`Schedule`] joins the interfaces by noun, [`InMemory`] is the reference model and [`Sqlite`] the embedded
//! implementation; the contract suite tests the promises that all of them make. [`due`] holds the pure
//! arithmetic of poll times.
//!
//! This crate does not fetch, and holds nothing that may not be lost: a schedule can be rebuilt from the store.

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
    Borrowed, Claim, HostCounts, HostView, JobPlan, Lease, Leaving, Members, RobotsCache, Schedule,
    ScheduleError, ScheduledHosts, Settle, Share, Stake, Turns,
};
pub use sqlite::Sqlite;
