//! Connections: a small pool, TLS if the connection URL requires it, and a timeout for every wait.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::StoreError;

/// Maximum number of connections per node: one stores, the others read.
const MAX_CONNECTIONS: usize = 6;
/// Timeout for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout for borrowing a connection from the pool.
const BORROW_TIMEOUT: Duration = Duration::from_secs(30);
/// Time without acknowledgement from the server after which a connection counts as dead.
const TCP_TIMEOUT: Duration = Duration::from_secs(15);
/// The options of every session. A node that stalls within a transaction must release its locks soon, because the
/// other nodes wait for them.
const SESSION_OPTIONS: &str =
    "-c idle_in_transaction_session_timeout=5s -c statement_timeout=5min -c client_min_messages=warning";

/// Creates a connection pool for a URL. Returns it with the server's name for messages. Fails with
/// [`StoreError::Unreachable`] if the URL is invalid or TLS cannot be set up.
pub(super) fn pool(url: &str) -> Result<(Pool, String), StoreError> {
    let mut config = Config::from_str(url).map_err(|error| {
        // The parser's message does not repeat the URL, which may contain a password.
        StoreError::Unreachable {
            server: "PostgreSQL".to_owned(),
            reason: format!("invalid connection URL: {error}"),
        }
    })?;
    let server = server_name(&config);
    let options = match config.get_options() {
        Some(options) => format!("{SESSION_OPTIONS} {options}"),
        None => SESSION_OPTIONS.to_owned(),
    };
    config.options(options).connect_timeout(CONNECT_TIMEOUT);
    config.keepalives_idle(TCP_TIMEOUT).tcp_user_timeout(TCP_TIMEOUT);
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
        .max_size(MAX_CONNECTIONS)
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(CONNECT_TIMEOUT))
        .wait_timeout(Some(BORROW_TIMEOUT))
        .build()
        .map_err(|error| unreachable(error.to_string()))?;
    Ok((pool, server))
}

/// Borrows a connection from the pool. Fails with [`StoreError::Unreachable`] if none can be opened or none
/// becomes free.
pub(super) async fn connection(pool: &Pool, server: &str) -> Result<Object, StoreError> {
    pool.get().await.map_err(|error| StoreError::Unreachable {
        server: server.to_owned(),
        reason: match &error {
            PoolError::Backend(error) => with_cause(error),
            other => other.to_string(),
        },
    })
}

/// Returns an error message with its cause. The client itself only says "error connecting to server".
pub(super) fn with_cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Returns the server's name for messages, without user and password.
fn server_name(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        tokio_postgres::config::Host::Tcp(name) => name.clone(),
        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
    });
    let ports = config.get_ports().iter().map(u16::to_string).chain(std::iter::repeat("5432".to_owned()));
    let servers: Vec<String> = hosts.zip(ports).map(|(host, port)| format!("{host}:{port}")).collect();
    format!("PostgreSQL at {}", servers.join(", "))
}

/// Returns a TLS configuration that trusts the system's root certificates.
fn tls() -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    // SSL_CERT_FILE replaces the system's certificates. Certificates that cannot be parsed are ignored.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
