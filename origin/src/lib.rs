//! A simulated internet on loopback, and the judge of whoever visits it.
//!
//! A [`World`] says which sites there are, what they publish and how they misbehave; it is a pure
//! function of its seed. [`Origin`] serves it, each site on an address of its own (127.x.y.z), and
//! logs every request. [`judge()`] reads that log: smallest gap, requests against robots.txt,
//! concurrency, requests for each new item. Tests, demo and benchmarks use this one thing.
//!
//! What is not here: any word of the crawler's. The simulator knows sites and articles only.

mod hub;
mod judge;
mod pages;
mod platforms;
mod server;
mod site;
mod text;
mod world;

pub use judge::{Judgement, Rules, judge};
pub use server::{Exchange, Origin, TOKEN};
pub use site::{Behaviour, Kind, Language, Site};
pub use text::MARK;
pub use world::World;
