//! Metrics of the health of sources and hosts.

use model::{SourceKind, SourceState};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{KindStateLabels, StateLabel};
use super::values::set_gauge;

#[derive(Debug)]
pub(super) struct SourceMetrics {
    sources: Family<KindStateLabels, Gauge>,
    incidents: Family<StateLabel, Counter>,
}

impl SourceMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { sources: Family::default(), incidents: Family::default() };
        metrics.set_sources(&[]);
        for state in ["opened", "closed"] {
            drop(metrics.incidents.get_or_create(&StateLabel { state }));
        }
        registry.register(
            "sources",
            "Declared sources of the whole cluster by state, counted once a minute",
            metrics.sources.clone(),
        );
        registry.register(
            "host_incidents",
            "Incidents of hosts that began (opened) or ended (closed); an incident is a failure of all sources of a host with at least five",
            metrics.incidents.clone(),
        );
        metrics
    }

    /// Sets the number of sources of each kind and state. Combinations without an entry are set to 0.
    pub(super) fn set_sources(&self, counts: &[(SourceKind, SourceState, u64)]) {
        for kind in SourceKind::ALL {
            for state in SourceState::ALL {
                let entry = counts.iter().find(|(k, s, _)| (*k, *s) == (kind, state));
                let labels = KindStateLabels { kind: kind.as_str(), state: state.as_str() };
                set_gauge(&self.sources.get_or_create(&labels), entry.map_or(0, |(.., count)| *count));
            }
        }
    }

    pub(super) fn record_incident_change(&self, was_open: bool, is_open: bool) {
        if was_open != is_open {
            let state = if is_open { "opened" } else { "closed" };
            self.incidents.get_or_create(&StateLabel { state }).inc();
        }
    }
}
