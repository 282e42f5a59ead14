//! Metrics of the actors of the node and of cluster membership.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{RoleLabel, StateLabel};
use super::values::set_gauge;

/// The roles of actors that are restarted.
const RESTARTED_ROLES: [&str; 7] =
    ["storage", "object_sync", "maintenance", "membership", "dispatcher", "host_worker", "fetcher"];

#[derive(Debug)]
pub(super) struct ClusterMetrics {
    actors: Family<RoleLabel, Gauge>,
    restarts: Family<RoleLabel, Counter>,
    members: Family<StateLabel, Gauge>,
    draining: Gauge,
}

impl ClusterMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            actors: Family::default(),
            restarts: Family::default(),
            members: Family::default(),
            draining: Gauge::default(),
        };
        for role in RESTARTED_ROLES {
            drop(metrics.restarts.get_or_create(&RoleLabel { role }));
        }
        registry.register("actors", "Running actors by role", metrics.actors.clone());
        registry.register("actor_restarts", "Restarts of failed actors by role", metrics.restarts.clone());
        registry.register(
            "cluster_members",
            "Nodes of the cluster by state, as seen by this node",
            metrics.members.clone(),
        );
        registry.register(
            "draining",
            "1 while the node is stopping or ordered to hand over its hosts, otherwise 0",
            metrics.draining.clone(),
        );
        metrics
    }

    pub(super) fn record_restart(&self, role: &'static str) {
        self.restarts.get_or_create(&RoleLabel { role }).inc();
    }

    pub(super) fn set_host_workers(&self, host_workers: usize) {
        set_gauge(&self.actors.get_or_create(&RoleLabel { role: "host_worker" }), host_workers);
    }

    pub(super) fn set_draining(&self, is_draining: bool) {
        self.draining.set(i64::from(is_draining));
    }

    pub(super) fn set_members(&self, alive: usize, silent: usize) {
        for (state, nodes) in [("alive", alive), ("silent", silent)] {
            set_gauge(&self.members.get_or_create(&StateLabel { state }), nodes);
        }
    }
}
