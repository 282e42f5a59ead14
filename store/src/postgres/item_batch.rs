//! A batch of findings and their stored items: read in a few statements, edited in memory in the order of the
//! findings, written in a few statements.

use std::collections::{BTreeMap, HashMap, HashSet};

use deadpool_postgres::Transaction;
use model::{Finding, Harvest, Item, ItemKey, Match, Name, Timestamp};
use tokio_postgres::Row;
use xxhash_rust::xxh3::xxh3_128;

use super::item_writes::{insert_new, update_stored, write_matches};
use super::removals::{Suppressions, take_down};
use super::{removals, rows, text};
use crate::edit::{Edit, ItemFingerprint, classify_edit, lookup_address, published_key};
use crate::{SaveOutcome, StoreError};

/// Maximum size of an item's search tokens in bytes. PostgreSQL limits a tsvector to 1 MiB.
const MAX_TOKENS_SIZE: usize = 900_000;
/// Maximum size of one search token in bytes. PostgreSQL limits a lexeme to 2,046 bytes.
const MAX_TOKEN_SIZE: usize = 2_000;

/// Returns the identity of an item: the XXH3 hash (128 bits) of its source and key.
pub(super) fn digest(source: &Name, key: &ItemKey) -> Vec<u8> {
    xxh3_128(format!("{source}\0{}", key.as_str()).as_bytes()).to_be_bytes().to_vec()
}

/// The items that a batch of findings is about.
#[derive(Default)]
pub(super) struct ItemBatch<'a> {
    items: Vec<PendingItem<'a>>,
    /// Indexes in `items` by identity.
    by_digest: HashMap<Vec<u8>, usize>,
    /// Indexes in `items` by source and address.
    by_address: HashMap<(String, String), Vec<usize>>,
    /// Identities whose items were removed.
    forgotten: HashSet<Vec<u8>>,
    /// The suppressions and removed addresses that apply to the batch.
    suppressions: Suppressions,
    /// Identities of new publications that were rejected.
    rejected: Vec<Vec<u8>>,
    /// Stored items that turned out to be suppressed.
    suppressed_items: Vec<i64>,
}

/// An item with the changes to write.
pub(super) struct PendingItem<'a> {
    /// The number of the item. A new item is numbered when it is written.
    pub(super) item: i64,
    /// The time at which the item was first seen. It determines the partition.
    pub(super) first_seen: Timestamp,
    /// The identity of a new item; `None` for a stored one.
    pub(super) digest: Option<Vec<u8>>,
    pub(super) fingerprint: ItemFingerprint,
    pub(super) title: Option<String>,
    pub(super) address: Option<String>,
    /// The new content; `None` if the content does not change.
    pub(super) content: Option<Content<'a>>,
    /// Set when the entry's fingerprint or the `whole` flag changes, but not the content.
    pub(super) metadata_changed: bool,
    /// The number of edits in the batch.
    pub(super) edits: i64,
    /// The topics of the stored matches.
    pub(super) previous_topics: Vec<String>,
    /// The new matches by topic; `None` if they do not change.
    pub(super) matches: Option<BTreeMap<String, &'a Match>>,
    /// Topics whose matches an edit does not remove.
    pub(super) deferred_topics: &'a [Name],
    pub(super) matched_at: Timestamp,
}

/// The content of a finding.
pub(super) struct Content<'a> {
    pub(super) item: &'a Item,
    /// The search tokens.
    pub(super) tokens: &'a str,
    /// The time of the harvest.
    pub(super) at: Timestamp,
}

impl<'a> ItemBatch<'a> {
    /// Reads and locks the stored items that the findings are about.
    pub(super) async fn load(
        tx: &Transaction<'_>,
        findings: impl Iterator<Item = &'a Finding> + Clone,
    ) -> Result<Self, StoreError> {
        let suppressions = Suppressions::load(tx, findings.clone()).await?;
        let mut item_batch = Self { suppressions, ..Self::default() };
        let digests: Vec<Vec<u8>> =
            findings.clone().map(|finding| digest(&finding.item.source, &finding.item.key)).collect();
        let identities = rows(
            tx,
            "SELECT identity.digest, identity.item, identity.first_seen FROM UNNEST($1::BYTEA[]) AS wanted (digest)
             JOIN identity ON identity.digest = wanted.digest",
            &[&digests],
        )
        .await?;
        let mut digest_of: HashMap<i64, Vec<u8>> =
            identities.iter().map(|row| (row.get(1), row.get(0))).collect();
        let mut ids: Vec<(i64, Timestamp)> = identities.iter().map(|row| (row.get(1), row.get(2))).collect();
        let stored_digests: HashSet<&[u8]> = identities.iter().map(|row| row.get(0)).collect();
        let unknown =
            findings.zip(&digests).filter(|(_, digest)| !stored_digests.contains(digest.as_slice()));
        ids.extend(select_by_address(tx, unknown.map(|(finding, _)| finding)).await?);
        ids.sort_unstable();
        ids.dedup();
        for row in lock_items(tx, &ids).await? {
            let item: i64 = row.get(0);
            item_batch.add(digest_of.remove(&item), parse_item(&row), row.get(2), row.get(3));
        }
        // Identities without an item remain.
        item_batch.forgotten = digest_of.into_values().collect();
        Ok(item_batch)
    }

