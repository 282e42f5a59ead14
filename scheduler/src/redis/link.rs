//! The connection to the current master.
//!
//! The reconnection of the client library follows neither Sentinel events nor a master that became a replica. So
//! a failed connection is dropped, and the next call looks up the master again. With Sentinels the lookup is
//! repeated every second in any case, because an old master that is cut off still responds.

use std::time::Duration;

use futures_util::future::select_ok;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisFuture,
    RedisResult, Script, ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::address::Address;
use super::scripts::Call;
use crate::schedule::ScheduleError;

/// Timeout of connecting to a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout of a response: much longer than any script takes, much shorter than a lease.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Interval between lookups of the master at the Sentinels.
const MASTER_LOOKUP_INTERVAL: Duration = Duration::from_secs(1);
/// Pause before the next attempt to connect after a failed one.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// A connection that follows the master.
pub(super) struct Link {
    address: Address,
    follows_sentinels: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    active: Option<ActiveConnection>,
    /// The time and the message of the last failed attempt.
    last_failure: Option<(Instant, String)>,
    /// Incremented with each new connection.
    epoch: u64,
}

struct ActiveConnection {
    connection: Connection,
    /// The address of the connected master.
    master: String,
    /// The time of the last lookup of the master.
    looked_up_at: Instant,
}

/// A connection to one server, or to all servers of a cluster.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

impl Link {
    pub(super) fn new(address: Address) -> Self {
        Self { address, follows_sentinels: true, state: Mutex::default() }
    }

    /// Keeps the connection to a master for as long as it responds, without further lookups.
    pub(super) fn disable_following(&mut self) {
        self.follows_sentinels = false;
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Returns true if the server may be replaced while the connection stays the same. Otherwise it is enough to check
    /// the server after each new connection.
    pub(super) fn may_change_silently(&self) -> bool {
        matches!(self.address, Address::Cluster(_))
    }

    /// Returns the number of the current connection; each new connection has another number. Reconnects first if
    /// necessary.
    pub(super) async fn epoch(&self) -> Result<u64, ScheduleError> {
        Ok(self.connection().await?.0)
    }

    /// Runs a script.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        call: &Call,
    ) -> Result<T, ScheduleError> {
        let (epoch, connection) = self.connection().await?;
        self.run_over(epoch, connection, script, call).await
    }

    /// Runs a script on the connection with this number. Fails if a newer connection has replaced it, because the
    /// server of the newer one has not been checked yet.
    pub(super) async fn run_at<T: FromRedisValue>(
        &self,
        epoch: u64,
        script: &Script,
        call: &Call,
    ) -> Result<T, ScheduleError> {
        match self.connection().await? {
            (current, connection) if current == epoch => self.run_over(epoch, connection, script, call).await,
            _ => Err(ScheduleError::Unreachable(format!(
                "Redis ({}): the connection was replaced",
                self.address
            ))),
        }
    }

    async fn run_over<T: FromRedisValue>(
        &self,
        epoch: u64,
        mut connection: Connection,
        script: &Script,
        call: &Call,
    ) -> Result<T, ScheduleError> {
        let mut invocation = script.key(&call.key);
        for argument in &call.arguments {
            invocation.arg(argument);
        }
        let result = invocation.invoke_async(&mut connection).await;
        self.check_result(epoch, result).await
    }

    /// Sends a command.
    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, ScheduleError> {
        let (epoch, mut connection) = self.connection().await?;
        let result = command.query_async(&mut connection).await;
        self.check_result(epoch, result).await
    }

