//! robots.txt (RFC 9309): the rules of a file ([`Rules`]), and the verdict on a request ([`Verdict`]),
//! which also depends on the outcome of the robots.txt fetch.

mod cache;
mod pattern;
mod rules;

pub use cache::{NoRobotsStore, RobotsCache, RobotsRecord, RobotsStore, Verdict};
pub use rules::{Decision, Rules};