    /// Adds an item and indexes it.
    fn add(
        &mut self,
        digest: Option<Vec<u8>>,
        item: PendingItem<'a>,
        source: String,
        address: Option<String>,
    ) {
        let index = self.items.len();
        self.items.push(item);
        if let Some(digest) = digest {
            self.by_digest.insert(digest, index);
        }
        if let Some(address) = address {
            self.by_address.entry((source, address)).or_default().push(index);
        }
    }

    /// Indexes an item by the address of a finding too.
    fn add_address(&mut self, index: usize, finding: &Finding) {
        if let Some(address) = lookup_address(finding) {
            self.by_address.entry((finding.item.source.to_string(), address)).or_default().push(index);
        }
    }

    /// Applies a finding to the batch, and adds to the counts in `saved`.
    pub(super) fn add_finding(
        &mut self,
        harvest: &'a Harvest,
        finding: &'a Finding,
        saved: &mut SaveOutcome,
    ) {
        let now = harvest.at;
        let digest = digest(&finding.item.source, &finding.item.key);
        let content_hash = finding.item.content_hash();
        let index = match self.find(&digest, finding, &content_hash) {
            Some(index) if self.suppressions.is_suppressed(finding) => {
                // The item was stored before its author was known.
                self.suppressed_items.push(self.items[index].item);
                return;
            }
            Some(index) => {
                if !self.items[index].edit(finding, content_hash, now) {
                    return;
                }
                saved.edited_items += 1;
                self.add_address(index, finding);
                index
            }
            None if self.forgotten.contains(&digest) => return,
            None if self.suppressions.rejects_new(finding) => {
                self.rejected.push(digest);
                return;
            }
            None => {
                saved.new_items += 1;
                let item = PendingItem::new(digest.clone(), finding, content_hash, now);
                self.add(Some(digest), item, finding.item.source.to_string(), lookup_address(finding));
                self.items.len() - 1
            }
        };
        let added = self.items[index].replace_matches(&finding.matches, &harvest.deferred_topics, now);
        saved.new_matches += added.matches;
        saved.new_materials += u64::from(added.is_material);
    }

    /// Returns the index of the item that a finding is about. Searches by identity, then by address, title and
    /// publication time.
    fn find(&self, digest: &[u8], finding: &Finding, content_hash: &str) -> Option<usize> {
        if let Some(index) = self.by_digest.get(digest) {
            return Some(*index);
        }
        // Some publishers generate a new identifier each time. Address, title and publication time then identify
        // the item.
        let source_address = (finding.item.source.to_string(), lookup_address(finding)?);
        let key = published_key(finding);
        let is_same = |index: &usize| {
            let PendingItem { fingerprint, title, address, .. } = &self.items[*index];
            *title == finding.item.title
                && address.as_deref() == Some(source_address.1.as_str())
                && fingerprint.published_key == key
                && (!key.is_empty() || fingerprint.content_hash == content_hash)
        };
        // If an edit made several items the same, the oldest one is chosen.
        self.by_address.get(&source_address)?.iter().copied().filter(is_same).min()
    }

    /// Writes the changes. Fails with [`StoreError::Collision`] if another node stored one of the new items
    /// meanwhile.
    pub(super) async fn write(self, tx: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
        let mut items = self.items;
        if !self.suppressed_items.is_empty() {
            take_down(tx, &self.suppressed_items, now).await?;
        }
        removals::remember_rejected(tx, self.rejected).await?;
        insert_new(tx, &mut items).await?;
        update_stored(tx, &items).await?;
        write_matches(tx, &items).await
    }
}

