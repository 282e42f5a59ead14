//! Whose publications are not stored any more.

use std::collections::HashSet;

use deadpool_postgres::{Object, Transaction};
use model::Finding;

use super::{execute, read, rows, text};
use crate::StoreError;
use crate::edit::address;
use crate::store::Suppression;

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
