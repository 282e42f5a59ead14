//! Stories in SQLite.

use async_trait::async_trait;
use model::{Name, Similarity, SimilarityKind, Sketch, Timestamp};
use rusqlite::{Connection, Transaction, params};

use super::rows::{ITEM_COLUMNS, limit, millis, parse_item};
use super::{Sqlite, objects};
use crate::stories::MAX_CANDIDATES_PER_KEY;
use crate::{Candidate, StoreError, StoredItem, Stories, StoryItem, StoryLink};

#[async_trait]
impl Stories for Sqlite {
    async fn unlinked_items(&self, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        self.read(move |connection| select_unlinked(connection, limit)).await
    }

    async fn candidates(&self, keys: &[i64], since: Timestamp) -> Result<Vec<Candidate>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |connection| select_candidates(connection, &keys, since)).await
    }

    async fn link(
        &self,
        linked: &[StoryLink],
        forget: Timestamp,
        objects_version: i64,
    ) -> Result<(), StoreError> {
        let linked = linked.to_vec();
        self.write(move |tx| {
            if objects::version(tx)? != objects_version {
                return Err(StoreError::StaleObjects);
            }
            link(tx, &linked, forget)
        })
        .await
    }

    async fn story(&self, row: i64, limit: usize) -> Result<Vec<StoryItem>, StoreError> {
        self.read(move |connection| select_story(connection, row, limit)).await
    }

    async fn story_count(&self, topic: &Name) -> Result<u64, StoreError> {
        let topic = topic.clone();
        self.read(move |connection| count_stories(connection, &topic)).await
    }
}

pub(super) fn select_unlinked(connection: &Connection, max: usize) -> Result<Vec<StoredItem>, StoreError> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {ITEM_COLUMNS} FROM unlinked JOIN item ON item.row = unlinked.item ORDER BY unlinked.item LIMIT ?1"
    ))?;
    let mut rows = query.query([limit(max)])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(parse_item(row)?);
    }
    Ok(items)
}

pub(super) fn select_candidates(
    connection: &Connection,
    keys: &[i64],
    since: Timestamp,
) -> Result<Vec<Candidate>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT likeness_key.item, story, source, exact, title, sketch FROM likeness_key
         JOIN likeness ON likeness.item = likeness_key.item
         WHERE key = ?1 AND likeness_key.at > ?2 ORDER BY likeness_key.item LIMIT ?3",
    )?;
    let mut candidates: Vec<Candidate> = Vec::new();
    for key in keys {
        let mut rows = query.query(params![key, millis(since), limit(MAX_CANDIDATES_PER_KEY)])?;
        while let Some(row) = rows.next()? {
            let item: i64 = row.get(0)?;
            if let Some(candidate) = candidates.iter_mut().find(|candidate| candidate.row == item) {
                candidate.sketch.keys.push(*key);
                continue;
            }
            candidates.push(Candidate {
                row: item,
                story: row.get(1)?,
                source: Name::from_stored(row.get(2)?),
                sketch: Sketch {
                    exact: row.get(3)?,
                    title: row.get(4)?,
                    sketch: row.get(5)?,
                    keys: vec![*key],
                },
            });
        }
    }
    Ok(candidates)
}

/// Links items to their stories, and deletes the sketch keys of items first seen before `forget`.
pub(super) fn link(tx: &Transaction<'_>, linked: &[StoryLink], forget: Timestamp) -> Result<(), StoreError> {
    for StoryLink { row, version, source, at, story, similarity, sketch } in linked {
        // An item that was edited since it was compared stays queued.
        tx.prepare_cached(
            "DELETE FROM unlinked WHERE item = ?1
             AND NOT EXISTS (SELECT 1 FROM item WHERE row = ?1 AND version != ?2)",
        )?
        .execute([row, version])?;
        // The item may have been removed meanwhile.
        let inserted = tx
            .prepare_cached(
                "INSERT OR IGNORE INTO likeness (item, story, source, at, how, share, exact, title, sketch)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE EXISTS (SELECT 1 FROM item WHERE row = ?1)",
            )?
            .execute(params![
                row,
                story,
                source.as_str(),
                millis(*at),
                similarity.map(|similarity| similarity.how.as_str()),
                similarity.map(|similarity| similarity.share),
                sketch.exact,
                sketch.title,
                sketch.sketch,
            ])?;
        if inserted == 0 {
            continue;
        }
        for key in &sketch.keys {
            tx.prepare_cached("INSERT OR IGNORE INTO likeness_key (key, item, at) VALUES (?1, ?2, ?3)")?
                .execute(params![key, row, millis(*at)])?;
        }
    }
    tx.prepare_cached("DELETE FROM likeness_key WHERE at < ?1")?.execute([millis(forget)])?;
    Ok(())
}

pub(super) fn select_story(
    connection: &Connection,
    row: i64,
    max: usize,
) -> Result<Vec<StoryItem>, StoreError> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {ITEM_COLUMNS}, how, share FROM likeness JOIN item ON item.row = likeness.item
         WHERE story = (SELECT story FROM likeness WHERE item = ?1)
         ORDER BY coalesce(item.published_at, item.first_seen), item.row LIMIT ?2"
    ))?;
    let mut rows = query.query(params![row, limit(max)])?;
    let mut reprints = Vec::new();
    while let Some(row) = rows.next()? {
        let how: Option<String> = row.get("how")?;
        let share: Option<f64> = row.get("share")?;
        let how = how.and_then(|how| SimilarityKind::parse(&how));
        let similarity = how.map(|how| Similarity { how, share: share.unwrap_or(0.0) });
        reprints.push(StoryItem { item: parse_item(row)?, similarity });
    }
    Ok(reprints)
}

/// Returns the number of stories among the matches of a topic. An item without a story counts as one.
pub(super) fn count_stories(connection: &Connection, topic: &Name) -> Result<u64, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT count(DISTINCT coalesce(likeness.story, -match.item)) FROM match LEFT JOIN likeness USING (item)
         WHERE match.topic = ?1",
    )?;
    Ok(query.query_row([topic.as_str()], |row| row.get::<_, i64>(0))?.unsigned_abs())
}
