//! Cache of robots.txt rules in the schedule. The rules survive the process.

use std::sync::Arc;

use async_trait::async_trait;
use crawler::robots::{RobotsRecord, RobotsStore};
use scheduler::Schedule;

/// A cache of robots.txt rules in the schedule.
pub struct ScheduleRobotsStore(pub Arc<dyn Schedule>);

#[async_trait]
impl RobotsStore for ScheduleRobotsStore {
    async fn recall(&self, origin: &str) -> Option<RobotsRecord> {
        match self.0.recall_robots(origin).await {
            Ok(record) => serde_json::from_str(&record?).ok(), // an unreadable record counts as not cached
            Err(error) => {
                tracing::warn!(origin, %error, "could not read cached robots.txt rules");
                None
            }
        }
    }

    async fn remember(&self, origin: &str, record: &RobotsRecord) {
        let Ok(text) = serde_json::to_string(record) else { return };
        if let Err(error) = self.0.remember_robots(origin, &text).await {
            tracing::warn!(origin, %error, "could not cache robots.txt rules");
        }
    }
}
