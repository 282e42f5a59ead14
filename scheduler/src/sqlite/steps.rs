//! The steps of the embedded schedule's transactions.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Host, Job, JobId, JobKind, Name, Planned, Tenant, Timestamp, Token, Turn};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::TransactionError;
use crate::fairness::{Account, Shares};
use crate::schedule::{Claim, HostView, Lease, Leaving, ScheduleError, Settle, Stake, next_token};
use model::after;

pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

pub(super) fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Returns the delay of a host without that of its robots.txt, in milliseconds: the longest of its jobs and borrowers.
fn delay(tx: &Transaction<'_>, host: &str) -> rusqlite::Result<i64> {
    tx.prepare_cached(
        "SELECT max(coalesce((SELECT max(delay) FROM job WHERE host = ?1), 0),
                    coalesce((SELECT lent_delay FROM host WHERE host = ?1), 0))",
    )?
    .query_row([host], |row| row.get(0))
}

/// The leases to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expiry<'a> {
    /// All expired leases.
    All,
    /// The lease of this host, if it has expired.
    Host(&'a str),
    /// All leases of a node that has ended.
    Node(&'a str),
}

/// Ends leases. Each host rests for one delay; a running job counts as crashed if its node crashed.
pub(super) fn expire(
    tx: &Transaction<'_>,
    now: Timestamp,
    expiry: Expiry<'_>,
    leaving: Leaving,
) -> rusqlite::Result<()> {
    const SELECT_LEASED: &str = "SELECT host FROM host WHERE owner IS NOT NULL";
    let host_column = |row: &Row<'_>| row.get(0);
    let hosts: Vec<String> = match expiry {
        Expiry::All => tx
            .prepare_cached(&format!("{SELECT_LEASED} AND lease_until <= ?1"))?
            .query_map([millis(now)], host_column)?
            .collect::<Result<_, _>>()?,
        Expiry::Host(host) => tx
            .prepare_cached(&format!("{SELECT_LEASED} AND lease_until <= ?1 AND host = ?2"))?
            .query_map(params![millis(now), host], host_column)?
            .collect::<Result<_, _>>()?,
        Expiry::Node(node) => tx
            .prepare_cached("SELECT host FROM host WHERE owner = ?1")?
            .query_map([node], host_column)?
            .collect::<Result<_, _>>()?,
    };
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
        set_ready(tx, &host)?;
    }
    Ok(())
}

/// Stores the time from which a host can be leased: when its first job is due, its rest is over and its block has ended,
/// whichever is last.
pub(super) fn set_ready(tx: &Transaction<'_>, host: &str) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE host SET ready = CASE WHEN owner IS NULL THEN
            max((SELECT min(due) FROM job WHERE job.host = ?1), next_allowed, blocked_until) END
         WHERE host = ?1",
    )?
    .execute([host])?;
    Ok(())
}

