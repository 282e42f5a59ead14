//! The queue of article pages in SQLite.

use async_trait::async_trait;
use model::{Host, ItemKey, Name, PageWork, Timestamp};
use rusqlite::{Connection, Transaction, params};

use super::Sqlite;
use super::rows::{limit, millis, time};
use crate::edit::indexed_address;
use crate::{PageQueue, StoreError};

#[async_trait]
impl PageQueue for Sqlite {
    async fn pages(
        &self,
        source: &Name,
        host: &Host,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<PageWork>, StoreError> {
        let (source, host) = (source.clone(), host.clone());
        self.read(move |connection| select_due_pages(connection, &source, &host, now, limit)).await
    }

    async fn next_page(&self, source: &Name, host: &Host) -> Result<Option<Timestamp>, StoreError> {
        let (source, host) = (source.clone(), host.clone());
        self.read(move |connection| select_next_page(connection, &source, &host)).await
    }

    async fn page_queues(&self, source: Option<&Name>) -> Result<Vec<(Name, Host, Timestamp)>, StoreError> {
        let source = source.cloned();
        self.read(move |connection| select_page_queues(connection, source.as_ref())).await
    }
}

pub(super) fn select_due_pages(
    connection: &Connection,
    source: &Name,
    host: &Host,
    now: Timestamp,
    max: usize,
) -> Result<Vec<PageWork>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT url, entry, tries, not_before, entry_hash, item_key FROM page WHERE source = ?1 AND host = ?2 AND not_before <= ?3
         ORDER BY published_at DESC LIMIT ?4",
    )?;
    let mut rows = query.query(params![source.as_str(), host.as_str(), millis(now), limit(max)])?;
    let mut pages = Vec::new();
    while let Some(row) = rows.next()? {
        let (address, entry): (String, String) = (row.get(0)?, row.get(1)?);
        let url = url::Url::parse(&address)
            .map_err(|error| StoreError::Damaged(format!("invalid stored address {address:?}: {error}")))?;
        let entry = serde_json::from_str(&entry)?;
        let (tries, not_before, entry_hash) = (row.get(2)?, time(row.get(3)?), row.get(4)?);
        let key = ItemKey::from_stored(row.get(5)?);
        pages.push(PageWork { key, host: host.clone(), url, entry, tries, not_before, entry_hash });
    }
    Ok(pages)
}

pub(super) fn select_next_page(
    connection: &Connection,
    source: &Name,
    host: &Host,
) -> Result<Option<Timestamp>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT min(not_before) FROM page WHERE source = ?1 AND host = ?2")?;
    let earliest: Option<i64> = query.query_row([source.as_str(), host.as_str()], |row| row.get(0))?;
    Ok(earliest.map(time))
}

pub(super) fn select_page_queues(
    connection: &Connection,
    source: Option<&Name>,
) -> Result<Vec<(Name, Host, Timestamp)>, StoreError> {
    // Two queries: with an OR, SQLite would read every page.
    let condition = if source.is_some() { "WHERE source = ?1" } else { "WHERE ?1 IS NULL" };
    let mut query = connection.prepare_cached(&format!(
        "SELECT source, host, min(not_before) FROM page {condition} GROUP BY source, host"
    ))?;
    let mut rows = query.query([source.map(Name::as_str)])?;
    let mut queues = Vec::new();
    while let Some(row) = rows.next()? {
        let source: String = row.get(0)?;
        queues.push((Name::from_stored(source), Host::from_stored(row.get(1)?), time(row.get(2)?)));
    }
    Ok(queues)
}

/// Adds a page to the queue, or replaces the waiting page with the same key.
pub(super) fn save_page(tx: &Transaction<'_>, source: &Name, page: &PageWork) -> Result<(), StoreError> {
    let entry = &page.entry;
    // An undated page counts as just published.
    let published = entry.dated().unwrap_or(page.not_before);
    tx.prepare_cached(
        "INSERT OR REPLACE INTO page (source, url, host, item_key, entry_hash, entry, tries, not_before, published_at,
                                      address)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        source.as_str(),
        page.url.as_str(),
        page.host.as_str(),
        page.key.as_str(),
        page.entry_hash,
        serde_json::to_string(entry)?,
        page.tries,
        millis(page.not_before),
        millis(published),
        indexed_address(entry.url.as_ref()),
    ])?;
    Ok(())
}
