//! Items and matches, read; matching again; retention.

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
        list(&*self.client().await?, query).await
    }

    async fn item(&self, id: &str) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError> {
        item(&*self.client().await?, id).await
    }

    async fn items(&self, after_row: i64, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        items(&*self.client().await?, after_row, limit).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        totals(&*self.client().await?).await
    }
}

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
            topic: Name::from_stored(row.get(8)),
            spans: serde_json::from_str(row.get(9))?,
            excerpt: row.get::<_, String>(10).into(),
            tags: row.get::<_, Vec<String>>(12).into_iter().map(Name::from_stored).collect(),
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