/// Leases a host to the claiming node, without jobs.
pub(super) fn take(tx: &Transaction<'_>, host: &str, claim: &Claim) -> rusqlite::Result<Turn> {
    let mut query =
        tx.prepare_cached("SELECT token, next_allowed, robots_delay FROM host WHERE host = ?1")?;
    let (last, next_allowed, robots_delay): (i64, i64, i64) =
        query.query_row([host], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let token = next_token(Token(u64::try_from(last).unwrap_or(0)), claim.now);
    let lease_until = after(claim.now, claim.lease);
    tx.prepare_cached(
        "UPDATE host SET token = ?2, owner = ?3, lease_until = ?4, ready = NULL WHERE host = ?1",
    )?
    .execute(params![
        host,
        i64::try_from(token.0).unwrap_or(i64::MAX),
        claim.node,
        millis(lease_until)
    ])?;
    Ok(Turn {
        host: Host::from_stored(host.to_owned()),
        token,
        next_allowed_at: time(next_allowed),
        delay: duration(delay(tx, host)?),
        robots_delay: duration(robots_delay),
        lease_until,
        jobs: Vec::new(),
    })
}

/// Fails with [`ScheduleError::Fenced`] unless the lease is the current one of its host.
pub(super) fn check(tx: &Transaction<'_>, lease: &Lease) -> Result<(), TransactionError> {
    let mut query =
        tx.prepare_cached("SELECT 1 FROM host WHERE host = ?1 AND token = ?2 AND owner IS NOT NULL")?;
    let token = i64::try_from(lease.token.0).unwrap_or(i64::MAX);
    if query.exists(params![lease.host.as_str(), token])? {
        Ok(())
    } else {
        Err(TransactionError::Schedule(ScheduleError::Fenced {
            host: lease.host.clone(),
            token: lease.token,
        }))
    }
}

/// Adds a job, or updates an existing one.
pub(super) fn plan(tx: &Transaction<'_>, planned: &Planned) -> rusqlite::Result<()> {
    let Planned { id, due, delay, robots_delay, tenant } = planned;
    tx.prepare_cached("INSERT OR IGNORE INTO host (host, robots_delay) VALUES (?1, ?2)")?
        .execute(params![id.host.as_str(), length(*robots_delay)])?;
    tx.prepare_cached(
        "INSERT INTO job (source, kind, host, query, due, delay, client) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET due = min(due, excluded.due), delay = excluded.delay,
                                   client = excluded.client, in_turn = 0",
    )?
    .execute(params![
        id.source.as_str(),
        id.kind.as_str(),
        id.host.as_str(),
        id.query,
        millis(*due),
        length(*delay),
        tenant.client
    ])?;
    store_tenant(tx, id.host.as_str(), tenant)?;
    set_ready(tx, id.host.as_str())
}

/// Returns the host's clock of fair queueing; `None` until a client has jobs of its own there.
fn clock(tx: &Transaction<'_>, host: &str) -> rusqlite::Result<Option<i64>> {
    let mut query = tx.prepare_cached("SELECT clock FROM host WHERE host = ?1")?;
    Ok(query.query_row([host], |row| row.get(0)).optional()?.flatten())
}

/// Stores the weight of a client. A host is shared between clients once one of them has a job of its own there.
fn store_tenant(tx: &Transaction<'_>, host: &str, tenant: &Tenant) -> rusqlite::Result<()> {
    let upsert = |Tenant { client, weight }: &Tenant| {
        tx.prepare_cached(
            "INSERT INTO account (host, client, weight) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET weight = excluded.weight",
        )?
        .execute(params![host, client, weight])
    };
    match clock(tx, host)? {
        None if tenant.client.is_empty() => return Ok(()),
        None => {
            tx.execute("UPDATE host SET clock = 0 WHERE host = ?1", [host])?;
            upsert(&Tenant::shared())?;
        }
        Some(_) => (),
    }
    upsert(tenant).map(drop)
}

fn account(row: &Row<'_>) -> rusqlite::Result<(String, Account)> {
    Ok((row.get(0)?, Account { weight: row.get(1)?, tag: row.get::<_, i64>(2)?.unsigned_abs() }))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Charges the client of a completed job for its exchanges.
fn charge(tx: &Transaction<'_>, job: &model::Settlement) -> rusqlite::Result<()> {
    let host = job.id.host.as_str();
    let Some(clock) = clock(tx, host)? else { return Ok(()) };
    let mut query = tx.prepare_cached(
        "SELECT client, weight, tag FROM account JOIN job USING (host, client)
         WHERE source = ?1 AND kind = ?2 AND host = ?3 AND query = ?4",
    )?;
    if let Some((client, mut account)) = query.query_row(key(&job.id), account).optional()? {
        account.charge(clock.unsigned_abs(), job.exchanges);
        tx.prepare_cached("UPDATE account SET tag = ?3 WHERE host = ?1 AND client = ?2")?
            .execute(params![host, client, signed(account.tag)])?;
    }
    Ok(())
}

/// Removes a job.
pub(super) fn remove(tx: &Transaction<'_>, id: &JobId) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM job WHERE source = ?1 AND kind = ?2 AND host = ?3 AND query = ?4")?
        .execute(key(id))?;
    set_ready(tx, id.host.as_str())
}

/// Ends a job: reschedules it, or removes it.
fn end_job(tx: &Transaction<'_>, job: &model::Settlement, crashed: bool) -> rusqlite::Result<()> {
    charge(tx, job)?;
    let [source, kind, host, query] = key(&job.id);
    match job.next_due {
        None => tx
            // A job that was planned again meanwhile has `in_turn` 0 and stays.
            .prepare_cached(
                "DELETE FROM job WHERE source = ?1 AND kind = ?2 AND host = ?3 AND query = ?4 AND in_turn > 0",
            )?
            .execute([source, kind, host, query])?,
        Some(due) => tx
            .prepare_cached(
                "UPDATE job SET due = ?5, in_turn = 0, crashes = CASE WHEN ?6 THEN crashes + 1 ELSE 0 END
                 WHERE source = ?1 AND kind = ?2 AND host = ?3 AND query = ?4",
            )?
            .execute(params![source, kind, host, query, millis(due), crashed])?,
    };
    Ok(())
}

/// Starts the next waiting job of a turn, after the previous one has ended.
fn start_next_job(tx: &Transaction<'_>, host: &str) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE job SET in_turn = 2 WHERE (source, kind, host, query) =
            (SELECT source, kind, host, query FROM job WHERE host = ?1 AND in_turn = 1
             ORDER BY place LIMIT 1)",
    )?
    .execute([host])?;
    Ok(())
}

const SELECT_JOBS: &str = "SELECT source, kind, host, query, due, crashes FROM job";
/// The order of jobs: by due time, then by source, kind and query.
const ORDER_BY_DUE: &str =
    "ORDER BY due, source, CASE kind WHEN 'poll' THEN 0 WHEN 'pages' THEN 1 ELSE 2 END, query";

/// Returns the primary key of a job.
fn key(id: &JobId) -> [&str; 4] {
    [id.source.as_str(), id.kind.as_str(), id.host.as_str(), &id.query]
}

fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let source: String = row.get(0)?;
    let kind: String = row.get(1)?;
    let id = JobId {
        source: Name::from_stored(source),
        kind: JobKind::parse(&kind),
        host: Host::from_stored(row.get(2)?),
        query: row.get(3)?,
    };
    Ok(Job { id, due: time(row.get(4)?), crashes: row.get(5)? })
}

