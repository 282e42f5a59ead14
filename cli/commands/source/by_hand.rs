//! Permits for requests from the command line.

use std::sync::Arc;
use std::time::Duration;

use actors::HostPermits;
use crawler::fetch::{ManualVisitPermits, Permits};

use crate::backend::Backend;
use crate::global::Global;

/// The permits of a manual visit. With a data folder or a cluster, the visit and the nodes share the politeness state
/// of hosts: delays apply across both.
pub(super) enum ByHand {
    /// No data folder or cluster exists: the visit keeps the delays alone.
    Alone(Box<ManualVisitPermits>),
    /// Permits from the schedule that nodes use.
    BesideNodes(Box<HostPermits>),
}

impl ByHand {
    pub(super) async fn new(global: &Global, delay: Duration) -> anyhow::Result<Self> {
        if !Backend::exists(global) {
            return Ok(Self::Alone(Box::new(ManualVisitPermits::new(delay))));
        }
        let data = Backend::open(global).await?;
        let mut context = crate::wiring::context(&global.settings, &data, global.clock.clone(), None)?;
        context.config.delay = context.config.delay.max(delay);
        context.config.name = format!("by-hand-{}", std::process::id());
        context.load_objects().await?;
        Ok(Self::BesideNodes(Box::new(HostPermits::by_hand(Arc::new(context)))))
    }

    pub(super) fn permits(&mut self) -> &mut dyn Permits {
        match self {
            Self::Alone(run) => &mut **run,
            Self::BesideNodes(permits) => &mut **permits,
        }
    }

    /// Releases the leased hosts.
    pub(super) async fn end(self) {
        if let Self::BesideNodes(mut permits) = self {
            permits.settle().await;
        }
    }
}
