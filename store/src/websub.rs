//! WebSub subscriptions and the documents that hubs push.

use async_trait::async_trait;
use model::{Name, Subscription, Timestamp, WebSubDocument};

use crate::StoreError;

/// What came of asking a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubDecision {
    /// It tells until then, or does not, and says why.
    pub tells: Result<Timestamp, String>,
    /// When it is asked again.
    pub renew_at: Timestamp,
}

impl HubDecision {
    pub(crate) fn parts(&self) -> (Option<Timestamp>, Option<&str>) {
        match &self.tells {
            Ok(until) => (Some(*until), None),
            Err(reason) => (None, Some(reason)),
        }
    }
}

/// WebSub subscriptions and the documents that hubs push.
#[async_trait]
pub trait WebSub: Send + Sync {
    /// The subscription of a source at a hub.
    async fn subscription(&self, source: &Name) -> Result<Option<Subscription>, StoreError>;
    /// The subscription that a hub calls so.
    async fn subscription_by_id(&self, id: &str) -> Result<Option<Subscription>, StoreError>;
    /// A hub is going to be asked. What was counted stays; what another one promised does not. False where that cannot be
    /// kept: its source is gone.
    async fn subscribe(&self, asked: &Subscription) -> Result<bool, StoreError>;
    /// What came of it.
    async fn record_hub_decision(&self, id: &str, answer: &HubDecision) -> Result<(), StoreError>;
    /// Keeps a document that a hub pushed until it is read. False where `most` of its source wait already, or it has no
    /// subscription.
    async fn enqueue_websub_document(&self, push: &WebSubDocument, most: usize) -> Result<bool, StoreError>;
    /// The newest document of a source that waits to be read and came before another one, or before now; it counts as begun. That
    /// it was read is written with harvests.
    async fn next_websub_document(
        &self,
        source: &Name,
        before: Option<i64>,
    ) -> Result<Option<WebSubDocument>, StoreError>;
    /// Sources of which documents wait.
    async fn sources_with_websub_documents(&self) -> Result<Vec<Name>, StoreError>;
}
