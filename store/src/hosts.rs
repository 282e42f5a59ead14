//! The health of hosts.

use std::time::Duration;

use async_trait::async_trait;
use model::{Host, HostHealth, HostIncident, Timestamp};

use crate::StoreError;

/// Hosts: health, incidents, crawl delays.
#[async_trait]
pub trait Hosts: Send + Sync {
    /// How a host is doing, beyond what each of its sources tells. It is written with harvests.
    async fn host_health(&self, host: &Host) -> Result<HostHealth, StoreError>;
    /// Incidents of hosts between `since` and `until`, in the order of time. What was ever noted stays.
    async fn incidents(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HostIncident>, StoreError>;
    /// Ends the incident of a host that nobody looks after any more.
    async fn end_incident(&self, host: &Host, now: Timestamp) -> Result<(), StoreError>;
    /// Hosts whose robots.txt asks for a delay, as their last harvest knew: for a schedule that is built anew.
    async fn robots_delays(&self) -> Result<Vec<(Host, Duration)>, StoreError>;
}
