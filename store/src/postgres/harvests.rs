//! Storage of harvests in PostgreSQL: tokens first, then the records of sources, last the items, which lock the
//! totals.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Harvest, Name, Timestamp};
use url::Url;

use super::item_batch::{ItemBatch, digest};
use super::locks::Lock;
use super::removals::{remove_missing, take_down};
use super::{
    Postgres, backfills, execute, hosts, limit, locks, objects, pages, read, rows, source_states, text,
    transaction, websub,
};
use crate::edit::indexed_address;
use crate::{EntryRef, EntryStatus, Harvests, SaveOutcome, StoreError};

#[async_trait]
impl Harvests for Postgres {
    async fn classify_entries(
        &self,
        source: &Name,
        entries: &[EntryRef],
    ) -> Result<Vec<EntryStatus>, StoreError> {
        select_statuses(&*self.client().await?, source, entries).await
    }

    async fn has_addresses(&self, source: &Name, addresses: &[Url]) -> Result<Vec<bool>, StoreError> {
        select_known_addresses(&*self.client().await?, source, addresses).await
    }

    async fn save(
        &self,
        harvests: &Arc<[Harvest]>,
        objects_version: i64,
    ) -> Result<Vec<SaveOutcome>, StoreError> {
        self.create_partitions(harvests).await?;
        transaction!(self, |tx| {
            locks::share(&tx, Lock::Objects).await?;
            if objects::version_in(&tx).await? != objects_version {
                return Err(StoreError::StaleObjects);
            }
            save_harvests(&tx, harvests, self.history).await
        })
    }
}

/// Stores harvests, except those whose token is outdated. Of undeclared sources, stores only findings and deletions.
pub(super) async fn save_harvests(
    tx: &Transaction<'_>,
    harvests: &[Harvest],
    history: usize,
) -> Result<Vec<SaveOutcome>, StoreError> {
    let is_fenced = check_tokens(tx, harvests).await?;
    let mut saved: Vec<SaveOutcome> =
        is_fenced.iter().map(|&fenced| SaveOutcome { fenced, ..SaveOutcome::default() }).collect();
    let current: Vec<(usize, &Harvest)> =
        harvests.iter().enumerate().filter(|(index, _)| !is_fenced[*index]).collect();
    let declared = select_declared(tx, harvests).await?;
    let of_declared: Vec<&Harvest> = current
        .iter()
        .map(|(_, harvest)| *harvest)
        .filter(|harvest| declared.contains(harvest.source.as_str()))
        .collect();
    pages::save_pages(tx, &of_declared).await?;
    for harvest in &of_declared {
        save_outcome(tx, harvest).await?;
        hosts::save_health(tx, harvest).await?;
        source_states::save_active_fallback(tx, harvest).await?;
        save_learnt(tx, harvest).await?;
        if let Some(step) = &harvest.updates.backfill {
            backfills::save_step(tx, &harvest.source, step).await?;
        }
    }
    websub::save_harvests(tx, &of_declared).await?;
    save_history(tx, &of_declared, history).await?;
    // Items come last because writing them locks the totals.
    let mut item_batch =
        ItemBatch::load(tx, current.iter().flat_map(|(_, harvest)| &harvest.findings)).await?;
    for (index, harvest) in current {
        for finding in &harvest.findings {
            item_batch.add_finding(harvest, finding, &mut saved[index]);
        }
    }
    let now = harvests.iter().map(|harvest| harvest.at).max().unwrap_or(Timestamp::MIN);
    item_batch.write(tx, now).await?;
    remove_deleted(tx, harvests, &is_fenced, now).await?;
    Ok(saved)
}

