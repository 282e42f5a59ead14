//! Which items are reprints of which.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Name, Similarity, SimilarityKind, Sketch, Timestamp};

use super::locks::Lock;
use super::materials::{ITEM, item_of};
use super::{Postgres, execute, limit, locks, objects, read, transaction};
use crate::stories::KEPT_OF_A_KEY;
use crate::{Candidate, Linked, Reprint, StoreError, StoredItem, Stories};

#[async_trait]
impl Stories for Postgres {
    async fn unlinked(&self, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        unlinked(&*self.client().await?, limit).await
    }

    async fn candidates(&self, keys: &[i64], since: Timestamp) -> Result<Vec<Candidate>, StoreError> {
        candidates(&*self.client().await?, keys, since).await
    }

    async fn link(
        &self,
        linked: &[Linked],
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

    async fn story(&self, row: i64, limit: usize) -> Result<Vec<Reprint>, StoreError> {
        story(&*self.client().await?, row, limit).await
    }

    async fn story_count(&self, topic: &Name) -> Result<u64, StoreError> {
        count(&*self.client().await?, topic).await
    }
}

pub(super) async fn unlinked(client: &Object, most: usize) -> Result<Vec<StoredItem>, StoreError> {
    let sql = format!("SELECT {ITEM} FROM unlinked JOIN item USING (item) ORDER BY unlinked.item LIMIT $1");
    let found = read(client, &sql, &[&limit(most)]).await?;
    found.iter().map(item_of).collect()
}

pub(super) async fn candidates(
    client: &Object,
    keys: &[i64],
    since: Timestamp,
) -> Result<Vec<Candidate>, StoreError> {
    let found = read(
        client,
        "SELECT likeness.item, story, source, exact, title, sketch, asked.key
         FROM UNNEST($1::BIGINT[]) AS asked (key)
         CROSS JOIN LATERAL (SELECT item FROM likeness_key WHERE likeness_key.key = asked.key AND at > $2
                             ORDER BY item LIMIT $3) AS shared
         JOIN likeness ON likeness.item = shared.item",
        &[&keys, &since, &limit(KEPT_OF_A_KEY)],
    )
    .await?;
    let mut candidates: BTreeMap<i64, Candidate> = BTreeMap::new();
    for row in &found {
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

pub(super) async fn link(
    tx: &Transaction<'_>,
    linked: &[Linked],
    forget: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<i64> = linked.iter().map(|one| one.row).collect();
    // Locked first: an edit that is on its way would not be seen below.
    execute(tx, "SELECT item FROM item WHERE item = ANY($1) ORDER BY item FOR SHARE", &[&rows]).await?;
    let versions: Vec<i64> = linked.iter().map(|one| one.version).collect();
    execute(
        tx,
        "DELETE FROM unlinked USING UNNEST($1::BIGINT[], $2::BIGINT[]) AS linked (number, seen)
         WHERE unlinked.item = linked.number
           AND NOT EXISTS (SELECT 1 FROM item WHERE item.item = linked.number AND item.version <> linked.seen)",
        &[&rows, &versions],
    )
    .await?;
    let stories: Vec<i64> = linked.iter().map(|one| one.story).collect();
    let sources: Vec<&str> = linked.iter().map(|one| one.source.as_str()).collect();
    let times: Vec<Timestamp> = linked.iter().map(|one| one.at).collect();
    let ways: Vec<Option<&str>> =
        linked.iter().map(|one| one.similarity.map(|candidates| candidates.how.as_str())).collect();
    let shares: Vec<Option<f64>> =
        linked.iter().map(|one| one.similarity.map(|candidates| candidates.share)).collect();
    let exact: Vec<Option<i64>> = linked.iter().map(|one| one.sketch.exact).collect();
    let titles: Vec<Option<i64>> = linked.iter().map(|one| one.sketch.title).collect();
    let sketches: Vec<&[u8]> = linked.iter().map(|one| one.sketch.sketch.as_slice()).collect();
    // They may have been removed meanwhile.
    execute(
        tx,
        "INSERT INTO likeness (item, story, source, at, how, share, exact, title, sketch)
         SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TIMESTAMPTZ[], $5::TEXT[], $6::FLOAT8[],
                              $7::BIGINT[], $8::BIGINT[], $9::BYTEA[]) AS new (item)
         WHERE EXISTS (SELECT 1 FROM item WHERE item.item = new.item) ON CONFLICT DO NOTHING",
        &[&rows, &stories, &sources, &times, &ways, &shares, &exact, &titles, &sketches],
    )
    .await?;
    let keys = || linked.iter().flat_map(|one| one.sketch.keys.iter().map(move |key| (*key, one)));
    let of_keys: Vec<i64> = keys().map(|(key, _)| key).collect();
    let of_rows: Vec<i64> = keys().map(|(_, one)| one.row).collect();
    let of_times: Vec<Timestamp> = keys().map(|(_, one)| one.at).collect();
    execute(
        tx,
        "INSERT INTO likeness_key (key, item, at)
         SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TIMESTAMPTZ[]) ON CONFLICT DO NOTHING",
        &[&of_keys, &of_rows, &of_times],
    )
    .await?;
    execute(tx, "DELETE FROM likeness_key WHERE at < $1", &[&forget]).await?;
    Ok(())
}

pub(super) async fn story(client: &Object, row: i64, most: usize) -> Result<Vec<Reprint>, StoreError> {
    let sql = format!(
        "SELECT {ITEM}, likeness.how, likeness.share FROM likeness JOIN item USING (item)
         WHERE story = (SELECT story FROM likeness WHERE item = $1)
         ORDER BY coalesce(item.published_at, item.first_seen), item.item LIMIT $2"
    );
    let found = read(client, &sql, &[&row, &limit(most)]).await?;
    let reprint = |row: &tokio_postgres::Row| {
        let how = row.get::<_, Option<&str>>("how").and_then(SimilarityKind::parse);
        let share: Option<f64> = row.get("share");
        let similarity = how.map(|how| Similarity { how, share: share.unwrap_or(0.0) });
        Ok(Reprint { item: item_of(row)?, similarity })
    };
    found.iter().map(reprint).collect()
}

/// Of items that are gone nothing is kept.
pub(super) async fn forget(tx: &Transaction<'_>, items: &[i64]) -> Result<(), StoreError> {
    execute(tx, "DELETE FROM unlinked WHERE item = ANY($1)", &[&items]).await?;
    execute(tx, "DELETE FROM likeness WHERE item = ANY($1)", &[&items]).await?;
    Ok(())
}

/// Of what is too old nothing is kept, a batch of it: not while a month is dropped, for which everybody waits. How many went.
pub(super) async fn forget_before(tx: &Transaction<'_>, before: Timestamp) -> Result<u64, StoreError> {
    const BATCH: i64 = 5000;
    let sql =
        "DELETE FROM likeness WHERE item IN (SELECT item FROM likeness WHERE at < $1 ORDER BY at LIMIT $2)";
    execute(tx, sql, &[&before, &BATCH]).await
}

pub(super) async fn count(client: &Object, topic: &Name) -> Result<u64, StoreError> {
    let sql = "SELECT count(DISTINCT coalesce(likeness.story, -match.item)) FROM match LEFT JOIN likeness USING (item)
         WHERE match.topic = $1";
    Ok(client.query_one(sql, &[&topic.as_str()]).await?.get::<_, i64>(0).unsigned_abs())
}
