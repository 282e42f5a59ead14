//! Migrations: expand first, contract a version later, so that a build works on the schema of the one
//! before it and of the one after it.

use deadpool_postgres::Object;
use model::Timestamp;

use super::locks;
use super::locks::Lock;
use crate::StoreError;

/// A step from one shape of the database to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// In their order, from 1.
    pub version: i64,
    /// What it is called.
    pub name: &'static str,
    sql: &'static str,
}

/// Every migration this build knows, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "create_tables",
        sql: include_str!("../migrations/postgres/0001_create_tables.sql"),
    },
    Migration {
        version: 2,
        name: "add_client",
        sql: include_str!("../migrations/postgres/0002_add_client.sql"),
    },
    Migration {
        version: 3,
        name: "add_rematch_row_and_tags",
        sql: include_str!("../migrations/postgres/0003_add_rematch_row_and_tags.sql"),
    },
    Migration { version: 4, name: "add_list", sql: include_str!("../migrations/postgres/0004_add_list.sql") },
    Migration {
        version: 5,
        name: "add_availability",
        sql: include_str!("../migrations/postgres/0005_add_availability.sql"),
    },
    Migration {
        version: 6,
        name: "add_incidents_and_stories",
        sql: include_str!("../migrations/postgres/0006_add_incidents_and_stories.sql"),
    },
    Migration {
        version: 7,
        name: "add_rhythm_and_subscriptions",
        sql: include_str!("../migrations/postgres/0007_add_rhythm_and_subscriptions.sql"),
    },
    Migration {
        version: 8,
        name: "add_article_pages_and_shown",
        sql: include_str!("../migrations/postgres/0008_add_article_pages_and_shown.sql"),
    },
];

/// A migration, and when it was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// In their order.
    pub version: i64,
    /// What it is called.
    pub name: String,
    /// When it was made; `None` where it is to come.
    pub made_at: Option<Timestamp>,
}

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migration
    (version BIGINT PRIMARY KEY, name TEXT NOT NULL, made_at TIMESTAMPTZ NOT NULL DEFAULT now())";

/// Makes those of these migrations that are to come, each in a transaction. Several callers do no harm.
pub(super) async fn up(client: &mut Object, migrations: &[Migration]) -> Result<Vec<i64>, StoreError> {
    let mut made = Vec::new();
    for migration in migrations {
        let tx = client.transaction().await?;
        locks::take(&tx, Lock::Migration).await?;
        tx.batch_execute(LEDGER).await?;
        let known =
            tx.query_opt("SELECT 1 FROM schema_migration WHERE version = $1", &[&migration.version]).await?;
        if known.is_none() {
            tx.batch_execute(migration.sql).await?;
            tx.execute(
                "INSERT INTO schema_migration (version, name) VALUES ($1, $2)",
                &[&migration.version, &migration.name],
            )
            .await?;
            made.push(migration.version);
        }
        tx.commit().await?;
    }
    Ok(made)
}

/// Every migration that this build or the database knows.
pub(super) async fn status(client: &Object) -> Result<Vec<MigrationStatus>, StoreError> {
    let made = made(client).await?;
    let mut all: Vec<MigrationStatus> = MIGRATIONS
        .iter()
        .filter(|migration| made.iter().all(|other| other.version != migration.version))
        .map(|migration| MigrationStatus {
            version: migration.version,
            name: migration.name.to_owned(),
            made_at: None,
        })
        .chain(made.iter().cloned())
        .collect();
    all.sort_by_key(|migration| migration.version);
    Ok(all)
}

/// Whether this build can work on the database: on its own schema, the one before and the one after.
pub(super) async fn check(client: &Object) -> Result<(), StoreError> {
    let found = made(client).await?.last().map_or(0, |migration| migration.version);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known + 1 {
        return Err(StoreError::Version { found, known });
    }
    if found < (known - 1).max(1) {
        return Err(StoreError::NotMigrated { found, known });
    }
    Ok(())
}

async fn made(client: &Object) -> Result<Vec<MigrationStatus>, StoreError> {
    let there = client.query_one("SELECT to_regclass('schema_migration') IS NOT NULL", &[]).await?;
    if !there.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows =
        client.query("SELECT version, name, made_at FROM schema_migration ORDER BY version", &[]).await?;
    let made = rows.iter().map(|row| MigrationStatus {
        version: row.get(0),
        name: row.get(1),
        made_at: Some(row.get(2)),
    });
    Ok(made.collect())
}
