//! A TCP relay that can be cut, to simulate a network that drops packets.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards bytes to a server. While it is cut, bytes wait, and no connection is refused or closed.
pub(crate) struct Relay {
    port: u16,
    is_cut: Arc<watch::Sender<bool>>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_cut = Arc::new(watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept_connections(listener, server, is_cut.clone()));
        Self { port, is_cut, _tasks: tasks }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set_cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }
}

async fn accept_connections(listener: TcpListener, server: u16, is_cut: Arc<watch::Sender<bool>>) {
    let mut pipes = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(upstream) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { continue };
        let ((client_in, client_out), (upstream_in, upstream_out)) =
            (client.into_split(), upstream.into_split());
        pipes.spawn(forward(client_in, upstream_out, is_cut.subscribe()));
        pipes.spawn(forward(upstream_in, client_out, is_cut.subscribe()));
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut is_cut: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if is_cut.wait_for(|is_cut| !is_cut).await.is_err() || to.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
    }
}
