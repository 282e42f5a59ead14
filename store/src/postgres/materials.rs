//! Items and matches, read; matching again; retention.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_postgres::{Object, Transaction};
use model::{Item, Match, Name, Timestamp};
use tokio_postgres::Row;
use url::Url;

use super::locks::{self, Lock};
use super::matches::Change;
use super::{execute, limit, objects, partitions, read, rows, stories, suppressions, text};
use crate::StoreError;
use crate::edit::indexed;
use crate::store::{MaterialQuery, Rematched, StoredItem, StoredMatch, Totals, originality};

/// The columns of [`item_of`], from a table called `item`.
pub(super) const ITEM: &str = "item.item, item.id, item.body, item.version, item.first_seen, item.changed_at,
    (SELECT originality.how IS NOT NULL FROM likeness AS originality WHERE originality.item = item.item)";
/// The columns of [`found`] behind those of [`ITEM`], from a table called `match`.
const MATCH: &str = "match.seq, match.topic, match.spans, match.excerpt, match.matched_at, match.tags";

pub(super) fn item_of(row: &Row) -> Result<StoredItem, StoreError> {
    Ok(StoredItem {
        row: row.get(0),
        id: row.get(1),
        item: serde_json::from_str::<Item>(row.get(2))?,
        version: row.get(3),
        first_seen: row.get(4),
        changed_at: row.get(5),
        originality: row.get::<_, Option<bool>>(6).map(originality),
    })
}

fn found(row: &Row) -> Result<StoredMatch, StoreError> {
    Ok(StoredMatch {
        seq: row.get(7),
        item: item_of(row)?,
        found: Match {
            topic: Name::stored(row.get(8)),
            spans: serde_json::from_str(row.get(9))?,
            excerpt: row.get::<_, String>(10).into(),
            tags: row.get::<_, Vec<String>>(12).into_iter().map(Name::stored).collect(),
        },
        matched_at: row.get(11),
    })
}

pub(super) async fn list(client: &Object, query: &MaterialQuery) -> Result<Vec<StoredMatch>, StoreError> {
    let words = (!query.terms.is_empty()).then(|| words_query(&query.terms));
    let found_rows = read(
        client,
        &format!(
            "SELECT {ITEM}, {MATCH} FROM match
             JOIN item ON item.item = match.item AND item.first_seen = match.first_seen
             WHERE match.seq > $1 AND ($2::TEXT IS NULL OR match.topic = $2)
               AND ($3::TEXT IS NULL OR item.source = $3) AND ($4::TEXT IS NULL OR item.words @@ $4::TEXT::TSQUERY)
               AND ($6::TEXT IS NULL OR $6 = ANY (match.tags))
               AND (NOT $7 OR NOT EXISTS (
                    SELECT 1 FROM likeness AS own JOIN likeness AS other ON other.story = own.story
                    JOIN match AS earlier ON earlier.item = other.item AND earlier.topic = match.topic
                    WHERE own.item = match.item AND earlier.seq < match.seq
                      AND ($3::TEXT IS NULL OR other.source = $3) AND ($6::TEXT IS NULL OR $6 = ANY (earlier.tags))))
             ORDER BY match.seq LIMIT $5"
        ),
        &[
            &query.after_seq,
            &query.topic.as_ref().map(Name::as_str),
            &query.source.as_ref().map(Name::as_str),
            &words,
            &limit(query.limit),
            &query.tag.as_ref().map(Name::as_str),
            &query.one_of_each_story,
        ],
    )
    .await?;
    found_rows.iter().map(found).collect()
}

/// One of each must be there; each is quoted, so nothing in it is an operator.
fn words_query(terms: &[Vec<String>]) -> String {
    let quoted = |term: &String| format!("'{}'", text(term).replace('\\', "\\\\").replace('\'', "''"));
    let any = |terms: &Vec<String>| format!("({})", terms.iter().map(quoted).collect::<Vec<_>>().join(" | "));
    terms.iter().map(any).collect::<Vec<_>>().join(" & ")
}

pub(super) async fn item(
    client: &Object,
    id: &str,
) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError> {
    let one = read(client, &format!("SELECT {ITEM} FROM item WHERE id = $1"), &[&id]).await?;
    let Some(row) = one.first() else { return Ok(None) };
    let item = item_of(row)?;
    let all = read(
        client,
        &format!(
            "SELECT {ITEM}, {MATCH} FROM match
             JOIN item ON item.item = match.item AND item.first_seen = match.first_seen
             WHERE match.item = $1 AND match.first_seen = $2 ORDER BY match.topic"
        ),
        &[&item.row, &item.first_seen],
    )
    .await?;
    Ok(Some((item, all.iter().map(found).collect::<Result<_, _>>()?)))
}

pub(super) async fn items(
    client: &Object,
    after_row: i64,
    most: usize,
) -> Result<Vec<StoredItem>, StoreError> {
    let page = read(
        client,
        &format!("SELECT {ITEM} FROM item WHERE item > $1 ORDER BY item LIMIT $2"),
        &[&after_row, &limit(most)],
    )
    .await?;
    page.iter().map(item_of).collect()
}

