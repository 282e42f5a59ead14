//! Matching of stored items against new and edited topics, in SQLite.

use async_trait::async_trait;
use model::{Match, Name, Timestamp};
use rusqlite::{Transaction, params};

use super::harvests::replace_matches;
use super::{Sqlite, objects};
use crate::{ItemMatches, Rematching, StoreError, TopicRecord};

#[async_trait]
impl Rematching for Sqlite {
    async fn unmatched_topics(&self) -> Result<Vec<TopicRecord>, StoreError> {
        let condition = "WHERE matched_version <> version ORDER BY name";
        self.read(move |connection| objects::topics(connection, condition, [])).await
    }

    async fn rematch(
        &self,
        topics: &[(Name, i64)],
        items: &[ItemMatches],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (topics, items) = (topics.to_vec(), items.to_vec());
        self.write(move |tx| rematch(tx, &topics, &items, now)).await
    }

    async fn mark_matched(&self, topics: &[(Name, i64)]) -> Result<(), StoreError> {
        let topics = topics.to_vec();
        self.write(move |tx| mark_matched(tx, &topics)).await
    }

    async fn save_rematch_progress(&self, topics: &[(Name, i64)], row: i64) -> Result<(), StoreError> {
        let topics = topics.to_vec();
        self.write(move |tx| save_rematch_progress(tx, &topics, row)).await
    }

    async fn restart_matching(&self, topics: &[Name]) -> Result<(), StoreError> {
        let topics = topics.to_vec();
        self.write(move |tx| restart_topics(tx, &topics)).await
    }
}

pub(super) fn mark_matched(tx: &Transaction<'_>, topics: &[(Name, i64)]) -> Result<(), StoreError> {
    for (name, version) in topics {
        tx.execute(
            "UPDATE topic SET matched_version = ?2 WHERE name = ?1 AND version = ?2",
            params![name.as_str(), version],
        )?;
    }
    Ok(())
}

pub(super) fn save_rematch_progress(
    tx: &Transaction<'_>,
    topics: &[(Name, i64)],
    row: i64,
) -> Result<(), StoreError> {
    let mut update = tx.prepare_cached(
        "UPDATE topic SET rematch_version = ?2, rematch_row = ?3 WHERE name = ?1 AND version = ?2",
    )?;
    for (name, version) in topics {
        update.execute(params![name.as_str(), version, row])?;
    }
    Ok(())
}

pub(super) fn restart_topics(tx: &Transaction<'_>, topics: &[Name]) -> Result<(), StoreError> {
    let mut update = tx.prepare_cached(objects::RESTART_MATCHING)?;
    for name in topics {
        update.execute([name.as_str()])?;
    }
    tx.execute(objects::BUMP_VERSION, [])?;
    Ok(())
}

/// Returns the topics that still have the given version.
pub(super) fn unchanged(tx: &Transaction<'_>, topics: &[(Name, i64)]) -> Result<Vec<Name>, StoreError> {
    let mut query = tx.prepare_cached("SELECT 1 FROM topic WHERE name = ?1 AND version = ?2")?;
    let mut same = Vec::new();
    for (name, version) in topics {
        if query.exists(params![name.as_str(), version])? {
            same.push(name.clone());
        }
    }
    Ok(same)
}

/// Replaces the matches of unchanged topics among unchanged items. Returns the number of new matches.
pub(super) fn rematch(
    tx: &Transaction<'_>,
    topics: &[(Name, i64)],
    items: &[ItemMatches],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let only = unchanged(tx, topics)?;
    let mut fresh = 0;
    for ItemMatches { row, version, matches, deferred_topics } in items {
        // An item that was edited meanwhile was matched against these topics when it was saved, or waits to be.
        let same: bool = tx
            .prepare_cached("SELECT 1 FROM item WHERE row = ?1 AND version = ?2")?
            .exists([row, version])?;
        if same {
            let matches: Vec<Match> =
                matches.iter().filter(|found| only.contains(&found.topic)).cloned().collect();
            let is_among = |names: &[Name], topic: &str| names.iter().any(|name| name.as_str() == topic);
            let may_go = |topic: &str| is_among(&only, topic) && !is_among(deferred_topics, topic);
            fresh += replace_matches(tx, *row, may_go, &matches, now)?;
        }
    }
    Ok(fresh)
}
