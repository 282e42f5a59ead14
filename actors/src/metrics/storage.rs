//! Metrics of storing harvests.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use store::SaveOutcome;

use super::labels::ResultLabel;
use super::values::{age_histogram, seconds_histogram, set_gauge};

#[derive(Debug)]
pub(super) struct StorageMetrics {
    items: Family<ResultLabel, Counter>,
    materials: Counter,
    material_latency: Histogram,
    batch_duration: Histogram,
    waiting: Gauge,
    fenced: Counter,
}

impl StorageMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            items: Family::default(),
            materials: Counter::default(),
            material_latency: age_histogram(),
            batch_duration: seconds_histogram(),
            waiting: Gauge::default(),
            fenced: Counter::default(),
        };
        for result in ["new", "updated"] {
            drop(metrics.items.get_or_create(&ResultLabel { result }));
        }
        registry.register("items_stored", "Stored items, new and updated", metrics.items.clone());
        registry.register(
            "materials_stored",
            "Items stored for the first time that matched a topic",
            metrics.materials.clone(),
        );
        registry.register_with_unit(
            "material_latency",
            "Time from the publication of a material until it is stored",
            Unit::Seconds,
            metrics.material_latency.clone(),
        );
        registry.register_with_unit(
            "storage_batch_duration",
            "Duration of storing a batch of harvests, including retries",
            Unit::Seconds,
            metrics.batch_duration.clone(),
        );
        registry.register("storage_waiting", "Harvests that wait to be stored", metrics.waiting.clone());
        registry.register(
            "harvests_fenced",
            "Harvests rejected because their lease had ended",
            metrics.fenced.clone(),
        );
        metrics
    }

    pub(super) fn record_save(&self, outcome: &SaveOutcome) {
        self.items.get_or_create(&ResultLabel { result: "new" }).inc_by(outcome.new_items);
        self.items.get_or_create(&ResultLabel { result: "updated" }).inc_by(outcome.edited_items);
        self.materials.inc_by(outcome.new_materials);
        self.fenced.inc_by(u64::from(outcome.fenced));
    }

    pub(super) fn record_material(&self, age: Duration) {
        self.material_latency.observe(age.as_secs_f64());
    }

    pub(super) fn record_batch(&self, duration: Duration) {
        self.batch_duration.observe(duration.as_secs_f64());
    }

    pub(super) fn set_waiting(&self, harvests: usize) {
        set_gauge(&self.waiting, harvests);
    }
}
