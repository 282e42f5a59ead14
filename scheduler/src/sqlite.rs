//! The embedded schedule: one SQLite file, no server.
//!
//! Times are milliseconds since 1970. Every call is one transaction on a blocking thread.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Host, Job, JobId, JobKind, Name, Planned, Timestamp, Token, Turn};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use tokio::sync::Mutex;

use crate::memory::after;
use crate::schedule::{
    Borrowed, Claim, HostView, Lease, Leaving, Schedule, ScheduleError, Settle, next_token,
};

/// The shape of the file. A file of another shape is told, never guessed at.
const VERSION: i64 = 1;

const SCHEMA: &str = "
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
    -- Where it stands in a turn: 0 in none, 1 waiting, 2 under way.
    in_turn INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, kind, host)
) WITHOUT ROWID;
CREATE INDEX job_due ON job(due, host);
CREATE INDEX job_host ON job(host, due);
CREATE TABLE robots (origin TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
";

/// A schedule in a file.
#[derive(Clone)]
pub struct Sqlite {
    connection: Arc<Mutex<Connection>>,
}

impl Sqlite {
    /// Opens or makes the file.
    pub fn open(path: &Path) -> Result<Self, ScheduleError> {
        Self::with(Connection::open(path).map_err(|error| storage(&error))?)
    }

    fn with(mut connection: Connection) -> Result<Self, ScheduleError> {
        let prepare = |connection: &mut Connection| -> rusqlite::Result<i64> {
            connection.set_prepared_statement_cache_capacity(64);
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.busy_timeout(Duration::from_secs(5))?;
            let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if version == 0 {
                let transaction = connection.transaction()?;
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
                transaction.commit()?;
                return Ok(VERSION);
            }
            Ok(version)
        };
        match prepare(&mut connection).map_err(|error| storage(&error))? {
            VERSION => Ok(Self { connection: Arc::new(Mutex::new(connection)) }),
            other => Err(ScheduleError::Storage(format!(
                "its file has schema version {other}, this build reads {VERSION}"
            ))),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, ScheduleError> {
        // Waiting for the connection is done here, not on a thread.
        let mut connection = self.connection.clone().lock_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            // Immediate: one that begins by reading could not wait for another process's write.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failed::Schedule(error))) => Err(error),
            Ok(Err(Failed::Sqlite(error))) => Err(storage(&error)),
            Err(error) => Err(ScheduleError::Storage(error.to_string())),
        }
    }
}

/// What ends a transaction early.
enum Failed {
    Sqlite(rusqlite::Error),
    Schedule(ScheduleError),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn storage(error: &rusqlite::Error) -> ScheduleError {
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => "; is the disk full, or failing?",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => "; check the folder's owner and permissions",
        _ => "",
    };
    ScheduleError::Storage(format!("{error}{remedy}"))
}

fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn delay(tx: &Transaction<'_>, host: &str) -> rusqlite::Result<i64> {
    tx.prepare_cached(
        "SELECT max(coalesce((SELECT max(delay) FROM job WHERE host = ?1), 0),
                    coalesce((SELECT lent_delay FROM host WHERE host = ?1), 0))",
    )?
    .query_row([host], |row| row.get(0))
}

/// Takes hosts from owners whose lease is over, or from one owner that is gone.
fn expire(
    tx: &Transaction<'_>,
    now: Timestamp,
    gone: Option<&str>,
    leaving: Leaving,
) -> rusqlite::Result<()> {
    let mut over = tx.prepare_cached(match gone {
        Some(_) => "SELECT host FROM host WHERE owner = ?2 AND ?1 = ?1",
        None => "SELECT host FROM host WHERE owner IS NOT NULL AND lease_until <= ?1 AND ?2 IS NULL",
    })?;
    let hosts: Vec<String> =
        over.query_map(params![millis(now), gone], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for host in hosts {
        tx.prepare_cached(
            "UPDATE host SET owner = NULL, next_allowed = max(next_allowed, ?2 + max(?3, robots_delay))
             WHERE host = ?1",
        )?
        .execute(params![host, millis(now), delay(tx, &host)?])?;
        tx.prepare_cached(
            "UPDATE job SET in_turn = 0, crashes = crashes + (in_turn = 2 AND ?2) WHERE host = ?1 AND in_turn > 0",
        )?
        .execute(params![host, leaving == Leaving::Crashed])?;
    }
    Ok(())
}

fn take(tx: &Transaction<'_>, host: &str, claim: &Claim) -> rusqlite::Result<Turn> {
    let mut known =
        tx.prepare_cached("SELECT token, next_allowed, robots_delay FROM host WHERE host = ?1")?;
    let (last, next_allowed, robots_delay): (i64, i64, i64) =
        known.query_row([host], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let token = next_token(Token(u64::try_from(last).unwrap_or(0)), claim.now);
    let lease_until = after(claim.now, claim.lease);
    tx.prepare_cached("UPDATE host SET token = ?2, owner = ?3, lease_until = ?4 WHERE host = ?1")?.execute(
        params![host, i64::try_from(token.0).unwrap_or(i64::MAX), claim.node, millis(lease_until)],
    )?;
    Ok(Turn {
        host: Host::stored(host.to_owned()),
        token,
        next_allowed_at: time(next_allowed),
        delay: duration(delay(tx, host)?),
        robots_delay: duration(robots_delay),
        lease_until,
        jobs: Vec::new(),
    })
}

fn check(tx: &Transaction<'_>, lease: &Lease) -> Result<(), Failed> {
    let mut query =
        tx.prepare_cached("SELECT 1 FROM host WHERE host = ?1 AND token = ?2 AND owner IS NOT NULL")?;
    let token = i64::try_from(lease.token.0).unwrap_or(i64::MAX);
    if query.exists(params![lease.host.as_str(), token])? {
        Ok(())
    } else {
        Err(Failed::Schedule(ScheduleError::Fenced { host: lease.host.clone(), token: lease.token }))
    }
}

fn plan(tx: &Transaction<'_>, planned: &Planned) -> rusqlite::Result<()> {
    let Planned { id, due, delay } = planned;
    if id.kind == JobKind::Poll {
        tx.prepare_cached("DELETE FROM job WHERE source = ?1 AND kind = 'poll' AND host != ?2")?
            .execute([id.source.as_str(), id.host.as_str()])?;
    }
    tx.prepare_cached("INSERT OR IGNORE INTO host (host) VALUES (?1)")?.execute([id.host.as_str()])?;
    tx.prepare_cached(
        "INSERT INTO job (source, kind, host, due, delay) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET due = min(due, excluded.due), delay = excluded.delay, in_turn = 0",
    )?
    .execute(params![
        id.source.as_str(),
        id.kind.as_str(),
        id.host.as_str(),
        millis(*due),
        length(*delay)
    ])?;
    Ok(())
}

fn end(tx: &Transaction<'_>, job: &model::Settlement, crashed: bool) -> rusqlite::Result<()> {
    let (source, kind, host) = (job.id.source.as_str(), job.id.kind.as_str(), job.id.host.as_str());
    match job.next_due {
        None => tx
            // Not one that was planned anew meanwhile.
            .prepare_cached("DELETE FROM job WHERE source = ?1 AND kind = ?2 AND host = ?3 AND in_turn > 0")?
            .execute(params![source, kind, host])?,
        Some(due) => tx
            .prepare_cached(
                "UPDATE job SET due = ?4, in_turn = 0, crashes = CASE WHEN ?5 THEN crashes + 1 ELSE 0 END
                 WHERE source = ?1 AND kind = ?2 AND host = ?3",
            )?
            .execute(params![source, kind, host, millis(due), crashed])?,
    };
    Ok(())
}

/// The next job of a turn begins when the one before it has ended.
fn begin_next(tx: &Transaction<'_>, host: &str) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE job SET in_turn = 2 WHERE (source, kind, host) =
            (SELECT source, kind, host FROM job WHERE host = ?1 AND in_turn = 1
             ORDER BY due, source, kind = 'pages' LIMIT 1)",
    )?
    .execute([host])?;
    Ok(())
}

fn job(row: &Row<'_>) -> rusqlite::Result<Option<Job>> {
    let source: String = row.get(0)?;
    let kind: String = row.get(1)?;
    let kind = if kind == "poll" { JobKind::Poll } else { JobKind::Pages };
    let Ok(source) = Name::new(&source) else { return Ok(None) };
    let id = JobId { source, kind, host: Host::stored(row.get(2)?) };
    Ok(Some(Job { id, due: time(row.get(3)?), crashes: row.get(4)? }))
}

#[async_trait]
impl Schedule for Sqlite {
    async fn plan(&self, jobs: &[Planned]) -> Result<(), ScheduleError> {
        let jobs = jobs.to_vec();
        self.run(move |tx| Ok(jobs.iter().try_for_each(|planned| plan(tx, planned))?)).await
    }

    async fn remove(&self, sources: &[Name]) -> Result<(), ScheduleError> {
        let sources = sources.to_vec();
        self.run(move |tx| {
            for source in &sources {
                tx.execute("DELETE FROM job WHERE source = ?1", [source.as_str()])?;
            }
            Ok(())
        })
        .await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Turn>, ScheduleError> {
        let claim = claim.clone();
        self.run(move |tx| {
            expire(tx, claim.now, None, Leaving::Crashed)?;
            let (now, due_by) = (millis(claim.now), millis(claim.due_by.min(claim.now)));
            // By the index on (due, host), and no further than needed: thousands may be due at once.
            let mut free = tx.prepare_cached(
                "SELECT job.host FROM job CROSS JOIN host USING (host)
                 WHERE due <= ?2 AND owner IS NULL AND next_allowed <= ?1 AND blocked_until <= ?1
                 ORDER BY due, job.host",
            )?;
            let mut hosts: Vec<String> = Vec::new();
            let mut rows = free.query([now, due_by])?;
            while hosts.len() < claim.hosts {
                let Some(row) = rows.next()? else { break };
                let host: String = row.get(0)?;
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
            drop(rows);
            let mut turns = Vec::with_capacity(hosts.len());
            for host in hosts {
                let mut turn = take(tx, &host, &claim)?;
                let limit = i64::try_from(claim.jobs).unwrap_or(i64::MAX);
                let mut due = tx.prepare_cached(
                    "SELECT source, kind, host, due, crashes FROM job WHERE host = ?1 AND due <= ?2
                     ORDER BY due, source, kind = 'pages' LIMIT ?3",
                )?;
                let jobs: Vec<Option<Job>> =
                    due.query_map(params![host, due_by, limit], job)?.collect::<Result<_, _>>()?;
                turn.jobs = jobs.into_iter().flatten().collect();
                for (index, Job { id, .. }) in turn.jobs.iter().enumerate() {
                    let place = if index == 0 { 2 } else { 1 };
                    tx.prepare_cached(
                        "UPDATE job SET in_turn = ?4 WHERE source = ?1 AND kind = ?2 AND host = ?3",
                    )?
                    .execute(params![
                        id.source.as_str(),
                        id.kind.as_str(),
                        host,
                        place
                    ])?;
                }
                turns.push(turn);
            }
            Ok(turns)
        })
        .await
    }

    async fn borrow_host(
        &self,
        host: &Host,
        delay: Duration,
        claim: &Claim,
    ) -> Result<Borrowed, ScheduleError> {
        let (host, claim) = (host.clone(), claim.clone());
        self.run(move |tx| {
            expire(tx, claim.now, None, Leaving::Crashed)?;
            tx.execute("INSERT OR IGNORE INTO host (host) VALUES (?1)", [host.as_str()])?;
            let (owned, blocked): (Option<i64>, i64) = tx.query_row(
                "SELECT CASE WHEN owner IS NULL THEN NULL ELSE lease_until END, blocked_until FROM host WHERE host = ?1",
                [host.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if blocked > millis(claim.now) {
                return Ok(Borrowed::No { until: time(blocked) });
            }
            if let Some(until) = owned {
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

    async fn settle(&self, settle: &Settle) -> Result<(), ScheduleError> {
        let settle = settle.clone();
        self.run(move |tx| {
            check(tx, &settle.lease)?;
            settle.jobs.iter().try_for_each(|job| end(tx, job, false))?;
            settle.crashed.iter().try_for_each(|job| end(tx, job, true))?;
            settle.found.iter().try_for_each(|planned| plan(tx, planned))?;
            if !(settle.jobs.is_empty() && settle.crashed.is_empty()) {
                begin_next(tx, settle.lease.host.as_str())?;
            }
            if let Some(until) = settle.release_until {
                let host = settle.lease.host.as_str();
                tx.prepare_cached("UPDATE job SET in_turn = 0 WHERE host = ?1 AND in_turn > 0")?
                    .execute([host])?;
                tx.prepare_cached("UPDATE host SET owner = NULL, next_allowed = ?2 WHERE host = ?1")?
                    .execute(params![host, millis(until)])?;
            }
            Ok(())
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
            Ok(())
        })
        .await
    }

    async fn reclaim(&self, node: &str, now: Timestamp, leaving: Leaving) -> Result<(), ScheduleError> {
        let node = node.to_owned();
        self.run(move |tx| Ok(expire(tx, now, Some(&node), leaving)?)).await
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

    async fn host(&self, host: &Host) -> Result<Option<HostView>, ScheduleError> {
        let host = host.clone();
        self.run(move |tx| {
            let mut query = tx.prepare(
                "SELECT owner, lease_until, token, next_allowed, blocked_until, block_reason, robots_delay
                 FROM host WHERE host = ?1",
            )?;
            let delay = duration(delay(tx, host.as_str())?);
            let view = query
                .query_row([host.as_str()], |row| {
                    let owner: Option<String> = row.get(0)?;
                    let lease: Option<i64> = row.get(1)?;
                    let token: i64 = row.get(2)?;
                    let (blocked, reason): (i64, String) = (row.get(4)?, row.get(5)?);
                    Ok(HostView {
                        owner: owner.map(|owner| (owner, time(lease.unwrap_or(0)))),
                        token: Token(u64::try_from(token).unwrap_or(0)),
                        next_allowed_at: time(row.get(3)?),
                        delay: delay.max(duration(row.get(6)?)),
                        blocked: (blocked > 0).then(|| (time(blocked), reason)),
                        jobs: Vec::new(),
                    })
                })
                .optional()?;
            let Some(mut view) = view else { return Ok(None) };
            let mut jobs = tx.prepare(
                "SELECT source, kind, host, due, crashes FROM job WHERE host = ?1 ORDER BY due, source, kind = 'pages'",
            )?;
            let jobs: Vec<Option<Job>> = jobs.query_map([host.as_str()], job)?.collect::<Result<_, _>>()?;
            view.jobs = jobs.into_iter().flatten().collect();
            Ok(Some(view))
        })
        .await
    }

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
