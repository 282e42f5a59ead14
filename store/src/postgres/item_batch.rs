//! A batch of findings and what is stored of them: read in a few statements, changed in memory in the order
//! of the findings, written in a few statements.

use std::collections::{BTreeMap, HashMap, HashSet};

use deadpool_postgres::Transaction;
use model::{Finding, Harvest, Item, ItemKey, Match, Name, Timestamp};
use tokio_postgres::Row;
use xxhash_rust::xxh3::xxh3_128;

use super::matches::Change;
use super::removals::{Suppressions, take_down};
use super::{execute, removals, rows, storable, text};
use crate::edit::{Edit, Known, address, edit, published_key};
use crate::{Saved, StoreError};

/// Search tokens of an item, bytes at most: PostgreSQL's limit for all of them is 1 MiB, for one 2,046 bytes.
const MAX_WORDS: usize = 900_000;
const MAX_WORD: usize = 2_000;

/// What an item is known by.
pub(super) fn digest(source: &Name, key: &ItemKey) -> Vec<u8> {
    xxh3_128(format!("{source}\0{}", key.as_str()).as_bytes()).to_be_bytes().to_vec()
}

/// The items that a batch is about.
#[derive(Default)]
pub(super) struct ItemBatch<'a> {
    drafts: Vec<PendingItem<'a>>,
    by_digest: HashMap<Vec<u8>, usize>,
    by_address: HashMap<(String, String), Vec<usize>>,
    /// Identities whose items were removed by age, or by hand.
    forgotten: HashSet<Vec<u8>>,
    /// What must not be stored, and what of it was met.
    suppressions: Suppressions,
    buried: Vec<Vec<u8>>,
    /// Items that were stored, and must not be.
    unearthed: Vec<i64>,
}

/// An item as it will be.
struct PendingItem<'a> {
    /// Its number and month; a new one has its number when it is written.
    item: i64,
    first_seen: Timestamp,
    /// Of a new one.
    digest: Option<Vec<u8>>,
    known: Known,
    title: Option<String>,
    address: Option<String>,
    /// The finding that it is to be like; `None` where only the marks change, or nothing.
    content: Option<Content<'a>>,
    marks_changed: bool,
    edits: i64,
    /// Topics it matched before, and matches now.
    before: Vec<String>,
    matches: Option<BTreeMap<String, &'a Match>>,
    /// Of these none is taken away by an edit.
    deferred_topics: &'a [Name],
    matched_at: Timestamp,
}

struct Content<'a> {
    item: &'a Item,
    tokens: &'a str,
    at: Timestamp,
}

impl<'a> ItemBatch<'a> {
    /// Reads what is stored of the items that findings are about.
    pub(super) async fn load(
        tx: &Transaction<'_>,
        findings: impl Iterator<Item = &'a Finding> + Clone,
    ) -> Result<Self, StoreError> {
        let suppressions = Suppressions::load(tx, findings.clone()).await?;
        let mut item_batch = Self { suppressions, ..Self::default() };
        let digests: Vec<Vec<u8>> =
            findings.clone().map(|finding| digest(&finding.item.source, &finding.item.key)).collect();
        let known = rows(
            tx,
            "SELECT identity.digest, identity.item, identity.first_seen FROM UNNEST($1::BYTEA[]) AS wanted (digest)
             JOIN identity ON identity.digest = wanted.digest",
            &[&digests],
        )
        .await?;
        let mut digest_of: HashMap<i64, Vec<u8>> = known.iter().map(|row| (row.get(1), row.get(0))).collect();
        let mut places: Vec<(i64, Timestamp)> = known.iter().map(|row| (row.get(1), row.get(2))).collect();
        let known: HashSet<&[u8]> = known.iter().map(|row| row.get(0)).collect();
        let unknown = findings.zip(&digests).filter(|(_, digest)| !known.contains(digest.as_slice()));
        places.extend(same_elsewhere(tx, unknown.map(|(finding, _)| finding)).await?);
        places.sort_unstable();
        places.dedup();
        for row in stored(tx, &places).await? {
            let item: i64 = row.get(0);
            item_batch.add(digest_of.remove(&item), draft(&row), row.get(2), row.get(3));
        }
        item_batch.forgotten = digest_of.into_values().collect();
        Ok(item_batch)
    }

