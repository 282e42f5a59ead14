//! A change of matches: removals, additions, updates, and the counts that depend on them.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Transaction;
use model::{Match, Name, Timestamp};

use super::{execute, rows, text};
use crate::StoreError;

/// A change to the matches of several items, and to the totals.
#[derive(Default)]
pub(super) struct Change {
    /// The change in the number of items.
    items: i64,
    /// The change in the number of items that match at least one topic.
    materials: i64,
    removed: Rows,
    added: Rows,
    updated: Rows,
    /// The change in the number of matches by topic.
    by_topic: HashMap<String, i64>,
}

/// Matches as one array per column.
#[derive(Default)]
struct Rows {
    topics: Vec<String>,
    items: Vec<i64>,
    first_seen: Vec<Timestamp>,
    spans: Vec<String>,
    excerpts: Vec<String>,
    /// The tags of each match, joined by commas, which names cannot contain. UNNEST does not support arrays of
    /// arrays.
    tags: Vec<String>,
    matched_at: Vec<Timestamp>,
}

impl Rows {
    /// Appends a match. A match to remove has no content.
    fn push(
        &mut self,
        (item, first_seen): (i64, Timestamp),
        topic: &str,
        match_: Option<&Match>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.topics.push(topic.to_owned());
        self.items.push(item);
        self.first_seen.push(first_seen);
        self.spans
            .push(match_.map(|match_| serde_json::to_string(&match_.spans)).transpose()?.unwrap_or_default());
        self.excerpts.push(match_.map(|match_| text(&match_.excerpt)).unwrap_or_default());
        let tags = |match_: &Match| match_.tags.iter().map(Name::as_str).collect::<Vec<_>>().join(",");
        self.tags.push(match_.map(tags).unwrap_or_default());
        self.matched_at.push(at);
        Ok(())
    }
}

impl Change {
    /// Returns a change that adds `items` items, or removes them if the number is negative.
    pub(super) fn of_items(items: i64) -> Self {
        Self { items, ..Self::default() }
    }

    /// Replaces the matches of an item, identified by number and month. `previous_topics` are the topics of its
    /// stored matches. Removes only matches of topics for which `may_go` returns true. A match that stays keeps
    /// its sequence number. Returns the number of new matches.
    pub(super) fn replace(
        &mut self,
        item: (i64, Timestamp),
        previous_topics: &[String],
        may_go: impl Fn(&str) -> bool,
        matches: &BTreeMap<String, &Match>,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        let (mut remaining, mut added) = (previous_topics.len(), 0);
        for topic in previous_topics {
            if may_go(topic) && !matches.contains_key(topic) {
                self.removed.push(item, topic, None, at)?;
                *self.by_topic.entry(topic.clone()).or_default() -= 1;
                remaining -= 1;
            }
        }
        for (topic, match_) in matches {
            if previous_topics.contains(topic) {
                self.updated.push(item, topic, Some(match_), at)?;
            } else {
                self.added.push(item, topic, Some(match_), at)?;
                *self.by_topic.entry(topic.clone()).or_default() += 1;
                added += 1;
            }
        }
        let is_material = remaining + added > 0;
        self.materials += i64::from(is_material) - i64::from(!previous_topics.is_empty());
        Ok(added as u64)
    }

    /// Writes the change. This locks the row of the totals until the commit, so it should be the last write of a
    /// transaction.
    pub(super) async fn write(self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        delete(tx, &self.removed).await?;
        update(tx, &self.updated).await?;
        let (removed, added) = (self.removed.items.len(), self.added.items.len());
        if self.items == 0 && self.materials == 0 && removed == 0 && added == 0 {
            return Ok(());
        }
        let (removed, added) = (i64::try_from(removed).unwrap_or(0), i64::try_from(added).unwrap_or(0));
        let last_seq = rows(
            tx,
            "UPDATE total SET items = items + $1, materials = materials + $2, matches = matches + $3 - $4,
                    match_seq = match_seq + $3 RETURNING match_seq - $3",
            &[&self.items, &self.materials, &added, &removed],
        )
        .await?;
        count_by_topic(tx, self.by_topic).await?;
        insert(tx, &self.added, last_seq.first().map_or(0, |row| row.get(0))).await
    }
}

/// Adds the changes to the topics' numbers of materials.
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

/// Deletes matches.
async fn delete(tx: &Transaction<'_>, removed: &Rows) -> Result<(), StoreError> {
    if removed.items.is_empty() {
        return Ok(());
    }
    execute(
        tx,
        "DELETE FROM match USING UNNEST($1::BIGINT[], $2::TIMESTAMPTZ[], $3::TEXT[]) AS gone (item, first_seen, topic)
         WHERE match.item = gone.item AND match.first_seen = gone.first_seen AND match.topic = gone.topic",
        &[&removed.items, &removed.first_seen, &removed.topics],
    )
    .await?;
    Ok(())
}

/// Updates spans, excerpts and tags of matches.
async fn update(tx: &Transaction<'_>, updated: &Rows) -> Result<(), StoreError> {
    if updated.items.is_empty() {
        return Ok(());
    }
    execute(
        tx,
        "UPDATE match SET spans = kept.spans, excerpt = kept.excerpt, tags = string_to_array(kept.tags, ',')
         FROM UNNEST($1::BIGINT[], $2::TIMESTAMPTZ[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[])
              AS kept (item, first_seen, topic, spans, excerpt, tags)
         WHERE match.item = kept.item AND match.first_seen = kept.first_seen AND match.topic = kept.topic",
        &[
            &updated.items,
            &updated.first_seen,
            &updated.topics,
            &updated.spans,
            &updated.excerpts,
            &updated.tags,
        ],
    )
    .await?;
    Ok(())
}

/// Inserts matches with the sequence numbers after `after_seq`.
async fn insert(tx: &Transaction<'_>, added: &Rows, after_seq: i64) -> Result<(), StoreError> {
    if added.items.is_empty() {
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
            &added.topics,
            &added.items,
            &added.first_seen,
            &added.spans,
            &added.excerpts,
            &added.matched_at,
            &added.tags,
            &after_seq,
        ],
    )
    .await?;
    Ok(())
}
