//! Items and matches, read; matching again; retention.

use model::{ItemKey, Match, Name, Timestamp};
use rusqlite::{Connection, Transaction, params};
use url::Url;

use super::harvest::replace_matches;
use super::rows::{ITEM, MATCH, found, item as stored_item, limit, millis};
use crate::StoreError;
use crate::edit::indexed;
use crate::store::{MaterialQuery, Rematched, StoredItem, StoredMatch, Totals};

pub(super) fn list(connection: &Connection, query: &MaterialQuery) -> Result<Vec<StoredMatch>, StoreError> {
    let words = (!query.terms.is_empty()).then(|| fts_query(&query.terms));
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ITEM}, {MATCH} FROM match JOIN item ON item.row = match.item
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
        query.one_of_each_story,
    ])?;
    let mut matches = Vec::new();
    while let Some(row) = rows.next()? {
        matches.push(found(row)?);
    }
    Ok(matches)
}

/// One of each must be there; each is quoted, so nothing in it is an operator.
fn fts_query(terms: &[Vec<String>]) -> String {
    let quoted = |term: &String| format!("\"{}\"", term.replace('"', "\"\""));
    let any =
        |terms: &Vec<String>| format!("({})", terms.iter().map(quoted).collect::<Vec<_>>().join(" OR "));
    terms.iter().map(any).collect::<Vec<_>>().join(" AND ")
}

pub(super) fn item(
    connection: &Connection,
    id: &str,
) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError> {
    let mut one = connection.prepare_cached(&format!("SELECT {ITEM} FROM item WHERE id = ?1"))?;
    let mut rows = one.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let item = stored_item(row)?;
    let mut all = connection.prepare_cached(&format!(
        "SELECT {ITEM}, {MATCH} FROM match JOIN item ON item.row = match.item WHERE item.row = ?1 ORDER BY match.topic"
    ))?;
    let mut rows = all.query([item.row])?;
    let mut matches = Vec::new();
    while let Some(row) = rows.next()? {
        matches.push(found(row)?);
    }
    Ok(Some((item, matches)))
}

pub(super) fn items(
    connection: &Connection,
    after_row: i64,
    most: usize,
) -> Result<Vec<StoredItem>, StoreError> {
    let mut query = connection
        .prepare_cached(&format!("SELECT {ITEM} FROM item WHERE row > ?1 ORDER BY row LIMIT ?2"))?;
    let mut rows = query.query(params![after_row, limit(most)])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(stored_item(row)?);
    }
    Ok(items)
}

/// Whether something of a source stands at each of these addresses.
pub(super) fn known_addresses(
    connection: &Connection,
    source: &Name,
    addresses: &[Url],
) -> Result<Vec<bool>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT 1 FROM item WHERE source = ?1 AND address = ?2
         UNION ALL SELECT 1 FROM page WHERE source = ?1 AND address = ?2",
    )?;
    let is_known = |url: &Url| Ok(query.exists(params![source.as_str(), indexed(Some(url))])?);
    addresses.iter().map(is_known).collect()
}

pub(super) fn rematch(
    tx: &Transaction<'_>,
    topics: &[(Name, i64)],
    items: &[Rematched],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let only = super::objects::unchanged(tx, topics)?;
    let mut fresh = 0;
    for Rematched { row, version, matches, deferred_topics } in items {
        // An edit that was stored meanwhile was matched against these topics already, or waits for it.
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

pub(super) fn totals(connection: &Connection) -> Result<Totals, StoreError> {
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

/// Items removed in one call: a long absence must not hold the writer for minutes.
const RETAIN_BATCH: i64 = 5000;

pub(super) fn retain(tx: &Transaction<'_>, since: Timestamp) -> Result<u64, StoreError> {
    let mut old = tx.prepare_cached("SELECT row FROM item WHERE first_seen < ?1 ORDER BY row LIMIT ?2")?;
    let rows = old.query_map(params![millis(since), RETAIN_BATCH], |row| row.get(0))?;
    remove(tx, &rows.collect::<Result<Vec<i64>, _>>()?)
}

/// Removes items by hand, and remembers where they stood as well.
pub(super) fn take_down(tx: &Transaction<'_>, rows: &[i64]) -> Result<u64, StoreError> {
    for row in rows {
        tx.prepare_cached(
            // Where others of the source stand as well, an address identifies nothing.
            "INSERT OR IGNORE INTO removed_address SELECT source, address FROM item WHERE row = ?1 AND address IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM item AS other
                                WHERE other.source = item.source AND other.address = item.address AND other.row != ?1)",
        )?
        .execute([row])?;
    }
    remove(tx, rows)
}

/// Removes an item with what identified it: it is stored again where it is shown again.
pub(super) fn vanish(tx: &Transaction<'_>, row: i64, source: &Name, key: &ItemKey) -> Result<(), StoreError> {
    remove(tx, &[row])?;
    tx.prepare_cached("DELETE FROM forgotten WHERE source = ?1 AND item_key = ?2")?
        .execute([source.as_str(), key.as_str()])?;
    Ok(())
}

/// Removes items, and remembers what identified them.
fn remove(tx: &Transaction<'_>, rows: &[i64]) -> Result<u64, StoreError> {
    let mut gone = 0;
    for row in rows {
        tx.prepare_cached(
            "INSERT OR IGNORE INTO forgotten SELECT source, item_key FROM item WHERE row = ?1",
        )?
        .execute([row])?;
        tx.prepare_cached(
            "DELETE FROM page WHERE (source, item_key) IN (SELECT source, item_key FROM item WHERE row = ?1)",
        )?
        .execute([row])?;
        tx.prepare_cached("DELETE FROM item_words WHERE rowid = ?1")?.execute([row])?;
        gone += tx.prepare_cached("DELETE FROM item WHERE row = ?1")?.execute([row])?;
    }
    Ok(gone as u64)
}
