//! The probes of a node: liveness, readiness and startup.

use scheduler::membership::Order;

use crate::context::Context;
use crate::health::Check;

impl Context {
    /// Returns the liveness checks: whether this process makes progress. They do not depend on other systems.
    pub fn liveness(&self) -> Vec<Check> {
        vec![self.health.root_check()]
    }

    /// Returns the readiness checks: whether the node can claim hosts, and is neither stopping nor ordered to drain.
    pub fn readiness(&self) -> Vec<Check> {
        let is_stopping = self.is_draining();
        let order = self.order();
        vec![
            self.health.schedule_check(),
            Check {
                name: "draining",
                is_well: !is_stopping,
                detail: if is_stopping { "stopping" } else { "no" }.to_owned(),
            },
            Check { name: "order", is_well: order != Order::Drain, detail: order.as_str().to_owned() },
        ]
    }

    /// Returns the startup checks: whether the declared objects are loaded.
    pub fn startup(&self) -> Vec<Check> {
        let version = self.snapshot().version();
        vec![Check { name: "objects", is_well: version > 0, detail: format!("version {version}") }]
    }
}