/// Removes items that their publisher deleted, for good, and items that the source no longer shows, until they
/// reappear.
async fn remove_deleted(
    tx: &Transaction<'_>,
    harvests: &[Harvest],
    is_fenced: &[bool],
    now: Timestamp,
) -> Result<(), StoreError> {
    let current = harvests.iter().zip(is_fenced).filter(|(_, is_fenced)| !**is_fenced);
    let (mut deletions, mut missing) = (Vec::new(), Vec::new());
    for (harvest, _) in current {
        for key in &harvest.missing {
            let sql = "DELETE FROM page WHERE source = $1 AND item_key = $2";
            execute(tx, sql, &[&harvest.source.as_str(), &text(key.as_str())]).await?;
        }
        deletions.extend(harvest.deletions.iter().map(|key| digest(&harvest.source, key)));
        missing.extend(harvest.missing.iter().map(|key| digest(&harvest.source, key)));
    }
    if !deletions.is_empty() {
        take_down(tx, &select_items(tx, &deletions).await?, now).await?;
    }
    if !missing.is_empty() {
        remove_missing(tx, &select_items(tx, &missing).await?, &missing, now).await?;
    }
    Ok(())
}

/// Returns the items with these identities.
async fn select_items(tx: &Transaction<'_>, digests: &[Vec<u8>]) -> Result<Vec<i64>, StoreError> {
    let items = rows(tx, "SELECT item FROM identity WHERE digest = ANY($1)", &[&digests]).await?;
    Ok(items.iter().map(|row| row.get(0)).collect())
}

/// Returns for each harvest whether its token is outdated, and remembers the highest token of each host. A lower
/// token comes from a node that lost its lease. The host's row stays locked until the commit, so the later of two
/// owners stores after the earlier one.
async fn check_tokens(tx: &Transaction<'_>, harvests: &[Harvest]) -> Result<Vec<bool>, StoreError> {
    let mut hosts: Vec<&str> = harvests.iter().map(|harvest| harvest.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    execute(
        tx,
        "INSERT INTO host_token (host, token) SELECT host, 0 FROM UNNEST($1::TEXT[]) AS new (host) ON CONFLICT DO NOTHING",
        &[&hosts],
    )
    .await?;
    let token_rows = rows(
        tx,
        "SELECT host, token, robots_delay FROM host_token WHERE host = ANY($1) ORDER BY host FOR UPDATE",
        &[&hosts],
    )
    .await?;
    let mut highest: BTreeMap<String, (i64, i64)> =
        token_rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    let mut changes: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let mut is_fenced = Vec::with_capacity(harvests.len());
    for harvest in harvests {
        let token = i64::try_from(harvest.token.0).unwrap_or(i64::MAX);
        let delay = i64::try_from(harvest.robots_delay.as_millis()).unwrap_or(i64::MAX);
        let current = highest.entry(harvest.host.to_string()).or_default();
        is_fenced.push(token < current.0);
        if token >= current.0 && *current != (token, delay) {
            *current = (token, delay);
            changes.insert(harvest.host.to_string(), *current);
        }
    }
    let (hosts, changes): (Vec<String>, Vec<(i64, i64)>) = changes.into_iter().unzip();
    let (tokens, delays): (Vec<i64>, Vec<i64>) = changes.into_iter().unzip();
    if !hosts.is_empty() {
        execute(
            tx,
            "UPDATE host_token SET token = news.token, robots_delay = news.delay
             FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[]) AS news (host, token, delay)
             WHERE host_token.host = news.host",
            &[&hosts, &tokens, &delays],
        )
        .await?;
    }
    Ok(is_fenced)
}

/// Returns the names of those of the harvests' sources that are declared.
async fn select_declared(tx: &Transaction<'_>, harvests: &[Harvest]) -> Result<HashSet<String>, StoreError> {
    let names: Vec<&str> = harvests.iter().map(|harvest| harvest.source.as_str()).collect();
    let declared = rows(tx, "SELECT name FROM source WHERE name = ANY($1)", &[&names]).await?;
    Ok(declared.iter().map(|row| row.get(0)).collect())
}

