//! The connection: found, kept, and found again.
//!
//! The client's own reconnecting follows neither Sentinel's events nor a master that became a replica. So a
//! connection that fails is dropped, and the next call looks for the master anew; behind Sentinels it is
//! asked for once a second in any case, since an old master that is cut off goes on answering.

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

const CONNECT: Duration = Duration::from_secs(1);
/// Long beside what any script takes, short beside a lease.
const ANSWER: Duration = Duration::from_secs(3);
/// How often Sentinels are asked who is the master.
const ASK: Duration = Duration::from_secs(1);
/// A server that could not be reached is left alone for this long.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection to whoever is the master.
pub(super) struct Link {
    address: Address,
    follows: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    failed: Option<(Instant, String)>,
    /// Rises with each connection.
    epoch: u64,
}

struct Held {
    connection: Connection,
    /// Where it leads to.
    master: String,
    asked_at: Instant,
}

/// One server, or all of a cluster.
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
        Self { address, follows: true, state: Mutex::default() }
    }

    /// Stays with a master for as long as it answers, whatever Sentinels say.
    pub(super) fn stay(&mut self) {
        self.follows = false;
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether the server behind a connection may become another one without a new connection of ours. Where it
    /// may not, the looks after a new connection are enough.
    pub(super) fn may_change_unseen(&self) -> bool {
        matches!(self.address, Address::Cluster(_))
    }

    /// Counts connections: another number is another connection. Whether there is a newer one is looked at first.
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

    /// Runs a script over this connection and no later one: who is behind that has not been looked at.
    pub(super) async fn run_at<T: FromRedisValue>(
        &self,
        epoch: u64,
        script: &Script,
        call: &Call,
    ) -> Result<T, ScheduleError> {
        match self.connection().await? {
            (now, connection) if now == epoch => self.run_over(epoch, connection, script, call).await,
            _ => Err(ScheduleError::Unreachable(format!("Redis ({}): it is another one", self.address))),
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
        let answer = invocation.invoke_async(&mut connection).await;
        self.judge(epoch, answer).await
    }

    /// Sends a command.
    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, ScheduleError> {
        let (epoch, mut connection) = self.connection().await?;
        let answer = command.query_async(&mut connection).await;
        self.judge(epoch, answer).await
    }

    async fn judge<T>(&self, epoch: u64, answer: RedisResult<T>) -> Result<T, ScheduleError> {
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if is_connection_lost(&error) {
            let mut state = self.state.lock().await;
            // Unless somebody has a new one already.
            if state.epoch == epoch {
                state.held = None;
            }
        }
        Err(self.failed(&error))
    }

    async fn connection(&self) -> Result<(u64, Connection), ScheduleError> {
        let mut state = self.state.lock().await;
        let epoch = state.epoch;
        if let Some(held) = &mut state.held {
            let is_told = self.follows && matches!(self.address, Address::Sentinel { .. });
            let asks = is_told && held.asked_at.elapsed() >= ASK;
            if !asks || self.still_leads_to(&held.master).await {
                held.asked_at = if asks { Instant::now() } else { held.asked_at };
                return Ok((epoch, held.connection.clone()));
            }
        }
        state.held = None;
        if let Some((at, reason)) = &state.failed
            && at.elapsed() < PAUSE
        {
            return Err(ScheduleError::Unreachable(reason.clone()));
        }
        match self.connect().await {
            Ok((connection, master)) => {
                tracing::debug!(redis = %self.address, "connected to Redis");
                state.held = Some(Held { connection: connection.clone(), master, asked_at: Instant::now() });
                state.failed = None;
                state.epoch += 1;
                Ok((state.epoch, connection))
            }
            Err(error) => {
                let error = self.failed(&error);
                state.failed = Some((Instant::now(), error.to_string()));
                Err(error)
            }
        }
    }

    async fn still_leads_to(&self, master: &str) -> bool {
        // Sentinels that cannot be reached say nothing against the master that we have.
        self.master().await.map_or(true, |now| now == master)
    }

    async fn connect(&self) -> RedisResult<(Connection, String)> {
        if let Address::Cluster(nodes) = &self.address {
            let client = redis::cluster::ClusterClientBuilder::new(nodes.iter().map(String::as_str))
                .connection_timeout(CONNECT)
                .response_timeout(ANSWER)
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
                "this Redis is a replica",
                "name its master, or its Sentinels with redis+sentinel://".to_owned(),
            )));
        }
        Ok((Connection::One(connection), master))
    }

    /// The address of the master.
    async fn master(&self) -> RedisResult<String> {
        let (sentinels, master, before, behind) = match &self.address {
            Address::One(address) => return Ok(address.clone()),
            Address::Cluster(nodes) => return Ok(nodes.join(",")),
            Address::Sentinel { sentinels, master, before, behind } => (sentinels, master, before, behind),
        };
        // All at once: one that is gone with its machine must not make us late.
        let asked = sentinels.iter().map(|sentinel| Box::pin(ask(sentinel, master)));
        let ((host, port), _) = select_ok(asked).await?;
        Ok(format!("{before}{host}:{port}{behind}"))
    }

    fn failed(&self, error: &RedisError) -> ScheduleError {
        ScheduleError::Unreachable(format!("Redis ({}): {error}", self.address))
    }
}

async fn open(address: &str) -> RedisResult<MultiplexedConnection> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(ANSWER));
    Client::open(address)?.get_multiplexed_async_connection_with_config(&config).await
}

async fn ask(sentinel: &str, master: &str) -> RedisResult<(String, u16)> {
    let mut connection = open(sentinel).await?;
    let question = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).to_owned();
    let known: Option<(String, u16)> = question.query_async(&mut connection).await?;
    known.ok_or_else(|| RedisError::from((ErrorKind::Client, "no Sentinel knows the master")))
}

/// Whether another connection may do better.
fn is_connection_lost(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
    match error.kind() {
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => true,
        ErrorKind::Server(kind) => matches!(kind, ReadOnly | MasterDown | ClusterDown | BusyLoading),
        _ => false,
    }
}
