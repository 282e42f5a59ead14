//! What a node's monitoring sees: counters, gauges and histograms, in the OpenMetrics text format and in that of
//! Prometheus.
//!
//! No label grows with sources, hosts, topics or clients: a node exports the same series whether it watches
//! ten sources or a million. Series are there from the beginning, with zeros: an alert must see a first error.

mod exposition;
mod labels;
pub mod process_stats;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crawler::fetch::{FetchObserver, RobotsOutcome, Rule};
use exposition::in_prometheus_format;
use labels::{
    BackendName, BackendOp, Broken, Ended, Kind, KindOutcome, KindState, Outcome, Reason, Role, State,
};
use model::{FetchRecord, FetchStatus, JobKind, SourceKind, SourceState};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use scheduler::HostCounts;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// As it should.
    Done,
    /// It is due again: interrupted, or its fetcher crashed.
    Retried,
    /// Put aside until somebody looks.
    Dead,
}

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseEnd {
    /// Given back.
    Released,
    /// Somebody else has it, or it ran out.
    Fenced,
}

/// What a node asked one of its servers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Store,
    Schedule,
}

const JOB_KINDS: [JobKind; 5] =
    [JobKind::Poll, JobKind::Backfill, JobKind::Pages, JobKind::WebSub, JobKind::Search];
/// How what hubs say ends.
const HUBS: [&str; 8] =
    ["refused", "verified", "denied", "taken", "unsigned", "unknown", "stopped", "failed"];
const ROLES: [&str; 4] = ["storage", "maintenance", "dispatcher", "fetcher"];
const OPS: [(&str, &str); 3] = [("store", "save"), ("schedule", "claim"), ("schedule", "renew")];

/// A node's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    fetches: Family<KindOutcome, Counter>,
    fetch_duration: Family<Kind, Histogram>,
    body_bytes: Family<Kind, Counter>,
    exchanges: Gauge,
    credits: Gauge,
    politeness_wait: Histogram,
    violations: Family<Broken, Counter>,
    robots_fetches: Family<Ended, Counter>,
    robots_hits: Counter,
    robots_misses: Counter,
    parse_duration: Family<Kind, Histogram>,
    parsed: Family<Kind, Counter>,
    sources: Family<KindState, Gauge>,
    poll_lag: Family<Kind, Histogram>,
    jobs: Family<KindOutcome, Counter>,
    leases_acquired: Counter,
    leases_ended: Family<Reason, Counter>,
    hosts: Gauge,
    schedule_hosts: Family<State, Gauge>,
    oldest_ready: Gauge,
    items: Family<Outcome, Counter>,
    materials: Counter,
    latency: Histogram,
    batch: Histogram,
    waiting: Gauge,
    fenced: Counter,
    incidents: Family<State, Counter>,
    websub_calls: Family<Outcome, Counter>,
    websub_entries: Counter,
    polls_saved: Counter<f64, AtomicU64>,
    backend_up: Family<BackendName, Gauge>,
    backend_duration: Family<BackendOp, Histogram>,
    actors: Family<Role, Gauge>,
    restarts: Family<Role, Counter>,
    members: Family<State, Gauge>,
    draining: Gauge,
}

/// From a hundredth of a second to about three minutes.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 2.0, 15))
}

/// From a tenth of a millisecond to about three seconds.
fn fractions() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 15))
}

/// From a second to about nine hours.
fn ages() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("qyran"),
            fetches: Family::default(),
            fetch_duration: Family::new_with_constructor(seconds),
            body_bytes: Family::default(),
            exchanges: Gauge::default(),
            credits: Gauge::default(),
            politeness_wait: seconds(),
            violations: Family::default(),
            robots_fetches: Family::default(),
            robots_hits: Counter::default(),
            robots_misses: Counter::default(),
            parse_duration: Family::new_with_constructor(fractions),
            parsed: Family::default(),
            sources: Family::default(),
            poll_lag: Family::new_with_constructor(ages),
            jobs: Family::default(),
            leases_acquired: Counter::default(),
            leases_ended: Family::default(),
            hosts: Gauge::default(),
            schedule_hosts: Family::default(),
            oldest_ready: Gauge::default(),
            items: Family::default(),
            materials: Counter::default(),
            latency: ages(),
            batch: seconds(),
            waiting: Gauge::default(),
            fenced: Counter::default(),
            incidents: Family::default(),
            websub_calls: Family::default(),
            websub_entries: Counter::default(),
            polls_saved: Counter::default(),
            backend_up: Family::default(),
            backend_duration: Family::new_with_constructor(seconds),
            actors: Family::default(),
            restarts: Family::default(),
            members: Family::default(),
            draining: Gauge::default(),
        };
        metrics.zeros();
        metrics.registered()
    }
}