/// Leases eligible hosts, those first that have been eligible for longest, each with its due jobs.
pub(super) fn claim_hosts(tx: &Transaction<'_>, claim: &Claim) -> rusqlite::Result<Vec<Turn>> {
    expire(tx, claim.now, Expiry::All, Leaving::Crashed)?;
    let (now, due_by) = (millis(claim.now), millis(claim.due_by.min(claim.now)));
    let mut eligible = tx.prepare_cached(
        "SELECT host FROM host WHERE ready <= ?1 AND (SELECT min(due) FROM job WHERE job.host = host.host) <= ?2
         ORDER BY ready, host",
    )?;
    let hosts: Vec<String> =
        eligible.query_map([now, due_by], |row| row.get(0))?.take(claim.hosts).collect::<Result<_, _>>()?;
    let mut turns = Vec::with_capacity(hosts.len());
    for host in hosts {
        let mut turn = take(tx, &host, claim)?;
        turn.jobs = match clock(tx, &host)? {
            None => due_jobs(tx, &host, "", due_by, claim.jobs)?,
            Some(clock) => fair_jobs(tx, &host, clock.unsigned_abs(), due_by, claim.jobs)?,
        };
        for (place, Job { id, .. }) in turn.jobs.iter().enumerate() {
            let in_turn = if place == 0 { 2 } else { 1 };
            tx.prepare_cached(
                "UPDATE job SET in_turn = ?5, place = ?6
                 WHERE source = ?1 AND kind = ?2 AND host = ?3 AND query = ?4",
            )?
            .execute(params![
                id.source.as_str(),
                id.kind.as_str(),
                host,
                id.query,
                in_turn,
                place as i64
            ])?;
        }
        turns.push(turn);
    }
    Ok(turns)
}

