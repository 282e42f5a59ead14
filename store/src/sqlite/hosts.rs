//! Host health, host incidents and crawl delays in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use model::{Harvest, Host, HostHealth, HostIncident, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Sqlite;
use super::rows::{millis, time};
use crate::{Hosts, StoreError};

#[async_trait]
impl Hosts for Sqlite {
    async fn host_health(&self, host: &Host) -> Result<HostHealth, StoreError> {
        let host = host.clone();
        self.read(move |connection| select_health(connection, &host)).await
    }

    async fn incidents(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HostIncident>, StoreError> {
        self.read(move |connection| select_incidents(connection, (since, until))).await
    }

    async fn end_incident(&self, host: &Host, now: Timestamp) -> Result<(), StoreError> {
        let host = host.clone();
        self.write(move |tx| end_incident(tx, &host, now)).await
    }

    async fn robots_delays(&self, hosts: &[Host]) -> Result<Vec<(Host, Duration)>, StoreError> {
        let hosts = hosts.to_vec();
        self.read(move |connection| select_robots_delays(connection, &hosts)).await
    }
}

pub(super) fn select_health(connection: &Connection, host: &Host) -> Result<HostHealth, StoreError> {
    let mut query = connection.prepare_cached("SELECT health FROM host_health WHERE host = ?1")?;
    let text: Option<String> = query.query_row([host.as_str()], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default())
}

/// Stores the host health of a harvest, and begins or ends the incident.
pub(super) fn save_health(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(health) = &harvest.host_health else { return Ok(()) };
    let host = harvest.host.as_str();
    if let Some(incident) = &health.incident
        && tx
            .prepare_cached(
                "SELECT 1 FROM host_incident WHERE host = ?1 AND since = ?2 AND ended IS NOT NULL",
            )?
            .exists(params![host, millis(incident.since)])?
    {
        return Ok(()); // `end_incident` ended the incident meanwhile
    }
    if *health == HostHealth::default() {
        tx.prepare_cached("DELETE FROM host_health WHERE host = ?1")?.execute([host])?;
    } else {
        tx.prepare_cached("INSERT OR REPLACE INTO host_health (host, health) VALUES (?1, ?2)")?
            .execute(params![host, serde_json::to_string(health)?])?;
    }
    match &health.incident {
        Some(incident) => tx
            .prepare_cached("INSERT OR IGNORE INTO host_incident (host, since, reason) VALUES (?1, ?2, ?3)")?
            .execute(params![host, millis(incident.since), incident.reason])?,
        None => tx
            .prepare_cached("UPDATE host_incident SET ended = ?2 WHERE host = ?1 AND ended IS NULL")?
            .execute(params![host, millis(harvest.at)])?,
    };
    Ok(())
}

pub(super) fn end_incident(tx: &Transaction<'_>, host: &Host, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM host_health WHERE host = ?1")?.execute([host.as_str()])?;
    tx.prepare_cached("UPDATE host_incident SET ended = ?2 WHERE host = ?1 AND ended IS NULL")?
        .execute(params![host.as_str(), millis(now)])?;
    Ok(())
}

pub(super) fn select_incidents(
    connection: &Connection,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<HostIncident>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT host, since, ended, reason FROM host_incident
         WHERE since < ?2 AND (ended IS NULL OR ended > ?1) ORDER BY since, host",
    )?;
    let incident = |row: &rusqlite::Row<'_>| {
        Ok(HostIncident {
            host: Host::from_stored(row.get(0)?),
            from: time(row.get(1)?),
            to: row.get::<_, Option<i64>>(2)?.map(time),
            reason: row.get(3)?,
        })
    };
    let incidents = query.query_map(params![millis(since), millis(until)], incident)?;
    Ok(incidents.collect::<Result<_, _>>()?)
}

pub(super) fn select_robots_delays(
    connection: &Connection,
    hosts: &[Host],
) -> Result<Vec<(Host, Duration)>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT robots_delay FROM host_token WHERE host = ?1 AND robots_delay > 0")?;
    let mut delays = Vec::new();
    for host in hosts {
        let millis: Option<i64> = query.query_row([host.as_str()], |row| row.get(0)).optional()?;
        delays.extend(millis.map(|millis| (host.clone(), Duration::from_millis(millis.unsigned_abs()))));
    }
    Ok(delays)
}
