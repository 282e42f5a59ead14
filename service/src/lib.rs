//! What the command line, the API and the nodes share: decisions about stored objects, without presentation.
//!
//! Three types matter most: [`Snapshot`] (the declared objects at one version, compiled), [`PlanTerms`] (how jobs are
//! planned from it) and the views (stored data as callers may see it, with the rights of sources applied).
//!
//! This crate has no actors, no command-line parsing and no HTTP.

mod plan;
mod rematch;
mod search_needs;
mod searches;
mod snapshot;
mod source_set;

pub use plan::{
    PlanError, PlanTerms, backfill_job, jobs_of, plan_all, plan_backfill, plan_changes, plan_now, plan_sources,
    tenant_of, websub_job,
};
pub use rematch::{Archive, Progress, rematch};
pub use searches::{Search, TopicSearches, searches_of};
pub use snapshot::Snapshot;
pub use source_set::hosts_of;