/// Whether something of a source stands at each of these addresses.
pub(super) async fn known_addresses(
    client: &Object,
    source: &Name,
    addresses: &[Url],
) -> Result<Vec<bool>, StoreError> {
    let asked: Vec<Option<String>> = addresses.iter().map(|url| indexed(Some(url))).collect();
    let known = read(
        client,
        "SELECT EXISTS (SELECT 1 FROM item WHERE source = $1 AND item.address = asked.address)
             OR EXISTS (SELECT 1 FROM page WHERE source = $1 AND page.address = asked.address)
         FROM UNNEST($2::TEXT[]) WITH ORDINALITY AS asked (address, place) ORDER BY place",
        &[&source.as_str(), &asked],
    )
    .await?;
    Ok(known.iter().map(|row| row.get(0)).collect())
}

pub(super) async fn rematch(
    tx: &Transaction<'_>,
    topics: &[(Name, i64)],
    items: &[Rematched],
    now: Timestamp,
) -> Result<u64, StoreError> {
    locks::share(tx, Lock::Objects).await?;
    let only = objects::unchanged(tx, topics).await?;
    let numbers: Vec<i64> = items.iter().map(|item| item.row).collect();
    // Locked first: what a statement reads beside a lock is from before it waited.
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
    for Rematched { row: number, version, matches, deferred_topics } in items {
        // An edit that was stored meanwhile was matched against these topics already, or waits for it.
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

pub(super) async fn totals(client: &Object) -> Result<Totals, StoreError> {
    let counts = read(
        client,
        "SELECT items, materials, matches, (SELECT count(*) FROM page), match_seq FROM total",
        &[],
    )
    .await?;
    let count = |at: usize| counts.first().map_or(0, |row| row.get::<_, i64>(at).unsigned_abs());
    Ok(Totals {
        items: count(0),
        materials: count(1),
        matches: count(2),
        pages: count(3),
        last_seq: counts.first().map_or(0, |row| row.get(4)),
    })
}

/// Items removed in one call, where a month is not old as a whole.
const RETAIN_BATCH: i64 = 5000;

/// A whole month goes with its partition and counts as one; of the youngest month that is touched, items go in
/// batches. Their identities stay.
pub(super) async fn retain(tx: &Transaction<'_>, keep: Duration, now: Timestamp) -> Result<u64, StoreError> {
    // One node with a wrong clock must not empty the archive of all.
    let here: Timestamp = tx.query_one("SELECT now()", &[]).await?.get(0);
    let Ok(since) = now.min(here).checked_sub(keep) else { return Ok(0) };
    let forgotten = stories::forget_before(tx, since).await?;
    if forgotten > 0 {
        return Ok(forgotten);
    }
    if partitions::drop_oldest_before(tx, since).await? {
        return Ok(1);
    }
    let locked = rows(
        tx,
        "SELECT item FROM item WHERE first_seen < $1 ORDER BY item LIMIT $2 FOR UPDATE",
        &[&since, &RETAIN_BATCH],
    )
    .await?;
    let locked: Vec<i64> = locked.iter().map(|row| row.get(0)).collect();
    remove(tx, &locked, since).await
}

/// Removes items whatever their age; their identities stay.
pub(super) async fn take_down(
    tx: &Transaction<'_>,
    numbers: &[i64],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let locked = lock(tx, numbers).await?;
    suppressions::remember_addresses(tx, &locked).await?;
    remove(tx, &locked, after_all(now)).await
}

/// Removes items with what identified them: they are stored again where they are shown again.
pub(super) async fn vanish(
    tx: &Transaction<'_>,
    numbers: &[i64],
    digests: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let locked = lock(tx, numbers).await?;
    remove(tx, &locked, after_all(now)).await?;
    execute(tx, "DELETE FROM identity WHERE digest = ANY($1) AND item = ANY($2)", &[&digests, &locked])
        .await?;
    Ok(())
}

/// Nothing was first seen later than this, whatever the clocks say.
fn after_all(now: Timestamp) -> Timestamp {
    now.checked_add(Duration::from_secs(10 * 86_400)).unwrap_or(now)
}

/// Locks those items that are still there, and ends what waits for their pages.
async fn lock(tx: &Transaction<'_>, numbers: &[i64]) -> Result<Vec<i64>, StoreError> {
    // Pages first, as whoever stores does.
    execute(
        tx,
        "DELETE FROM page USING item WHERE item.item = ANY($1) AND page.source = item.source AND page.item_key = item.item_key",
        &[&numbers],
    )
    .await?;
    let locked =
        rows(tx, "SELECT item FROM item WHERE item = ANY($1) ORDER BY item FOR UPDATE", &[&numbers]).await?;
    Ok(locked.iter().map(|row| row.get(0)).collect())
}

/// Removes items that were first seen before a time, with what they matched, and takes them from the totals.
async fn remove(tx: &Transaction<'_>, locked: &[i64], since: Timestamp) -> Result<u64, StoreError> {
    let old = rows(
        tx,
        "SELECT item, first_seen,
                ARRAY(SELECT topic FROM match WHERE match.item = item.item AND match.first_seen = item.first_seen)
         FROM item WHERE item = ANY($2) AND first_seen < $1 ORDER BY item",
        &[&since, &locked],
    )
    .await?;
    let mut change = Change::of_items(-i64::try_from(old.len()).unwrap_or(0));
    for row in &old {
        change.replace(
            (row.get(0), row.get(1)),
            &row.get::<_, Vec<String>>(2),
            |_| true,
            &BTreeMap::new(),
            since,
        )?;
    }
    let numbers: Vec<i64> = old.iter().map(|row| row.get(0)).collect();
    stories::forget(tx, &numbers).await?;
    execute(tx, "DELETE FROM item WHERE item = ANY($1) AND first_seen < $2", &[&numbers, &since]).await?;
    change.write(tx).await?;
    Ok(old.len() as u64)
}