    /// Drops the connection if the result shows that it is lost.
    async fn check_result<T>(&self, epoch: u64, result: RedisResult<T>) -> Result<T, ScheduleError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if is_connection_lost(&error) {
            let mut state = self.state.lock().await;
            // Another call may have reconnected already.
            if state.epoch == epoch {
                state.active = None;
            }
        }
        Err(self.unreachable(&error))
    }

    async fn connection(&self) -> Result<(u64, Connection), ScheduleError> {
        let mut state = self.state.lock().await;
        let epoch = state.epoch;
        if let Some(active) = &mut state.active {
            let follows = self.follows_sentinels && matches!(self.address, Address::Sentinel { .. });
            let is_lookup_due = follows && active.looked_up_at.elapsed() >= MASTER_LOOKUP_INTERVAL;
            if !is_lookup_due || self.is_still_master(&active.master).await {
                active.looked_up_at = if is_lookup_due { Instant::now() } else { active.looked_up_at };
                return Ok((epoch, active.connection.clone()));
            }
        }
        state.active = None;
        if let Some((at, reason)) = &state.last_failure
            && at.elapsed() < RECONNECT_PAUSE
        {
            return Err(ScheduleError::Unreachable(reason.clone()));
        }
        match self.connect().await {
            Ok((connection, master)) => {
                tracing::debug!(redis = %self.address, "connected to Redis");
                let active =
                    ActiveConnection { connection: connection.clone(), master, looked_up_at: Instant::now() };
                state.active = Some(active);
                state.last_failure = None;
                state.epoch += 1;
                Ok((state.epoch, connection))
            }
            Err(error) => {
                let error = self.unreachable(&error);
                state.last_failure = Some((Instant::now(), error.to_string()));
                Err(error)
            }
        }
    }

    async fn is_still_master(&self, master: &str) -> bool {
        // If no Sentinel can be reached, the current master stays.
        self.master().await.map_or(true, |current| current == master)
    }

    async fn connect(&self) -> RedisResult<(Connection, String)> {
        if let Address::Cluster(nodes) = &self.address {
            let client = redis::cluster::ClusterClientBuilder::new(nodes.iter().map(String::as_str))
                .connection_timeout(CONNECT_TIMEOUT)
                .response_timeout(RESPONSE_TIMEOUT)
                .build()?;
            let connection = client.get_async_connection().await?;
            return Ok((Connection::Cluster(connection), nodes.join(",")));
        }
        let master = self.master().await?;
        let mut connection = open(&master).await?;
        let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
        let role: String =
            role.into_iter().next().map(redis::from_redis_value).transpose()?.unwrap_or_default();
        if role != "master" {
            return Err(RedisError::from((
                ErrorKind::Server(ServerErrorKind::ReadOnly),
                "this server is a replica",
                "specify its master, or its Sentinels with redis+sentinel://".to_owned(),
            )));
        }
        Ok((Connection::One(connection), master))
    }

    /// Returns the address of the master.
    async fn master(&self) -> RedisResult<String> {
        let (sentinels, master, prefix, suffix) = match &self.address {
            Address::One(address) => return Ok(address.clone()),
            Address::Cluster(nodes) => return Ok(nodes.join(",")),
            Address::Sentinel { sentinels, master, prefix, suffix } => (sentinels, master, prefix, suffix),
        };
        // In parallel: a Sentinel that is down with its machine must not delay the lookup.
        let lookups = sentinels.iter().map(|sentinel| Box::pin(look_up_master(sentinel, master)));
        let ((host, port), _) = select_ok(lookups).await?;
        Ok(format!("{prefix}{host}:{port}{suffix}"))
    }

    fn unreachable(&self, error: &RedisError) -> ScheduleError {
        ScheduleError::Unreachable(format!("Redis ({}): {error}", self.address))
    }
}

async fn open(address: &str) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    Client::open(address)?.get_multiplexed_async_connection_with_config(&config).await
}

/// Asks a Sentinel for the address of a master.
async fn look_up_master(sentinel: &str, master: &str) -> RedisResult<(String, u16)> {
    let mut connection = open(sentinel).await?;
    let command = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).to_owned();
    let address: Option<(String, u16)> = command.query_async(&mut connection).await?;
    address.ok_or_else(|| RedisError::from((ErrorKind::Client, "the Sentinel does not know the master")))
}

/// Returns true if a new connection may help.
fn is_connection_lost(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
    match error.kind() {
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => true,
        ErrorKind::Server(kind) => matches!(kind, ReadOnly | MasterDown | ClusterDown | BusyLoading),
        _ => false,
    }
}
