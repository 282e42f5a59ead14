//! The change log and the references of declared objects, in PostgreSQL.

use deadpool_postgres::{GenericClient, Object, Transaction};
use model::{List, Name, Topic};
use tokio_postgres::{IsolationLevel, Row};

use super::objects::{self, SELECT_TOPICS};
use super::{Values, execute, limit, read, rows, source_states, text};
use crate::objects::{LOGGED_VERSIONS, MAX_CHANGES};
use crate::{ObjectChanges, ObjectReference, StoreError, TopicRecord, VersionedTopic};

/// Returns true if the schema has the change log and the references of migration 0009.
pub(super) async fn has_change_log(client: &impl GenericClient) -> Result<bool, StoreError> {
    let statement = client.prepare_cached("SELECT to_regclass('object_change') IS NOT NULL").await?;
    Ok(client.query_one(&statement, &[]).await?.get(0))
}

/// Returns the objects that changed after `version`; see [`DeclaredObjects::changes_since`](crate::DeclaredObjects).
pub(super) async fn changes_since(
    client: &mut Object,
    version: i64,
) -> Result<Option<ObjectChanges>, StoreError> {
    if !has_change_log(client).await? {
        return Ok(None);
    }
    // One snapshot, one version of all objects.
    let tx = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let tx = tx.start().await?;
    let current = objects::version_in(&tx).await?;
    let start: i64 = tx
        .query_one(&tx.prepare_cached("SELECT value FROM meta WHERE key = 'object_log_start'").await?, &[])
        .await?
        .get(0);
    if version < start || version > current {
        return Ok(None);
    }
    let changed = rows(
        &tx,
        "SELECT kind, array_agg(DISTINCT name) FROM
            (SELECT DISTINCT kind, name FROM object_change WHERE version > $1 LIMIT $2) AS changed
         GROUP BY kind",
        &[&version, &limit(MAX_CHANGES + 1)],
    )
    .await?;
    let changed: Vec<(String, Vec<String>)> = changed.iter().map(|row| (row.get(0), row.get(1))).collect();
    if changed.iter().map(|(_, names)| names.len()).sum::<usize>() > MAX_CHANGES {
        return Ok(None);
    }
    let mut changes = ObjectChanges { version: current, ..ObjectChanges::default() };
    for (kind, names) in changed {
        match kind.as_str() {
            "source" => {
                for name in names.into_iter().map(Name::from_stored) {
                    let record = source_states::select_sources(&tx, Some(&name)).await?.pop();
                    changes.sources.push((name, record));
                }
            }
            "topic" => {
                let sql = "SELECT spec, version, name FROM topic WHERE name = ANY($1)";
                let topics = rows(&tx, sql, &[&names]).await?;
                let topics = topics.iter().map(|row| Ok((row.get(2), versioned(row)?)));
                changes.topics = beside(&names, topics.collect::<Result<_, StoreError>>()?);
            }
            "client" => changes.clients = beside(&names, specs(&tx, "client", &names).await?),
            _ => changes.lists = beside(&names, specs(&tx, "list", &names).await?),
        }
    }
    Ok(Some(changes))
}

/// Pairs each name with its object, or `None` for a removed object.
fn beside<T>(names: &[String], objects: Vec<(String, T)>) -> Vec<(Name, Option<T>)> {
    let mut objects: std::collections::HashMap<String, T> = objects.into_iter().collect();
    let object = |name: &String| (Name::from_stored(name.clone()), objects.remove(name));
    names.iter().map(object).collect()
}

async fn specs<T: serde::de::DeserializeOwned>(
    tx: &Transaction<'_>,
    table: &str,
    names: &[String],
) -> Result<Vec<(String, T)>, StoreError> {
    let rows = rows(tx, &format!("SELECT name, spec FROM {table} WHERE name = ANY($1)"), &[&names]).await?;
    rows.iter().map(|row| Ok((row.get(0), serde_json::from_str(row.get(1))?))).collect()
}

