//! The statements that write a batch of items: new items by column, edited items one by one, and their matches.

use deadpool_postgres::Transaction;
use model::Timestamp;

use super::item_batch::{Content, PendingItem, join_tokens};
use super::matches::Change;
use super::{execute, rows, storable, text};
use crate::StoreError;

/// Inserts the new items with their identities. The trigger `item_is_stored` of migration 0006 queues them in
/// `unlinked`.
pub(super) async fn insert_new(
    tx: &Transaction<'_>,
    items: &mut [PendingItem<'_>],
) -> Result<(), StoreError> {
    let mut new: Vec<&mut PendingItem<'_>> = items.iter_mut().filter(|item| item.digest.is_some()).collect();
    if new.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(new.len()).unwrap_or(i64::MAX);
    let numbers =
        rows(tx, "SELECT nextval('item_row') FROM generate_series(1, $1::BIGINT)", &[&count]).await?;
    let mut identities = Vec::with_capacity(new.len());
    let mut columns = Columns::default();
    for (item, number) in new.iter_mut().zip(&numbers) {
        item.item = number.get(0);
        identities.extend(item.digest.clone().map(|digest| (digest, item.item, item.first_seen)));
        columns.push(item)?;
    }
    claim_identities(tx, identities).await?;
    columns.insert(tx).await
}

/// Inserts identities. They are sorted, so that two nodes that store the same items lock them in the same order.
/// Fails with [`StoreError::Collision`] if another node stored one of them meanwhile.
async fn claim_identities(
    tx: &Transaction<'_>,
    mut identities: Vec<(Vec<u8>, i64, Timestamp)>,
) -> Result<(), StoreError> {
    identities.sort_unstable();
    let count = identities.len() as u64;
    let (mut digests, mut items, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for (digest, item, first_seen) in identities {
        digests.push(digest);
        items.push(item);
        times.push(first_seen);
    }
    let inserted = execute(
        tx,
        "INSERT INTO identity (digest, item, first_seen)
         SELECT * FROM UNNEST($1::BYTEA[], $2::BIGINT[], $3::TIMESTAMPTZ[]) ON CONFLICT DO NOTHING",
        &[&digests, &items, &times],
    )
    .await?;
    // After a collision the whole transaction is retried, and reads the other node's items.
    if inserted == count { Ok(()) } else { Err(StoreError::Collision) }
}

/// New items as one array per column.
#[derive(Default)]
struct Columns {
    items: Vec<i64>,
    ids: Vec<String>,
    sources: Vec<String>,
    keys: Vec<String>,
    published_keys: Vec<String>,
    addresses: Vec<Option<String>>,
    titles: Vec<Option<String>>,
    published: Vec<Option<Timestamp>>,
    bodies: Vec<String>,
    content_hashes: Vec<String>,
    entry_hashes: Vec<String>,
    wholes: Vec<bool>,
    versions: Vec<i64>,
    first_seen: Vec<Timestamp>,
    changed_at: Vec<Timestamp>,
    words: Vec<String>,
}

impl Columns {
    fn push(&mut self, pending: &PendingItem<'_>) -> Result<(), StoreError> {
        let Some(content) = &pending.content else { return Ok(()) };
        let item = content.item;
        self.items.push(pending.item);
        self.ids.push(ulid::Ulid::new().to_string());
        self.sources.push(item.source.to_string());
        self.keys.push(text(item.key.as_str()));
        self.published_keys.push(text(&pending.fingerprint.published_key));
        self.addresses.push(pending.address.clone());
        self.titles.push(item.title.as_deref().map(text));
        self.published.push(item.published.as_ref().map(|published| storable(published.at)));
        self.bodies.push(serde_json::to_string(item)?);
        self.content_hashes.push(pending.fingerprint.content_hash.clone());
        self.entry_hashes.push(text(&pending.fingerprint.entry_hash));
        self.wholes.push(pending.fingerprint.whole);
        self.versions.push(1 + pending.edits);
        self.first_seen.push(pending.first_seen);
        self.changed_at.push(content.at);
        self.words.push(join_tokens(content.tokens));
        Ok(())
    }

    async fn insert(self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        execute(
            tx,
            "INSERT INTO item (item, id, source, item_key, published_key, address, title, published_at, body,
                               content_hash, entry_hash, whole, version, first_seen, changed_at, words)
             SELECT item, id, source, item_key, published_key, address, title, published_at, body, content_hash,
                    entry_hash, whole, version, first_seen, changed_at, array_to_tsvector(string_to_array(words, ' '))
             FROM UNNEST($1::BIGINT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[],
                         $8::TIMESTAMPTZ[], $9::TEXT[], $10::TEXT[], $11::TEXT[], $12::BOOLEAN[], $13::BIGINT[],
                         $14::TIMESTAMPTZ[], $15::TIMESTAMPTZ[], $16::TEXT[])
                  AS new (item, id, source, item_key, published_key, address, title, published_at, body, content_hash,
                          entry_hash, whole, version, first_seen, changed_at, words)",
            &[
                &self.items,
                &self.ids,
                &self.sources,
                &self.keys,
                &self.published_keys,
                &self.addresses,
                &self.titles,
                &self.published,
                &self.bodies,
                &self.content_hashes,
                &self.entry_hashes,
                &self.wholes,
                &self.versions,
                &self.first_seen,
                &self.changed_at,
                &self.words,
            ],
        )
        .await?;
        Ok(())
    }
}

/// Updates the stored items, with one statement each: edits are rare compared to new items.
pub(super) async fn update_stored(tx: &Transaction<'_>, items: &[PendingItem<'_>]) -> Result<(), StoreError> {
    for item in items.iter().filter(|item| item.digest.is_none()) {
        match &item.content {
            Some(content) => update_content(tx, item, content).await?,
            None if item.metadata_changed => {
                execute(
                    tx,
                    "UPDATE item SET entry_hash = $3, whole = $4 WHERE item = $1 AND first_seen = $2",
                    &[
                        &item.item,
                        &item.first_seen,
                        &text(&item.fingerprint.entry_hash),
                        &item.fingerprint.whole,
                    ],
                )
                .await?;
            }
            None => (),
        }
    }
    let needs_linking = |item: &&PendingItem<'_>| {
        item.digest.is_none() && item.content.is_some() && !item.deferred_topics.is_empty()
    };
    let edited: Vec<i64> = items.iter().filter(needs_linking).map(|item| item.item).collect();
    if !edited.is_empty() {
        // Queue the items again: linking matches their new text against the deferred topics.
        let sql = "INSERT INTO unlinked (item) SELECT UNNEST($1::BIGINT[]) ON CONFLICT DO NOTHING";
        execute(tx, sql, &[&edited]).await?;
    }
    Ok(())
}

