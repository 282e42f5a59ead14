//! Real servers for tests: private instances on loopback, on free ports, in temporary folders. They are stopped by pid;
//! the servers of the system are never touched.
//!
//! The main types are [`RedisServer`] (also for Valkey), [`RedisClusterServers`], [`SentinelServers`],
//! [`PostgresServer`] and [`PrometheusServer`]. If a server is not installed, the error names its Debian package;
//! Valkey has none yet and comes from PyPI (`./check`).
//!
//! This crate contains no clients. Readiness is checked with the simplest means of each server.

mod certificate;
mod postgres;
mod process;
mod prometheus;
mod redis;
mod redis_cluster;
mod sentinel;

pub use certificate::Certificate;
pub use postgres::PostgresServer;
pub use prometheus::{PrometheusServer, promtool_complaints};
pub use redis::RedisServer;
pub use redis_cluster::RedisClusterServers;
pub use sentinel::SentinelServers;
