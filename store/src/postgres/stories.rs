//! Stories in PostgreSQL.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Name, Similarity, SimilarityKind, Sketch, Timestamp};

use super::locks::Lock;
use super::materials::{ITEM_COLUMNS, parse_item};
use super::{Postgres, execute, limit, locks, objects, read, transaction};
use crate::stories::MAX_CANDIDATES_PER_KEY;
use crate::{Candidate, StoreError, StoredItem, Stories, StoryItem, StoryLink};

#[async_trait]
impl Stories for Postgres {
    async fn unlinked_items(&self, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        select_unlinked(&*self.client().await?, limit).await
    }

    async fn candidates(&self, keys: &[i64], since: Timestamp) -> Result<Vec<Candidate>, StoreError> {
        select_candidates(&*self.client().await?, keys, since).await
    }

    async fn link(
        &self,
        linked: &[StoryLink],
        forget: Timestamp,
        objects_version: i64,
    ) -> Result<(), StoreError> {
        transaction!(self, |tx| {
            locks::share(&tx, Lock::Objects).await?;
            if objects::version_in(&tx).await? != objects_version {
                return Err(StoreError::StaleObjects);
            }
            link(&tx, linked, forget).await
        })
    }

    async fn story(&self, row: i64, limit: usize) -> Result<Vec<StoryItem>, StoreError> {
        select_story(&*self.client().await?, row, limit).await
    }

    async fn story_count(&self, topic: &Name) -> Result<u64, StoreError> {
        count_stories(&*self.client().await?, topic).await
    }
}

pub(super) async fn select_unlinked(client: &Object, max: usize) -> Result<Vec<StoredItem>, StoreError> {
    let sql =
        format!("SELECT {ITEM_COLUMNS} FROM unlinked JOIN item USING (item) ORDER BY unlinked.item LIMIT $1");
    let rows = read(client, &sql, &[&limit(max)]).await?;
    rows.iter().map(parse_item).collect()
}

pub(super) async fn select_candidates(
    client: &Object,
    keys: &[i64],
    since: Timestamp,
) -> Result<Vec<Candidate>, StoreError> {
    let rows = read(
        client,
        "SELECT likeness.item, story, source, exact, title, sketch, asked.key
         FROM UNNEST($1::BIGINT[]) AS asked (key)
         CROSS JOIN LATERAL (SELECT item FROM likeness_key WHERE likeness_key.key = asked.key AND at > $2
                             ORDER BY item LIMIT $3) AS shared
         JOIN likeness ON likeness.item = shared.item",
        &[&keys, &since, &limit(MAX_CANDIDATES_PER_KEY)],
    )
    .await?;
    let mut candidates: BTreeMap<i64, Candidate> = BTreeMap::new();
    for row in &rows {
        let new = || Candidate {
            row: row.get(0),
            story: row.get(1),
            source: Name::from_stored(row.get(2)),
            sketch: Sketch { exact: row.get(3), title: row.get(4), sketch: row.get(5), keys: Vec::new() },
        };
        candidates.entry(row.get(0)).or_insert_with(new).sketch.keys.push(row.get(6));
    }
    Ok(candidates.into_values().collect())
}

