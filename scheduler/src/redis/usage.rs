//! What the server spends: for measuring.

use super::{Redis, preflight};
use crate::schedule::ScheduleError;

/// What a server has spent since it began, and holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerUsage {
    /// User and system time, in seconds, of all servers where there are several.
    pub cpu_seconds: f64,
    /// Memory in use, in bytes.
    pub memory_bytes: f64,
}

impl Redis {
    /// What the server has spent so far.
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
