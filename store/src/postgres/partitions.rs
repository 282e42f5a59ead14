//! Monthly partitions of items and their matches.

use deadpool_postgres::{Object, Transaction};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::Timestamp;

use super::locks;
use super::locks::Lock;
use crate::StoreError;

/// The partitioned tables.
const PARTITIONED_TABLES: [&str; 2] = ["item", "match"];

/// A month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Month(Date);

impl Month {
    /// Returns the month of a time.
    pub(super) fn of(at: Timestamp) -> Self {
        Self(at.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// Returns the start of the month.
    fn start(self) -> Timestamp {
        self.0.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |zoned| zoned.timestamp())
    }

    /// Returns the following month.
    pub(super) fn next(self) -> Self {
        Self(self.0.last_of_month().tomorrow().unwrap_or(self.0))
    }

    /// Returns the name of the month's partition of a table.
    fn partition_name(self, table: &str) -> String {
        format!("{table}_y{:04}m{:02}", self.0.year(), self.0.month())
    }
}

/// Creates the partitions of a month unless they exist. Creates each as a separate table and attaches it, which
/// neither blocks readers and writers nor waits for them.
pub(super) async fn create(client: &mut Object, month: Month) -> Result<(), StoreError> {
    let tx = client.transaction().await?;
    locks::take(&tx, Lock::Partitions).await?;
    for table in PARTITIONED_TABLES {
        let name = month.partition_name(table);
        let exists = tx.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name]).await?;
        if !exists.get::<_, bool>(0) {
            let (from, to) = (month.start(), month.next().start());
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

/// Drops the partitions of the oldest month if it ends before `cutoff`, and subtracts its items and matches from
/// the totals. Returns true if a month was dropped.
pub(super) async fn drop_oldest_before(tx: &Transaction<'_>, cutoff: Timestamp) -> Result<bool, StoreError> {
    locks::take(tx, Lock::Partitions).await?;
    let names = tx
        .query(
            "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
             JOIN pg_class parent ON parent.oid = inhparent
             WHERE parent.relname = 'item' AND pg_table_is_visible(parent.oid) ORDER BY 1",
            &[],
        )
        .await?;
    let months = names.iter().filter_map(|row| parse_partition_name(row.get(0)));
    let Some(oldest) = months.min().filter(|month| month.next().start() <= cutoff) else { return Ok(false) };
    let (items, matches) = (oldest.partition_name("item"), oldest.partition_name("match"));
    // First block writes to that month, then briefly all access to the tables, which dropping a partition
    // requires. The lock timeout keeps a long-running reader from holding up all others, who would queue behind
    // this lock.
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

/// Returns the month of a partition of the table `item`; `None` for any other name.
fn parse_partition_name(partition: &str) -> Option<Month> {
    let (year, month) = partition.strip_prefix("item_y")?.split_once('m')?;
    Some(Month(Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_names_round_trip() {
        let month = Month::of("2026-12-31T23:59:59.999Z".parse().unwrap());
        assert_eq!(month.partition_name("item"), "item_y2026m12");
        assert_eq!(parse_partition_name("item_y2026m12"), Some(month));
        assert_eq!(month.next().start(), "2027-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(Month::of(month.next().start()), month.next());
        assert_eq!(parse_partition_name("item_old"), None);
    }
}
