//! What is kept: objects, items, matches, source state, history.
//!
//! [`Store`] is the seam, [`Sqlite`] the embedded one, [`Postgres`] that of a cluster; the contract suite is what every store
//! promises. A harvest is stored whole in one transaction or not at all; a harvest gathered under
//! an old token, or matched against an old set of topics, is refused in that same transaction.
//!
//! What is not here: text analysis (callers hand in search tokens), and any decision.

#[cfg(test)]
mod contract;
mod counts;
mod edit;
mod error;
mod postgres;
mod sqlite;
mod store;

pub use error::StoreError;
pub use postgres::{MIGRATIONS, Migration, MigrationStatus, Postgres};
pub use sqlite::Sqlite;
pub use store::{
    Applied, AuditRecord, Candidate, EntryRef, EntryStatus, HubDecision, Linked, MaterialQuery, Move,
    ObjectNames, Objects, Rematched, Reprint, Saved, SourceRecord, StateInterval, Store, StoredItem,
    StoredMatch, Suppression, TopicRecord, Totals,
};