/// Stores the outcome of a poll. The triggers `source_state_changes` (migration 0005) and `source_moves`
/// (migration 0006) record changes of the state and of the announced move.
async fn save_outcome(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let Some(outcome) = &harvest.outcome else { return Ok(()) };
    let validators = outcome.validators.as_ref().map(serde_json::to_string).transpose()?;
    let interval = i64::try_from(outcome.interval.as_millis()).unwrap_or(i64::MAX);
    // A pause, retirement or quarantine wins over the outcome of a poll that was already running.
    execute(
        tx,
        "UPDATE source SET
            since = CASE WHEN state IN ($2, 'paused', 'quarantined', 'retired') THEN since ELSE $3 END,
            reason = CASE WHEN state IN ('paused', 'quarantined', 'retired') THEN reason ELSE $4 END,
            state = CASE WHEN state IN ('paused', 'quarantined', 'retired') THEN state ELSE $2 END,
            failures = $5,
            failed_polls = CASE WHEN $6 THEN 0 WHEN $11 THEN failed_polls ELSE failed_polls + 1 END,
            last_ok = CASE WHEN $6 THEN $3 ELSE last_ok END,
            last_poll = $3, next_poll = $7, interval_ms = $8,
            validators = coalesce($9, validators),
            moved_to = CASE WHEN $6 THEN $10 ELSE coalesce($10, moved_to) END
         WHERE name = $1",
        &[
            &harvest.source.as_str(),
            &outcome.state.as_str(),
            &harvest.at,
            &text(&outcome.reason),
            &outcome.failures,
            &outcome.ok,
            &outcome.next_poll,
            &interval,
            &validators,
            &outcome.moved_to.as_ref().map(url::Url::as_str),
            &outcome.deferred,
        ],
    )
    .await?;
    Ok(())
}

/// Stores the rhythm, the condition of article pages and the page window that were learnt about a source. A
/// database of the schema before migration 0008 has no columns for the latter two.
async fn save_learnt(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    let source = harvest.source.as_str();
    if let Some(rhythm) = &harvest.updates.rhythm {
        let sql = "UPDATE source SET rhythm = $2 WHERE name = $1";
        execute(tx, sql, &[&source, &serde_json::to_string(rhythm)?]).await?;
    }
    let article_pages = harvest.updates.article_pages.as_ref().map(serde_json::to_string).transpose()?;
    let page_window = harvest.updates.page_window.as_ref().map(serde_json::to_string).transpose()?;
    if article_pages.is_some() || page_window.is_some() {
        let sql = "UPDATE source SET article_pages = coalesce($2, article_pages), shown = coalesce($3, shown) WHERE name = $1";
        execute(tx, sql, &[&source, &article_pages, &page_window]).await?;
    }
    Ok(())
}

