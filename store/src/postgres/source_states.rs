//! The state of each source and its history in PostgreSQL.
//!
//! The triggers of migrations 0005 and 0006 write the tables `availability` and `source_move`.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use model::{ActiveFallback, FetchRecord, Harvest, Name, SourceKind, SourceState, Timestamp};

use super::{Postgres, execute, limit, read, text};
use crate::{Move, SourceRecord, SourceStates, StateInterval, StoreError, counts};

#[async_trait]
impl SourceStates for Postgres {
    async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError> {
        select_sources(&*self.client().await?, None).await
    }

    async fn source(&self, name: &Name) -> Result<Option<SourceRecord>, StoreError> {
        Ok(select_sources(&*self.client().await?, Some(name)).await?.pop())
    }

    async fn source_counts(&self) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError> {
        count_sources(&*self.client().await?).await
    }

    async fn availability(
        &self,
        source: Option<&Name>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StateInterval>, StoreError> {
        select_intervals(&*self.client().await?, source, (since, until)).await
    }

    async fn moves(&self, source: &Name) -> Result<Vec<Move>, StoreError> {
        select_moves(&*self.client().await?, source).await
    }

    async fn history(&self, source: &Name, limit: usize) -> Result<Vec<FetchRecord>, StoreError> {
        select_history(&*self.client().await?, source, limit).await
    }

    async fn active_fallback(&self, source: &Name) -> Result<Option<ActiveFallback>, StoreError> {
        select_active_fallback(&*self.client().await?, source).await
    }
}

/// Returns the state intervals that overlap the interval from `since` to `until`. Each row of the ledger lasts
/// until the next row of its source.
pub(super) async fn select_intervals(
    client: &Object,
    only: Option<&Name>,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<StateInterval>, StoreError> {
    let rows = read(
        client,
        "SELECT source, at, ends, state, reason FROM (
             SELECT id, source, at, state, reason, lead(at) OVER (PARTITION BY source ORDER BY id) AS ends
             FROM availability WHERE $1::TEXT IS NULL OR source = $1) AS spell
         WHERE at < $3 AND (ends IS NULL OR ends > $2) ORDER BY source, id",
        &[&only.map(Name::as_str), &since, &until],
    )
    .await?;
    let interval = |row: &tokio_postgres::Row| StateInterval {
        source: Name::from_stored(row.get(0)),
        from: row.get(1),
        to: row.get(2),
        state: SourceState::parse(row.get(3)).unwrap_or(SourceState::Candidate),
        reason: row.get(4),
    };
    Ok(rows.iter().map(interval).collect())
}

pub(super) async fn select_moves(client: &Object, source: &Name) -> Result<Vec<Move>, StoreError> {
    let sql = "SELECT at, moved_to FROM source_move WHERE source = $1 ORDER BY id DESC LIMIT 100";
    let rows = read(client, sql, &[&source.as_str()]).await?;
    Ok(rows.iter().map(|row| Move { at: row.get(0), to: row.get(1) }).collect())
}

pub(super) async fn select_active_fallback(
    client: &Object,
    source: &Name,
) -> Result<Option<ActiveFallback>, StoreError> {
    let sql = "SELECT stand_in FROM stand_in WHERE source = $1";
    let rows = read(client, sql, &[&source.as_str()]).await?;
    Ok(rows.first().map(|row| serde_json::from_str(row.get(0))).transpose()?)
}

pub(super) async fn save_active_fallback(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(active_fallback) = &harvest.updates.active_fallback else { return Ok(()) };
    execute(
        tx,
        "INSERT INTO stand_in (source, stand_in) VALUES ($1, $2)
         ON CONFLICT (source) DO UPDATE SET stand_in = excluded.stand_in",
        &[&harvest.source.as_str(), &text(&serde_json::to_string(active_fallback)?)],
    )
    .await?;
    Ok(())
}

/// Returns one source, or all ordered by name.
pub(super) async fn select_sources(
    client: &impl GenericClient,
    only: Option<&Name>,
) -> Result<Vec<SourceRecord>, StoreError> {
    // Page windows are long, and only needed when reading one source.
    let page_window = if only.is_some() { "shown" } else { "NULL::TEXT" };
    let statement = client
        .prepare_cached(&format!(
            "SELECT spec, state, reason, failures, failed_polls, since, last_ok, last_poll, next_poll, interval_ms,
                    validators, moved_to, (SELECT count(*) FROM page WHERE page.source = source.name), rhythm, article_pages, {page_window}
             FROM source WHERE $1::TEXT IS NULL OR name = $1 ORDER BY name"
        ))
        .await?;
    let rows = client.query(&statement, &[&only.map(Name::as_str)]).await?;
    let record = |row: &tokio_postgres::Row| {
        let interval: Option<i64> = row.get(9);
        let [validators, rhythm, article_pages, page_window]: [Option<&str>; 4] =
            [10, 13, 14, 15].map(|index| row.get(index));
        let failed_polls: i32 = row.get(4);
        Ok(SourceRecord {
            source: serde_json::from_str(row.get(0))?,
            state: SourceState::parse(row.get(1)).unwrap_or(SourceState::Candidate),
            reason: row.get(2),
            failures: row.get(3),
            failed_polls: failed_polls.unsigned_abs(),
            since: row.get(5),
            last_ok: row.get(6),
            last_poll: row.get(7),
            next_poll: row.get(8),
            interval: interval.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis),
            validators: validators.map(serde_json::from_str).transpose()?,
            moved_to: row.get(11),
            pages_waiting: row.get::<_, i64>(12).unsigned_abs(),
            rhythm: rhythm.map(serde_json::from_str).transpose()?,
            // Another build may have written another format. The values are then learnt again.
            article_pages: article_pages.and_then(|text| serde_json::from_str(text).ok()),
            page_window: page_window.and_then(|text| serde_json::from_str(text).ok()),
        })
    };
    rows.iter().map(record).collect()
}

pub(super) async fn count_sources(
    client: &Object,
) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError> {
    let sql = "SELECT spec::JSON ->> 'kind', state, count(*) FROM source GROUP BY 1, 2";
    let counts = read(client, sql, &[]).await?;
    counts::parse_source_counts(counts.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

pub(super) async fn select_history(
    client: &Object,
    source: &Name,
    max: usize,
) -> Result<Vec<FetchRecord>, StoreError> {
    let rows = read(
        client,
        "SELECT record FROM fetch_record WHERE source = $1 ORDER BY id DESC LIMIT $2",
        &[&source.as_str(), &limit(max)],
    )
    .await?;
    rows.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}
