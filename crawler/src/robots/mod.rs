//! robots.txt (RFC 9309): what the rules say ([`Rules`]) and what that means for a request
//! ([`Verdict`]), which also depends on how asking for the rules went.

mod cache;
mod pattern;
mod rules;

pub use cache::{NoMemory, RobotsCache, RobotsMemory, RobotsRecord, Verdict};
pub use rules::{Decision, Rules};
