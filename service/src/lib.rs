//! The logic that the command line, the API and the nodes share: decisions about stored objects, without
//! presentation.
//!
//! Three types matter most: [`Snapshot`] (the declared objects at one version, compiled), [`Surroundings`] (the
//! stored objects around a change) and the [`views`] (stored data as callers may see it, with the rights of sources
//! applied).
//!
//! This crate has no actors, no command-line parsing and no HTTP.

mod check;
mod coverage;
mod declare;
mod explain;
mod plan;
mod preview;
mod references;
mod rematch;
mod removal;
mod search;
mod search_budgets;
mod search_needs;
mod searches;
mod snapshot;
mod source_cache;
mod source_set;
pub mod views;

pub use check::{CheckedObjects, ObjectsError, check_address, check_files};
pub use coverage::{Coverage, Gap, coverage};
pub use declare::{by_kind, declare, declared_objects};
pub use explain::{ExplanationView, check_query, explain};
pub use plan::{
    BackendError, PlanTerms, backfill_job, jobs_of, plan_all, plan_backfill, plan_changes, plan_now,
    plan_sources, tenant_of, websub_job,
};
pub use preview::{DayCount, ExclusionCount, LeafCount, MatchChange, Preview, matched_items, preview};
pub use references::{Surroundings, object_references, query_references};
pub use rematch::{Archive, Progress, rematch};
pub use removal::{RemovalError, RemovalTarget, remove};
pub use search::{Evaluation, SearchError, evaluate_all, resolve_query, search};
pub use searches::{Search, TopicSearches, searches_of};
pub use snapshot::Snapshot;
pub use source_set::hosts_of;