    fn add(
        &mut self,
        digest: Option<Vec<u8>>,
        draft: PendingItem<'a>,
        source: String,
        address: Option<String>,
    ) {
        let at = self.drafts.len();
        self.drafts.push(draft);
        if let Some(digest) = digest {
            self.by_digest.insert(digest, at);
        }
        if let Some(address) = address {
            self.by_address.entry((source, address)).or_default().push(at);
        }
    }

    fn note_address(&mut self, at: usize, finding: &Finding) {
        if let Some(address) = address(finding) {
            self.by_address.entry((finding.item.source.to_string(), address)).or_default().push(at);
        }
    }

    /// Takes a finding in.
    pub(super) fn put(&mut self, harvest: &'a Harvest, finding: &'a Finding, saved: &mut Saved) {
        let now = harvest.at;
        let digest = digest(&finding.item.source, &finding.item.key);
        let content_hash = finding.item.content_hash();
        let at = match self.find(&digest, finding, &content_hash) {
            Some(at) if self.suppressions.suppresses(finding) => {
                // It was stored before anybody knew whose it is.
                self.unearthed.push(self.drafts[at].item);
                return;
            }
            Some(at) => {
                if !self.drafts[at].edit(finding, content_hash, now) {
                    return;
                }
                saved.edited_items += 1;
                self.note_address(at, finding);
                at
            }
            None if self.forgotten.contains(&digest) => return,
            None if self.suppressions.covers(finding) => {
                self.buried.push(digest);
                return;
            }
            None => {
                saved.new_items += 1;
                let draft = PendingItem::new(digest.clone(), finding, content_hash, now);
                self.add(Some(digest), draft, finding.item.source.to_string(), address(finding));
                self.drafts.len() - 1
            }
        };
        let fresh = self.drafts[at].replace_matches(&finding.matches, &harvest.deferred_topics, now);
        saved.new_matches += fresh.matches;
        saved.new_materials += u64::from(fresh.is_material);
    }

    fn find(&self, digest: &[u8], finding: &Finding, content_hash: &str) -> Option<usize> {
        if let Some(at) = self.by_digest.get(digest) {
            return Some(*at);
        }
        // Some publishers invent a new identifier each time: the same address, title and time are one item.
        let place = (finding.item.source.to_string(), address(finding)?);
        let key = published_key(finding);
        // The oldest, where an edit made several alike.
        let is_same = |at: &usize| {
            let PendingItem { known, title, address, .. } = &self.drafts[*at];
            *title == finding.item.title
                && address.as_deref() == Some(place.1.as_str())
                && known.published_key == key
                && (!key.is_empty() || known.content_hash == content_hash)
        };
        self.by_address.get(&place)?.iter().copied().filter(is_same).min()
    }

    /// Writes what has changed. An item that another node stored meanwhile is a collision.
    pub(super) async fn write(self, tx: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
        let mut drafts = self.drafts;
        if !self.unearthed.is_empty() {
            take_down(tx, &self.unearthed, now).await?;
        }
        removals::forget(tx, self.buried).await?;
        insert_new(tx, &mut drafts).await?;
        update_known(tx, &drafts).await?;
        write_matches(tx, &drafts).await
    }
}