/// Returns the due jobs of a client at a host, earliest first.
fn due_jobs(
    tx: &Transaction<'_>,
    host: &str,
    client: &str,
    due_by: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Job>> {
    tx.prepare_cached(&format!("{SELECT_JOBS} WHERE host = ?1 AND client = ?2 AND due <= ?3 {ORDER_BY_DUE}"))?
        .query_map(params![host, client, due_by], job)?
        .take(limit)
        .collect()
}

/// Begins a turn of a shared host: returns the due jobs of all clients in the order of execution.
fn fair_jobs(
    tx: &Transaction<'_>,
    host: &str,
    clock: u64,
    due_by: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Job>> {
    let mut accounts = tx.prepare_cached("SELECT client, weight, tag FROM account WHERE host = ?1")?;
    let clients: BTreeMap<String, Account> =
        accounts.query_map([host], account)?.collect::<Result<_, _>>()?;
    let mut queues = BTreeMap::new();
    for client in clients.keys() {
        let jobs = due_jobs(tx, host, client, due_by, limit)?.into_iter().map(|job| (job.due, job));
        queues.insert(client.clone(), jobs.collect());
    }
    let mut shares = Shares { clock, clients };
    let order = shares.begin_turn(queues, limit);
    tx.prepare_cached("UPDATE host SET clock = ?2 WHERE host = ?1")?
        .execute(params![host, signed(shares.clock)])?;
    Ok(order.into_iter().map(|(_, job)| job).collect())
}

/// Ends jobs of a turn, or the turn. If the lease is no longer valid, only the new jobs are planned.
pub(super) fn settle_one(tx: &Transaction<'_>, settle: &Settle) -> Result<(), TransactionError> {
    settle.new_jobs.iter().try_for_each(|planned| plan(tx, planned))?;
    check(tx, &settle.lease)?;
    let host = settle.lease.host.as_str();
    settle.jobs.iter().try_for_each(|job| end_job(tx, job, false))?;
    settle.crashed.iter().try_for_each(|job| end_job(tx, job, true))?;
    if !(settle.jobs.is_empty() && settle.crashed.is_empty()) {
        start_next_job(tx, host)?;
    }
    if let Some(until) = settle.release_until {
        tx.prepare_cached("UPDATE job SET in_turn = 0 WHERE host = ?1 AND in_turn > 0")?.execute([host])?;
        tx.prepare_cached("UPDATE host SET owner = NULL, next_allowed = ?2 WHERE host = ?1")?
            .execute(params![host, millis(until)])?;
        set_ready(tx, host)?;
    }
    Ok(())
}

/// Returns the record of a host.
pub(super) fn host_view(tx: &Transaction<'_>, host: &Host) -> rusqlite::Result<Option<HostView>> {
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
                stakes: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut view) = view else { return Ok(None) };
    let mut jobs = tx.prepare(&format!("{SELECT_JOBS} WHERE host = ?1 {ORDER_BY_DUE}"))?;
    view.jobs = jobs.query_map([host.as_str()], job)?.collect::<Result<_, _>>()?;
    let mut stakes = tx.prepare(
        "SELECT client, weight, count(*) FROM account JOIN job USING (host, client) WHERE host = ?1
         GROUP BY client ORDER BY client",
    )?;
    let stake = |row: &Row<'_>| {
        let tenant = Tenant { client: row.get(0)?, weight: row.get(1)? };
        Ok(Stake { tenant, jobs: row.get::<_, i64>(2)?.unsigned_abs() })
    };
    view.stakes = stakes.query_map([host.as_str()], stake)?.collect::<Result<_, _>>()?;
    Ok(Some(view))
}
