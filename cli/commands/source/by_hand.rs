//! Permits for what a person fetches from the command line.

use std::sync::Arc;
use std::time::Duration;

use actors::HostPermits;
use crawler::fetch::{ManualVisitPermits, Permits};

use crate::backend::Backend;
use crate::global::Global;

/// A visit by hand. Where a node's data are, what a node owes to a host is owed by this visit as well, and what this visit
/// does by the node.
pub(super) enum ByHand {
    Alone(Box<ManualVisitPermits>),
    BesideNodes(Box<HostPermits>),
}

impl ByHand {
    pub(super) async fn new(global: &Global, delay: Duration) -> anyhow::Result<Self> {
        if !Backend::is_there(global) {
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

    /// Hands hosts back.
    pub(super) async fn end(self) {
        if let Self::BesideNodes(mut permits) = self {
            permits.settle().await;
        }
    }
}
