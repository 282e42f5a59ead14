//! The steps of one job: plain async functions that a fetcher calls.

pub(crate) mod attempt;
pub(crate) mod backfill;
pub(crate) mod deletions;
pub(crate) mod entries;
pub(crate) mod fallback;
pub(crate) mod gather;
pub(crate) mod host_permits;
pub(crate) mod job_run;
pub(crate) mod pages;
pub(crate) mod poll;
pub(crate) mod poll_outcome;
pub(crate) mod read_source;
pub(crate) mod subscribe;
pub(crate) mod websub;