impl Metrics {
    /// Every series, before anything has happened.
    fn zeros(&self) {
        for kind in SourceKind::ALL.map(SourceKind::as_str) {
            for outcome in FetchStatus::ALL.map(FetchStatus::as_str) {
                drop(self.fetches.get_or_create(&KindOutcome { kind, outcome }));
            }
            drop(self.fetch_duration.get_or_create(&Kind { kind }));
            drop(self.body_bytes.get_or_create(&Kind { kind }));
            drop(self.parse_duration.get_or_create(&Kind { kind }));
            drop(self.parsed.get_or_create(&Kind { kind }));
            for state in SourceState::ALL.map(SourceState::as_str) {
                drop(self.sources.get_or_create(&KindState { kind, state }));
            }
        }
        for rule in Rule::ALL.map(Rule::as_str) {
            drop(self.violations.get_or_create(&Broken { rule }));
        }
        for outcome in RobotsOutcome::ALL.map(RobotsOutcome::as_str) {
            drop(self.robots_fetches.get_or_create(&Ended { outcome }));
        }
        for kind in JOB_KINDS.map(JobKind::as_str) {
            for outcome in ["done", "retried", "dead"] {
                drop(self.jobs.get_or_create(&KindOutcome { kind, outcome }));
            }
            drop(self.poll_lag.get_or_create(&Kind { kind }));
        }
        for reason in ["released", "fenced"] {
            drop(self.leases_ended.get_or_create(&Reason { reason }));
        }
        for result in ["new", "updated"] {
            drop(self.items.get_or_create(&Outcome { result }));
        }
        for state in ["opened", "closed"] {
            drop(self.incidents.get_or_create(&State { state }));
        }
        for result in HUBS {
            drop(self.websub_calls.get_or_create(&Outcome { result }));
        }
        for role in ROLES {
            drop(self.restarts.get_or_create(&Role { role }));
        }
        for (backend, op) in OPS {
            drop(self.backend_duration.get_or_create(&BackendOp { backend, op }));
            drop(self.backend_up.get_or_create(&BackendName { backend }));
        }
    }

    fn registered(mut self) -> Self {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let registry = &mut self.registry;
        registry.register("build", "The build that runs", build);
        registry.register("fetches", "Exchanges that ended, or were not made", self.fetches.clone());
        registry.register_with_unit(
            "fetch_duration",
            "From the start of an exchange to its last byte",
            Unit::Seconds,
            self.fetch_duration.clone(),
        );
        registry.register_with_unit(
            "fetch_body",
            "Bodies, on the wire",
            Unit::Bytes,
            self.body_bytes.clone(),
        );
        registry.register(
            "fetches_inflight",
            "Exchanges whose bodies may be in memory",
            self.exchanges.clone(),
        );
        registry.register("fetch_slots", "How many of them there may be", self.credits.clone());
        registry.register_with_unit(
            "politeness_wait",
            "How long a host's rest was waited for before an exchange",
            Unit::Seconds,
            self.politeness_wait.clone(),
        );
        registry.register(
            "politeness_violations",
            "Exchanges that broke a rule, as an audit in the fetch path sees it: must stay 0",
            self.violations.clone(),
        );
        registry.register("robots_fetches", "Robots.txt files asked for", self.robots_fetches.clone());
        registry.register("robots_cache_hits", "Robots rules that were at hand", self.robots_hits.clone());
        registry.register("robots_cache_misses", "Robots rules that were not", self.robots_misses.clone());
        registry.register_with_unit(
            "parse_duration",
            "How long it took to read a body: a document of entries, or an article page",
            Unit::Seconds,
            self.parse_duration.clone(),
        );
        registry.register("items_parsed", "Entries and articles read", self.parsed.clone());
        registry.register(
            "sources",
            "Declared sources of the whole cluster, counted once a minute",
            self.sources.clone(),
        );
        registry.register_with_unit(
            "poll_lag",
            "From when a job was due and its host free, to its start",
            Unit::Seconds,
            self.poll_lag.clone(),
        );
        registry.register("jobs", "Jobs that ended", self.jobs.clone());
        registry.register("leases_acquired", "Hosts claimed", self.leases_acquired.clone());
        registry.register("leases_ended", "Hosts given back, or lost", self.leases_ended.clone());
        registry.register("hosts_owned", "Hosts that this node holds", self.hosts.clone());
        registry.register(
            "schedule_hosts",
            "Hosts with jobs, of the shards that this node looks after first: waiting, ready to be claimed, leased",
            self.schedule_hosts.clone(),
        );
        registry.register_with_unit(
            "schedule_oldest_ready",
            "How long the longest waiting of the ready hosts has been ready",
            Unit::Seconds,
            self.oldest_ready.clone(),
        );
        registry.register("items_stored", "Items stored", self.items.clone());
        registry.register(
            "materials_stored",
            "Items that matched a topic, stored for the first time",
            self.materials.clone(),
        );
        registry.register_with_unit(
            "material_latency",
            "From the publication of a material to its storing",
            Unit::Seconds,
            self.latency.clone(),
        );
        registry.register_with_unit(
            "storage_batch_duration",
            "How long it took to store a batch of harvests, tries included",
            Unit::Seconds,
            self.batch.clone(),
        );
        registry.register("storage_waiting", "Harvests that wait to be stored", self.waiting.clone());
        registry.register(
            "harvests_fenced",
            "Harvests refused because their lease was over",
            self.fenced.clone(),
        );
        registry.register(
            "host_incidents",
            "Incidents of hosts that began (opened) or ended (closed): nothing of a host with five sources or more came through",
            self.incidents.clone(),
        );
        registry.register("websub_calls", "Requests from WebSub hubs by result", self.websub_calls.clone());
        registry.register(
            "websub_entries",
            "New entries in documents from WebSub hubs",
            self.websub_entries.clone(),
        );
        registry.register(
            "websub_polls_saved",
            "Polls saved by WebSub subscriptions",
            self.polls_saved.clone(),
        );
        registry.register("backend_up", "Whether the last request succeeded", self.backend_up.clone());
        registry.register_with_unit(
            "backend_request_duration",
            "How long requests to the store and the schedule took",
            Unit::Seconds,
            self.backend_duration.clone(),
        );
        registry.register("actors", "Actors that run", self.actors.clone());
        registry.register(
            "actor_restarts",
            "Actors that failed and were started again",
            self.restarts.clone(),
        );
        registry.register("cluster_members", "Nodes, as this one knows them", self.members.clone());
        registry.register(
            "draining",
            "1 while the node is told to stop, or to hand over what it has",
            self.draining.clone(),
        );
        self
    }