/// Items that findings without a known key are the same as, by address, title and time.
async fn same_elsewhere<'a>(
    tx: &Transaction<'_>,
    findings: impl Iterator<Item = &'a Finding>,
) -> Result<Vec<(i64, Timestamp)>, StoreError> {
    let (mut sources, mut addresses) = (Vec::new(), Vec::new());
    for finding in findings {
        if let Some(address) = address(finding) {
            sources.push(finding.item.source.to_string());
            addresses.push(address);
        }
    }
    let found = rows(
        tx,
        "SELECT DISTINCT item.item, item.first_seen FROM UNNEST($1::TEXT[], $2::TEXT[]) AS wanted (source, address)
         JOIN item ON item.source = wanted.source AND item.address = wanted.address",
        &[&sources, &addresses],
    )
    .await?;
    Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What is stored of items, locked until the end of the transaction.
async fn stored(tx: &Transaction<'_>, places: &[(i64, Timestamp)]) -> Result<Vec<Row>, StoreError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let (items, times): (Vec<i64>, Vec<Timestamp>) = places.iter().copied().unzip();
    // Locked first: what a statement reads beside a lock is from before it waited.
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

fn draft<'a>(row: &Row) -> PendingItem<'a> {
    let first_seen = row.get(1);
    PendingItem {
        item: row.get(0),
        first_seen,
        digest: None,
        known: Known {
            content_hash: row.get(5),
            entry_hash: row.get(6),
            whole: row.get(7),
            published_key: row.get(8),
        },
        title: row.get(4),
        address: row.get(3),
        content: None,
        marks_changed: false,
        edits: 0,
        before: row.get(9),
        matches: None,
        deferred_topics: &[],
        matched_at: first_seen,
    }
}

/// What matching did.
struct Fresh {
    matches: u64,
    is_material: bool,
}

impl<'a> PendingItem<'a> {
    fn new(digest: Vec<u8>, finding: &'a Finding, content_hash: String, now: Timestamp) -> Self {
        Self {
            item: 0,
            first_seen: now,
            digest: Some(digest),
            known: Known {
                content_hash,
                entry_hash: finding.entry_hash.clone(),
                whole: finding.whole,
                published_key: published_key(finding),
            },
            title: finding.item.title.clone(),
            address: address(finding),
            content: Some(Content { item: &finding.item, tokens: &finding.search_tokens, at: now }),
            marks_changed: false,
            edits: 0,
            before: Vec::new(),
            matches: None,
            deferred_topics: &[],
            matched_at: now,
        }
    }

    /// False where there is nothing to match again.
    fn edit(&mut self, finding: &'a Finding, content_hash: String, now: Timestamp) -> bool {
        match edit(&self.known, finding, &content_hash) {
            Edit::Nothing => false,
            Edit::Marks => {
                self.known.entry_hash.clone_from(&finding.entry_hash);
                self.known.whole |= finding.whole;
                self.marks_changed = true;
                false
            }
            Edit::Content { published_key } => {
                let entry_hash = finding.entry_hash.clone();
                self.known = Known { content_hash, entry_hash, whole: finding.whole, published_key };
                self.title.clone_from(&finding.item.title);
                self.address = address(finding);
                self.content = Some(Content { item: &finding.item, tokens: &finding.search_tokens, at: now });
                self.edits += 1;
                true
            }
        }
    }

    fn replace_matches(
        &mut self,
        matches: &'a [Match],
        deferred_topics: &'a [Name],
        now: Timestamp,
    ) -> Fresh {
        let had: Vec<&str> = match &self.matches {
            Some(matches) => matches.keys().map(String::as_str).collect(),
            None => self.before.iter().map(String::as_str).collect(),
        };
        let fresh = matches.iter().filter(|found| !had.contains(&found.topic.as_str())).count();
        let is_material = fresh > 0 && had.is_empty();
        self.matches = Some(matches.iter().map(|found| (found.topic.to_string(), found)).collect());
        (self.matched_at, self.deferred_topics) = (now, deferred_topics);
        Fresh { matches: fresh as u64, is_material }
    }
}

/// Distinct search tokens, as far as they fit.
fn words(tokens: &str) -> Vec<String> {
    let mut words: Vec<&str> = tokens.split_whitespace().filter(|word| word.len() <= MAX_WORD).collect();
    words.sort_unstable();
    words.dedup();
    let mut left = MAX_WORDS;
    let fits = words.into_iter().take_while(|word| {
        let fits = word.len() <= left;
        left = left.saturating_sub(word.len());
        fits
    });
    fits.map(text).collect()
}

/// Tokens of items, as one text that the server splits again: an array of arrays would need equal lengths.
fn joined(tokens: &str) -> String {
    words(tokens).join(" ")
}

async fn insert_new(tx: &Transaction<'_>, drafts: &mut [PendingItem<'_>]) -> Result<(), StoreError> {
    let mut new: Vec<&mut PendingItem<'_>> =
        drafts.iter_mut().filter(|draft| draft.digest.is_some()).collect();
    if new.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(new.len()).unwrap_or(i64::MAX);
    let numbers =
        rows(tx, "SELECT nextval('item_row') FROM generate_series(1, $1::BIGINT)", &[&count]).await?;
    let mut identities = Vec::with_capacity(new.len());
    let mut columns = Columns::default();
    for (draft, number) in new.iter_mut().zip(&numbers) {
        draft.item = number.get(0);
        identities.extend(draft.digest.clone().map(|digest| (digest, draft.item, draft.first_seen)));
        columns.push(draft)?;
    }
    claim_identities(tx, identities).await?;
    columns.insert(tx).await
}

/// Writes identities. Sorted, so that two nodes that store the same things wait for each other in one order.
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
    let written = execute(
        tx,
        "INSERT INTO identity (digest, item, first_seen)
         SELECT * FROM UNNEST($1::BYTEA[], $2::BIGINT[], $3::TIMESTAMPTZ[]) ON CONFLICT DO NOTHING",
        &[&digests, &items, &times],
    )
    .await?;
    // Another node was faster with one of them: everything is read anew.
    if written == count { Ok(()) } else { Err(StoreError::Collision) }
}

