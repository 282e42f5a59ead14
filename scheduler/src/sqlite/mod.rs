//! The embedded schedule: one SQLite file, no server.
//!
//! Times are milliseconds since 1970. Every call is one transaction on a blocking thread; `steps.rs` contains the
//! steps of the transactions.

mod steps;

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::{Host, JobId, Planned, Timestamp, Turn};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::Mutex;

use crate::schedule::{
    Borrowed, Claim, HostCounts, HostView, JobPlan, Lease, Leaving, Members, RobotsCache, ScheduleError,
    ScheduledHosts, Settle, Share, Turns,
};
use steps::{
    Expiry, check, claim_hosts, expire, host_view, length, millis, plan, remove, set_ready, settle_one, take,
    time,
};

/// Schema migrations; the file's `user_version` is the number of those applied. A file of a newer build is rejected.
const MIGRATIONS: &[&str] = &[CREATE_TABLES, ADD_READY, ADD_CLIENTS];

/// The first schema version.
pub(crate) const CREATE_TABLES: &str = "
CREATE TABLE host (
    host TEXT PRIMARY KEY,
    token INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until INTEGER,
    next_allowed INTEGER NOT NULL DEFAULT 0,
    lent_delay INTEGER NOT NULL DEFAULT 0,
    robots_delay INTEGER NOT NULL DEFAULT 0,
    blocked_until INTEGER NOT NULL DEFAULT 0,
    block_reason TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX host_owner ON host(owner) WHERE owner IS NOT NULL;
CREATE TABLE job (
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    due INTEGER NOT NULL,
    delay INTEGER NOT NULL,
    crashes INTEGER NOT NULL DEFAULT 0,
    -- State in a turn: 0 idle, 1 waiting, 2 running.
    in_turn INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, kind, host)
) WITHOUT ROWID;
CREATE INDEX job_due ON job(due, host);
CREATE INDEX job_host ON job(host, due);
CREATE TABLE robots (origin TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
";

/// Adds the time from which a host can be leased; NULL while it is leased or has no jobs.
const ADD_READY: &str = "
ALTER TABLE host ADD COLUMN ready INTEGER;
UPDATE host SET ready = CASE WHEN owner IS NULL THEN
    max((SELECT min(due) FROM job WHERE job.host = host.host), next_allowed, blocked_until) END;
CREATE INDEX host_ready ON host(ready, host) WHERE ready IS NOT NULL;
";

/// Adds the query, the client and the position in the turn of a job, and the service that each client of a host has
/// received.
const ADD_CLIENTS: &str = "
CREATE TABLE job_with_clients (
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    query TEXT NOT NULL DEFAULT '',
    due INTEGER NOT NULL,
    delay INTEGER NOT NULL,
    crashes INTEGER NOT NULL DEFAULT 0,
    -- State in a turn (0 idle, 1 waiting, 2 running) and position in the turn.
    in_turn INTEGER NOT NULL DEFAULT 0,
    place INTEGER NOT NULL DEFAULT 0,
    client TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (source, kind, host, query)
) WITHOUT ROWID;
INSERT INTO job_with_clients (source, kind, host, due, delay, crashes, in_turn)
    SELECT source, kind, host, due, delay, crashes, in_turn FROM job;
DROP TABLE job;
ALTER TABLE job_with_clients RENAME TO job;
CREATE INDEX job_due ON job(due, host);
CREATE INDEX job_host ON job(host, due);
CREATE INDEX job_client ON job(host, client, due);
-- The host's clock of fair queueing; NULL until a client has jobs of its own there.
ALTER TABLE host ADD COLUMN clock INTEGER;
CREATE TABLE account (
    host TEXT NOT NULL,
    client TEXT NOT NULL,
    weight INTEGER NOT NULL,
    tag INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (host, client)
) WITHOUT ROWID;
";

/// A schedule in a file.
#[derive(Clone)]
pub struct Sqlite {
    connection: Arc<Mutex<Connection>>,
    /// Not in the file: each node plans all jobs when it starts.
    planned: Arc<std::sync::Mutex<Option<i64>>>,
}

impl Sqlite {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> Result<Self, ScheduleError> {
        Self::with(Connection::open(path).map_err(|error| storage(&error))?)
    }

    fn with(mut connection: Connection) -> Result<Self, ScheduleError> {
        let latest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        let prepare = |connection: &mut Connection| -> rusqlite::Result<i64> {
            connection.set_prepared_statement_cache_capacity(64);
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.busy_timeout(Duration::from_secs(5))?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
                transaction.execute_batch(migration)?;
            }
            transaction.pragma_update(None, "user_version", version.max(latest))?;
            transaction.commit()?;
            Ok(version)
        };
        match prepare(&mut connection).map_err(|error| storage(&error))? {
            version if version <= latest => {
                Ok(Self { connection: Arc::new(Mutex::new(connection)), planned: Arc::default() })
            }
            version => Err(ScheduleError::Storage(format!(
                "the file has schema version {version}, but this build supports only up to {latest}; use a newer build"
            ))),
        }
    }

    /// Runs `work` as one transaction on a blocking thread. An error rolls it back.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, TransactionError> + Send + 'static,
    ) -> Result<T, ScheduleError> {
        // Waits for the connection here, so that the wait does not occupy a blocking thread.
        let mut connection = self.connection.clone().lock_owned().await;
        let task = tokio::task::spawn_blocking(move || {
            // Immediate: a transaction that starts with a read cannot wait for another process's write.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        match task.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(TransactionError::Schedule(error))) => Err(error),
            Ok(Err(TransactionError::Sqlite(error))) => Err(storage(&error)),
            Err(error) => Err(ScheduleError::Storage(error.to_string())),
        }
    }
}

