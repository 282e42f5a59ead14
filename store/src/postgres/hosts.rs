//! Host health, host incidents and crawl delays in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Harvest, Host, HostHealth, HostIncident, Timestamp};

use super::{Postgres, execute, read, rows, text, transaction};
use crate::{Hosts, StoreError};

#[async_trait]
impl Hosts for Postgres {
    async fn host_health(&self, host: &Host) -> Result<HostHealth, StoreError> {
        select_health(&*self.client().await?, host).await
    }

    async fn incidents(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HostIncident>, StoreError> {
        select_incidents(&*self.client().await?, (since, until)).await
    }

    async fn end_incident(&self, host: &Host, now: Timestamp) -> Result<(), StoreError> {
        transaction!(self, |tx| end_incident(&tx, host, now).await)
    }

    async fn robots_delays(&self, hosts: &[Host]) -> Result<Vec<(Host, Duration)>, StoreError> {
        select_robots_delays(&*self.client().await?, hosts).await
    }
}

pub(super) async fn select_health(client: &Object, host: &Host) -> Result<HostHealth, StoreError> {
    let rows = read(client, "SELECT health FROM host_health WHERE host = $1", &[&host.as_str()]).await?;
    let text = rows.first().map(|row| row.get::<_, &str>(0));
    Ok(text.map(serde_json::from_str).transpose()?.unwrap_or_default())
}

/// Stores the host health of a harvest, and begins or ends the incident.
pub(super) async fn save_health(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(health) = &harvest.host_health else { return Ok(()) };
    let host = harvest.host.as_str();
    if let Some(incident) = &health.incident {
        let sql = "SELECT 1 FROM host_incident WHERE host = $1 AND since = $2 AND ended IS NOT NULL";
        if !rows(tx, sql, &[&host, &incident.since]).await?.is_empty() {
            return Ok(()); // `end_incident` ended the incident meanwhile
        }
    }
    if *health == HostHealth::default() {
        execute(tx, "DELETE FROM host_health WHERE host = $1", &[&host]).await?;
    } else {
        execute(
            tx,
            "INSERT INTO host_health (host, health) VALUES ($1, $2)
             ON CONFLICT (host) DO UPDATE SET health = excluded.health",
            &[&host, &text(&serde_json::to_string(health)?)],
        )
        .await?;
    }
    match &health.incident {
        Some(incident) => {
            execute(
                tx,
                "INSERT INTO host_incident (host, since, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                &[&host, &incident.since, &text(&incident.reason)],
            )
            .await?
        }
        None => {
            let sql = "UPDATE host_incident SET ended = $2 WHERE host = $1 AND ended IS NULL";
            execute(tx, sql, &[&host, &harvest.at]).await?
        }
    };
    Ok(())
}

pub(super) async fn end_incident(
    tx: &Transaction<'_>,
    host: &Host,
    now: Timestamp,
) -> Result<(), StoreError> {
    execute(tx, "DELETE FROM host_health WHERE host = $1", &[&host.as_str()]).await?;
    let sql = "UPDATE host_incident SET ended = $2 WHERE host = $1 AND ended IS NULL";
    execute(tx, sql, &[&host.as_str(), &now]).await?;
    Ok(())
}

pub(super) async fn select_incidents(
    client: &Object,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<HostIncident>, StoreError> {
    let rows = read(
        client,
        "SELECT host, since, ended, reason FROM host_incident
         WHERE since < $2 AND (ended IS NULL OR ended > $1) ORDER BY since, host",
        &[&since, &until],
    )
    .await?;
    let incident = |row: &tokio_postgres::Row| HostIncident {
        host: Host::from_stored(row.get(0)),
        from: row.get(1),
        to: row.get(2),
        reason: row.get(3),
    };
    Ok(rows.iter().map(incident).collect())
}

pub(super) async fn select_robots_delays(
    client: &Object,
    hosts: &[Host],
) -> Result<Vec<(Host, Duration)>, StoreError> {
    let hosts: Vec<&str> = hosts.iter().map(Host::as_str).collect();
    let sql = "SELECT host, robots_delay FROM host_token WHERE host = ANY($1) AND robots_delay > 0";
    let rows = read(client, sql, &[&hosts]).await?;
    let delay = |row: &tokio_postgres::Row| {
        let millis: i64 = row.get(1);
        (Host::from_stored(row.get(0)), Duration::from_millis(millis.unsigned_abs()))
    };
    Ok(rows.iter().map(delay).collect())
}
