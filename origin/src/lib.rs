//! A simulated internet on loopback, and a judge of its visitors.
//!
//! A [`World`] defines the sites, their publications and their faults; it is a pure function of its seed.
//! [`Origin`] serves it, each site on a separate address (127.x.y.z), and logs every request. [`judge()`] evaluates
//! that log: the smallest gap, requests against robots.txt, concurrency, and requests per article. Tests, demo and
//! benchmarks all use this simulator.
//!
//! This crate shares no types with the crawler: it knows only sites and articles.

mod hub;
mod judge;
mod pages;
mod platforms;
mod query;
mod server;
mod site;
mod text;
mod world;

pub use judge::{Judgement, Rules, judge};
pub use server::{Exchange, Origin, TOKEN};
pub use site::{Behaviour, Kind, Language, Site};
pub use text::MARK;
pub use world::World;