fn versioned(row: &Row) -> Result<VersionedTopic, StoreError> {
    Ok(VersionedTopic { topic: serde_json::from_str(row.get(0))?, version: row.get(1) })
}

/// Drops the log of versions that are too old to be read.
pub(super) async fn trim_log(tx: &Transaction<'_>) -> Result<(), StoreError> {
    if !has_change_log(tx).await? {
        return Ok(());
    }
    let start = objects::version_in(tx).await? - LOGGED_VERSIONS;
    let sql = "UPDATE meta SET value = $1 WHERE key = 'object_log_start' AND value < $1";
    if execute(tx, sql, &[&start]).await? > 0 {
        execute(tx, "DELETE FROM object_change WHERE version <= $1", &[&start]).await?;
    }
    Ok(())
}

pub(super) async fn versioned_topics(client: &Object) -> Result<Vec<VersionedTopic>, StoreError> {
    let rows = read(client, "SELECT spec, version FROM topic", &[]).await?;
    rows.iter().map(versioned).collect()
}

pub(super) async fn topics_named(client: &Object, names: &[Name]) -> Result<Vec<TopicRecord>, StoreError> {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    let sql = format!("{SELECT_TOPICS} WHERE name = ANY($1)");
    read(client, &sql, &[&names]).await?.iter().map(objects::topic_record).collect()
}

pub(super) async fn lists_named(client: &Object, names: &[Name]) -> Result<Vec<List>, StoreError> {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    let rows = read(client, "SELECT spec FROM list WHERE name = ANY($1) ORDER BY name", &[&names]).await?;
    rows.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

pub(super) async fn topics_referencing(
    client: &Object,
    references: &[ObjectReference],
) -> Result<Vec<Topic>, StoreError> {
    if !has_change_log(client).await? {
        return Ok(Vec::new());
    }
    let (kinds, names): (Vec<&str>, Vec<&str>) = references.iter().map(ObjectReference::parts).unzip();
    let sql = "SELECT spec FROM topic WHERE name IN (
            SELECT topic FROM topic_reference
            JOIN UNNEST($1::TEXT[], $2::TEXT[]) AS wanted (kind, name) USING (kind, name))
         ORDER BY name";
    topics(client, sql, &[&kinds, &names]).await
}

pub(super) async fn topics_without_references(client: &Object) -> Result<Vec<Topic>, StoreError> {
    let sql = match has_change_log(client).await? {
        true => "SELECT spec FROM topic WHERE reference_version <> version",
        false => "SELECT spec FROM topic",
    };
    topics(client, sql, &[]).await
}

async fn topics(client: &Object, sql: &str, values: Values<'_>) -> Result<Vec<Topic>, StoreError> {
    read(client, sql, values).await?.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

/// Records the references of topics for their current versions.
pub(super) async fn record_references(
    tx: &Transaction<'_>,
    references: &[(Name, Vec<ObjectReference>)],
) -> Result<(), StoreError> {
    if references.is_empty() || !has_change_log(tx).await? {
        return Ok(());
    }
    let names: Vec<&str> = references.iter().map(|(topic, _)| topic.as_str()).collect();
    execute(tx, "DELETE FROM topic_reference WHERE topic = ANY($1)", &[&names]).await?;
    let pairs = references.iter().flat_map(|(topic, references)| {
        references.iter().map(move |reference| (topic.as_str(), reference.parts()))
    });
    let (mut topics, mut kinds, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (topic, (kind, target)) in pairs {
        topics.push(topic);
        kinds.push(kind);
        targets.push(text(target));
    }
    execute(
        tx,
        "INSERT INTO topic_reference (topic, kind, name)
         SELECT topic.name, reference.kind, reference.name
         FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[]) AS reference (topic, kind, name)
         JOIN topic ON topic.name = reference.topic ON CONFLICT DO NOTHING",
        &[&topics, &kinds, &targets],
    )
    .await?;
    execute(tx, "UPDATE topic SET reference_version = version WHERE name = ANY($1)", &[&names]).await?;
    Ok(())
}
