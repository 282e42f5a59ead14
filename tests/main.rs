//! What the project promises as a whole, shown on the built binary and the simulated internet.
//!
//! One binary, so that it is linked once. [`support`] holds the stage: worlds, data folders, the
//! running command.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by ending")]

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
mod platform_weather;
mod platforms;
mod search;
mod sources;
mod terminal;
