//! The interface of a store: all of its traits behind one trait object.

use crate::{
    AuditLog, Backfills, Backup, DeclaredObjects, Harvests, Hosts, Materials, PageQueue, Rematching,
    Removals, SourceStates, Stories, WebSub,
};

/// A store. Each part is a trait in the same module as its records; see the modules of this crate.
pub trait Store:
    DeclaredObjects
    + SourceStates
    + Harvests
    + PageQueue
    + Hosts
    + WebSub
    + Backfills
    + Materials
    + Rematching
    + Stories
    + Removals
    + AuditLog
    + Backup
{
}

impl<S> Store for S where
    S: DeclaredObjects
        + SourceStates
        + Harvests
        + PageQueue
        + Hosts
        + WebSub
        + Backfills
        + Materials
        + Rematching
        + Stories
        + Removals
        + AuditLog
        + Backup
{
}
