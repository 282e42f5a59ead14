//! Metrics of fetching and parsing: exchanges, politeness, bodies.

use std::time::Duration;

use crawler::fetch::Rule;
use model::{FetchRecord, FetchStatus, SourceKind};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{KindLabel, KindOutcomeLabels, RuleLabel};
use super::values::{milliseconds_histogram, seconds_histogram, set_gauge};

#[derive(Debug)]
pub(super) struct FetchingMetrics {
    fetches: Family<KindOutcomeLabels, Counter>,
    fetch_duration: Family<KindLabel, Histogram>,
    body_bytes: Family<KindLabel, Counter>,
    in_flight: Gauge,
    slots: Gauge,
    politeness_wait: Histogram,
    violations: Family<RuleLabel, Counter>,
    parse_duration: Family<KindLabel, Histogram>,
    items_parsed: Family<KindLabel, Counter>,
}

impl FetchingMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            fetches: Family::default(),
            fetch_duration: Family::new_with_constructor(seconds_histogram),
            body_bytes: Family::default(),
            in_flight: Gauge::default(),
            slots: Gauge::default(),
            politeness_wait: seconds_histogram(),
            violations: Family::default(),
            parse_duration: Family::new_with_constructor(milliseconds_histogram),
            items_parsed: Family::default(),
        };
        metrics.create_series();
        registry.register(
            "fetches",
            "Exchanges, including skipped ones, by outcome",
            metrics.fetches.clone(),
        );
        registry.register_with_unit(
            "fetch_duration",
            "Duration of exchanges, from the start to the last byte",
            Unit::Seconds,
            metrics.fetch_duration.clone(),
        );
        registry.register_with_unit(
            "fetch_body",
            "Size of response bodies on the wire",
            Unit::Bytes,
            metrics.body_bytes.clone(),
        );
        registry.register(
            "fetches_inflight",
            "Exchanges whose bodies may be in memory",
            metrics.in_flight.clone(),
        );
        registry.register(
            "fetch_slots",
            "Upper bound on the exchanges whose bodies may be in memory",
            metrics.slots.clone(),
        );
        registry.register_with_unit(
            "politeness_wait",
            "Wait for the delay of a host before an exchange",
            Unit::Seconds,
            metrics.politeness_wait.clone(),
        );
        registry.register(
            "politeness_violations",
            "Exchanges that violated a politeness rule, counted by an audit in the fetch path; must stay 0",
            metrics.violations.clone(),
        );
        registry.register_with_unit(
            "parse_duration",
            "Duration of parsing a body: a document of entries or an article page",
            Unit::Seconds,
            metrics.parse_duration.clone(),
        );
        registry.register("items_parsed", "Parsed entries and articles", metrics.items_parsed.clone());
        metrics
    }

    fn create_series(&self) {
        for kind in SourceKind::ALL.map(SourceKind::as_str) {
            for outcome in FetchStatus::ALL.map(FetchStatus::as_str) {
                drop(self.fetches.get_or_create(&KindOutcomeLabels { kind, outcome }));
            }
            drop(self.fetch_duration.get_or_create(&KindLabel { kind }));
            drop(self.body_bytes.get_or_create(&KindLabel { kind }));
            drop(self.parse_duration.get_or_create(&KindLabel { kind }));
            drop(self.items_parsed.get_or_create(&KindLabel { kind }));
        }
        for rule in Rule::ALL.map(Rule::as_str) {
            drop(self.violations.get_or_create(&RuleLabel { rule }));
        }
    }

    /// Counts an exchange. An exchange that was not made has no duration and is not observed in the histogram.
    pub(super) fn record_fetch(&self, kind: SourceKind, record: &FetchRecord) {
        let kind = kind.as_str();
        self.fetches.get_or_create(&KindOutcomeLabels { kind, outcome: record.status.as_str() }).inc();
        if record.duration > Duration::ZERO {
            self.fetch_duration.get_or_create(&KindLabel { kind }).observe(record.duration.as_secs_f64());
        }
        self.body_bytes.get_or_create(&KindLabel { kind }).inc_by(record.bytes);
    }

    pub(super) fn record_parse(&self, kind: SourceKind, duration: Duration, items: usize) {
        let kind = kind.as_str();
        self.parse_duration.get_or_create(&KindLabel { kind }).observe(duration.as_secs_f64());
        self.items_parsed.get_or_create(&KindLabel { kind }).inc_by(items as u64);
    }

    pub(super) fn record_wait(&self, wait: Duration) {
        self.politeness_wait.observe(wait.as_secs_f64());
    }

    pub(super) fn record_violation(&self, rule: Rule) {
        self.violations.get_or_create(&RuleLabel { rule: rule.as_str() }).inc();
    }

    pub(super) fn set_slots(&self, in_flight: usize, slots: usize) {
        set_gauge(&self.in_flight, in_flight);
        set_gauge(&self.slots, slots);
    }
}
