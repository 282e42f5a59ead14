//! Whose publications are not stored any more.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Finding, Timestamp};

use super::matches::Change;
use super::{Postgres, execute, partitions, read, rows, stories, text, transaction};
use crate::edit::address;
use crate::{Removals, StoreError, Suppression};

#[async_trait]
impl Removals for Postgres {
    async fn retain(&self, keep: Duration, now: Timestamp) -> Result<u64, StoreError> {
        transaction!(self, |tx| retain(&tx, keep, now).await)
    }

    async fn take_down(&self, rows: &[i64], now: Timestamp) -> Result<u64, StoreError> {
        transaction!(self, |tx| take_down(&tx, rows, now).await)
    }

    async fn suppress(&self, suppression: &Suppression) -> Result<(), StoreError> {
        transaction!(self, |tx| suppress(&tx, suppression).await)
    }

    async fn lift_suppression(&self, suppression: &Suppression) -> Result<bool, StoreError> {
        transaction!(self, |tx| lift_suppression(&tx, suppression).await)
    }

    async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError> {
        all(&*self.client().await?).await
    }
}

pub(super) async fn suppress(tx: &Transaction<'_>, suppression: &Suppression) -> Result<(), StoreError> {
    suppression.check()?;
    let (source, author) = suppression.key();
    let sql = "INSERT INTO tombstone (source, author, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    execute(tx, sql, &[&source, &text(author), &suppression.at]).await?;
    Ok(())
}

pub(super) async fn lift_suppression(
    tx: &Transaction<'_>,
    suppression: &Suppression,
) -> Result<bool, StoreError> {
    let (source, author) = suppression.key();
    let sql = "DELETE FROM tombstone WHERE source = $1 AND author = $2";
    Ok(execute(tx, sql, &[&source, &text(author)]).await? > 0)
}

pub(super) async fn all(client: &Object) -> Result<Vec<Suppression>, StoreError> {
    let found = read(client, "SELECT source, author, at FROM tombstone ORDER BY source, author", &[]).await?;
    Ok(found.iter().map(|row| Suppression::kept(row.get(0), row.get(1), row.get(2))).collect())
}

/// Where things stood that were removed by hand.
pub(super) async fn remember_addresses(tx: &Transaction<'_>, items: &[i64]) -> Result<(), StoreError> {
    execute(
        tx,
        "INSERT INTO removed_address (source, address)
         SELECT source, address FROM item WHERE item = ANY($1) AND address IS NOT NULL
            -- Where others of the source stand as well, an address identifies nothing.
            AND NOT EXISTS (SELECT 1 FROM item AS other WHERE other.source = item.source
                            AND other.address = item.address AND other.item != item.item)
         ON CONFLICT DO NOTHING",
        &[&items],
    )
    .await?;
    Ok(())
}

/// What must not be stored of a batch.
#[derive(Default)]
pub(super) struct Suppressions {
    suppressions: Vec<Suppression>,
    addresses: HashSet<(String, String)>,
}

impl Suppressions {
    /// Of a batch of findings.
    pub(super) async fn load<'a>(
        tx: &Transaction<'_>,
        findings: impl Iterator<Item = &'a Finding>,
    ) -> Result<Self, StoreError> {
        let places = findings.map(|finding| (finding.item.source.to_string(), address(finding)));
        let (sources, addresses): (Vec<String>, Vec<Option<String>>) = places.unzip();
        if sources.is_empty() {
            return Ok(Self::default());
        }
        let kept = rows(tx, "SELECT source, author, at FROM tombstone", &[]).await?;
        let removed = rows(
            tx,
            "SELECT DISTINCT source, address FROM UNNEST($1::TEXT[], $2::TEXT[]) AS asked (source, address)
             JOIN removed_address USING (source, address)",
            &[&sources, &addresses],
        )
        .await?;
        Ok(Self {
            suppressions: kept
                .iter()
                .map(|row| Suppression::kept(row.get(0), row.get(1), row.get(2)))
                .collect(),
            addresses: removed.iter().map(|row| (row.get(0), row.get(1))).collect(),
        })
    }

    /// Whether nothing of its source, or author, is to be stored.
    pub(super) fn suppresses(&self, finding: &Finding) -> bool {
        self.suppressions.iter().any(|suppression| suppression.covers(&finding.item))
    }

    /// Whether a new publication is not to be stored.
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        let is_removed =
            |address: String| self.addresses.contains(&(finding.item.source.to_string(), address));
        self.suppresses(finding) || address(finding).is_some_and(is_removed)
    }
}

