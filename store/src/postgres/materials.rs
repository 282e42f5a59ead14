//! Items, matches and totals in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::Object;
use model::{Item, Match, Name};
use tokio_postgres::Row;

use super::{Postgres, limit, read, text};
use crate::materials::originality;
use crate::{MaterialQuery, Materials, StoreError, StoredItem, StoredMatch, Totals};

#[async_trait]
impl Materials for Postgres {
    async fn materials(&self, query: &MaterialQuery) -> Result<Vec<StoredMatch>, StoreError> {
        select_matches(&*self.client().await?, query).await
    }

    async fn item(&self, id: &str) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError> {
        select_item(&*self.client().await?, id).await
    }

    async fn items(&self, after_row: i64, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        select_items(&*self.client().await?, after_row, limit).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        select_totals(&*self.client().await?).await
    }
}

/// The columns that [`parse_item`] reads, selected from the table `item`.
pub(super) const ITEM_COLUMNS: &str =
    "item.item, item.id, item.body, item.version, item.first_seen, item.changed_at,
    (SELECT originality.how IS NOT NULL FROM likeness AS originality WHERE originality.item = item.item)";
/// The columns that [`parse_match`] reads after [`ITEM_COLUMNS`], selected from the table `match`.
const MATCH_COLUMNS: &str =
    "match.seq, match.topic, match.spans, match.excerpt, match.matched_at, match.tags";

/// Converts a row of [`ITEM_COLUMNS`] to an item.
pub(super) fn parse_item(row: &Row) -> Result<StoredItem, StoreError> {
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

/// Converts a row of [`ITEM_COLUMNS`] and [`MATCH_COLUMNS`] to a match.
fn parse_match(row: &Row) -> Result<StoredMatch, StoreError> {
    Ok(StoredMatch {
        seq: row.get(7),
        item: parse_item(row)?,
        found: Match {
            topic: Name::from_stored(row.get(8)),
            spans: serde_json::from_str(row.get(9))?,
            excerpt: row.get::<_, String>(10).into(),
            tags: row.get::<_, Vec<String>>(12).into_iter().map(Name::from_stored).collect(),
        },
        matched_at: row.get(11),
    })
}

pub(super) async fn select_matches(
    client: &Object,
    query: &MaterialQuery,
) -> Result<Vec<StoredMatch>, StoreError> {
    let words = (!query.terms.is_empty()).then(|| words_query(&query.terms));
    let rows = read(
        client,
        &format!(
            "SELECT {ITEM_COLUMNS}, {MATCH_COLUMNS} FROM match
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
            &query.first_of_each_story,
        ],
    )
    .await?;
    rows.iter().map(parse_match).collect()
}

/// Returns a tsquery that requires one term of each group. Each term is quoted, so it cannot contain operators.
fn words_query(terms: &[Vec<String>]) -> String {
    let quoted = |term: &String| format!("'{}'", text(term).replace('\\', "\\\\").replace('\'', "''"));
    let any_of =
        |terms: &Vec<String>| format!("({})", terms.iter().map(quoted).collect::<Vec<_>>().join(" | "));
    terms.iter().map(any_of).collect::<Vec<_>>().join(" & ")
}

pub(super) async fn select_item(
    client: &Object,
    id: &str,
) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError> {
    let items = read(client, &format!("SELECT {ITEM_COLUMNS} FROM item WHERE id = $1"), &[&id]).await?;
    let Some(row) = items.first() else { return Ok(None) };
    let item = parse_item(row)?;
    let matches = read(
        client,
        &format!(
            "SELECT {ITEM_COLUMNS}, {MATCH_COLUMNS} FROM match
             JOIN item ON item.item = match.item AND item.first_seen = match.first_seen
             WHERE match.item = $1 AND match.first_seen = $2 ORDER BY match.topic"
        ),
        &[&item.row, &item.first_seen],
    )
    .await?;
    Ok(Some((item, matches.iter().map(parse_match).collect::<Result<_, _>>()?)))
}

pub(super) async fn select_items(
    client: &Object,
    after_row: i64,
    max: usize,
) -> Result<Vec<StoredItem>, StoreError> {
    let rows = read(
        client,
        &format!("SELECT {ITEM_COLUMNS} FROM item WHERE item > $1 ORDER BY item LIMIT $2"),
        &[&after_row, &limit(max)],
    )
    .await?;
    rows.iter().map(parse_item).collect()
}

pub(super) async fn select_totals(client: &Object) -> Result<Totals, StoreError> {
    let counts = read(
        client,
        "SELECT items, materials, matches, (SELECT count(*) FROM page), match_seq FROM total",
        &[],
    )
    .await?;
    let count = |index: usize| counts.first().map_or(0, |row| row.get::<_, i64>(index).unsigned_abs());
    Ok(Totals {
        items: count(0),
        materials: count(1),
        matches: count(2),
        pages: count(3),
        last_seq: counts.first().map_or(0, |row| row.get(4)),
    })
}
