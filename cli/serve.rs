//! Serving HTTP: what monitoring and hubs ask of a node. Bounded in connections, and in how long each may take.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the head of a request may take to be said.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may last, with everything that is said on it: it serves one request.
const LONGEST: Duration = Duration::from_secs(20);

/// What is answered.
pub(crate) type Answered = Response<Full<Bytes>>;

/// Serves until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    _task: JoinSet<()>,
}

/// Serves requests at an address, so many connections at the same time.
pub(crate) async fn serve<A, F>(listen: &str, connections: usize, answered: A) -> std::io::Result<Served>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send + 'static,
{
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let mut task = JoinSet::new();
    task.spawn(accept(listener, connections, answered));
    Ok(Served { address, _task: task })
}

async fn accept<A, F>(listener: TcpListener, most: usize, answered: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        // A connection that ends before it is taken is nobody's loss.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let answered = answered.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let answer = answered(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            // Whoever says nothing, or says it slowly, holds no place for long.
            let mut served = hyper::server::conn::http1::Builder::new();
            served.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            // Whoever hangs up has what it wanted.
            let _ = timeout(LONGEST, served.serve_connection(TokioIo::new(stream), service)).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

pub(crate) fn response(status: StatusCode, kind: &'static str, text: String) -> Answered {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
