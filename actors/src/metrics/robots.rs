//! Metrics of robots.txt: fetches and the rules cache.

use crawler::fetch::RobotsOutcome;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::OutcomeLabel;

#[derive(Debug)]
pub(super) struct RobotsMetrics {
    fetches: Family<OutcomeLabel, Counter>,
    cache_hits: Counter,
    cache_misses: Counter,
}

impl RobotsMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            fetches: Family::default(),
            cache_hits: Counter::default(),
            cache_misses: Counter::default(),
        };
        for outcome in RobotsOutcome::ALL.map(RobotsOutcome::as_str) {
            drop(metrics.fetches.get_or_create(&OutcomeLabel { outcome }));
        }
        registry.register("robots_fetches", "Fetches of robots.txt by outcome", metrics.fetches.clone());
        registry.register(
            "robots_cache_hits",
            "Lookups of robots.txt rules that were cached",
            metrics.cache_hits.clone(),
        );
        registry.register(
            "robots_cache_misses",
            "Lookups of robots.txt rules that were not cached",
            metrics.cache_misses.clone(),
        );
        metrics
    }

    pub(super) fn record_lookup(&self, is_cached: bool) {
        let counter = if is_cached { &self.cache_hits } else { &self.cache_misses };
        counter.inc();
    }

    pub(super) fn record_fetch(&self, outcome: RobotsOutcome) {
        self.fetches.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
    }
}
