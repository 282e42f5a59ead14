//! The state of each source and its history in SQLite.
//!
//! The triggers of migrations 0006 and 0007 write the tables `availability` and `source_move`.

use std::time::Duration;

use async_trait::async_trait;
use model::{ActiveFallback, FetchRecord, Harvest, Name, SourceKind, SourceState, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Sqlite;
use super::rows::{limit, millis, time};
use crate::{Move, SourceRecord, SourceStates, StateInterval, StoreError, counts};

#[async_trait]
impl SourceStates for Sqlite {
    async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError> {
        self.read(|connection| select_sources(connection, None)).await
    }

    async fn source(&self, name: &Name) -> Result<Option<SourceRecord>, StoreError> {
        let name = name.clone();
        self.read(move |connection| Ok(select_sources(connection, Some(&name))?.pop())).await
    }

    async fn source_counts(&self) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError> {
        self.read(count_sources).await
    }

    async fn availability(
        &self,
        source: Option<&Name>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StateInterval>, StoreError> {
        let source = source.cloned();
        self.read(move |connection| select_intervals(connection, source.as_ref(), (since, until))).await
    }

    async fn moves(&self, source: &Name) -> Result<Vec<Move>, StoreError> {
        let source = source.clone();
        self.read(move |connection| select_moves(connection, &source)).await
    }

    async fn history(&self, source: &Name, limit: usize) -> Result<Vec<FetchRecord>, StoreError> {
        let source = source.clone();
        self.read(move |connection| select_history(connection, &source, limit)).await
    }

    async fn active_fallback(&self, source: &Name) -> Result<Option<ActiveFallback>, StoreError> {
        let source = source.clone();
        self.read(move |connection| select_active_fallback(connection, &source)).await
    }
}

/// Returns the state intervals that overlap the interval from `since` to `until`. Each row of the ledger lasts
/// until the next row of its source.
pub(super) fn select_intervals(
    connection: &Connection,
    only: Option<&Name>,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<StateInterval>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT source, at, ends, state, reason FROM (
             SELECT id, source, at, state, reason, lead(at) OVER (PARTITION BY source ORDER BY id) AS ends
             FROM availability WHERE ?1 IS NULL OR source = ?1)
         WHERE at < ?3 AND (ends IS NULL OR ends > ?2) ORDER BY source, id",
    )?;
    let interval = |row: &rusqlite::Row<'_>| {
        Ok(StateInterval {
            source: Name::from_stored(row.get(0)?),
            from: time(row.get(1)?),
            to: row.get::<_, Option<i64>>(2)?.map(time),
            state: SourceState::parse(&row.get::<_, String>(3)?).unwrap_or(SourceState::Candidate),
            reason: row.get(4)?,
        })
    };
    let intervals =
        query.query_map(params![only.map(Name::as_str), millis(since), millis(until)], interval)?;
    Ok(intervals.collect::<Result<_, _>>()?)
}

pub(super) fn select_moves(connection: &Connection, source: &Name) -> Result<Vec<Move>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT at, moved_to FROM source_move WHERE source = ?1 ORDER BY id DESC LIMIT 100",
    )?;
    let moves =
        query.query_map([source.as_str()], |row| Ok(Move { at: time(row.get(0)?), to: row.get(1)? }))?;
    Ok(moves.collect::<Result<_, _>>()?)
}

pub(super) fn select_active_fallback(
    connection: &Connection,
    source: &Name,
) -> Result<Option<ActiveFallback>, StoreError> {
    let mut query = connection.prepare_cached("SELECT stand_in FROM stand_in WHERE source = ?1")?;
    let text: Option<String> = query.query_row([source.as_str()], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

pub(super) fn save_active_fallback(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(active_fallback) = &harvest.updates.active_fallback else { return Ok(()) };
    tx.prepare_cached("INSERT OR REPLACE INTO stand_in (source, stand_in) VALUES (?1, ?2)")?
        .execute(params![harvest.source.as_str(), serde_json::to_string(active_fallback)?])?;
    Ok(())
}

/// Returns one source, or all ordered by name.
pub(super) fn select_sources(
    connection: &Connection,
    only: Option<&Name>,
) -> Result<Vec<SourceRecord>, StoreError> {
    const SELECT_SOURCES: &str =
        "SELECT spec, state, reason, failures, failed_polls, since, last_ok, last_poll, next_poll,
        interval, validators, moved_to, (SELECT count(*) FROM page WHERE page.source = source.name), rhythm,
        article_pages";
    // Two queries: with an OR condition, SQLite would scan all sources to find one.
    let mut query = connection.prepare_cached(&match only {
        Some(_) => format!("{SELECT_SOURCES}, shown FROM source WHERE name = ?1"),
        // Page windows are long, and only needed when reading one source.
        None => format!("{SELECT_SOURCES}, NULL FROM source ORDER BY name"),
    })?;
    let mut rows = match only {
        Some(name) => query.query([name.as_str()])?,
        None => query.query([])?,
    };
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let (spec, state): (String, String) = (row.get(0)?, row.get(1)?);
        let at = |index: usize| -> rusqlite::Result<Option<Timestamp>> {
            Ok(row.get::<_, Option<i64>>(index)?.map(time))
        };
        let interval: Option<i64> = row.get(9)?;
        let text = |at: usize| row.get::<_, Option<String>>(at);
        let (validators, rhythm, article_pages, page_window) = (text(10)?, text(13)?, text(14)?, text(15)?);
        records.push(SourceRecord {
            source: serde_json::from_str(&spec)?,
            state: SourceState::parse(&state).unwrap_or(SourceState::Candidate),
            reason: row.get(2)?,
            failures: row.get(3)?,
            failed_polls: row.get(4)?,
            since: time(row.get(5)?),
            last_ok: at(6)?,
            last_poll: at(7)?,
            next_poll: at(8)?,
            interval: interval.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis),
            validators: validators.map(|text| serde_json::from_str(&text)).transpose()?,
            moved_to: row.get(11)?,
            pages_waiting: row.get::<_, i64>(12)?.unsigned_abs(),
            rhythm: rhythm.map(|text| serde_json::from_str(&text)).transpose()?,
            // Another build may have written another format. The values are then learnt again.
            article_pages: article_pages.and_then(|text| serde_json::from_str(&text).ok()),
            page_window: page_window.and_then(|text| serde_json::from_str(&text).ok()),
        });
    }
    Ok(records)
}

pub(super) fn count_sources(
    connection: &Connection,
) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT spec ->> '$.kind', state, count(*) FROM source GROUP BY 1, 2")?;
    let counts = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    counts::parse_source_counts(counts.collect::<Result<_, _>>()?)
}

pub(super) fn select_history(
    connection: &Connection,
    source: &Name,
    max: usize,
) -> Result<Vec<FetchRecord>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT record FROM fetch WHERE source = ?1 ORDER BY id DESC LIMIT ?2")?;
    let records: Vec<String> =
        query.query_map(params![source.as_str(), limit(max)], |row| row.get(0))?.collect::<Result<_, _>>()?;
    records.iter().map(|record| Ok(serde_json::from_str(record)?)).collect()
}
