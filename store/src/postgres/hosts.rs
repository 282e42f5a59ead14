//! How hosts did, beyond what each source tells.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Harvest, Host, HostHealth, HostIncident, Timestamp};

use super::{Postgres, execute, read, rows, text, transaction};
use crate::{Hosts, StoreError};

#[async_trait]
impl Hosts for Postgres {
    async fn host_health(&self, host: &Host) -> Result<HostHealth, StoreError> {
        health(&*self.client().await?, host).await
    }

    async fn incidents(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HostIncident>, StoreError> {
        incidents(&*self.client().await?, (since, until)).await
    }

    async fn end_incident(&self, host: &Host, now: Timestamp) -> Result<(), StoreError> {
        transaction!(self, |tx| end(&tx, host, now).await)
    }

    async fn robots_delays(&self) -> Result<Vec<(Host, Duration)>, StoreError> {
        robots_delays(&*self.client().await?).await
    }
}

pub(super) async fn health(client: &deadpool_postgres::Object, of: &Host) -> Result<HostHealth, StoreError> {
    let found = read(client, "SELECT health FROM host_health WHERE host = $1", &[&of.as_str()]).await?;
    let text = found.first().map(|row| row.get::<_, &str>(0));
    Ok(text.map(serde_json::from_str).transpose()?.unwrap_or_default())
}

pub(super) async fn save(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(health) = &harvest.host_health else { return Ok(()) };
    let of = harvest.host.as_str();
    if let Some(incident) = &health.incident {
        let sql = "SELECT 1 FROM host_incident WHERE host = $1 AND since = $2 AND ended IS NOT NULL";
        if !rows(tx, sql, &[&of, &incident.since]).await?.is_empty() {
            return Ok(()); // it was ended meanwhile, for want of sources
        }
    }
    if *health == HostHealth::default() {
        execute(tx, "DELETE FROM host_health WHERE host = $1", &[&of]).await?;
    } else {
        execute(
            tx,
            "INSERT INTO host_health (host, health) VALUES ($1, $2)
             ON CONFLICT (host) DO UPDATE SET health = excluded.health",
            &[&of, &text(&serde_json::to_string(health)?)],
        )
        .await?;
    }
    match &health.incident {
        Some(incident) => {
            execute(
                tx,
                "INSERT INTO host_incident (host, since, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                &[&of, &incident.since, &text(&incident.reason)],
            )
            .await?
        }
        None => {
            let sql = "UPDATE host_incident SET ended = $2 WHERE host = $1 AND ended IS NULL";
            execute(tx, sql, &[&of, &harvest.at]).await?
        }
    };
    Ok(())
}

pub(super) async fn end(tx: &Transaction<'_>, of: &Host, now: Timestamp) -> Result<(), StoreError> {
    execute(tx, "DELETE FROM host_health WHERE host = $1", &[&of.as_str()]).await?;
    let sql = "UPDATE host_incident SET ended = $2 WHERE host = $1 AND ended IS NULL";
    execute(tx, sql, &[&of.as_str(), &now]).await?;
    Ok(())
}

pub(super) async fn incidents(
    client: &deadpool_postgres::Object,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<HostIncident>, StoreError> {
    let found = read(
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
    Ok(found.iter().map(incident).collect())
}

pub(super) async fn robots_delays(client: &Object) -> Result<Vec<(Host, Duration)>, StoreError> {
    let found = read(client, "SELECT host, robots_delay FROM host_token WHERE robots_delay > 0", &[]).await?;
    let delay = |row: &tokio_postgres::Row| {
        let millis: i64 = row.get(1);
        (Host::from_stored(row.get(0)), Duration::from_millis(millis.unsigned_abs()))
    };
    Ok(found.iter().map(delay).collect())
}