/// An error that aborts a transaction.
enum TransactionError {
    Sqlite(rusqlite::Error),
    Schedule(ScheduleError),
}

impl From<rusqlite::Error> for TransactionError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Returns the error with a hint at its cause.
fn storage(error: &rusqlite::Error) -> ScheduleError {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            "; check the disk for free space and errors"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            "; check the owner and permissions of the folder"
        }
        _ => "",
    };
    ScheduleError::Storage(format!("{error}{hint}"))
}

#[async_trait]
impl Turns for Sqlite {
    async fn claim(&self, claim: &Claim) -> Result<Vec<Turn>, ScheduleError> {
        let claim = claim.clone();
        self.run(move |tx| Ok(claim_hosts(tx, &claim)?)).await
    }

    async fn borrow_host(
        &self,
        host: &Host,
        delay: Duration,
        claim: &Claim,
    ) -> Result<Borrowed, ScheduleError> {
        let (host, claim) = (host.clone(), claim.clone());
        self.run(move |tx| {
            expire(tx, claim.now, Expiry::Host(host.as_str()), Leaving::Crashed)?;
            tx.execute("INSERT OR IGNORE INTO host (host) VALUES (?1)", [host.as_str()])?;
            let (lease_end, blocked): (Option<i64>, i64) = tx.query_row(
                "SELECT CASE WHEN owner IS NULL THEN NULL ELSE lease_until END, blocked_until FROM host WHERE host = ?1",
                [host.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if blocked > millis(claim.now) {
                return Ok(Borrowed::No { until: time(blocked) });
            }
            if let Some(until) = lease_end {
                return Ok(Borrowed::No { until: time(until) });
            }
            tx.execute("UPDATE host SET lent_delay = ?2 WHERE host = ?1", params![host.as_str(), length(delay)])?;
            Ok(Borrowed::Yes(take(tx, host.as_str(), &claim)?))
        })
        .await
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<(), ScheduleError> {
        let lease = lease.clone();
        self.run(move |tx| {
            check(tx, &lease)?;
            tx.prepare_cached("UPDATE host SET lease_until = ?2 WHERE host = ?1")?
                .execute(params![lease.host.as_str(), millis(until)])?;
            Ok(())
        })
        .await
    }

    async fn settle_all(&self, settles: &[Settle]) -> Result<Vec<Result<(), ScheduleError>>, ScheduleError> {
        let settles = settles.to_vec();
        self.run(move |tx| {
            let results = settles.iter().map(|settle| match settle_one(tx, settle) {
                // A fenced turn has changed nothing but its new jobs: the others are still settled.
                Err(TransactionError::Schedule(fenced)) => Ok(Err(fenced)),
                Err(error) => Err(error),
                Ok(()) => Ok(Ok(())),
            });
            results.collect()
        })
        .await
    }

    async fn reclaim(&self, node: &str, now: Timestamp, leaving: Leaving) -> Result<(), ScheduleError> {
        let node = node.to_owned();
        self.run(move |tx| Ok(expire(tx, now, Expiry::Node(&node), leaving)?)).await
    }

    async fn next_due(
        &self,
        due_by: Timestamp,
        blocked_by: Timestamp,
    ) -> Result<Option<Timestamp>, ScheduleError> {
        self.run(move |tx| {
            let mut query = tx.prepare_cached(
                "SELECT min(max(due, next_allowed, blocked_until, CASE WHEN owner IS NULL THEN 0 ELSE lease_until END))
                 FROM job JOIN host USING (host) WHERE due <= ?1 AND blocked_until <= ?2",
            )?;
            let next: Option<i64> =
                query.query_row([millis(due_by), millis(blocked_by)], |row| row.get(0))?;
            Ok(next.map(time))
        })
        .await
    }
}

#[async_trait]
impl JobPlan for Sqlite {
    async fn plan(&self, jobs: &[Planned]) -> Result<(), ScheduleError> {
        let jobs = jobs.to_vec();
        self.run(move |tx| Ok(jobs.iter().try_for_each(|planned| plan(tx, planned))?)).await
    }

    async fn remove(&self, jobs: &[JobId]) -> Result<(), ScheduleError> {
        let jobs = jobs.to_vec();
        self.run(move |tx| Ok(jobs.iter().try_for_each(|id| remove(tx, id))?)).await
    }

    async fn planned(&self) -> Result<Option<i64>, ScheduleError> {
        Ok(*self.planned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn set_planned(&self, version: i64) -> Result<(), ScheduleError> {
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        Ok(())
    }
}

#[async_trait]
impl ScheduledHosts for Sqlite {
    async fn host(&self, host: &Host) -> Result<Option<HostView>, ScheduleError> {
        let host = host.clone();
        self.run(move |tx| Ok(host_view(tx, &host)?)).await
    }

    async fn hosts(&self, limit: usize) -> Result<Vec<Host>, ScheduleError> {
        self.run(move |tx| {
            let mut query = tx.prepare(
                "SELECT host FROM host WHERE EXISTS (SELECT 1 FROM job WHERE job.host = host.host)
                 ORDER BY coalesce(ready, lease_until), host LIMIT ?1",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let hosts = query.query_map([limit], |row| Ok(Host::from_stored(row.get(0)?)))?;
            Ok(hosts.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn counts(&self, _share: Share, now: Timestamp) -> Result<HostCounts, ScheduleError> {
        self.run(move |tx| {
            let counts = tx.query_row(
                "SELECT count(*) FILTER (WHERE ready > ?1), count(*) FILTER (WHERE ready <= ?1),
                        count(*) FILTER (WHERE owner IS NOT NULL), min(ready) FILTER (WHERE ready <= ?1) FROM host",
                [millis(now)],
                |row| {
                    let count = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
                    Ok(HostCounts {
                        waiting: count(0)?,
                        ready: count(1)?,
                        leased: count(2)?,
                        oldest_ready: row.get::<_, Option<i64>>(3)?.map(time),
                    })
                },
            )?;
            Ok(counts)
        })
        .await
    }

    async fn ask_delay(&self, host: &Host, delay: Duration) -> Result<(), ScheduleError> {
        let host = host.clone();
        self.run(move |tx| {
            tx.prepare_cached(
                "INSERT INTO host (host, robots_delay) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET robots_delay = excluded.robots_delay",
            )?
            .execute(params![host.as_str(), length(delay)])?;
            Ok(())
        })
        .await
    }

    async fn block(&self, host: &Host, until: Timestamp, reason: &str) -> Result<(), ScheduleError> {
        let (host, reason) = (host.clone(), reason.to_owned());
        self.run(move |tx| {
            tx.execute(
                "INSERT INTO host (host, blocked_until, block_reason) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET blocked_until = excluded.blocked_until, block_reason = excluded.block_reason",
                params![host.as_str(), millis(until), reason],
            )?;
            Ok(set_ready(tx, host.as_str())?)
        })
        .await
    }
}

#[async_trait]
impl RobotsCache for Sqlite {
    async fn recall_robots(&self, origin: &str) -> Result<Option<String>, ScheduleError> {
        let origin = origin.to_owned();
        self.run(move |tx| {
            Ok(tx
                .query_row("SELECT record FROM robots WHERE origin = ?1", [origin], |row| row.get(0))
                .optional()?)
        })
        .await
    }

    async fn remember_robots(&self, origin: &str, record: &str) -> Result<(), ScheduleError> {
        let (origin, record) = (origin.to_owned(), record.to_owned());
        self.run(move |tx| {
            tx.execute("INSERT OR REPLACE INTO robots (origin, record) VALUES (?1, ?2)", [origin, record])?;
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Members for Sqlite {
    async fn take_duty(&self, _duty: &str, _node: &str, _hold: Duration) -> Result<bool, ScheduleError> {
        // A single node performs every duty.
        Ok(true)
    }
}
