//! Host health, host incidents and crawl delays.

use std::time::Duration;

use async_trait::async_trait;
use model::{Host, HostHealth, HostIncident, Timestamp};

use crate::StoreError;

/// Host health, host incidents and crawl delays. [`Harvests::save`](crate::Harvests::save) writes them.
#[async_trait]
pub trait Hosts: Send + Sync {
    /// Returns the health of a host; the default if none of its sources fails.
    async fn host_health(&self, host: &Host) -> Result<HostHealth, StoreError>;
    /// Returns the incidents that overlap the interval from `since` to `until`, ordered by their start. Incidents
    /// are never deleted.
    async fn incidents(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HostIncident>, StoreError>;
    /// Ends the open incident of a host and clears its health. Meant for a host that has too few sources left to
    /// end the incident by harvests.
    async fn end_incident(&self, host: &Host, now: Timestamp) -> Result<(), StoreError>;
    /// Returns those of these hosts whose robots.txt sets a crawl delay, as of their last harvest. A schedule is rebuilt
    /// from them.
    async fn robots_delays(&self, hosts: &[Host]) -> Result<Vec<(Host, Duration)>, StoreError>;
}
