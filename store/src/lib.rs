//! Storage of declared objects, items, matches, source states and history.
//!
//! [`Store`] is the interface. [`Sqlite`] implements it in one embedded file, [`Postgres`] for a cluster. The
//! contract suite in `contract` tests the guarantees that every store gives. A harvest is stored whole in one
//! transaction or not at all. The same transaction rejects a harvest that was gathered under an outdated fencing
//! token, or matched against an outdated set of topics.
//!
//! The crate analyses no text (callers pass search tokens) and takes no decisions.

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
pub use harvests::{EntryRef, EntryStatus, Harvests, SaveOutcome};
pub use hosts::Hosts;
pub use materials::{MaterialQuery, Materials, StoredItem, StoredMatch, Totals};
pub use objects::{
    AppliedChanges, DeclaredObjects, ObjectChanges, ObjectNames, ObjectReference, Objects, TopicRecord,
    VersionedTopic,
};
pub use pages::PageQueue;
pub use postgres::{MIGRATIONS, Migration, MigrationStatus, Postgres};
pub use rematching::{ItemMatches, Rematching};
pub use removals::{Removals, Suppression};
pub use source_states::{Move, SourceRecord, SourceStates, StateInterval};
pub use sqlite::Sqlite;
pub use store::Store;
pub use stories::{Candidate, Stories, StoryItem, StoryLink};
pub use websub::{HubDecision, WebSub};
