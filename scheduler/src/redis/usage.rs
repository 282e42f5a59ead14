//! Resource usage of the server, for benchmarks.

use super::{Redis, preflight};
use crate::schedule::ScheduleError;

/// The resource usage of a server since its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerUsage {
    /// User and system CPU time, in seconds, summed over all servers of a cluster.
    pub cpu_seconds: f64,
    /// Memory in use, in bytes, summed over all servers of a cluster.
    pub memory_bytes: f64,
}

impl Redis {
    /// Returns the resource usage of the server since its start.
    pub async fn usage(&self) -> Result<ServerUsage, ScheduleError> {
        let (cpu, memory) =
            (preflight::info(&self.link, "cpu").await?, preflight::info(&self.link, "memory").await?);
        let sum = |info: &str, name| -> f64 {
            preflight::fields(info, name).filter_map(|value| value.parse::<f64>().ok()).sum()
        };
        Ok(ServerUsage {
            cpu_seconds: sum(&cpu, "used_cpu_user") + sum(&cpu, "used_cpu_sys"),
            memory_bytes: sum(&memory, "used_memory"),
        })
    }
}
