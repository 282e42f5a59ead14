//! Metrics and probes over HTTP: `/metrics`, `/livez`, `/readyz`, `/startupz`.
//!
//! Liveness looks at this process only: a store or a schedule that is out must not bring about restarts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actors::{Check, Context};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::failure::Failure;

/// Connections at the same time: monitoring needs few.
const CONNECTIONS: usize = 32;
/// How long a request may take to be said.
const PATIENCE: Duration = Duration::from_secs(5);
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves them until it is dropped.
pub(crate) struct Probes {
    pub(crate) address: SocketAddr,
    _task: JoinSet<()>,
}

impl Probes {
    pub(crate) async fn serve(listen: &str, context: Arc<Context>) -> anyhow::Result<Self> {
        let failed = |error: std::io::Error| {
            Failure::failed(format!("metrics and probes cannot be served on {listen}: {error}"))
                .hint("name another address with --listen")
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut task = JoinSet::new();
        task.spawn(accept(listener, context));
        Ok(Self { address, _task: task })
    }
}

async fn accept(listener: TcpListener, context: Arc<Context>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        // A connection that ends before it is taken is nobody's loss.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let context = context.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let context = context.clone();
                async move { Ok::<_, Infallible>(answer(&request, &context)) }
            });
            // Whoever says nothing holds no place for long.
            let mut served = hyper::server::conn::http1::Builder::new();
            served.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            // Whoever hangs up has what it wanted.
            let _ = served.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

fn answer(request: &Request<Incoming>, context: &Context) -> Response<Full<Bytes>> {
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

fn metrics(request: &Request<Incoming>, context: &Context) -> Response<Full<Bytes>> {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let metrics = context.metrics();
    if accepted.contains("application/openmetrics-text") {
        response(StatusCode::OK, OPEN_METRICS, metrics.open_metrics())
    } else {
        response(StatusCode::OK, PROMETHEUS, metrics.prometheus())
    }
}

fn probe(checks: &[Check], is_verbose: bool) -> Response<Full<Bytes>> {
    let is_well = checks.iter().all(|check| check.is_well);
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let shown = checks.iter().filter(|check| is_verbose || !check.is_well);
    let checks: Vec<_> = shown
        .map(|check| json!({"check": check.name, "ok": check.is_well, "detail": check.detail}))
        .collect();
    response(status, "application/json", format!("{}\n", json!({"ok": is_well, "checks": checks})))
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
