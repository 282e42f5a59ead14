//! Connections: a small pool, TLS where the server's address asks for it, and no wait without an end.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::StoreError;

/// Connections of one node: one stores, the others read.
const CONNECTIONS: usize = 6;
const CONNECT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection that others hold.
const WAIT: Duration = Duration::from_secs(30);
/// Nothing acknowledged for this long: the connection is dead, even if nobody says so.
const SILENCE: Duration = Duration::from_secs(15);
/// What every session begins with. A node that stands still in a transaction must not hold its locks: the
/// others would stand still as well.
const SESSION: &str =
    "-c idle_in_transaction_session_timeout=5s -c statement_timeout=5min -c client_min_messages=warning";

/// A pool of connections to the server of an address.
pub(super) fn pool(url: &str) -> Result<(Pool, String), StoreError> {
    let mut config = Config::from_str(url).map_err(|error| {
        // Its own words do not repeat the address, which may hold a password.
        StoreError::Unreachable { server: "PostgreSQL".to_owned(), reason: format!("the address: {error}") }
    })?;
    let server = name(&config);
    let options = match config.get_options() {
        Some(given) => format!("{SESSION} {given}"),
        None => SESSION.to_owned(),
    };
    config.options(options).connect_timeout(CONNECT).keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
    if config.get_application_name().is_none() {
        config.application_name("qyran");
    }
    let unreachable = |reason: String| StoreError::Unreachable { server: server.clone(), reason };
    let manager = Manager::from_config(
        config,
        MakeRustlsConnect::new(tls().map_err(unreachable)?),
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    let pool = Pool::builder(manager)
        .max_size(CONNECTIONS)
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(CONNECT))
        .wait_timeout(Some(WAIT))
        .build()
        .map_err(|error| unreachable(error.to_string()))?;
    Ok((pool, server))
}

/// A connection, or in words why there is none.
pub(super) async fn connection(pool: &Pool, server: &str) -> Result<Object, StoreError> {
    pool.get().await.map_err(|error| StoreError::Unreachable {
        server: server.to_owned(),
        reason: match &error {
            PoolError::Backend(error) => with_cause(error),
            other => other.to_string(),
        },
    })
}

/// The client says "error connecting to server" and keeps the reason behind it.
pub(super) fn with_cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The server as messages name it: without user and password.
fn name(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        tokio_postgres::config::Host::Tcp(name) => name.clone(),
        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
    });
    let ports = config.get_ports().iter().map(u16::to_string).chain(std::iter::repeat("5432".to_owned()));
    let named: Vec<String> = hosts.zip(ports).map(|(host, port)| format!("{host}:{port}")).collect();
    format!("PostgreSQL at {}", named.join(", "))
}

fn tls() -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    // SSL_CERT_FILE names another set; certificates that cannot be read are as good as none.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
