//! Metrics of a node: counters, gauges and histograms, in the OpenMetrics and the Prometheus text formats.
//!
//! Each area has its own file and struct, whose `register` creates the metrics, adds them to the registry and creates
//! their series.
//!
//! No label grows with the number of sources, hosts, topics or clients: a node exports the same number of series for
//! ten sources and for a million. All series exist from the start with the value 0, so that an alert detects the
//! first error.

mod backends;
mod cluster;
mod exposition;
mod fetching;
mod jobs;
mod labels;
pub mod process_stats;
mod robots;
mod sources;
mod storage;
mod values;
mod websub;

use std::time::Duration;

use crawler::fetch::{FetchObserver, RobotsOutcome, Rule};
use model::{FetchRecord, JobKind, SourceKind, SourceState};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use scheduler::HostCounts;

pub(crate) use backends::Backend;
pub(crate) use jobs::{JobEnd, LeaseEnd};

use backends::BackendMetrics;
use cluster::ClusterMetrics;
use exposition::to_prometheus_format;
use fetching::FetchingMetrics;
use jobs::JobMetrics;
use robots::RobotsMetrics;
use sources::SourceMetrics;
use storage::StorageMetrics;
use websub::WebSubMetrics;

/// The metrics of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    fetching: FetchingMetrics,
    robots: RobotsMetrics,
    sources: SourceMetrics,
    jobs: JobMetrics,
    storage: StorageMetrics,
    websub: WebSubMetrics,
    backends: BackendMetrics,
    cluster: ClusterMetrics,
}

/// The gauges that are set when metrics are exported.
pub(crate) struct NodeGauges {
    pub(crate) exchanges: usize,
    pub(crate) credits: usize,
    pub(crate) hosts: usize,
    pub(crate) is_draining: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("qyran");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of the running build", build);
        Self {
            fetching: FetchingMetrics::register(&mut registry),
            robots: RobotsMetrics::register(&mut registry),
            sources: SourceMetrics::register(&mut registry),
            jobs: JobMetrics::register(&mut registry),
            storage: StorageMetrics::register(&mut registry),
            websub: WebSubMetrics::register(&mut registry),
            backends: BackendMetrics::register(&mut registry),
            cluster: ClusterMetrics::register(&mut registry),
            registry,
        }
    }
}

impl Metrics {
    pub(crate) fn record_fetch(&self, kind: SourceKind, record: &FetchRecord) {
        self.fetching.record_fetch(kind, record);
    }

    pub(crate) fn record_parse(&self, kind: SourceKind, took: Duration, items: usize) {
        self.fetching.record_parse(kind, took, items);
    }

    pub(crate) fn set_sources(&self, counts: &[(SourceKind, SourceState, u64)]) {
        self.sources.set_sources(counts);
    }

    pub(crate) fn record_job_start(&self, kind: JobKind, lag: Duration) {
        self.jobs.record_start(kind, lag);
    }

    pub(crate) fn record_job_end(&self, kind: JobKind, end: JobEnd) {
        self.jobs.record_end(kind, end);
    }

    pub(crate) fn record_claim(&self, hosts: usize) {
        self.jobs.record_claim(hosts);
    }

    pub(crate) fn record_lease_end(&self, end: LeaseEnd) {
        self.jobs.record_lease_end(end);
    }

    pub(crate) fn record_save(&self, saved: &store::SaveOutcome) {
        self.storage.record_save(saved);
    }

    pub(crate) fn record_material(&self, age: Duration) {
        self.storage.record_material(age);
    }

    pub(crate) fn record_batch(&self, took: Duration) {
        self.storage.record_batch(took);
    }

    pub(crate) fn set_waiting_harvests(&self, waiting: usize) {
        self.storage.set_waiting(waiting);
    }

    pub(crate) fn record_request(&self, backend: Backend, op: &'static str, took: Duration, is_ok: bool) {
        self.backends.record_request(backend, op, took, is_ok);
    }

