//! Metrics and probes over HTTP: `/metrics`, `/livez`, `/readyz`, `/startupz`.
//!
//! Liveness looks at this process only: a store or a schedule that is out must not bring about restarts.

use std::sync::Arc;

use actors::{Check, Context};
use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::{Request, StatusCode};
use serde_json::json;

use crate::serve::{Answered, Served, response, serve};
use crate::terminal::failure::Failure;

/// Connections at the same time: monitoring needs few.
const CONNECTIONS: usize = 32;
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves them until what comes back is dropped.
pub(crate) async fn serve_probes(listen: &str, context: Arc<Context>) -> anyhow::Result<Served> {
    let answered = move |request: Request<Incoming>| {
        let answered = answer(&request, &context);
        async move { answered }
    };
    serve(listen, CONNECTIONS, answered).await.map_err(|error| {
        Failure::failed(format!("metrics and probes cannot be served on {listen}: {error}"))
            .hint("name another address with --listen")
            .into()
    })
}

fn answer(request: &Request<Incoming>, context: &Context) -> Answered {
    let is_verbose =
        request.uri().query().is_some_and(|query| query.split('&').any(|flag| flag == "verbose"));
    match request.uri().path() {
        "/metrics" => metrics(request, context),
        "/livez" => probe(&context.liveness(), is_verbose),
        "/readyz" => probe(&context.readiness(), is_verbose),
        "/startupz" => probe(&context.startup(), is_verbose),
        _ => response(StatusCode::NOT_FOUND, "text/plain", "/metrics /livez /readyz /startupz\n".to_owned()),
    }
}

fn metrics(request: &Request<Incoming>, context: &Context) -> Answered {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let metrics = context.metrics();
    if accepted.contains("application/openmetrics-text") {
        response(StatusCode::OK, OPEN_METRICS, metrics.open_metrics())
    } else {
        response(StatusCode::OK, PROMETHEUS, metrics.prometheus())
    }
}

fn probe(checks: &[Check], is_verbose: bool) -> Answered {
    let is_well = checks.iter().all(|check| check.is_well);
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let shown = checks.iter().filter(|check| is_verbose || !check.is_well);
    let checks: Vec<_> = shown
        .map(|check| json!({"check": check.name, "ok": check.is_well, "detail": check.detail}))
        .collect();
    response(status, "application/json", format!("{}\n", json!({"ok": is_well, "checks": checks})))
}
