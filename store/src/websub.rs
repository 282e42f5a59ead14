//! WebSub subscriptions and the documents that hubs push.

use async_trait::async_trait;
use model::{Name, Subscription, Timestamp, WebSubDocument};

use crate::StoreError;

/// The response of a hub to a subscription request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubDecision {
    /// The end of the lease if the hub granted it, otherwise the reason for the refusal.
    pub tells: Result<Timestamp, String>,
    /// The time of the next subscription request.
    pub renew_at: Timestamp,
}

impl HubDecision {
    /// Returns the columns `lease_until` and `refused`.
    pub(crate) fn columns(&self) -> (Option<Timestamp>, Option<&str>) {
        match &self.tells {
            Ok(until) => (Some(*until), None),
            Err(reason) => (None, Some(reason)),
        }
    }
}

/// WebSub subscriptions and the documents that hubs push.
#[async_trait]
pub trait WebSub: Send + Sync {
    /// Returns the subscription of a source.
    async fn subscription(&self, source: &Name) -> Result<Option<Subscription>, StoreError>;
    /// Returns the subscription with this identifier, which is part of the callback URL.
    async fn subscription_by_id(&self, id: &str) -> Result<Option<Subscription>, StoreError>;
    /// Stores a subscription before the request is sent to the hub. Returns false if the source is not declared.
    ///
    /// The counters of an earlier subscription of the source stay. Its lease and credit stay only if identifier
    /// and base of the callback URL are the same.
    async fn subscribe(&self, subscription: &Subscription) -> Result<bool, StoreError>;
    /// Stores the hub's decision on the subscription with this identifier. Does nothing if there is none.
    async fn record_hub_decision(&self, id: &str, decision: &HubDecision) -> Result<(), StoreError>;
    /// Stores a pushed document until it is read, and counts it in the subscription. Returns false if the source
    /// has no subscription, or `max_waiting` of its documents wait already.
    async fn enqueue_websub_document(
        &self,
        document: &WebSubDocument,
        max_waiting: usize,
    ) -> Result<bool, StoreError>;
    /// Returns the newest waiting document of a source whose identifier is lower than `before` (any, if `None`),
    /// and increments its `tries`. The document waits until [`Harvests::save`](crate::Harvests::save) reports it
    /// as read.
    async fn next_websub_document(
        &self,
        source: &Name,
        before: Option<i64>,
    ) -> Result<Option<WebSubDocument>, StoreError>;
    /// Returns the sources with waiting documents.
    async fn sources_with_websub_documents(&self) -> Result<Vec<Name>, StoreError>;
}