    pub(crate) fn record_incident_change(&self, was_open: bool, is_open: bool) {
        self.sources.record_incident_change(was_open, is_open);
    }

    pub(crate) fn record_websub_call(&self, result: &'static str) {
        self.websub.record_call(result);
    }

    pub(crate) fn add_websub_entries(&self, entries: u64) {
        self.websub.add_entries(entries);
    }

    pub(crate) fn add_polls_saved(&self, polls: f64) {
        self.websub.add_polls_saved(polls);
    }

    pub(crate) fn record_restart(&self, role: &'static str) {
        self.cluster.record_restart(role);
    }

    /// Sets the gauges of the node. Called before each export.
    pub(crate) fn set_node_gauges(&self, now: &NodeGauges) {
        self.fetching.set_slots(now.exchanges, now.credits);
        self.jobs.set_hosts_owned(now.hosts);
        self.cluster.set_host_workers(now.hosts);
        self.cluster.set_draining(now.is_draining);
    }

    pub(crate) fn set_schedule(&self, counts: &HostCounts, oldest_ready: Duration) {
        self.jobs.set_schedule(counts, oldest_ready);
    }

    pub(crate) fn set_members(&self, alive: usize, silent: usize) {
        self.cluster.set_members(alive, silent);
    }

    /// Returns all metrics in the OpenMetrics text format.
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Returns all metrics in the Prometheus text format.
    pub fn prometheus(&self) -> String {
        to_prometheus_format(&self.open_metrics())
    }
}

impl FetchObserver for Metrics {
    fn waited(&self, wait: Duration) {
        self.fetching.record_wait(wait);
    }

    fn robots_looked_up(&self, is_cached: bool) {
        self.robots.record_lookup(is_cached);
    }

    fn robots_fetched(&self, outcome: RobotsOutcome) {
        self.robots.record_fetch(outcome);
    }

    fn rule_violated(&self, rule: Rule) {
        self.fetching.record_violation(rule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_contain_the_same_samples() {
        let metrics = Metrics::default();
        metrics.record_claim(3);
        let (open_metrics, prometheus) = (metrics.open_metrics(), metrics.prometheus());
        assert!(open_metrics.ends_with("# EOF\n"), "{open_metrics}");
        assert!(
            open_metrics.contains("# TYPE qyran_leases_acquired counter\nqyran_leases_acquired_total 3\n"),
            "{open_metrics}"
        );
        assert!(
            prometheus
                .contains("# TYPE qyran_leases_acquired_total counter\nqyran_leases_acquired_total 3\n"),
            "{prometheus}"
        );
        assert!(
            prometheus.contains("# TYPE qyran_build_info gauge\nqyran_build_info{version="),
            "{prometheus}"
        );
        let samples = |text: &str| {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(samples(&open_metrics), samples(&prometheus));
    }

    /// An alert on a first error needs the zero before it.
    #[test]
    fn all_series_exist_before_the_first_event() {
        let initial = Metrics::default().prometheus();
        for series in [
            "qyran_fetches_total{kind=\"feed\",outcome=\"http_5xx\"} 0",
            "qyran_jobs_total{kind=\"poll\",outcome=\"dead\"} 0",
            "qyran_leases_ended_total{reason=\"fenced\"} 0",
            "qyran_actor_restarts_total{role=\"fetcher\"} 0",
            "qyran_politeness_violations_total{rule=\"delay\"} 0",
            "qyran_robots_fetches_total{outcome=\"failed\"} 0",
            "qyran_sources{kind=\"feed\",state=\"degraded\"} 0",
            "qyran_host_incidents_total{state=\"opened\"} 0",
        ] {
            assert!(initial.lines().any(|line| line == series), "missing {series} in\n{initial}");
        }
        let count = initial.lines().filter(|line| !line.starts_with('#')).count();
        assert!(count < 1300, "{count} series");
    }
}
