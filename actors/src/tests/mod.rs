//! Tests of whole nodes on an in-memory web and a paused clock.

mod availability;
mod backfill;
mod evidence;
mod incidents;
pub(crate) mod stage;
mod supervision;
mod websub;
