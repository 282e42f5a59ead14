//! The queue of article pages in PostgreSQL.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Harvest, Host, ItemKey, Name, PageWork, Timestamp};

use super::{Postgres, execute, limit, read, storable, text};
use crate::edit::indexed_address;
use crate::{PageQueue, StoreError};

#[async_trait]
impl PageQueue for Postgres {
    async fn pages(
        &self,
        source: &Name,
        host: &Host,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<PageWork>, StoreError> {
        select_due_pages(&*self.client().await?, source, host, now, limit).await
    }

    async fn next_page(&self, source: &Name, host: &Host) -> Result<Option<Timestamp>, StoreError> {
        select_next_page(&*self.client().await?, source, host).await
    }

    async fn page_queues(&self, source: Option<&Name>) -> Result<Vec<(Name, Host, Timestamp)>, StoreError> {
        select_page_queues(&*self.client().await?, source).await
    }
}

pub(super) async fn select_due_pages(
    client: &Object,
    source: &Name,
    host: &Host,
    now: Timestamp,
    max: usize,
) -> Result<Vec<PageWork>, StoreError> {
    let rows = read(
        client,
        "SELECT url, entry, tries, not_before, entry_hash, item_key FROM page
         WHERE source = $1 AND host = $2 AND not_before <= $3 ORDER BY published_at DESC, item_key LIMIT $4",
        &[&source.as_str(), &host.as_str(), &now, &limit(max)],
    )
    .await?;
    let page = |row: &tokio_postgres::Row| {
        let address: &str = row.get(0);
        let url = url::Url::parse(address)
            .map_err(|error| StoreError::Damaged(format!("invalid stored address {address:?}: {error}")))?;
        let tries: i32 = row.get(2);
        Ok(PageWork {
            key: ItemKey::from_stored(row.get(5)),
            host: host.clone(),
            url,
            entry: serde_json::from_str(row.get(1))?,
            tries: tries.unsigned_abs(),
            not_before: row.get(3),
            entry_hash: row.get(4),
        })
    };
    rows.iter().map(page).collect()
}

pub(super) async fn select_next_page(
    client: &Object,
    source: &Name,
    host: &Host,
) -> Result<Option<Timestamp>, StoreError> {
    let rows = read(
        client,
        "SELECT min(not_before) FROM page WHERE source = $1 AND host = $2",
        &[&source.as_str(), &host.as_str()],
    )
    .await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

pub(super) async fn select_page_queues(
    client: &Object,
    source: Option<&Name>,
) -> Result<Vec<(Name, Host, Timestamp)>, StoreError> {
    let condition = if source.is_some() { "source = $1" } else { "$1::TEXT IS NULL" };
    let sql = format!(
        "SELECT source, host, min(not_before) FROM page WHERE {condition} GROUP BY source, host ORDER BY source, host"
    );
    let rows = read(client, &sql, &[&source.map(Name::as_str)]).await?;
    let queue = |row: &tokio_postgres::Row| {
        (Name::from_stored(row.get(0)), Host::from_stored(row.get(1)), row.get(2))
    };
    Ok(rows.iter().map(queue).collect())
}

/// Adds and removes pages in the order of the harvests: a page that one harvest queued and a later one finished is
/// done.
pub(super) async fn save_pages(tx: &Transaction<'_>, harvests: &[&Harvest]) -> Result<(), StoreError> {
    let mut changes: BTreeMap<(String, String), Option<&PageWork>> = BTreeMap::new();
    for harvest in harvests {
        let key = |key: &model::ItemKey| (harvest.source.to_string(), text(key.as_str()));
        changes.extend(harvest.pages.iter().map(|page| (key(&page.key), Some(page))));
        changes.extend(harvest.pages_done.iter().map(|page| (key(page), None)));
    }
    let (mut done_sources, mut done_keys): (Vec<String>, Vec<String>) = Default::default();
    let mut pages: Vec<(String, String, &PageWork)> = Vec::new();
    for ((source, key), page) in changes {
        match page {
            Some(page) => pages.push((source, key, page)),
            None => {
                done_sources.push(source);
                done_keys.push(key);
            }
        }
    }
    if !done_sources.is_empty() {
        execute(
            tx,
            "DELETE FROM page USING UNNEST($1::TEXT[], $2::TEXT[]) AS done (source, item_key)
             WHERE page.source = done.source AND page.item_key = done.item_key",
            &[&done_sources, &done_keys],
        )
        .await?;
    }
    insert_pages(tx, &pages).await
}

/// Inserts pages, and replaces waiting ones with the same key.
async fn insert_pages(tx: &Transaction<'_>, pages: &[(String, String, &PageWork)]) -> Result<(), StoreError> {
    if pages.is_empty() {
        return Ok(());
    }
    let sources: Vec<&str> = pages.iter().map(|(source, ..)| source.as_str()).collect();
    let keys: Vec<&str> = pages.iter().map(|(_, key, _)| key.as_str()).collect();
    let column =
        |value: fn(&PageWork) -> String| pages.iter().map(|(.., page)| value(page)).collect::<Vec<_>>();
    let urls = column(|page| page.url.to_string());
    let hosts = column(|page| page.host.to_string());
    let hashes = column(|page| text(&page.entry_hash));
    let addresses: Vec<Option<String>> =
        pages.iter().map(|(.., page)| indexed_address(page.entry.url.as_ref())).collect();
    let entries: Vec<String> =
        pages.iter().map(|(.., page)| serde_json::to_string(&page.entry)).collect::<Result<_, _>>()?;
    let tries: Vec<i32> =
        pages.iter().map(|(.., page)| i32::try_from(page.tries).unwrap_or(i32::MAX)).collect();
    let not_before: Vec<Timestamp> = pages.iter().map(|(.., page)| page.not_before).collect();
    // An undated page counts as just published.
    let published: Vec<Timestamp> =
        pages.iter().map(|(.., page)| storable(page.entry.dated().unwrap_or(page.not_before))).collect();
    execute(
        tx,
        "INSERT INTO page (source, item_key, url, address, host, entry_hash, entry, tries, not_before, published_at)
         SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[],
                              $8::INTEGER[], $9::TIMESTAMPTZ[], $10::TIMESTAMPTZ[])
         ON CONFLICT (source, item_key) DO UPDATE SET url = excluded.url, address = excluded.address,
             host = excluded.host, entry_hash = excluded.entry_hash, entry = excluded.entry, tries = excluded.tries,
             not_before = excluded.not_before, published_at = excluded.published_at",
        &[&sources, &keys, &urls, &addresses, &hosts, &hashes, &entries, &tries, &not_before, &published],
    )
    .await?;
    Ok(())
}