/// What was not stored is known from then on, or its page would be asked for again and again.
pub(super) async fn forget(tx: &Transaction<'_>, mut digests: Vec<Vec<u8>>) -> Result<(), StoreError> {
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

/// Items removed in one call, where a month is not old as a whole.
const RETAIN_BATCH: i64 = 5000;

/// A whole month goes with its partition and counts as one; of the youngest month that is touched, items go in
/// batches. Their identities stay.
pub(super) async fn retain(tx: &Transaction<'_>, keep: Duration, now: Timestamp) -> Result<u64, StoreError> {
    // One node with a wrong clock must not empty the archive of all.
    let here: Timestamp = tx.query_one("SELECT now()", &[]).await?.get(0);
    let Ok(since) = now.min(here).checked_sub(keep) else { return Ok(0) };
    let forgotten = stories::forget_before(tx, since).await?;
    if forgotten > 0 {
        return Ok(forgotten);
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

/// Removes items whatever their age; their identities stay.
pub(super) async fn take_down(
    tx: &Transaction<'_>,
    numbers: &[i64],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let locked = lock(tx, numbers).await?;
    remember_addresses(tx, &locked).await?;
    remove(tx, &locked, after_all(now)).await
}

/// Removes items with what identified them: they are stored again where they are shown again.
pub(super) async fn vanish(
    tx: &Transaction<'_>,
    numbers: &[i64],
    digests: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let locked = lock(tx, numbers).await?;
    remove(tx, &locked, after_all(now)).await?;
    execute(tx, "DELETE FROM identity WHERE digest = ANY($1) AND item = ANY($2)", &[&digests, &locked])
        .await?;
    Ok(())
}

/// Removes items that were first seen before a time, with what they matched, and takes them from the totals.
async fn remove(tx: &Transaction<'_>, locked: &[i64], since: Timestamp) -> Result<u64, StoreError> {
    let old = rows(
        tx,
        "SELECT item, first_seen,
                ARRAY(SELECT topic FROM match WHERE match.item = item.item AND match.first_seen = item.first_seen)
         FROM item WHERE item = ANY($2) AND first_seen < $1 ORDER BY item",
        &[&since, &locked],
    )
    .await?;
    let mut change = Change::of_items(-i64::try_from(old.len()).unwrap_or(0));
    for row in &old {
        change.replace(
            (row.get(0), row.get(1)),
            &row.get::<_, Vec<String>>(2),
            |_| true,
            &BTreeMap::new(),
            since,
        )?;
    }
    let numbers: Vec<i64> = old.iter().map(|row| row.get(0)).collect();
    stories::forget(tx, &numbers).await?;
    execute(tx, "DELETE FROM item WHERE item = ANY($1) AND first_seen < $2", &[&numbers, &since]).await?;
    change.write(tx).await?;
    Ok(old.len() as u64)
}

/// Nothing was first seen later than this, whatever the clocks say.
fn after_all(now: Timestamp) -> Timestamp {
    now.checked_add(Duration::from_secs(10 * 86_400)).unwrap_or(now)
}

/// Locks those items that are still there, and ends what waits for their pages.
async fn lock(tx: &Transaction<'_>, numbers: &[i64]) -> Result<Vec<i64>, StoreError> {
    // Pages first, as whoever stores does.
    execute(
        tx,
        "DELETE FROM page USING item WHERE item.item = ANY($1) AND page.source = item.source AND page.item_key = item.item_key",
        &[&numbers],
    )
    .await?;
    let locked =
        rows(tx, "SELECT item FROM item WHERE item = ANY($1) ORDER BY item FOR UPDATE", &[&numbers]).await?;
    Ok(locked.iter().map(|row| row.get(0)).collect())
}
