//! Storage of harvests in SQLite: items, matches, article pages, source states and history, in one transaction.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Finding, Harvest, ItemKey, Match, Name, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use url::Url;

use super::removals::{remove_missing, take_down};
use super::rows::{length, limit, millis};
use super::{Sqlite, backfills, hosts, objects, pages, removals, source_states, websub};
use crate::edit::{Edit, ItemFingerprint, classify_edit, indexed_address, lookup_address, published_key};
use crate::{EntryRef, EntryStatus, Harvests, SaveOutcome, StoreError};

#[async_trait]
impl Harvests for Sqlite {
    async fn classify_entries(
        &self,
        source: &Name,
        entries: &[EntryRef],
    ) -> Result<Vec<EntryStatus>, StoreError> {
        let (source, entries) = (source.clone(), entries.to_vec());
        self.read(move |connection| select_statuses(connection, &source, &entries)).await
    }

    async fn has_addresses(&self, source: &Name, addresses: &[Url]) -> Result<Vec<bool>, StoreError> {
        let (source, addresses) = (source.clone(), addresses.to_vec());
        self.read(move |connection| select_known_addresses(connection, &source, &addresses)).await
    }

    async fn save(
        &self,
        harvests: &Arc<[Harvest]>,
        objects_version: i64,
    ) -> Result<Vec<SaveOutcome>, StoreError> {
        let (harvests, history) = (harvests.clone(), self.history);
        self.write(move |tx| {
            if objects::version(tx)? != objects_version {
                return Err(StoreError::StaleObjects);
            }
            harvests.iter().map(|harvest| save_harvest(tx, harvest, history)).collect()
        })
        .await
    }
}

/// Returns the status of each entry. A forgotten key has an empty fingerprint and always counts as known.
pub(super) fn select_statuses(
    connection: &Connection,
    source: &Name,
    entries: &[EntryRef],
) -> Result<Vec<EntryStatus>, StoreError> {
    let mut by_key = connection.prepare_cached(
        "SELECT entry_hash FROM page WHERE source = ?1 AND item_key = ?2
         UNION ALL SELECT entry_hash FROM item WHERE source = ?1 AND item_key = ?2
         UNION ALL SELECT '' FROM forgotten WHERE source = ?1 AND item_key = ?2 LIMIT 1",
    )?;
    let mut by_address = connection.prepare_cached(
        "SELECT 1 FROM item WHERE source = ?1 AND address = ?2 AND entry_hash = ?3
         UNION ALL SELECT 1 FROM page WHERE source = ?1 AND address = ?2 AND entry_hash = ?3",
    )?;
    let mut statuses = Vec::with_capacity(entries.len());
    for EntryRef { key, hash, address } in entries {
        let stored_hash: Option<String> =
            by_key.query_row([source.as_str(), key.as_str()], |row| row.get(0)).optional()?;
        statuses.push(match (stored_hash, address) {
            (Some(existing), _) if existing.is_empty() || existing == *hash => EntryStatus::Same,
            (Some(_), _) => EntryStatus::Changed,
            (None, Some(address)) if by_address.exists([source.as_str(), address.as_str(), hash])? => {
                EntryStatus::Same
            }
            (None, _) => EntryStatus::New,
        });
    }
    Ok(statuses)
}

/// Stores a harvest. Skips it if its token is outdated. Of an undeclared source, stores only findings and deletions.
pub(super) fn save_harvest(
    tx: &Transaction<'_>,
    harvest: &Harvest,
    history: usize,
) -> Result<SaveOutcome, StoreError> {
    let mut saved = SaveOutcome::default();
    if !is_current(tx, harvest)? {
        saved.fenced = true;
        return Ok(saved);
    }
    for finding in &harvest.findings {
        save_finding(tx, harvest, finding, &mut saved)?;
    }
    remove_deleted(tx, harvest)?;
    if !is_declared(tx, harvest)? {
        return Ok(saved);
    }
    for page in &harvest.pages {
        pages::save_page(tx, &harvest.source, page)?;
    }
    for key in &harvest.pages_done {
        tx.prepare_cached("DELETE FROM page WHERE source = ?1 AND item_key = ?2")?
            .execute([harvest.source.as_str(), key.as_str()])?;
    }
    save_outcome(tx, harvest)?;
    hosts::save_health(tx, harvest)?;
    source_states::save_active_fallback(tx, harvest)?;
    save_learnt(tx, harvest)?;
    websub::save_harvest(tx, harvest)?;
    if let Some(step) = &harvest.updates.backfill {
        backfills::save_step(tx, &harvest.source, step)?;
    }
    save_history(tx, harvest, history)?;
    Ok(saved)
}

