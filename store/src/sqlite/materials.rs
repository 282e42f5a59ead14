//! Items, matches and totals in SQLite.

use async_trait::async_trait;
use model::Name;
use rusqlite::{Connection, params};

use super::Sqlite;
use super::rows::{ITEM_COLUMNS, MATCH_COLUMNS, limit, parse_item, parse_match};
use crate::{MaterialQuery, Materials, StoreError, StoredItem, StoredMatch, Totals};

#[async_trait]
impl Materials for Sqlite {
    async fn materials(&self, query: &MaterialQuery) -> Result<Vec<StoredMatch>, StoreError> {
        let query = query.clone();
        self.read(move |connection| select_matches(connection, &query)).await
    }

    async fn item(&self, id: &str) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| select_item(connection, &id)).await
    }

    async fn items(&self, after_row: i64, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        self.read(move |connection| select_items(connection, after_row, limit)).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.read(select_totals).await
    }
}

pub(super) fn select_matches(
    connection: &Connection,
    query: &MaterialQuery,
) -> Result<Vec<StoredMatch>, StoreError> {
    let words = (!query.terms.is_empty()).then(|| fts_query(&query.terms));
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ITEM_COLUMNS}, {MATCH_COLUMNS} FROM match JOIN item ON item.row = match.item
         WHERE match.seq > ?1 AND (?2 IS NULL OR match.topic = ?2) AND (?3 IS NULL OR item.source = ?3)
           AND (?4 IS NULL OR item.row IN (SELECT rowid FROM item_words WHERE item_words MATCH ?4))
           AND (?6 IS NULL OR EXISTS (SELECT 1 FROM json_each(match.tags) WHERE value = ?6))
           AND (NOT ?7 OR NOT EXISTS (
                SELECT 1 FROM likeness AS own JOIN likeness AS other ON other.story = own.story
                JOIN match AS earlier ON earlier.item = other.item AND earlier.topic = match.topic
                WHERE own.item = match.item AND earlier.seq < match.seq AND (?3 IS NULL OR other.source = ?3)
                  AND (?6 IS NULL OR EXISTS (SELECT 1 FROM json_each(earlier.tags) WHERE value = ?6))))
         ORDER BY match.seq LIMIT ?5"
    ))?;
    let mut rows = statement.query(params![
        query.after_seq,
        query.topic.as_ref().map(Name::as_str),
        query.source.as_ref().map(Name::as_str),
        words,
        limit(query.limit),
        query.tag.as_ref().map(Name::as_str),
        query.first_of_each_story,
    ])?;
    let mut matches = Vec::new();
    while let Some(row) = rows.next()? {
        matches.push(parse_match(row)?);
    }
    Ok(matches)
}

/// Returns an FTS5 query that requires one term of each group. Each term is quoted, so it cannot contain operators.
fn fts_query(terms: &[Vec<String>]) -> String {
    let quoted = |term: &String| format!("\"{}\"", term.replace('"', "\"\""));
    let any_of =
        |terms: &Vec<String>| format!("({})", terms.iter().map(quoted).collect::<Vec<_>>().join(" OR "));
    terms.iter().map(any_of).collect::<Vec<_>>().join(" AND ")
}

pub(super) fn select_item(
    connection: &Connection,
    id: &str,
) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError> {
    let mut by_id = connection.prepare_cached(&format!("SELECT {ITEM_COLUMNS} FROM item WHERE id = ?1"))?;
    let mut rows = by_id.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let item = parse_item(row)?;
    let mut by_row = connection.prepare_cached(&format!(
        "SELECT {ITEM_COLUMNS}, {MATCH_COLUMNS} FROM match JOIN item ON item.row = match.item WHERE item.row = ?1 ORDER BY match.topic"
    ))?;
    let mut rows = by_row.query([item.row])?;
    let mut matches = Vec::new();
    while let Some(row) = rows.next()? {
        matches.push(parse_match(row)?);
    }
    Ok(Some((item, matches)))
}

pub(super) fn select_items(
    connection: &Connection,
    after_row: i64,
    max: usize,
) -> Result<Vec<StoredItem>, StoreError> {
    let mut query = connection
        .prepare_cached(&format!("SELECT {ITEM_COLUMNS} FROM item WHERE row > ?1 ORDER BY row LIMIT ?2"))?;
    let mut rows = query.query(params![after_row, limit(max)])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(parse_item(row)?);
    }
    Ok(items)
}

pub(super) fn select_totals(connection: &Connection) -> Result<Totals, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM item), (SELECT count(DISTINCT item) FROM match), (SELECT count(*) FROM match),
                (SELECT count(*) FROM page), (SELECT coalesce(max(seq), 0) FROM match)",
    )?;
    Ok(query.query_row([], |row| {
        let count = |index: usize| -> rusqlite::Result<u64> { Ok(row.get::<_, i64>(index)?.unsigned_abs()) };
        Ok(Totals {
            items: count(0)?,
            materials: count(1)?,
            matches: count(2)?,
            pages: count(3)?,
            last_seq: row.get(4)?,
        })
    })?)
}
