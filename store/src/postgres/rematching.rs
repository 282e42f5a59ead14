//! Matching of stored items against new and edited topics, in PostgreSQL.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use model::{Name, Timestamp};
use tokio_postgres::Row;

use super::locks::Lock;
use super::matches::Change;
use super::{Postgres, execute, locks, objects, rows, text, transaction};
use crate::{ItemMatches, Rematching, StoreError, TopicRecord};

#[async_trait]
impl Rematching for Postgres {
    async fn unmatched_topics(&self) -> Result<Vec<TopicRecord>, StoreError> {
        objects::topics(&*self.client().await?, "WHERE matched_version <> version ORDER BY name").await
    }

    async fn rematch(
        &self,
        topics: &[(Name, i64)],
        items: &[ItemMatches],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        transaction!(self, |tx| rematch(&tx, topics, items, now).await)
    }

    async fn mark_matched(&self, topics: &[(Name, i64)]) -> Result<(), StoreError> {
        transaction!(self, |tx| mark_matched(&tx, topics).await)
    }

    async fn save_rematch_progress(&self, topics: &[(Name, i64)], row: i64) -> Result<(), StoreError> {
        transaction!(self, |tx| save_rematch_progress(&tx, topics, row).await)
    }

    async fn restart_matching(&self, topics: &[Name]) -> Result<(), StoreError> {
        transaction!(self, |tx| restart_topics(&tx, topics).await)
    }
}

pub(super) async fn mark_matched(tx: &Transaction<'_>, topics: &[(Name, i64)]) -> Result<(), StoreError> {
    let names: Vec<String> = topics.iter().map(|(name, _)| text(name.as_str())).collect();
    let versions: Vec<i64> = topics.iter().map(|(_, version)| *version).collect();
    execute(
        tx,
        "UPDATE topic SET matched_version = behind.version
         FROM UNNEST($1::TEXT[], $2::BIGINT[]) AS behind (name, version)
         WHERE topic.name = behind.name AND topic.version = behind.version",
        &[&names, &versions],
    )
    .await?;
    Ok(())
}

pub(super) async fn save_rematch_progress(
    tx: &Transaction<'_>,
    topics: &[(Name, i64)],
    row: i64,
) -> Result<(), StoreError> {
    let names: Vec<String> = topics.iter().map(|(name, _)| text(name.as_str())).collect();
    let versions: Vec<i64> = topics.iter().map(|(_, version)| *version).collect();
    execute(
        tx,
        "UPDATE topic SET rematch_version = behind.version, rematch_row = $3
         FROM UNNEST($1::TEXT[], $2::BIGINT[]) AS behind (name, version)
         WHERE topic.name = behind.name AND topic.version = behind.version",
        &[&names, &versions, &row],
    )
    .await?;
    Ok(())
}

pub(super) async fn restart_topics(tx: &Transaction<'_>, topics: &[Name]) -> Result<(), StoreError> {
    locks::take(tx, Lock::Objects).await?;
    objects::restart_matching(tx, topics).await?;
    objects::bump_version(tx).await
}

/// Returns the topics that still have the given version.
pub(super) async fn unchanged(
    tx: &Transaction<'_>,
    topics: &[(Name, i64)],
) -> Result<Vec<String>, StoreError> {
    let names: Vec<String> = topics.iter().map(|(name, _)| text(name.as_str())).collect();
    let versions: Vec<i64> = topics.iter().map(|(_, version)| *version).collect();
    let sql = "SELECT topic.name FROM topic JOIN UNNEST($1::TEXT[], $2::BIGINT[]) AS told (name, version)
               ON topic.name = told.name AND topic.version = told.version";
    Ok(rows(tx, sql, &[&names, &versions]).await?.iter().map(|row| row.get(0)).collect())
}

/// Replaces the matches of unchanged topics among unchanged items. Returns the number of new matches.
pub(super) async fn rematch(
    tx: &Transaction<'_>,
    topics: &[(Name, i64)],
    items: &[ItemMatches],
    now: Timestamp,
) -> Result<u64, StoreError> {
    locks::share(tx, Lock::Objects).await?;
    let only = unchanged(tx, topics).await?;
    let numbers: Vec<i64> = items.iter().map(|item| item.row).collect();
    // Lock the rows in a statement of its own: a locking statement reads other rows from a snapshot taken before
    // it waited.
    rows(tx, "SELECT item FROM item WHERE item = ANY($1) ORDER BY item FOR UPDATE", &[&numbers]).await?;
    let known = rows(
        tx,
        "SELECT item, first_seen, version,
                ARRAY(SELECT topic FROM match WHERE match.item = item.item AND match.first_seen = item.first_seen)
         FROM item WHERE item = ANY($1) ORDER BY item",
        &[&numbers],
    )
    .await?;
    let known: BTreeMap<i64, &Row> = known.iter().map(|row| (row.get(0), row)).collect();
    let (mut change, mut fresh) = (Change::default(), 0);
    for ItemMatches { row: number, version, matches, deferred_topics } in items {
        // An item that was edited meanwhile was matched against these topics when it was saved, or waits to be.
        let Some(row) = known.get(number).filter(|row| row.get::<_, i64>(2) == *version) else { continue };
        let before: Vec<String> = row.get(3);
        let matches = matches.iter().map(|found| (found.topic.to_string(), found));
        let matches = matches.filter(|(topic, _)| only.contains(topic)).collect();
        let may_go = |topic: &str| {
            only.iter().any(|only| only == topic)
                && !deferred_topics.iter().any(|name| name.as_str() == topic)
        };
        fresh += change.replace((*number, row.get(1)), &before, may_go, &matches, now)?;
    }
    change.write(tx).await?;
    Ok(fresh)
}
