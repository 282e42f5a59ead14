//! What is kept: objects, items, matches, source state, history.
//!
//! [`Store`] is the seam, [`Sqlite`] the embedded one, [`Postgres`] that of a cluster; the contract suite is what every store
//! promises. A harvest is stored whole in one transaction or not at all; a harvest gathered under
//! an old token, or matched against an old set of topics, is refused in that same transaction.
//!
//! What is not here: text analysis (callers hand in search tokens), and any decision.

mod audit;
mod backfills;
mod backup;
#[cfg(test)]
mod contract;
mod counts;
mod edit;
mod error;
mod harvests;
mod hosts;
mod materials;
mod objects;
mod pages;
mod postgres;
mod rematching;
mod removals;
mod source_states;
mod sqlite;
mod store;
mod stories;
mod websub;

pub use audit::{AuditLog, AuditRecord};
pub use backfills::Backfills;
pub use backup::Backup;
pub use error::StoreError;
pub use harvests::{EntryRef, EntryStatus, Harvests, Saved};
pub use hosts::Hosts;
pub use materials::{MaterialQuery, Materials, StoredItem, StoredMatch, Totals};
pub use objects::{Applied, DeclaredObjects, ObjectNames, Objects, TopicRecord};
pub use pages::PageQueue;
pub use postgres::{MIGRATIONS, Migration, MigrationStatus, Postgres};
pub use rematching::{Rematched, Rematching};
pub use removals::{Removals, Suppression};
pub use source_states::{Move, SourceRecord, SourceStates, StateInterval};
pub use sqlite::Sqlite;
pub use store::Store;
pub use stories::{Candidate, Linked, Reprint, Stories};
pub use websub::{HubDecision, WebSub};
