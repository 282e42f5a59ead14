//! Periodic duties: rematching, retention, links of near-duplicates, permanent moves of sources.

pub(crate) mod maintenance;
pub(crate) mod moves;
pub(crate) mod stories;
