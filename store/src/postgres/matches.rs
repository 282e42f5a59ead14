//! A change of matches: what goes, what comes, what is told anew, and the counts that follow.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Transaction;
use model::{Match, Name, Timestamp};

use super::{execute, rows, text};
use crate::StoreError;

/// What is to be done to the matches of some items.
#[derive(Default)]
pub(super) struct Change {
    items: i64,
    materials: i64,
    gone: Rows,
    fresh: Rows,
    kept: Rows,
    by_topic: HashMap<String, i64>,
}

/// Matches, a column each.
#[derive(Default)]
struct Rows {
    topics: Vec<String>,
    items: Vec<i64>,
    first_seen: Vec<Timestamp>,
    spans: Vec<String>,
    excerpts: Vec<String>,
    /// Names hold no comma, so a text holds them all: UNNEST knows no arrays of arrays.
    tags: Vec<String>,
    matched_at: Vec<Timestamp>,
}

impl Rows {
    fn push(
        &mut self,
        (item, first_seen): (i64, Timestamp),
        topic: &str,
        found: Option<&Match>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.topics.push(topic.to_owned());
        self.items.push(item);
        self.first_seen.push(first_seen);
        self.spans
            .push(found.map(|found| serde_json::to_string(&found.spans)).transpose()?.unwrap_or_default());
        self.excerpts.push(found.map(|found| text(&found.excerpt)).unwrap_or_default());
        let tags = |found: &Match| found.tags.iter().map(Name::as_str).collect::<Vec<_>>().join(",");
        self.tags.push(found.map(tags).unwrap_or_default());
        self.matched_at.push(at);
        Ok(())
    }
}

impl Change {
    /// One by which so many items come, or go.
    pub(super) fn of_items(items: i64) -> Self {
        Self { items, ..Self::default() }
    }

    /// Makes an item's matches be these, but that only those of some topics may go. A match that stays keeps its place in
    /// the order. How many are new.
    pub(super) fn replace(
        &mut self,
        item: (i64, Timestamp),
        before: &[String],
        may_go: impl Fn(&str) -> bool,
        matches: &BTreeMap<String, &Match>,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        let (mut left, mut fresh) = (before.len(), 0);
        for topic in before {
            if may_go(topic) && !matches.contains_key(topic) {
                self.gone.push(item, topic, None, at)?;
                *self.by_topic.entry(topic.clone()).or_default() -= 1;
                left -= 1;
            }
        }
        for (topic, found) in matches {
            if before.contains(topic) {
                self.kept.push(item, topic, Some(found), at)?;
            } else {
                self.fresh.push(item, topic, Some(found), at)?;
                *self.by_topic.entry(topic.clone()).or_default() += 1;
                fresh += 1;
            }
        }
        let is_material = left + fresh > 0;
        self.materials += i64::from(is_material) - i64::from(!before.is_empty());
        Ok(fresh as u64)
    }

    /// Writes the change. It locks the row of the totals until the commit: nothing should come after it.
    pub(super) async fn write(self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        delete(tx, &self.gone).await?;
        update(tx, &self.kept).await?;
        let (gone, fresh) = (self.gone.items.len(), self.fresh.items.len());
        if self.items == 0 && self.materials == 0 && gone == 0 && fresh == 0 {
            return Ok(());
        }
        let (gone, fresh) = (i64::try_from(gone).unwrap_or(0), i64::try_from(fresh).unwrap_or(0));
        let last = rows(
            tx,
            "UPDATE total SET items = items + $1, materials = materials + $2, matches = matches + $3 - $4,
                    match_seq = match_seq + $3 RETURNING match_seq - $3",
            &[&self.items, &self.materials, &fresh, &gone],
        )
        .await?;
        count_by_topic(tx, self.by_topic).await?;
        insert(tx, &self.fresh, last.first().map_or(0, |row| row.get(0))).await
    }
}

async fn count_by_topic(tx: &Transaction<'_>, by_topic: HashMap<String, i64>) -> Result<(), StoreError> {
    let changed = by_topic.into_iter().filter(|(_, change)| *change != 0);
    let (topics, changes): (Vec<String>, Vec<i64>) = changed.unzip();
    if topics.is_empty() {
        return Ok(());
    }
    execute(
        tx,
        "UPDATE topic SET materials = materials + changed.by
         FROM UNNEST($1::TEXT[], $2::BIGINT[]) AS changed (name, by) WHERE topic.name = changed.name",
        &[&topics, &changes],
    )
    .await?;
    Ok(())
}

async fn delete(tx: &Transaction<'_>, gone: &Rows) -> Result<(), StoreError> {
    if gone.items.is_empty() {
        return Ok(());
    }
    execute(
        tx,
        "DELETE FROM match USING UNNEST($1::BIGINT[], $2::TIMESTAMPTZ[], $3::TEXT[]) AS gone (item, first_seen, topic)
         WHERE match.item = gone.item AND match.first_seen = gone.first_seen AND match.topic = gone.topic",
        &[&gone.items, &gone.first_seen, &gone.topics],
    )
    .await?;
    Ok(())
}

async fn update(tx: &Transaction<'_>, kept: &Rows) -> Result<(), StoreError> {
    if kept.items.is_empty() {
        return Ok(());
    }
    execute(
        tx,
        "UPDATE match SET spans = kept.spans, excerpt = kept.excerpt, tags = string_to_array(kept.tags, ',')
         FROM UNNEST($1::BIGINT[], $2::TIMESTAMPTZ[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[])
              AS kept (item, first_seen, topic, spans, excerpt, tags)
         WHERE match.item = kept.item AND match.first_seen = kept.first_seen AND match.topic = kept.topic",
        &[&kept.items, &kept.first_seen, &kept.topics, &kept.spans, &kept.excerpts, &kept.tags],
    )
    .await?;
    Ok(())
}

async fn insert(tx: &Transaction<'_>, fresh: &Rows, after_seq: i64) -> Result<(), StoreError> {
    if fresh.items.is_empty() {
        return Ok(());
    }
    execute(
        tx,
        "INSERT INTO match (seq, topic, item, first_seen, spans, excerpt, matched_at, tags)
         SELECT $8 + place, topic, item, first_seen, spans, excerpt, matched_at, string_to_array(tags, ',')
         FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::TIMESTAMPTZ[], $4::TEXT[], $5::TEXT[], $6::TIMESTAMPTZ[],
                     $7::TEXT[])
              WITH ORDINALITY AS fresh (topic, item, first_seen, spans, excerpt, matched_at, tags, place)",
        &[
            &fresh.topics,
            &fresh.items,
            &fresh.first_seen,
            &fresh.spans,
            &fresh.excerpts,
            &fresh.matched_at,
            &fresh.tags,
            &after_seq,
        ],
    )
    .await?;
    Ok(())
}
