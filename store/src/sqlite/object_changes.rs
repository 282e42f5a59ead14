//! The change log and the references of declared objects, in SQLite.

use model::{Client, List, Name, Topic};
use rusqlite::{Connection, OptionalExtension, Params, Transaction, params};

use super::{objects, source_states};
use crate::objects::{LOGGED_VERSIONS, MAX_CHANGES};
use crate::{ObjectChanges, ObjectReference, StoreError, TopicRecord, VersionedTopic};

/// Returns the objects that changed after `version`; see [`DeclaredObjects::changes_since`](crate::DeclaredObjects).
pub(super) fn changes_since(
    connection: &mut Connection,
    version: i64,
) -> Result<Option<ObjectChanges>, StoreError> {
    // One transaction, one version of all objects.
    let tx = connection.transaction()?;
    let current = objects::version(&tx)?;
    let start: i64 =
        tx.query_row("SELECT value FROM meta WHERE key = 'object_log_start'", [], |row| row.get(0))?;
    if version < start || version > current {
        return Ok(None);
    }
    let changed: Vec<(String, String)> = tx
        .prepare_cached("SELECT DISTINCT kind, name FROM object_change WHERE version > ?1 LIMIT ?2")?
        .query_map(params![version, super::rows::limit(MAX_CHANGES + 1)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    if changed.len() > MAX_CHANGES {
        return Ok(None);
    }
    let mut changes = ObjectChanges { version: current, ..ObjectChanges::default() };
    for (kind, name) in changed {
        let name = Name::from_stored(name);
        match kind.as_str() {
            "source" => {
                let record = source_states::select_sources(&tx, Some(&name))?.pop();
                changes.sources.push((name, record));
            }
            "topic" => {
                let topic = versioned_topic(&tx, &name)?;
                changes.topics.push((name, topic));
            }
            "client" => {
                let client = spec_of::<Client>(&tx, "client", &name)?;
                changes.clients.push((name, client));
            }
            _ => {
                let list = spec_of::<List>(&tx, "list", &name)?;
                changes.lists.push((name, list));
            }
        }
    }
    Ok(Some(changes))
}

/// Drops the log of versions that are too old to be read.
pub(super) fn trim_log(tx: &Transaction<'_>) -> Result<(), StoreError> {
    let start = objects::version(tx)? - LOGGED_VERSIONS;
    let trimmed = tx
        .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'object_log_start' AND value < ?1")?
        .execute([start])?;
    if trimmed > 0 {
        tx.prepare_cached("DELETE FROM object_change WHERE version <= ?1")?.execute([start])?;
    }
    Ok(())
}

fn versioned_topic(connection: &Connection, name: &Name) -> Result<Option<VersionedTopic>, StoreError> {
    let row: Option<(String, i64)> = connection
        .prepare_cached("SELECT spec, version FROM topic WHERE name = ?1")?
        .query_row([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(|(spec, version)| Ok(VersionedTopic { topic: serde_json::from_str(&spec)?, version })).transpose()
}

fn spec_of<T: serde::de::DeserializeOwned>(
    connection: &Connection,
    table: &str,
    name: &Name,
) -> Result<Option<T>, StoreError> {
    let spec: Option<String> = connection
        .prepare_cached(&format!("SELECT spec FROM {table} WHERE name = ?1"))?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?;
    Ok(spec.map(|spec| serde_json::from_str(&spec)).transpose()?)
}

pub(super) fn versioned_topics(connection: &Connection) -> Result<Vec<VersionedTopic>, StoreError> {
    let mut query = connection.prepare_cached("SELECT spec, version FROM topic")?;
    let mut rows = query.query([])?;
    let mut topics = Vec::new();
    while let Some(row) = rows.next()? {
        let spec: String = row.get(0)?;
        topics.push(VersionedTopic { topic: serde_json::from_str(&spec)?, version: row.get(1)? });
    }
    Ok(topics)
}

pub(super) fn topics_named(connection: &Connection, names: &[Name]) -> Result<Vec<TopicRecord>, StoreError> {
    let mut records = Vec::new();
    for name in names {
        records.extend(objects::topics(connection, "WHERE name = ?1", [name.as_str()])?);
    }
    Ok(records)
}

pub(super) fn lists_named(connection: &Connection, names: &[Name]) -> Result<Vec<List>, StoreError> {
    names.iter().filter_map(|name| spec_of(connection, "list", name).transpose()).collect()
}

pub(super) fn topics_referencing(
    connection: &Connection,
    references: &[ObjectReference],
) -> Result<Vec<Topic>, StoreError> {
    let mut topics = Vec::new();
    for reference in references {
        let (kind, name) = reference.parts();
        topics.extend(specs(
            connection,
            "SELECT spec FROM topic_reference JOIN topic ON topic.name = topic_reference.topic
             WHERE topic_reference.kind = ?1 AND topic_reference.name = ?2",
            params![kind, name],
        )?);
    }
    topics.sort_by(|one: &Topic, other| one.name.cmp(&other.name));
    topics.dedup_by(|one, other| one.name == other.name);
    Ok(topics)
}

pub(super) fn topics_without_references(connection: &Connection) -> Result<Vec<Topic>, StoreError> {
    specs(connection, "SELECT spec FROM topic WHERE reference_version <> version", [])
}

fn specs(connection: &Connection, sql: &str, values: impl Params) -> Result<Vec<Topic>, StoreError> {
    let mut query = connection.prepare_cached(sql)?;
    let specs: Vec<String> = query.query_map(values, |row| row.get(0))?.collect::<Result<_, _>>()?;
    specs.iter().map(|spec| Ok(serde_json::from_str(spec)?)).collect()
}

/// Records the references of a topic for its current version.
pub(super) fn record_references(
    tx: &Transaction<'_>,
    topic: &Name,
    references: &[ObjectReference],
) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM topic_reference WHERE topic = ?1")?.execute([topic.as_str()])?;
    for reference in references {
        let (kind, name) = reference.parts();
        tx.prepare_cached("INSERT OR IGNORE INTO topic_reference (kind, name, topic) VALUES (?1, ?2, ?3)")?
            .execute([kind, name, topic.as_str()])?;
    }
    tx.prepare_cached("UPDATE topic SET reference_version = version WHERE name = ?1")?
        .execute([topic.as_str()])?;
    Ok(())
}
