//! Metrics of requests to the store and the schedule.

use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{BackendLabel, BackendOpLabels};
use super::values::seconds_histogram;

/// The measured operations of each backend.
const OPERATIONS: [(&str, &str); 3] = [("store", "save"), ("schedule", "claim"), ("schedule", "renew")];

/// A server that the node depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Store,
    Schedule,
}

impl Backend {
    fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Schedule => "schedule",
        }
    }
}

#[derive(Debug)]
pub(super) struct BackendMetrics {
    up: Family<BackendLabel, Gauge>,
    duration: Family<BackendOpLabels, Histogram>,
}

impl BackendMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics =
            Self { up: Family::default(), duration: Family::new_with_constructor(seconds_histogram) };
        for (backend, op) in OPERATIONS {
            drop(metrics.duration.get_or_create(&BackendOpLabels { backend, op }));
            drop(metrics.up.get_or_create(&BackendLabel { backend }));
        }
        registry.register("backend_up", "1 if the last request succeeded, otherwise 0", metrics.up.clone());
        registry.register_with_unit(
            "backend_request_duration",
            "Duration of requests to the store and the schedule",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        metrics
    }

    pub(super) fn record_request(&self, backend: Backend, op: &'static str, duration: Duration, is_ok: bool) {
        let backend = backend.as_str();
        self.duration.get_or_create(&BackendOpLabels { backend, op }).observe(duration.as_secs_f64());
        self.up.get_or_create(&BackendLabel { backend }).set(i64::from(is_ok));
    }
}
