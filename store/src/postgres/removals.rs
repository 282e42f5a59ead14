//! Removal of items, and suppressions, in PostgreSQL.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Finding, Timestamp};

use super::matches::Change;
use super::{Postgres, execute, partitions, read, rows, stories, text, transaction};
use crate::edit::lookup_address;
use crate::{Removals, StoreError, Suppression};

#[async_trait]
impl Removals for Postgres {
    async fn retain(&self, keep: Duration, now: Timestamp) -> Result<u64, StoreError> {
        transaction!(self, |tx| remove_old(&tx, keep, now).await)
    }

    async fn take_down(&self, rows: &[i64], now: Timestamp) -> Result<u64, StoreError> {
        transaction!(self, |tx| take_down(&tx, rows, now).await)
    }

    async fn suppress(&self, suppression: &Suppression) -> Result<(), StoreError> {
        transaction!(self, |tx| insert_suppression(&tx, suppression).await)
    }

    async fn lift_suppression(&self, suppression: &Suppression) -> Result<bool, StoreError> {
        transaction!(self, |tx| delete_suppression(&tx, suppression).await)
    }

    async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError> {
        select_suppressions(&*self.client().await?).await
    }
}

pub(super) async fn insert_suppression(
    tx: &Transaction<'_>,
    suppression: &Suppression,
) -> Result<(), StoreError> {
    suppression.validate()?;
    let (source, author) = suppression.key();
    let sql = "INSERT INTO tombstone (source, author, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    execute(tx, sql, &[&source, &text(author), &suppression.at]).await?;
    Ok(())
}

pub(super) async fn delete_suppression(
    tx: &Transaction<'_>,
    suppression: &Suppression,
) -> Result<bool, StoreError> {
    let (source, author) = suppression.key();
    let sql = "DELETE FROM tombstone WHERE source = $1 AND author = $2";
    Ok(execute(tx, sql, &[&source, &text(author)]).await? > 0)
}

pub(super) async fn select_suppressions(client: &Object) -> Result<Vec<Suppression>, StoreError> {
    let rows = read(client, "SELECT source, author, at FROM tombstone ORDER BY source, author", &[]).await?;
    Ok(rows.iter().map(|row| Suppression::from_columns(row.get(0), row.get(1), row.get(2))).collect())
}

/// Remembers the addresses of items, so that they are not stored again under another identifier.
pub(super) async fn save_removed_addresses(tx: &Transaction<'_>, items: &[i64]) -> Result<(), StoreError> {
    execute(
        tx,
        "INSERT INTO removed_address (source, address)
         SELECT source, address FROM item WHERE item = ANY($1) AND address IS NOT NULL
            -- An address that several items of the source share identifies none of them.
            AND NOT EXISTS (SELECT 1 FROM item AS other WHERE other.source = item.source
                            AND other.address = item.address AND other.item != item.item)
         ON CONFLICT DO NOTHING",
        &[&items],
    )
    .await?;
    Ok(())
}

/// The suppressions and removed addresses that apply to a batch of findings.
#[derive(Default)]
pub(super) struct Suppressions {
    suppressions: Vec<Suppression>,
    /// Sources and addresses of items that were taken down.
    addresses: HashSet<(String, String)>,
}

impl Suppressions {
    /// Reads all suppressions, and those addresses of the findings that belong to items that were taken down.
    pub(super) async fn load<'a>(
        tx: &Transaction<'_>,
        findings: impl Iterator<Item = &'a Finding>,
    ) -> Result<Self, StoreError> {
        let pairs = findings.map(|finding| (finding.item.source.to_string(), lookup_address(finding)));
        let (sources, addresses): (Vec<String>, Vec<Option<String>>) = pairs.unzip();
        if sources.is_empty() {
            return Ok(Self::default());
        }
        let suppressions = rows(tx, "SELECT source, author, at FROM tombstone", &[]).await?;
        let removed_addresses = rows(
            tx,
            "SELECT DISTINCT source, address FROM UNNEST($1::TEXT[], $2::TEXT[]) AS asked (source, address)
             JOIN removed_address USING (source, address)",
            &[&sources, &addresses],
        )
        .await?;
        Ok(Self {
            suppressions: suppressions
                .iter()
                .map(|row| Suppression::from_columns(row.get(0), row.get(1), row.get(2)))
                .collect(),
            addresses: removed_addresses.iter().map(|row| (row.get(0), row.get(1))).collect(),
        })
    }

    /// Returns true if a suppression applies to the finding's source or author.
    pub(super) fn is_suppressed(&self, finding: &Finding) -> bool {
        self.suppressions.iter().any(|suppression| suppression.covers(&finding.item))
    }

    /// Returns true if a new publication must not be stored: it is suppressed, or an item at its address was taken
    /// down.
    pub(super) fn rejects_new(&self, finding: &Finding) -> bool {
        let is_removed =
            |address: String| self.addresses.contains(&(finding.item.source.to_string(), address));
        self.is_suppressed(finding) || lookup_address(finding).is_some_and(is_removed)
    }
}

