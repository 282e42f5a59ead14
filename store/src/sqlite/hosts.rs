//! How hosts did, beyond what each source tells.

use std::time::Duration;

use async_trait::async_trait;
use model::{Harvest, Host, HostHealth, HostIncident, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Sqlite;
use super::rows::{host, millis, time};
use crate::{Hosts, StoreError};

#[async_trait]
impl Hosts for Sqlite {
    async fn host_health(&self, host: &Host) -> Result<HostHealth, StoreError> {
        let host = host.clone();
        self.read(move |connection| health(connection, &host)).await
    }

    async fn incidents(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HostIncident>, StoreError> {
        self.read(move |connection| incidents(connection, (since, until))).await
    }

    async fn end_incident(&self, host: &Host, now: Timestamp) -> Result<(), StoreError> {
        let host = host.clone();
        self.write(move |tx| end(tx, &host, now)).await
    }

    async fn robots_delays(&self) -> Result<Vec<(Host, Duration)>, StoreError> {
        self.read(robots_delays).await
    }
}

pub(super) fn health(connection: &Connection, of: &Host) -> Result<HostHealth, StoreError> {
    let mut query = connection.prepare_cached("SELECT health FROM host_health WHERE host = ?1")?;
    let text: Option<String> = query.query_row([of.as_str()], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default())
}

pub(super) fn save(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(health) = &harvest.host_health else { return Ok(()) };
    let of = harvest.host.as_str();
    if let Some(incident) = &health.incident
        && tx
            .prepare_cached(
                "SELECT 1 FROM host_incident WHERE host = ?1 AND since = ?2 AND ended IS NOT NULL",
            )?
            .exists(params![of, millis(incident.since)])?
    {
        return Ok(()); // it was ended meanwhile, for want of sources
    }
    if *health == HostHealth::default() {
        tx.prepare_cached("DELETE FROM host_health WHERE host = ?1")?.execute([of])?;
    } else {
        tx.prepare_cached("INSERT OR REPLACE INTO host_health (host, health) VALUES (?1, ?2)")?
            .execute(params![of, serde_json::to_string(health)?])?;
    }
    match &health.incident {
        Some(incident) => tx
            .prepare_cached("INSERT OR IGNORE INTO host_incident (host, since, reason) VALUES (?1, ?2, ?3)")?
            .execute(params![of, millis(incident.since), incident.reason])?,
        None => tx
            .prepare_cached("UPDATE host_incident SET ended = ?2 WHERE host = ?1 AND ended IS NULL")?
            .execute(params![of, millis(harvest.at)])?,
    };
    Ok(())
}

pub(super) fn end(tx: &Transaction<'_>, of: &Host, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM host_health WHERE host = ?1")?.execute([of.as_str()])?;
    tx.prepare_cached("UPDATE host_incident SET ended = ?2 WHERE host = ?1 AND ended IS NULL")?
        .execute(params![of.as_str(), millis(now)])?;
    Ok(())
}

pub(super) fn incidents(
    connection: &Connection,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<HostIncident>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT host, since, ended, reason FROM host_incident
         WHERE since < ?2 AND (ended IS NULL OR ended > ?1) ORDER BY since, host",
    )?;
    let incident = |row: &rusqlite::Row<'_>| {
        Ok(HostIncident {
            host: host(row.get(0)?),
            from: time(row.get(1)?),
            to: row.get::<_, Option<i64>>(2)?.map(time),
            reason: row.get(3)?,
        })
    };
    let found = query.query_map(params![millis(since), millis(until)], incident)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn robots_delays(connection: &Connection) -> Result<Vec<(Host, Duration)>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT host, robots_delay FROM host_token WHERE robots_delay > 0")?;
    let delay = |row: &rusqlite::Row<'_>| {
        let millis: i64 = row.get(1)?;
        Ok((host(row.get(0)?), Duration::from_millis(millis.unsigned_abs())))
    };
    Ok(query.query_map([], delay)?.collect::<Result<_, _>>()?)
}