/// Links items to their stories, and deletes the sketch keys of items first seen before `forget`.
pub(super) async fn link(
    tx: &Transaction<'_>,
    linked: &[StoryLink],
    forget: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<i64> = linked.iter().map(|link| link.row).collect();
    // Lock the items first. Otherwise the next statement would not see an edit that is not committed yet.
    execute(tx, "SELECT item FROM item WHERE item = ANY($1) ORDER BY item FOR SHARE", &[&rows]).await?;
    let versions: Vec<i64> = linked.iter().map(|link| link.version).collect();
    // An item that was edited since it was compared stays queued.
    execute(
        tx,
        "DELETE FROM unlinked USING UNNEST($1::BIGINT[], $2::BIGINT[]) AS linked (number, seen)
         WHERE unlinked.item = linked.number
           AND NOT EXISTS (SELECT 1 FROM item WHERE item.item = linked.number AND item.version <> linked.seen)",
        &[&rows, &versions],
    )
    .await?;
    let stories: Vec<i64> = linked.iter().map(|link| link.story).collect();
    let sources: Vec<&str> = linked.iter().map(|link| link.source.as_str()).collect();
    let times: Vec<Timestamp> = linked.iter().map(|link| link.at).collect();
    let kinds: Vec<Option<&str>> =
        linked.iter().map(|link| link.similarity.map(|similarity| similarity.how.as_str())).collect();
    let shares: Vec<Option<f64>> =
        linked.iter().map(|link| link.similarity.map(|similarity| similarity.share)).collect();
    let exact: Vec<Option<i64>> = linked.iter().map(|link| link.sketch.exact).collect();
    let titles: Vec<Option<i64>> = linked.iter().map(|link| link.sketch.title).collect();
    let sketches: Vec<&[u8]> = linked.iter().map(|link| link.sketch.sketch.as_slice()).collect();
    // Items may have been removed meanwhile.
    execute(
        tx,
        "INSERT INTO likeness (item, story, source, at, how, share, exact, title, sketch)
         SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TIMESTAMPTZ[], $5::TEXT[], $6::FLOAT8[],
                              $7::BIGINT[], $8::BIGINT[], $9::BYTEA[]) AS new (item)
         WHERE EXISTS (SELECT 1 FROM item WHERE item.item = new.item) ON CONFLICT DO NOTHING",
        &[&rows, &stories, &sources, &times, &kinds, &shares, &exact, &titles, &sketches],
    )
    .await?;
    let keyed_links = || linked.iter().flat_map(|link| link.sketch.keys.iter().map(move |key| (*key, link)));
    let keys: Vec<i64> = keyed_links().map(|(key, _)| key).collect();
    let key_rows: Vec<i64> = keyed_links().map(|(_, link)| link.row).collect();
    let key_times: Vec<Timestamp> = keyed_links().map(|(_, link)| link.at).collect();
    execute(
        tx,
        "INSERT INTO likeness_key (key, item, at)
         SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TIMESTAMPTZ[]) ON CONFLICT DO NOTHING",
        &[&keys, &key_rows, &key_times],
    )
    .await?;
    execute(tx, "DELETE FROM likeness_key WHERE at < $1", &[&forget]).await?;
    Ok(())
}

pub(super) async fn select_story(
    client: &Object,
    row: i64,
    max: usize,
) -> Result<Vec<StoryItem>, StoreError> {
    let sql = format!(
        "SELECT {ITEM_COLUMNS}, likeness.how, likeness.share FROM likeness JOIN item USING (item)
         WHERE story = (SELECT story FROM likeness WHERE item = $1)
         ORDER BY coalesce(item.published_at, item.first_seen), item.item LIMIT $2"
    );
    let rows = read(client, &sql, &[&row, &limit(max)]).await?;
    let reprint = |row: &tokio_postgres::Row| {
        let how = row.get::<_, Option<&str>>("how").and_then(SimilarityKind::parse);
        let share: Option<f64> = row.get("share");
        let similarity = how.map(|how| Similarity { how, share: share.unwrap_or(0.0) });
        Ok(StoryItem { item: parse_item(row)?, similarity })
    };
    rows.iter().map(reprint).collect()
}

/// Deletes the story data of removed items. The SQLite schema has the trigger `item_is_removed` for this, the
/// PostgreSQL schema has none.
pub(super) async fn delete_links(tx: &Transaction<'_>, items: &[i64]) -> Result<(), StoreError> {
    execute(tx, "DELETE FROM unlinked WHERE item = ANY($1)", &[&items]).await?;
    execute(tx, "DELETE FROM likeness WHERE item = ANY($1)", &[&items]).await?;
    Ok(())
}

/// Maximum number of links that [`delete_links_before`] deletes in one call.
const DELETE_LINKS_BATCH: i64 = 5000;

/// Deletes a batch of the story data of items that were first seen before `cutoff`. Returns the number of links
/// deleted. This is done before a month is dropped, because all nodes wait during the drop.
pub(super) async fn delete_links_before(tx: &Transaction<'_>, cutoff: Timestamp) -> Result<u64, StoreError> {
    let sql =
        "DELETE FROM likeness WHERE item IN (SELECT item FROM likeness WHERE at < $1 ORDER BY at LIMIT $2)";
    execute(tx, sql, &[&cutoff, &DELETE_LINKS_BATCH]).await
}

/// Returns the number of stories among the matches of a topic. An item without a story counts as one.
pub(super) async fn count_stories(client: &Object, topic: &Name) -> Result<u64, StoreError> {
    let sql = "SELECT count(DISTINCT coalesce(likeness.story, -match.item)) FROM match LEFT JOIN likeness USING (item)
         WHERE match.topic = $1";
    Ok(client.query_one(sql, &[&topic.as_str()]).await?.get::<_, i64>(0).unsigned_abs())
}