/// Stores the identities of rejected publications. They then count as known; otherwise their article pages would
/// be fetched at every poll.
pub(super) async fn remember_rejected(
    tx: &Transaction<'_>,
    mut digests: Vec<Vec<u8>>,
) -> Result<(), StoreError> {
    if digests.is_empty() {
        return Ok(());
    }
    digests.sort_unstable();
    digests.dedup();
    execute(
        tx,
        "INSERT INTO identity (digest, item, first_seen) SELECT digest, nextval('item_row'), now()
         FROM UNNEST($1::BYTEA[]) AS buried (digest) ON CONFLICT DO NOTHING",
        &[&digests],
    )
    .await?;
    Ok(())
}

/// Upper bound on items removed in one call from a month that is only partly too old.
const RETAIN_BATCH: i64 = 5000;

/// Removes a batch of old data: first story data, then the oldest month as a whole, which counts as one, then up
/// to [`RETAIN_BATCH`] items of the month that is partly too old. The identities stay.
pub(super) async fn remove_old(
    tx: &Transaction<'_>,
    keep: Duration,
    now: Timestamp,
) -> Result<u64, StoreError> {
    // Use the server's time if it is earlier: a node with a wrong clock must not delete items for the whole cluster.
    let server_time: Timestamp = tx.query_one("SELECT now()", &[]).await?.get(0);
    let Ok(since) = now.min(server_time).checked_sub(keep) else { return Ok(0) };
    let deleted_links = stories::delete_links_before(tx, since).await?;
    if deleted_links > 0 {
        return Ok(deleted_links);
    }
    if partitions::drop_oldest_before(tx, since).await? {
        return Ok(1);
    }
    let locked = rows(
        tx,
        "SELECT item FROM item WHERE first_seen < $1 ORDER BY item LIMIT $2 FOR UPDATE",
        &[&since, &RETAIN_BATCH],
    )
    .await?;
    let locked: Vec<i64> = locked.iter().map(|row| row.get(0)).collect();
    remove(tx, &locked, since).await
}

/// Removes items of any age. Their identities and addresses stay known.
pub(super) async fn take_down(
    tx: &Transaction<'_>,
    items: &[i64],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let locked = lock(tx, items).await?;
    save_removed_addresses(tx, &locked).await?;
    remove(tx, &locked, max_first_seen(now)).await
}

/// Removes items that their sources no longer show, with their identities. They are stored again if they reappear.
pub(super) async fn remove_missing(
    tx: &Transaction<'_>,
    items: &[i64],
    digests: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let locked = lock(tx, items).await?;
    remove(tx, &locked, max_first_seen(now)).await?;
    execute(tx, "DELETE FROM identity WHERE digest = ANY($1) AND item = ANY($2)", &[&digests, &locked])
        .await?;
    Ok(())
}

/// Removes those of the locked items that were first seen before `cutoff`, with their matches and story data, and
/// subtracts them from the totals. Returns the number of items removed.
async fn remove(tx: &Transaction<'_>, locked: &[i64], cutoff: Timestamp) -> Result<u64, StoreError> {
    let old = rows(
        tx,
        "SELECT item, first_seen,
                ARRAY(SELECT topic FROM match WHERE match.item = item.item AND match.first_seen = item.first_seen)
         FROM item WHERE item = ANY($2) AND first_seen < $1 ORDER BY item",
        &[&cutoff, &locked],
    )
    .await?;
    let mut change = Change::of_items(-i64::try_from(old.len()).unwrap_or(0));
    for row in &old {
        change.replace(
            (row.get(0), row.get(1)),
            &row.get::<_, Vec<String>>(2),
            |_| true,
            &BTreeMap::new(),
            cutoff,
        )?;
    }
    let items: Vec<i64> = old.iter().map(|row| row.get(0)).collect();
    stories::delete_links(tx, &items).await?;
    execute(tx, "DELETE FROM item WHERE item = ANY($1) AND first_seen < $2", &[&items, &cutoff]).await?;
    change.write(tx).await?;
    Ok(old.len() as u64)
}

/// Returns an upper bound on the times at which items were first seen, allowing for wrong clocks of nodes.
fn max_first_seen(now: Timestamp) -> Timestamp {
    now.checked_add(Duration::from_secs(10 * 86_400)).unwrap_or(now)
}

/// Locks those of the items that still exist, and removes their article pages from the queue.
async fn lock(tx: &Transaction<'_>, items: &[i64]) -> Result<Vec<i64>, StoreError> {
    // Pages first, in the order in which saving locks the tables.
    execute(
        tx,
        "DELETE FROM page USING item WHERE item.item = ANY($1) AND page.source = item.source AND page.item_key = item.item_key",
        &[&items],
    )
    .await?;
    let locked =
        rows(tx, "SELECT item FROM item WHERE item = ANY($1) ORDER BY item FOR UPDATE", &[&items]).await?;
    Ok(locked.iter().map(|row| row.get(0)).collect())
}
