//! Metrics of WebSub.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::ResultLabel;

/// The results of requests from and to hubs.
const RESULTS: [&str; 8] =
    ["refused", "verified", "denied", "taken", "unsigned", "unknown", "stopped", "failed"];

#[derive(Debug)]
pub(super) struct WebSubMetrics {
    calls: Family<ResultLabel, Counter>,
    entries: Counter,
    polls_saved: Counter<f64, AtomicU64>,
}

impl WebSubMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics =
            Self { calls: Family::default(), entries: Counter::default(), polls_saved: Counter::default() };
        for result in RESULTS {
            drop(metrics.calls.get_or_create(&ResultLabel { result }));
        }
        registry.register("websub_calls", "Requests from WebSub hubs by result", metrics.calls.clone());
        registry.register(
            "websub_entries",
            "New entries in documents from WebSub hubs",
            metrics.entries.clone(),
        );
        registry.register(
            "websub_polls_saved",
            "Polls saved by WebSub subscriptions",
            metrics.polls_saved.clone(),
        );
        metrics
    }

    pub(super) fn record_call(&self, result: &'static str) {
        self.calls.get_or_create(&ResultLabel { result }).inc();
    }

    pub(super) fn add_entries(&self, entries: u64) {
        self.entries.inc_by(entries);
    }

    pub(super) fn add_polls_saved(&self, polls: f64) {
        self.polls_saved.inc_by(polls);
    }
}