/// Stores the new content of an item.
async fn update_content(
    tx: &Transaction<'_>,
    pending: &PendingItem<'_>,
    content: &Content<'_>,
) -> Result<(), StoreError> {
    let (item, fingerprint) = (content.item, &pending.fingerprint);
    execute(
        tx,
        "UPDATE item SET body = $3, content_hash = $4, entry_hash = $5, whole = $6, changed_at = $7, title = $8,
                published_at = $9, published_key = $10, version = version + $11,
                words = array_to_tsvector(string_to_array($12, ' ')), address = $13
         WHERE item = $1 AND first_seen = $2",
        &[
            &pending.item,
            &pending.first_seen,
            &serde_json::to_string(item)?,
            &fingerprint.content_hash,
            &text(&fingerprint.entry_hash),
            &fingerprint.whole,
            &content.at,
            &item.title.as_deref().map(text),
            &item.published.as_ref().map(|published| storable(published.at)),
            &text(&fingerprint.published_key),
            &pending.edits,
            &join_tokens(content.tokens),
            &pending.address,
        ],
    )
    .await?;
    Ok(())
}

/// Writes the matches of items and updates the totals. This locks the row of the totals, so it comes last.
pub(super) async fn write_matches(tx: &Transaction<'_>, items: &[PendingItem<'_>]) -> Result<(), StoreError> {
    let new_items = items.iter().filter(|item| item.digest.is_some()).count();
    let mut change = Change::of_items(i64::try_from(new_items).unwrap_or(0));
    for item in items {
        if let Some(matches) = &item.matches {
            let may_go = |topic: &str| !item.deferred_topics.iter().any(|name| name.as_str() == topic);
            change.replace(
                (item.item, item.first_seen),
                &item.previous_topics,
                may_go,
                matches,
                item.matched_at,
            )?;
        }
    }
    change.write(tx).await
}
