//! Real servers for tests: private instances on loopback, on free ports, in temporary folders, ended by
//! pid. Never the system's own.
//!
//! [`RedisServer`] (Valkey too), [`RedisClusterServers`], [`SentinelServers`], [`PostgresServer`] and
//! [`PrometheusServer`] are the types that matter. A server that is not installed is an error that names its
//! Debian package; Valkey, which has none yet, comes from PyPI (`./check`).
//!
//! What is not here: clients. Readiness is asked for in the plainest way that each server offers.

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
