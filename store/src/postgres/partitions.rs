//! A partition a month for items and their matches.

use deadpool_postgres::{Object, Transaction};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::Timestamp;

use super::locks;
use super::locks::Lock;
use crate::StoreError;

const TABLES: [&str; 2] = ["item", "match"];

/// A month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Month(Date);

impl Month {
    pub(super) fn of(at: Timestamp) -> Self {
        Self(at.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    fn begins(self) -> Timestamp {
        self.0.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |zoned| zoned.timestamp())
    }

    pub(super) fn next(self) -> Self {
        Self(self.0.last_of_month().tomorrow().unwrap_or(self.0))
    }

    fn partition(self, table: &str) -> String {
        format!("{table}_y{:04}m{:02}", self.0.year(), self.0.month())
    }
}

/// Makes a month's partitions, unless they are there. Made apart and attached: nobody who reads or stores is
/// in the way, or made to wait.
pub(super) async fn make(client: &mut Object, month: Month) -> Result<(), StoreError> {
    let tx = client.transaction().await?;
    locks::take(&tx, Lock::Partitions).await?;
    for table in TABLES {
        let name = month.partition(table);
        let is_there = tx.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name]).await?;
        if !is_there.get::<_, bool>(0) {
            let (from, to) = (month.begins(), month.next().begins());
            tx.batch_execute(&format!(
                "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS);
                 ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{from}') TO ('{to}')"
            ))
            .await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Drops the oldest month that lies wholly before a time, and takes what was in it from the totals. True where
/// there was one.
pub(super) async fn drop_oldest_before(tx: &Transaction<'_>, before: Timestamp) -> Result<bool, StoreError> {
    locks::take(tx, Lock::Partitions).await?;
    let names = tx
        .query(
            "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
             JOIN pg_class parent ON parent.oid = inhparent
             WHERE parent.relname = 'item' AND pg_table_is_visible(parent.oid) ORDER BY 1",
            &[],
        )
        .await?;
    let months = names.iter().filter_map(|row| month_of(row.get(0)));
    let Some(oldest) = months.min().filter(|month| month.next().begins() <= before) else { return Ok(false) };
    let (items, matches) = (oldest.partition("item"), oldest.partition("match"));
    // Nobody changes that month from now on; then, for a moment, nobody reads either: dropping a partition needs
    // that, and must not wait for a long reader while everybody waits for us.
    tx.batch_execute(&format!(
        "SET LOCAL lock_timeout = '2s';
         LOCK TABLE ONLY {items}, {matches} IN SHARE ROW EXCLUSIVE MODE;
         CREATE TEMPORARY TABLE gone_topic ON COMMIT DROP AS
             SELECT topic, count(*) AS matches FROM {matches} GROUP BY topic;
         CREATE TEMPORARY TABLE gone_total ON COMMIT DROP AS
             SELECT (SELECT count(*) FROM {items}) AS items, (SELECT count(*) FROM {matches}) AS matches,
                    (SELECT count(DISTINCT item) FROM {matches}) AS materials;
         LOCK TABLE item, match IN ACCESS EXCLUSIVE MODE;"
    ))
    .await?;
    tx.batch_execute(&format!(
        "UPDATE total SET items = total.items - gone.items, matches = total.matches - gone.matches,
             materials = total.materials - gone.materials FROM gone_total AS gone;
         UPDATE topic SET materials = materials - gone.matches FROM gone_topic AS gone WHERE topic.name = gone.topic;
         DROP TABLE {items}, {matches};"
    ))
    .await?;
    Ok(true)
}

fn month_of(partition: &str) -> Option<Month> {
    let (year, month) = partition.strip_prefix("item_y")?.split_once('m')?;
    Some(Month(Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_named_and_read_back() {
        let month = Month::of("2026-12-31T23:59:59.999Z".parse().unwrap());
        assert_eq!(month.partition("item"), "item_y2026m12");
        assert_eq!(month_of("item_y2026m12"), Some(month));
        assert_eq!(month.next().begins(), "2027-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(Month::of(month.next().begins()), month.next());
        assert_eq!(month_of("item_old"), None);
    }
}
