//! Migrations. A migration only extends the schema; what it replaces is dropped one version later. So a build
//! works on the schema of the build before it and of the one after it.

use deadpool_postgres::Object;
use model::Timestamp;

use super::locks;
use super::locks::Lock;
use crate::StoreError;

/// A step from one schema version to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// The schema version that the migration leads to. The first one is 1.
    pub version: i64,
    /// The name.
    pub name: &'static str,
    sql: &'static str,
}

/// The migrations that this build knows, in order.
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
    Migration {
        version: 9,
        name: "add_object_changes",
        sql: include_str!("../migrations/postgres/0009_add_object_changes.sql"),
    },
];

/// A migration and the time it was applied to this database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// The schema version that the migration leads to.
    pub version: i64,
    /// The name.
    pub name: String,
    /// The time at which it was applied; `None` if it is pending.
    pub made_at: Option<Timestamp>,
}

/// Creates the table of applied migrations.
const CREATE_SCHEMA_MIGRATION: &str = "CREATE TABLE IF NOT EXISTS schema_migration
    (version BIGINT PRIMARY KEY, name TEXT NOT NULL, made_at TIMESTAMPTZ NOT NULL DEFAULT now())";

/// Applies those of these migrations that are pending, each in a transaction. Returns the versions applied. An
/// advisory lock makes concurrent callers safe.
pub(super) async fn apply(client: &mut Object, migrations: &[Migration]) -> Result<Vec<i64>, StoreError> {
    let mut applied = Vec::new();
    for migration in migrations {
        let tx = client.transaction().await?;
        locks::take(&tx, Lock::Migration).await?;
        tx.batch_execute(CREATE_SCHEMA_MIGRATION).await?;
        let existing =
            tx.query_opt("SELECT 1 FROM schema_migration WHERE version = $1", &[&migration.version]).await?;
        if existing.is_none() {
            tx.batch_execute(migration.sql).await?;
            tx.execute(
                "INSERT INTO schema_migration (version, name) VALUES ($1, $2)",
                &[&migration.version, &migration.name],
            )
            .await?;
            applied.push(migration.version);
        }
        tx.commit().await?;
    }
    Ok(applied)
}

/// Returns every migration that this build or the database knows, in order.
pub(super) async fn status(client: &Object) -> Result<Vec<MigrationStatus>, StoreError> {
    let applied = select_applied(client).await?;
    let mut all: Vec<MigrationStatus> = MIGRATIONS
        .iter()
        .filter(|migration| applied.iter().all(|other| other.version != migration.version))
        .map(|migration| MigrationStatus {
            version: migration.version,
            name: migration.name.to_owned(),
            made_at: None,
        })
        .chain(applied.iter().cloned())
        .collect();
    all.sort_by_key(|migration| migration.version);
    Ok(all)
}

/// Checks that this build can use the database: its schema version may differ by one from that of the build. Fails
/// with [`StoreError::Version`] if the schema is too new, and with [`StoreError::NotMigrated`] if it is too old.
pub(super) async fn check(client: &Object) -> Result<(), StoreError> {
    let actual = select_applied(client).await?.last().map_or(0, |migration| migration.version);
    let latest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if actual > latest + 1 {
        return Err(StoreError::Version { actual, latest });
    }
    if actual < (latest - 1).max(1) {
        return Err(StoreError::NotMigrated { actual, required: latest });
    }
    Ok(())
}

/// Returns the migrations applied to the database, in order.
async fn select_applied(client: &Object) -> Result<Vec<MigrationStatus>, StoreError> {
    let exists = client.query_one("SELECT to_regclass('schema_migration') IS NOT NULL", &[]).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows =
        client.query("SELECT version, name, made_at FROM schema_migration ORDER BY version", &[]).await?;
    let applied = rows.iter().map(|row| MigrationStatus {
        version: row.get(0),
        name: row.get(1),
        made_at: Some(row.get(2)),
    });
    Ok(applied.collect())
}