    pub(crate) fn fetched(&self, kind: SourceKind, record: &FetchRecord) {
        let kind = kind.as_str();
        self.fetches.get_or_create(&KindOutcome { kind, outcome: record.status.as_str() }).inc();
        if record.duration > Duration::ZERO {
            self.fetch_duration.get_or_create(&Kind { kind }).observe(record.duration.as_secs_f64());
        }
        self.body_bytes.get_or_create(&Kind { kind }).inc_by(record.bytes);
    }

    pub(crate) fn parsed(&self, kind: SourceKind, took: Duration, items: usize) {
        let kind = kind.as_str();
        self.parse_duration.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
        self.parsed.get_or_create(&Kind { kind }).inc_by(items as u64);
    }

    pub(crate) fn sources_are(&self, counts: &[(SourceKind, SourceState, u64)]) {
        for kind in SourceKind::ALL {
            for state in SourceState::ALL {
                let found = counts.iter().find(|(k, s, _)| (*k, *s) == (kind, state));
                let gauge =
                    self.sources.get_or_create(&KindState { kind: kind.as_str(), state: state.as_str() });
                gauge.set(found.map_or(0, |(.., count)| i64::try_from(*count).unwrap_or(i64::MAX)));
            }
        }
    }

    pub(crate) fn job_began(&self, kind: JobKind, lag: Duration) {
        self.poll_lag.get_or_create(&Kind { kind: kind.as_str() }).observe(lag.as_secs_f64());
    }

    pub(crate) fn job_ended(&self, kind: JobKind, end: JobEnd) {
        let outcome = match end {
            JobEnd::Done => "done",
            JobEnd::Retried => "retried",
            JobEnd::Dead => "dead",
        };
        self.jobs.get_or_create(&KindOutcome { kind: kind.as_str(), outcome }).inc();
    }

    pub(crate) fn claimed(&self, hosts: usize) {
        self.leases_acquired.inc_by(hosts as u64);
    }

