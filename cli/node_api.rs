//! The HTTP interface of a node: connects the API with the running actors.

use std::sync::Arc;

use actors::{
    Context, HubReply, handle_hub_delivery, handle_hub_verification, has_subscription,
    record_rejected_hub_request,
};
use api::{CallbackReply, Check, Monitoring, Server, WebSubCallbacks, monitoring, websub};
use async_trait::async_trait;
use bytes::Bytes;

use crate::terminal::failure::Failure;

/// A node as the API sees it.
struct NodeApi(Arc<Context>);

/// Serves metrics and probes until the server is dropped.
pub(crate) async fn serve_monitoring(listen: &str, context: Arc<Context>) -> anyhow::Result<Server> {
    let router = monitoring::router(Arc::new(NodeApi(context)));
    api::serve(listen, monitoring::MAX_CONNECTIONS, router).await.map_err(|error| {
        Failure::failed(format!("cannot serve metrics and probes on {listen}: {error}"))
            .hint("choose another address with --listen")
            .into()
    })
}

/// Serves WebSub callbacks until the server is dropped. Documents of at most `max_bytes` are accepted.
pub(crate) async fn serve_websub(
    listen: &str,
    max_bytes: u64,
    context: Arc<Context>,
) -> anyhow::Result<Server> {
    let router = websub::router(Arc::new(NodeApi(context)), max_bytes);
    api::serve(listen, websub::MAX_CONNECTIONS, router).await.map_err(|error| {
        Failure::failed(format!("cannot serve WebSub callbacks on {listen}: {error}"))
            .hint("choose another address in websub.listen")
            .into()
    })
}

fn checks(checks: Vec<actors::Check>) -> Vec<Check> {
    let check = |check: actors::Check| Check { name: check.name, is_ok: check.is_well, detail: check.detail };
    checks.into_iter().map(check).collect()
}

impl Monitoring for NodeApi {
    fn liveness(&self) -> Vec<Check> {
        checks(self.0.liveness())
    }

    fn readiness(&self) -> Vec<Check> {
        checks(self.0.readiness())
    }

    fn startup(&self) -> Vec<Check> {
        checks(self.0.startup())
    }

    fn open_metrics(&self) -> String {
        self.0.metrics().open_metrics()
    }

    fn prometheus_metrics(&self) -> String {
        self.0.metrics().prometheus()
    }
}

fn reply(reply: HubReply) -> CallbackReply {
    match reply {
        HubReply::Challenge(challenge) => CallbackReply::Challenge(challenge),
        HubReply::Accepted => CallbackReply::Accepted,
        HubReply::NotSubscribed => CallbackReply::Unknown,
        HubReply::RetryLater(reason) => CallbackReply::Later(reason),
    }
}

#[async_trait]
impl WebSubCallbacks for NodeApi {
    async fn verify(&self, id: &str, query: &str) -> CallbackReply {
        reply(handle_hub_verification(&self.0, id, query).await)
    }

    async fn has_subscription(&self, id: &str) -> Result<bool, String> {
        has_subscription(&self.0, id).await.map_err(|error| error.to_string())
    }

    async fn deliver(
        &self,
        id: &str,
        signature: Option<&str>,
        content_type: Option<String>,
        body: Bytes,
    ) -> CallbackReply {
        reply(handle_hub_delivery(&self.0, id, signature, content_type, body).await)
    }

    fn rejected(&self, reason: &str) {
        record_rejected_hub_request(&self.0, reason);
    }
}
