//! Integration tests of the built binary on the simulated internet.
//!
//! All tests are in one test binary, so that it is linked once. [`support`] has the fixtures: simulated worlds,
//! data folders and the running command.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot continue fails by a panic")]

mod support;

mod architecture;
mod archive;
mod articles;
mod chaos;
mod cli;
mod cluster;
mod control;
mod crawl;
mod declared;
mod docs;
mod fairness;
mod kubernetes;
mod local_site;
mod peers;
mod platform_faults;
mod platforms;
mod search;
mod sources;
mod store_faults;
mod terminal;
