//! What waits and what was done: article pages, known entries, history.

use std::collections::HashMap;
use std::time::Duration;

use deadpool_postgres::Object;
use model::{FetchRecord, Host, ItemKey, Name, PageWork, Timestamp};

use super::item_batch::digest;
use super::{limit, read, text};
use crate::StoreError;
use crate::store::{EntryRef, EntryStatus};

pub(super) async fn classify_entries(
    client: &Object,
    source: &Name,
    entries: &[EntryRef],
) -> Result<Vec<EntryStatus>, StoreError> {
    let keys: Vec<String> = entries.iter().map(|entry| text(entry.key.as_str())).collect();
    let digests: Vec<Vec<u8>> = entries.iter().map(|entry| digest(source, &entry.key)).collect();
    // A key whose item is gone was removed by age: it has no fingerprint, and is known for ever.
    let stored = read(
        client,
        "SELECT identity.digest, item.entry_hash FROM UNNEST($1::BYTEA[]) AS wanted (digest)
         JOIN identity ON identity.digest = wanted.digest
         LEFT JOIN item ON item.item = identity.item AND item.first_seen = identity.first_seen",
        &[&digests],
    )
    .await?;
    let by_digest: HashMap<Vec<u8>, Option<String>> =
        stored.iter().map(|row| (row.get(0), row.get(1))).collect();
    let waiting = read(
        client,
        "SELECT item_key, entry_hash FROM page WHERE source = $1 AND item_key = ANY($2)",
        &[&source.as_str(), &keys],
    )
    .await?;
    let by_key: HashMap<String, String> = waiting.iter().map(|row| (row.get(0), row.get(1))).collect();
    let known_by_address = by_address(client, source, entries).await?;
    let known = entries.iter().zip(keys).zip(digests).zip(known_by_address).map(
        |(((entry, key), digest), known_by_address)| {
            let fingerprint = by_key.get(&key).cloned().map(Some).or_else(|| by_digest.get(&digest).cloned());
            match fingerprint {
                Some(None) => EntryStatus::Same,
                Some(Some(known)) if known == entry.hash => EntryStatus::Same,
                Some(Some(_)) => EntryStatus::Changed,
                None if known_by_address => EntryStatus::Same,
                None => EntryStatus::New,
            }
        },
    );
    Ok(known.collect())
}

/// Whether each entry is known by its address and fingerprint together.
async fn by_address(client: &Object, source: &Name, entries: &[EntryRef]) -> Result<Vec<bool>, StoreError> {
    let addresses: Vec<Option<String>> =
        entries.iter().map(|entry| entry.address.as_ref().map(ToString::to_string)).collect();
    let hashes: Vec<String> = entries.iter().map(|entry| text(&entry.hash)).collect();
    let found = read(
        client,
        "SELECT place FROM UNNEST($2::TEXT[], $3::TEXT[]) WITH ORDINALITY AS wanted (address, hash, place)
         WHERE wanted.address IS NOT NULL AND (
            EXISTS (SELECT 1 FROM item WHERE item.source = $1 AND item.address = wanted.address AND item.entry_hash = wanted.hash)
            OR EXISTS (SELECT 1 FROM page WHERE page.source = $1 AND page.address = wanted.address AND page.entry_hash = wanted.hash))",
        &[&source.as_str(), &addresses, &hashes],
    )
    .await?;
    let mut known = vec![false; entries.len()];
    for row in &found {
        let place: i64 = row.get(0);
        if let Some(entry) = usize::try_from(place - 1).ok().and_then(|place| known.get_mut(place)) {
            *entry = true;
        }
    }
    Ok(known)
}

pub(super) async fn pages(
    client: &Object,
    source: &Name,
    of: &Host,
    now: Timestamp,
    most: usize,
) -> Result<Vec<PageWork>, StoreError> {
    let found = read(
        client,
        "SELECT url, entry, tries, not_before, entry_hash, item_key FROM page
         WHERE source = $1 AND host = $2 AND not_before <= $3 ORDER BY published_at DESC, item_key LIMIT $4",
        &[&source.as_str(), &of.as_str(), &now, &limit(most)],
    )
    .await?;
    let page = |row: &tokio_postgres::Row| {
        let address: &str = row.get(0);
        let url = url::Url::parse(address)
            .map_err(|error| StoreError::Damaged(format!("a stored address {address:?}: {error}")))?;
        let tries: i32 = row.get(2);
        Ok(PageWork {
            key: ItemKey::stored(row.get(5)),
            host: of.clone(),
            url,
            entry: serde_json::from_str(row.get(1))?,
            tries: tries.unsigned_abs(),
            not_before: row.get(3),
            entry_hash: row.get(4),
        })
    };
    found.iter().map(page).collect()
}

pub(super) async fn next_page(
    client: &Object,
    source: &Name,
    host: &Host,
) -> Result<Option<Timestamp>, StoreError> {
    let found = read(
        client,
        "SELECT min(not_before) FROM page WHERE source = $1 AND host = $2",
        &[&source.as_str(), &host.as_str()],
    )
    .await?;
    Ok(found.first().and_then(|row| row.get(0)))
}

pub(super) async fn page_queues(client: &Object) -> Result<Vec<(Name, Host, Timestamp)>, StoreError> {
    let found = read(
        client,
        "SELECT source, host, min(not_before) FROM page GROUP BY source, host ORDER BY source, host",
        &[],
    )
    .await?;
    let queue = |row: &tokio_postgres::Row| (Name::stored(row.get(0)), Host::stored(row.get(1)), row.get(2));
    Ok(found.iter().map(queue).collect())
}

pub(super) async fn robots_delays(client: &Object) -> Result<Vec<(Host, Duration)>, StoreError> {
    let found = read(client, "SELECT host, robots_delay FROM host_token WHERE robots_delay > 0", &[]).await?;
    let delay = |row: &tokio_postgres::Row| {
        let millis: i64 = row.get(1);
        (Host::stored(row.get(0)), Duration::from_millis(millis.unsigned_abs()))
    };
    Ok(found.iter().map(delay).collect())
}

pub(super) async fn history(
    client: &Object,
    source: &Name,
    most: usize,
) -> Result<Vec<FetchRecord>, StoreError> {
    let found = read(
        client,
        "SELECT record FROM fetch_record WHERE source = $1 ORDER BY id DESC LIMIT $2",
        &[&source.as_str(), &limit(most)],
    )
    .await?;
    found.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}