/// Appends fetches to the history of their sources, and deletes all but the last `history` of each.
async fn save_history(tx: &Transaction<'_>, harvests: &[&Harvest], history: usize) -> Result<(), StoreError> {
    let (mut sources, mut times, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for harvest in harvests {
        for record in &harvest.fetches {
            sources.push(harvest.source.as_str());
            times.push(record.at);
            records.push(serde_json::to_string(record)?);
        }
    }
    if sources.is_empty() {
        return Ok(());
    }
    execute(
        tx,
        "INSERT INTO fetch_record (source, at, record) SELECT * FROM UNNEST($1::TEXT[], $2::TIMESTAMPTZ[], $3::TEXT[])",
        &[&sources, &times, &records],
    )
    .await?;
    sources.sort_unstable();
    sources.dedup();
    execute(
        tx,
        "DELETE FROM fetch_record USING UNNEST($1::TEXT[]) AS fetched (source)
         WHERE fetch_record.source = fetched.source AND fetch_record.id <=
            (SELECT id FROM fetch_record AS kept WHERE kept.source = fetched.source ORDER BY id DESC LIMIT 1 OFFSET $2)",
        &[&sources, &limit(history)],
    )
    .await?;
    Ok(())
}

/// Returns the status of each entry.
pub(super) async fn select_statuses(
    client: &Object,
    source: &Name,
    entries: &[EntryRef],
) -> Result<Vec<EntryStatus>, StoreError> {
    let keys: Vec<String> = entries.iter().map(|entry| text(entry.key.as_str())).collect();
    let digests: Vec<Vec<u8>> = entries.iter().map(|entry| digest(source, &entry.key)).collect();
    // An identity without an item belongs to a removed one. It has no fingerprint, and always counts as known.
    let item_rows = read(
        client,
        "SELECT identity.digest, item.entry_hash FROM UNNEST($1::BYTEA[]) AS wanted (digest)
         JOIN identity ON identity.digest = wanted.digest
         LEFT JOIN item ON item.item = identity.item AND item.first_seen = identity.first_seen",
        &[&digests],
    )
    .await?;
    let by_digest: HashMap<Vec<u8>, Option<String>> =
        item_rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let page_rows = read(
        client,
        "SELECT item_key, entry_hash FROM page WHERE source = $1 AND item_key = ANY($2)",
        &[&source.as_str(), &keys],
    )
    .await?;
    let by_key: HashMap<String, String> = page_rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let has_known_address = match_by_address(client, source, entries).await?;
    let statuses = entries.iter().zip(keys).zip(digests).zip(has_known_address).map(
        |(((entry, key), digest), has_known_address)| {
            let fingerprint = by_key.get(&key).cloned().map(Some).or_else(|| by_digest.get(&digest).cloned());
            match fingerprint {
                Some(None) => EntryStatus::Same,
                Some(Some(hash)) if hash == entry.hash => EntryStatus::Same,
                Some(Some(_)) => EntryStatus::Changed,
                None if has_known_address => EntryStatus::Same,
                None => EntryStatus::New,
            }
        },
    );
    Ok(statuses.collect())
}

/// Returns for each entry whether an item or a waiting article page has both its address and its fingerprint.
async fn match_by_address(
    client: &Object,
    source: &Name,
    entries: &[EntryRef],
) -> Result<Vec<bool>, StoreError> {
    let addresses: Vec<Option<String>> =
        entries.iter().map(|entry| entry.address.as_ref().map(ToString::to_string)).collect();
    let hashes: Vec<String> = entries.iter().map(|entry| text(&entry.hash)).collect();
    let rows = read(
        client,
        "SELECT place FROM UNNEST($2::TEXT[], $3::TEXT[]) WITH ORDINALITY AS wanted (address, hash, place)
         WHERE wanted.address IS NOT NULL AND (
            EXISTS (SELECT 1 FROM item WHERE item.source = $1 AND item.address = wanted.address AND item.entry_hash = wanted.hash)
            OR EXISTS (SELECT 1 FROM page WHERE page.source = $1 AND page.address = wanted.address AND page.entry_hash = wanted.hash))",
        &[&source.as_str(), &addresses, &hashes],
    )
    .await?;
    let mut matches = vec![false; entries.len()];
    for row in &rows {
        let ordinal: i64 = row.get(0);
        if let Some(is_match) = usize::try_from(ordinal - 1).ok().and_then(|index| matches.get_mut(index)) {
            *is_match = true;
        }
    }
    Ok(matches)
}

/// Returns for each address whether an item or a waiting article page of the source has it.
pub(super) async fn select_known_addresses(
    client: &Object,
    source: &Name,
    addresses: &[Url],
) -> Result<Vec<bool>, StoreError> {
    let addresses: Vec<Option<String>> = addresses.iter().map(|url| indexed_address(Some(url))).collect();
    let rows = read(
        client,
        "SELECT EXISTS (SELECT 1 FROM item WHERE source = $1 AND item.address = asked.address)
             OR EXISTS (SELECT 1 FROM page WHERE source = $1 AND page.address = asked.address)
         FROM UNNEST($2::TEXT[]) WITH ORDINALITY AS asked (address, place) ORDER BY place",
        &[&source.as_str(), &addresses],
    )
    .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
