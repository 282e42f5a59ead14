//! Metrics and probes: `/metrics`, `/livez`, `/readyz`, `/startupz`.
//!
//! The liveness probe covers this process only: a store or schedule that is unavailable must not restart nodes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

/// Upper bound on concurrent connections.
pub const MAX_CONNECTIONS: usize = 32;
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The name of the check.
    #[serde(rename = "check")]
    pub name: &'static str,
    /// True if the check passes.
    #[serde(rename = "ok")]
    pub is_ok: bool,
    /// The details.
    pub detail: String,
}

/// The state of a node, as monitoring sees it.
pub trait Monitoring: Send + Sync {
    /// Returns the checks of this process alone.
    fn liveness(&self) -> Vec<Check>;
    /// Returns the checks that decide whether the node takes part in the work.
    fn readiness(&self) -> Vec<Check>;
    /// Returns the checks that decide whether the node has started.
    fn startup(&self) -> Vec<Check>;
    /// Returns the metrics in the OpenMetrics format.
    fn open_metrics(&self) -> String;
    /// Returns the metrics in the text format of Prometheus.
    fn prometheus_metrics(&self) -> String;
}

type Node = State<Arc<dyn Monitoring>>;

/// Returns the router of the metrics and probes.
pub fn router(node: Arc<dyn Monitoring>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route(
            "/livez",
            get(|State(node): Node, query: RawQuery| async move { probe(node.liveness(), &query) }),
        )
        .route(
            "/readyz",
            get(|State(node): Node, query: RawQuery| async move { probe(node.readiness(), &query) }),
        )
        .route(
            "/startupz",
            get(|State(node): Node, query: RawQuery| async move { probe(node.startup(), &query) }),
        )
        .fallback(|| async { (StatusCode::NOT_FOUND, "/metrics /livez /readyz /startupz\n") })
        .with_state(node)
}

async fn metrics(State(node): Node, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    if accept.contains("application/openmetrics-text") {
        ([(CONTENT_TYPE, OPEN_METRICS)], node.open_metrics()).into_response()
    } else {
        ([(CONTENT_TYPE, PROMETHEUS)], node.prometheus_metrics()).into_response()
    }
}

#[derive(Serialize)]
struct ProbeResult {
    ok: bool,
    checks: Vec<Check>,
}

/// Answers a probe with the failed checks, or with all checks for `?verbose`.
fn probe(mut checks: Vec<Check>, RawQuery(query): &RawQuery) -> Response {
    let is_verbose = query.as_deref().is_some_and(|query| query.split('&').any(|flag| flag == "verbose"));
    let ok = checks.iter().all(|check| check.is_ok);
    checks.retain(|check| is_verbose || !check.is_ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(&ProbeResult { ok, checks }).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}
