//! Upkeep: what a node does besides fetching.

pub(crate) mod maintenance;
pub(crate) mod moves;
pub(crate) mod stories;
