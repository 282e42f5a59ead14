//! Robots rules remembered in the schedule, so that they outlive the process.

use std::sync::Arc;

use async_trait::async_trait;
use crawler::robots::{RobotsRecord, RobotsStore};
use scheduler::Schedule;

/// Robots rules remembered in the schedule.
pub struct ScheduleRobotsStore(pub Arc<dyn Schedule>);

#[async_trait]
impl RobotsStore for ScheduleRobotsStore {
    async fn recall(&self, origin: &str) -> Option<RobotsRecord> {
        match self.0.recall_robots(origin).await {
            Ok(record) => serde_json::from_str(&record?).ok(), // an unreadable record is asked for again
            Err(error) => {
                tracing::warn!(origin, %error, "robots rules cannot be recalled");
                None
            }
        }
    }

    async fn remember(&self, origin: &str, record: &RobotsRecord) {
        let Ok(text) = serde_json::to_string(record) else { return };
        if let Err(error) = self.0.remember_robots(origin, &text).await {
            tracing::warn!(origin, %error, "robots rules cannot be remembered");
        }
    }
}