/// New items, a column each.
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
    fn push(&mut self, draft: &PendingItem<'_>) -> Result<(), StoreError> {
        let Some(content) = &draft.content else { return Ok(()) };
        let item = content.item;
        self.items.push(draft.item);
        self.ids.push(ulid::Ulid::new().to_string());
        self.sources.push(item.source.to_string());
        self.keys.push(text(item.key.as_str()));
        self.published_keys.push(text(&draft.known.published_key));
        self.addresses.push(draft.address.clone());
        self.titles.push(item.title.as_deref().map(text));
        self.published.push(item.published.as_ref().map(|published| storable(published.at)));
        self.bodies.push(serde_json::to_string(item)?);
        self.content_hashes.push(draft.known.content_hash.clone());
        self.entry_hashes.push(text(&draft.known.entry_hash));
        self.wholes.push(draft.known.whole);
        self.versions.push(1 + draft.edits);
        self.first_seen.push(draft.first_seen);
        self.changed_at.push(content.at);
        self.words.push(joined(content.tokens));
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

/// Edits are few beside what is new: a statement each.
async fn update_known(tx: &Transaction<'_>, drafts: &[PendingItem<'_>]) -> Result<(), StoreError> {
    for draft in drafts.iter().filter(|draft| draft.digest.is_none()) {
        match &draft.content {
            Some(content) => update_content(tx, draft, content).await?,
            None if draft.marks_changed => {
                execute(
                    tx,
                    "UPDATE item SET entry_hash = $3, whole = $4 WHERE item = $1 AND first_seen = $2",
                    &[&draft.item, &draft.first_seen, &text(&draft.known.entry_hash), &draft.known.whole],
                )
                .await?;
            }
            None => (),
        }
    }
    let again = |draft: &&PendingItem<'_>| {
        draft.digest.is_none() && draft.content.is_some() && !draft.deferred_topics.is_empty()
    };
    let again: Vec<i64> = drafts.iter().filter(again).map(|draft| draft.item).collect();
    if !again.is_empty() {
        // Once more: what they say now is matched against these topics then.
        let sql = "INSERT INTO unlinked (item) SELECT UNNEST($1::BIGINT[]) ON CONFLICT DO NOTHING";
        execute(tx, sql, &[&again]).await?;
    }
    Ok(())
}

async fn update_content(
    tx: &Transaction<'_>,
    draft: &PendingItem<'_>,
    content: &Content<'_>,
) -> Result<(), StoreError> {
    let (item, known) = (content.item, &draft.known);
    execute(
        tx,
        "UPDATE item SET body = $3, content_hash = $4, entry_hash = $5, whole = $6, changed_at = $7, title = $8,
                published_at = $9, published_key = $10, version = version + $11,
                words = array_to_tsvector(string_to_array($12, ' ')), address = $13
         WHERE item = $1 AND first_seen = $2",
        &[
            &draft.item,
            &draft.first_seen,
            &serde_json::to_string(item)?,
            &known.content_hash,
            &text(&known.entry_hash),
            &known.whole,
            &content.at,
            &item.title.as_deref().map(text),
            &item.published.as_ref().map(|published| storable(published.at)),
            &text(&known.published_key),
            &draft.edits,
            &joined(content.tokens),
            &draft.address,
        ],
    )
    .await?;
    Ok(())
}

/// Makes the matches of items be what they are now, and counts. The row of the totals is locked by this, so
/// it comes last.
async fn write_matches(tx: &Transaction<'_>, drafts: &[PendingItem<'_>]) -> Result<(), StoreError> {
    let new_items = drafts.iter().filter(|draft| draft.digest.is_some()).count();
    let mut change = Change::of_items(i64::try_from(new_items).unwrap_or(0));
    for draft in drafts {
        if let Some(matches) = &draft.matches {
            let may_go = |topic: &str| !draft.deferred_topics.iter().any(|name| name.as_str() == topic);
            change.replace(
                (draft.item, draft.first_seen),
                &draft.before,
                may_go,
                matches,
                draft.matched_at,
            )?;
        }
    }
    change.write(tx).await
}