/// Returns the items at the addresses of findings.
async fn select_by_address<'a>(
    tx: &Transaction<'_>,
    findings: impl Iterator<Item = &'a Finding>,
) -> Result<Vec<(i64, Timestamp)>, StoreError> {
    let (mut sources, mut addresses) = (Vec::new(), Vec::new());
    for finding in findings {
        if let Some(address) = lookup_address(finding) {
            sources.push(finding.item.source.to_string());
            addresses.push(address);
        }
    }
    let items = rows(
        tx,
        "SELECT DISTINCT item.item, item.first_seen FROM UNNEST($1::TEXT[], $2::TEXT[]) AS wanted (source, address)
         JOIN item ON item.source = wanted.source AND item.address = wanted.address",
        &[&sources, &addresses],
    )
    .await?;
    Ok(items.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Locks items until the end of the transaction, and returns their rows.
async fn lock_items(tx: &Transaction<'_>, ids: &[(i64, Timestamp)]) -> Result<Vec<Row>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (items, times): (Vec<i64>, Vec<Timestamp>) = ids.iter().copied().unzip();
    // Lock the rows in a statement of its own: a locking statement reads other rows from a snapshot taken before
    // it waited.
    rows(
        tx,
        "SELECT item.item FROM UNNEST($1::BIGINT[], $2::TIMESTAMPTZ[]) AS wanted (item, first_seen)
         JOIN item ON item.item = wanted.item AND item.first_seen = wanted.first_seen
         ORDER BY item.item FOR UPDATE OF item",
        &[&items, &times],
    )
    .await?;
    rows(
        tx,
        "SELECT item.item, item.first_seen, item.source, item.address, item.title, item.content_hash, item.entry_hash,
                item.whole, item.published_key,
                ARRAY(SELECT topic FROM match WHERE match.item = item.item AND match.first_seen = item.first_seen)
         FROM UNNEST($1::BIGINT[], $2::TIMESTAMPTZ[]) AS wanted (item, first_seen)
         JOIN item ON item.item = wanted.item AND item.first_seen = wanted.first_seen
         ORDER BY item.item",
        &[&items, &times],
    )
    .await
}

/// Converts a row of [`lock_items`] to an item without changes.
fn parse_item<'a>(row: &Row) -> PendingItem<'a> {
    let first_seen = row.get(1);
    PendingItem {
        item: row.get(0),
        first_seen,
        digest: None,
        fingerprint: ItemFingerprint {
            content_hash: row.get(5),
            entry_hash: row.get(6),
            whole: row.get(7),
            published_key: row.get(8),
        },
        title: row.get(4),
        address: row.get(3),
        content: None,
        metadata_changed: false,
        edits: 0,
        previous_topics: row.get(9),
        matches: None,
        deferred_topics: &[],
        matched_at: first_seen,
    }
}

/// The matches that a finding added to an item.
struct AddedMatches {
    /// The number of new matches.
    matches: u64,
    /// True if the item matched no topic before.
    is_material: bool,
}

impl<'a> PendingItem<'a> {
    /// Returns a new item.
    fn new(digest: Vec<u8>, finding: &'a Finding, content_hash: String, now: Timestamp) -> Self {
        Self {
            item: 0,
            first_seen: now,
            digest: Some(digest),
            fingerprint: ItemFingerprint {
                content_hash,
                entry_hash: finding.entry_hash.clone(),
                whole: finding.whole,
                published_key: published_key(finding),
            },
            title: finding.item.title.clone(),
            address: lookup_address(finding),
            content: Some(Content { item: &finding.item, tokens: &finding.search_tokens, at: now }),
            metadata_changed: false,
            edits: 0,
            previous_topics: Vec::new(),
            matches: None,
            deferred_topics: &[],
            matched_at: now,
        }
    }

    /// Applies an edit. Returns false if the content is unchanged and the item's matches stay.
    fn edit(&mut self, finding: &'a Finding, content_hash: String, now: Timestamp) -> bool {
        match classify_edit(&self.fingerprint, finding, &content_hash) {
            Edit::Unchanged => false,
            Edit::Metadata => {
                self.fingerprint.entry_hash.clone_from(&finding.entry_hash);
                self.fingerprint.whole |= finding.whole;
                self.metadata_changed = true;
                false
            }
            Edit::Content { published_key } => {
                let entry_hash = finding.entry_hash.clone();
                self.fingerprint =
                    ItemFingerprint { content_hash, entry_hash, whole: finding.whole, published_key };
                self.title.clone_from(&finding.item.title);
                self.address = lookup_address(finding);
                self.content = Some(Content { item: &finding.item, tokens: &finding.search_tokens, at: now });
                self.edits += 1;
                true
            }
        }
    }

    /// Replaces the matches.
    fn replace_matches(
        &mut self,
        matches: &'a [Match],
        deferred_topics: &'a [Name],
        now: Timestamp,
    ) -> AddedMatches {
        let previous: Vec<&str> = match &self.matches {
            Some(matches) => matches.keys().map(String::as_str).collect(),
            None => self.previous_topics.iter().map(String::as_str).collect(),
        };
        let added = matches.iter().filter(|match_| !previous.contains(&match_.topic.as_str())).count();
        let is_material = added > 0 && previous.is_empty();
        self.matches = Some(matches.iter().map(|match_| (match_.topic.to_string(), match_)).collect());
        (self.matched_at, self.deferred_topics) = (now, deferred_topics);
        AddedMatches { matches: added as u64, is_material }
    }
}

/// Returns the distinct search tokens in ascending order, up to [`MAX_TOKENS_SIZE`].
fn distinct_tokens(tokens: &str) -> Vec<String> {
    let mut words: Vec<&str> =
        tokens.split_whitespace().filter(|word| word.len() <= MAX_TOKEN_SIZE).collect();
    words.sort_unstable();
    words.dedup();
    let mut remaining = MAX_TOKENS_SIZE;
    let fitting = words.into_iter().take_while(|word| {
        let fits = word.len() <= remaining;
        remaining = remaining.saturating_sub(word.len());
        fits
    });
    fitting.map(text).collect()
}

/// Returns the distinct search tokens as one text, which the server splits again. An array of arrays would need
/// equal lengths.
pub(super) fn join_tokens(tokens: &str) -> String {
    distinct_tokens(tokens).join(" ")
}