fn is_declared(tx: &Transaction<'_>, harvest: &Harvest) -> Result<bool, StoreError> {
    let mut query = tx.prepare_cached("SELECT 1 FROM source WHERE name = ?1")?;
    Ok(query.exists([harvest.source.as_str()])?)
}

/// Returns true if the harvest's token is current, and remembers the highest token of the host. A lower token
/// comes from a node that lost its lease.
fn is_current(tx: &Transaction<'_>, harvest: &Harvest) -> Result<bool, StoreError> {
    let token = i64::try_from(harvest.token.0).unwrap_or(i64::MAX);
    let delay = length(harvest.robots_delay);
    let current: Option<(i64, i64)> = tx
        .prepare_cached("SELECT token, robots_delay FROM host_token WHERE host = ?1")?
        .query_row([harvest.host.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if current.is_some_and(|(highest, _)| highest > token) {
        return Ok(false);
    }
    if current != Some((token, delay)) {
        tx.prepare_cached(
            "INSERT OR REPLACE INTO host_token (host, token, robots_delay) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![harvest.host.as_str(), token, delay])?;
    }
    Ok(true)
}

/// Removes items that their publisher deleted, for good, and items that the source no longer shows, until they
/// reappear.
fn remove_deleted(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let row_of = |key: &ItemKey| {
        tx.prepare_cached("SELECT row FROM item WHERE source = ?1 AND item_key = ?2")?
            .query_row([harvest.source.as_str(), key.as_str()], |row| row.get::<_, i64>(0))
            .optional()
    };
    for key in &harvest.deletions {
        if let Some(row) = row_of(key)? {
            take_down(tx, &[row])?;
        }
    }
    for key in &harvest.missing {
        tx.prepare_cached("DELETE FROM page WHERE source = ?1 AND item_key = ?2")?
            .execute([harvest.source.as_str(), key.as_str()])?;
        if let Some(row) = row_of(key)? {
            remove_missing(tx, row, &harvest.source, key)?;
        }
    }
    Ok(())
}

/// Stores a finding as a new item or as an edit, replaces its matches, and adds to the counts.
fn save_finding(
    tx: &Transaction<'_>,
    harvest: &Harvest,
    finding: &Finding,
    saved: &mut SaveOutcome,
) -> Result<(), StoreError> {
    let (now, deferred_topics) = (harvest.at, &harvest.deferred_topics);
    let row = match select_item(tx, finding)? {
        None if is_forgotten(tx, finding)? || removals::reject_new(tx, finding)? => return Ok(()),
        None => {
            saved.new_items += 1;
            insert_item(tx, finding, now)?
        }
        Some((row, _)) if removals::is_suppressed(tx, finding)? => {
            // The item was stored before its author was known.
            take_down(tx, &[row])?;
            return Ok(());
        }
        Some((row, existing)) => match update_item(tx, finding, row, &existing, now)? {
            true => {
                saved.edited_items += 1;
                if !deferred_topics.is_empty() {
                    // Queue the item again: linking matches its new text against the deferred topics.
                    tx.prepare_cached("INSERT OR IGNORE INTO unlinked (item) VALUES (?1)")?.execute([row])?;
                }
                row
            }
            false => return Ok(()),
        },
    };
    let had_matches: bool = tx.prepare_cached("SELECT 1 FROM match WHERE item = ?1")?.exists([row])?;
    let may_go = |topic: &str| !deferred_topics.iter().any(|name| name.as_str() == topic);
    let new_matches = replace_matches(tx, row, may_go, &finding.matches, now)?;
    saved.new_matches += new_matches;
    saved.new_materials += u64::from(new_matches > 0 && !had_matches);
    Ok(())
}

/// Returns the row and fingerprint of the item that a finding is about. Searches by key, then by address, title
/// and publication time.
fn select_item(
    tx: &Transaction<'_>,
    finding: &Finding,
) -> Result<Option<(i64, ItemFingerprint)>, StoreError> {
    const SELECT_FINGERPRINT: &str = "SELECT row, content_hash, entry_hash, whole, published_key FROM item";
    let row_and_fingerprint = |row: &rusqlite::Row<'_>| {
        let fingerprint = ItemFingerprint {
            content_hash: row.get(1)?,
            entry_hash: row.get(2)?,
            whole: row.get(3)?,
            published_key: row.get(4)?,
        };
        Ok((row.get(0)?, fingerprint))
    };
    let item = &finding.item;
    let by_key = tx
        .prepare_cached(&format!("{SELECT_FINGERPRINT} WHERE source = ?1 AND item_key = ?2"))?
        .query_row([item.source.as_str(), item.key.as_str()], row_and_fingerprint)
        .optional()?;
    if by_key.is_some() {
        return Ok(by_key);
    }
    // Some publishers generate a new identifier each time. Address, title and publication time then identify the
    // item.
    let Some(address) = lookup_address(finding) else { return Ok(None) };
    let mut by_address = tx.prepare_cached(&format!(
        "{SELECT_FINGERPRINT} WHERE source = ?1 AND address = ?2 AND title IS ?3 AND published_key = ?4
         AND (?4 != '' OR content_hash = ?5) ORDER BY row LIMIT 1"
    ))?;
    let hash = item.content_hash();
    let key = published_key(finding);
    Ok(by_address
        .query_row(params![item.source.as_str(), address, item.title, key, hash], row_and_fingerprint)
        .optional()?)
}

/// Returns true if the finding's item was removed or rejected earlier.
fn is_forgotten(tx: &Transaction<'_>, finding: &Finding) -> Result<bool, StoreError> {
    let mut query = tx.prepare_cached("SELECT 1 FROM forgotten WHERE source = ?1 AND item_key = ?2")?;
    Ok(query.exists([finding.item.source.as_str(), finding.item.key.as_str()])?)
}

/// Inserts an item and its search tokens. The trigger `item_is_stored` of migration 0007 queues it in `unlinked`.
fn insert_item(tx: &Transaction<'_>, finding: &Finding, now: Timestamp) -> Result<i64, StoreError> {
    let item = &finding.item;
    tx.prepare_cached(
        "INSERT INTO item (id, source, item_key, published_key, address, title, published_at, body, content_hash,
                           entry_hash, whole, first_seen, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12)",
    )?
    .execute(params![
        ulid::Ulid::new().to_string(),
        item.source.as_str(),
        item.key.as_str(),
        published_key(finding),
        lookup_address(finding),
        item.title,
        item.published.as_ref().map(|published| millis(published.at)),
        serde_json::to_string(item)?,
        item.content_hash(),
        finding.entry_hash,
        finding.whole,
        millis(now),
    ])?;
    let row = tx.last_insert_rowid();
    tx.prepare_cached("INSERT INTO item_words (rowid, tokens) VALUES (?1, ?2)")?
        .execute(params![row, finding.search_tokens])?;
    Ok(row)
}

/// Stores an edit. Returns false if the content is unchanged and the item's matches stay.
fn update_item(
    tx: &Transaction<'_>,
    finding: &Finding,
    row: i64,
    existing: &ItemFingerprint,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let item = &finding.item;
    let hash = item.content_hash();
    let key = match classify_edit(existing, finding, &hash) {
        Edit::Unchanged => return Ok(false),
        Edit::Metadata => {
            tx.prepare_cached("UPDATE item SET entry_hash = ?2, whole = whole OR ?3 WHERE row = ?1")?
                .execute(params![row, finding.entry_hash, finding.whole])?;
            return Ok(false);
        }
        Edit::Content { published_key } => published_key,
    };
    tx.prepare_cached(
        "UPDATE item SET body = ?2, content_hash = ?3, entry_hash = ?4, whole = ?5, changed_at = ?6, title = ?7,
                published_at = ?8, published_key = ?9, address = ?10, version = version + 1 WHERE row = ?1",
    )?
    .execute(params![
        row,
        serde_json::to_string(item)?,
        hash,
        finding.entry_hash,
        finding.whole,
        millis(now),
        item.title,
        item.published.as_ref().map(|published| millis(published.at)),
        key,
        lookup_address(finding),
    ])?;
    tx.prepare_cached("DELETE FROM item_words WHERE rowid = ?1")?.execute([row])?;
    tx.prepare_cached("INSERT INTO item_words (rowid, tokens) VALUES (?1, ?2)")?
        .execute(params![row, finding.search_tokens])?;
    Ok(true)
}

/// Replaces the matches of an item. Removes only matches of topics for which `may_go` returns true. A match that
/// stays keeps its sequence number. Returns the number of new matches.
pub(super) fn replace_matches(
    tx: &Transaction<'_>,
    row: i64,
    may_go: impl Fn(&str) -> bool,
    matches: &[Match],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut query = tx.prepare_cached("SELECT topic FROM match WHERE item = ?1")?;
    let previous: Vec<String> = query.query_map([row], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for topic in &previous {
        if may_go(topic) && !matches.iter().any(|match_| match_.topic.as_str() == topic) {
            tx.prepare_cached("DELETE FROM match WHERE item = ?1 AND topic = ?2")?
                .execute(params![row, topic])?;
        }
    }
    let mut new_matches = 0;
    for match_ in matches {
        let spans = serde_json::to_string(&match_.spans)?;
        let tags = serde_json::to_string(&match_.tags)?;
        if previous.iter().any(|topic| topic == match_.topic.as_str()) {
            tx.prepare_cached(
                "UPDATE match SET spans = ?3, excerpt = ?4, tags = ?5 WHERE item = ?1 AND topic = ?2",
            )?
            .execute(params![row, match_.topic.as_str(), spans, match_.excerpt, tags])?;
        } else {
            new_matches += 1;
            tx.prepare_cached(
                "INSERT INTO match (topic, item, spans, excerpt, tags, matched_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![match_.topic.as_str(), row, spans, match_.excerpt, tags, millis(now)])?;
        }
    }
    Ok(new_matches)
}

/// Stores the outcome of a poll. The triggers `source_state_changes` (migration 0006) and `source_moves`
/// (migration 0007) record changes of the state and of the announced move.
fn save_outcome(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(outcome) = &harvest.outcome else { return Ok(()) };
    let validators = outcome.validators.as_ref().map(serde_json::to_string).transpose()?;
    // A pause, retirement or quarantine wins over the outcome of a poll that was already running.
    tx.prepare_cached(
        "UPDATE source SET
            since = CASE WHEN state IN (?2, 'paused', 'quarantined', 'retired') THEN since ELSE ?3 END,
            reason = CASE WHEN state IN ('paused', 'quarantined', 'retired') THEN reason ELSE ?4 END,
            state = CASE WHEN state IN ('paused', 'quarantined', 'retired') THEN state ELSE ?2 END,
            failures = ?5,
            failed_polls = CASE WHEN ?6 THEN 0 WHEN ?11 THEN failed_polls ELSE failed_polls + 1 END,
            last_ok = CASE WHEN ?6 THEN ?3 ELSE last_ok END,
            last_poll = ?3, next_poll = ?7, interval = ?8,
            validators = coalesce(?9, validators),
            moved_to = CASE WHEN ?6 THEN ?10 ELSE coalesce(?10, moved_to) END
         WHERE name = ?1",
    )?
    .execute(params![
        harvest.source.as_str(),
        outcome.state.as_str(),
        millis(harvest.at),
        outcome.reason,
        outcome.failures,
        outcome.ok,
        millis(outcome.next_poll),
        length(outcome.interval),
        validators,
        outcome.moved_to.as_ref().map(url::Url::as_str),
        outcome.deferred,
    ])?;
    Ok(())
}

/// Stores the rhythm, the condition of article pages and the page window that were learnt about a source.
fn save_learnt(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let model::SourceUpdates { rhythm, article_pages, page_window, .. } = &harvest.updates;
    if rhythm.is_none() && article_pages.is_none() && page_window.is_none() {
        return Ok(());
    }
    tx.prepare_cached(
        "UPDATE source SET rhythm = coalesce(?2, rhythm), article_pages = coalesce(?3, article_pages),
                           shown = coalesce(?4, shown) WHERE name = ?1",
    )?
    .execute(params![
        harvest.source.as_str(),
        rhythm.as_ref().map(serde_json::to_string).transpose()?,
        article_pages.as_ref().map(serde_json::to_string).transpose()?,
        page_window.as_ref().map(serde_json::to_string).transpose()?,
    ])?;
    Ok(())
}

/// Appends a harvest's fetches to the history of its source.
fn save_history(tx: &Transaction<'_>, harvest: &Harvest, history: usize) -> Result<(), StoreError> {
    for record in &harvest.fetches {
        tx.prepare_cached("INSERT INTO fetch (source, at, record) VALUES (?1, ?2, ?3)")?.execute(params![
            harvest.source.as_str(),
            millis(record.at),
            serde_json::to_string(record)?
        ])?;
    }
    if !harvest.fetches.is_empty() {
        prune_history(tx, &harvest.source, history)?;
    }
    Ok(())
}

/// Deletes all but the last `history` fetches of a source, once the history is an eighth longer than that. SQLite
/// (3.54) replans a cached statement of this form each time, so deleting at every poll would be expensive.
fn prune_history(tx: &Transaction<'_>, source: &Name, history: usize) -> Result<(), StoreError> {
    let mut count = tx.prepare_cached("SELECT count(*) FROM fetch WHERE source = ?1")?;
    let fetches: i64 = count.query_row([source.as_str()], |row| row.get(0))?;
    if fetches > limit(history + history / 8) {
        tx.prepare_cached(
            "DELETE FROM fetch WHERE source = ?1 AND id <=
                (SELECT id FROM fetch WHERE source = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![source.as_str(), limit(history)])?;
    }
    Ok(())
}

/// Returns for each address whether an item or a waiting article page of the source has it.
pub(super) fn select_known_addresses(
    connection: &Connection,
    source: &Name,
    addresses: &[Url],
) -> Result<Vec<bool>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT 1 FROM item WHERE source = ?1 AND address = ?2
         UNION ALL SELECT 1 FROM page WHERE source = ?1 AND address = ?2",
    )?;
    let is_known = |url: &Url| Ok(query.exists(params![source.as_str(), indexed_address(Some(url))])?);
    addresses.iter().map(is_known).collect()
}