    pub(crate) fn lease_ended(&self, end: LeaseEnd) {
        let reason = match end {
            LeaseEnd::Released => "released",
            LeaseEnd::Fenced => "fenced",
        };
        self.leases_ended.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn stored(&self, saved: &store::SaveOutcome) {
        self.items.get_or_create(&Outcome { result: "new" }).inc_by(saved.new_items);
        self.items.get_or_create(&Outcome { result: "updated" }).inc_by(saved.edited_items);
        self.materials.inc_by(saved.new_materials);
        self.fenced.inc_by(u64::from(saved.fenced));
    }

    pub(crate) fn material_came(&self, age: Duration) {
        self.latency.observe(age.as_secs_f64());
    }

    pub(crate) fn batch_stored(&self, took: Duration) {
        self.batch.observe(took.as_secs_f64());
    }

    pub(crate) fn harvests_wait(&self, waiting: usize) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    pub(crate) fn asked(&self, backend: Backend, op: &'static str, took: Duration, is_ok: bool) {
        let backend = match backend {
            Backend::Store => "store",
            Backend::Schedule => "schedule",
        };
        self.backend_duration.get_or_create(&BackendOp { backend, op }).observe(took.as_secs_f64());
        self.backend_up.get_or_create(&BackendName { backend }).set(i64::from(is_ok));
    }

    pub(crate) fn incident_changed(&self, was_open: bool, is_open: bool) {
        if was_open != is_open {
            let state = if is_open { "opened" } else { "closed" };
            self.incidents.get_or_create(&State { state }).inc();
        }
    }

    pub(crate) fn hub_said(&self, result: &'static str) {
        self.websub_calls.get_or_create(&Outcome { result }).inc();
    }

    pub(crate) fn websub_entries(&self, entries: u64) {
        self.websub_entries.inc_by(entries);
    }

    pub(crate) fn polls_saved(&self, polls: f64) {
        self.polls_saved.inc_by(polls);
    }

    pub(crate) fn restarted(&self, role: &'static str) {
        self.restarts.get_or_create(&Role { role }).inc();
    }

    /// What is counted when it is looked at.
    pub(crate) fn snapshot(&self, now: &NodeGauges) {
        let set = |gauge: &Gauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.exchanges, now.exchanges);
        set(&self.credits, now.credits);
        set(&self.hosts, now.hosts);
        set(&self.draining, usize::from(now.is_draining));
        let host_workers = self.actors.get_or_create(&Role { role: "host_worker" }).clone();
        set(&host_workers, now.hosts);
    }

    pub(crate) fn schedule_is(&self, counts: &HostCounts, oldest_ready: Duration) {
        let HostCounts { waiting, ready, leased, .. } = *counts;
        for (state, hosts) in [("waiting", waiting), ("ready", ready), ("leased", leased)] {
            let gauge = self.schedule_hosts.get_or_create(&State { state }).clone();
            gauge.set(i64::try_from(hosts).unwrap_or(i64::MAX));
        }
        self.oldest_ready.set(i64::try_from(oldest_ready.as_secs()).unwrap_or(i64::MAX));
    }

    pub(crate) fn members_are(&self, alive: usize, silent: usize) {
        for (state, nodes) in [("alive", alive), ("silent", silent)] {
            let gauge = self.members.get_or_create(&State { state }).clone();
            gauge.set(i64::try_from(nodes).unwrap_or(i64::MAX));
        }
    }

    /// Everything, in the OpenMetrics text format.
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Everything, in Prometheus' own text format.
    pub fn prometheus(&self) -> String {
        in_prometheus_format(&self.open_metrics())
    }
}

impl FetchObserver for Metrics {
    fn waited(&self, wait: Duration) {
        self.politeness_wait.observe(wait.as_secs_f64());
    }

    fn robots_looked_up(&self, are_known: bool) {
        let counter = if are_known { &self.robots_hits } else { &self.robots_misses };
        counter.inc();
    }

    fn robots_fetched(&self, outcome: RobotsOutcome) {
        self.robots_fetches.get_or_create(&Ended { outcome: outcome.as_str() }).inc();
    }

    fn rule_violated(&self, rule: Rule) {
        self.violations.get_or_create(&Broken { rule: rule.as_str() }).inc();
    }
}

/// What is counted when it is looked at.
pub(crate) struct NodeGauges {
    pub(crate) exchanges: usize,
    pub(crate) credits: usize,
    pub(crate) hosts: usize,
    pub(crate) is_draining: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_say_the_same() {
        let metrics = Metrics::default();
        metrics.claimed(3);
        let (open, classic) = (metrics.open_metrics(), metrics.prometheus());
        assert!(open.ends_with("# EOF\n"), "{open}");
        assert!(
            open.contains("# TYPE qyran_leases_acquired counter\nqyran_leases_acquired_total 3\n"),
            "{open}"
        );
        assert!(
            classic.contains("# TYPE qyran_leases_acquired_total counter\nqyran_leases_acquired_total 3\n"),
            "{classic}"
        );
        assert!(classic.contains("# TYPE qyran_build_info gauge\nqyran_build_info{version="), "{classic}");
        let samples = |text: &str| {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(samples(&open), samples(&classic));
    }

    /// Whoever alerts on a first error must have seen its zero.
    #[test]
    fn series_are_there_before_anything_happens() {
        let before = Metrics::default().prometheus();
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
            assert!(before.lines().any(|line| line == series), "{series} is not in\n{before}");
        }
        let series = before.lines().filter(|line| !line.starts_with('#')).count();
        assert!(series < 1300, "{series} series");
    }
}
