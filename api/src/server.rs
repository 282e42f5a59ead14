//! The server: accepts a bounded number of connections, each for one request and a bounded time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Upper bound on the time to receive the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Upper bound on the time of a connection. It serves one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);
/// The wait after a failed accept, such as for lack of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A running server. It stops when this is dropped.
pub struct Server {
    /// The address that the server listens on.
    pub address: SocketAddr,
    _task: JoinSet<()>,
}

/// Serves a router on an address, with at most `connections` concurrent connections. Fails if the address cannot be bound.
pub async fn serve(listen: &str, connections: usize, router: Router) -> std::io::Result<Server> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let mut task = JoinSet::new();
    task.spawn(accept(listener, connections, router));
    Ok(Server { address, _task: task })
}

async fn accept(listener: TcpListener, max_connections: usize, router: Router) {
    let slots = Arc::new(Semaphore::new(max_connections));
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        // A connection that ends before it is accepted does not affect others.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).keep_alive(false);
            // A client that sends nothing, or slowly, occupies no slot for long. A client may also hang up.
            let _ =
                timeout(CONNECTION_TIMEOUT, builder.serve_connection(TokioIo::new(stream), service)).await;
            drop(slot);
        });
        while connections.try_join_next().is_some() {}
    }
}
