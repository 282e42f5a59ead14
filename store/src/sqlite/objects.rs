//! Declared objects in SQLite: sources with their state, topics with their versions.

use std::collections::HashSet;

use async_trait::async_trait;
use model::{Client, List, Name, Source, SourceState, Timestamp, Topic, Watch};
use rusqlite::{Connection, OptionalExtension, Params, Transaction, params};

use super::rows::millis;
use super::{Sqlite, blocking, object_changes, websub};
use crate::{
    AppliedChanges, DeclaredObjects, ObjectChanges, ObjectNames, ObjectReference, Objects, StoreError,
    TopicRecord, VersionedTopic,
};

#[async_trait]
impl DeclaredObjects for Sqlite {
    async fn declare(
        &self,
        objects: &Objects,
        prune: bool,
        now: Timestamp,
    ) -> Result<AppliedChanges, StoreError> {
        let objects = objects.clone();
        self.write(move |tx| declare(tx, &objects, prune, now)).await
    }

    async fn undeclare(&self, names: &ObjectNames) -> Result<AppliedChanges, StoreError> {
        let names = names.clone();
        self.write(move |tx| undeclare(tx, &names)).await
    }

    async fn watch(&self, source: &Name, watch: Watch, now: Timestamp) -> Result<bool, StoreError> {
        let source = source.clone();
        self.write(move |tx| set_watch(tx, &source, watch, now)).await
    }

    async fn objects_version(&self) -> Result<i64, StoreError> {
        self.read(version).await
    }

    async fn changes_since(&self, version: i64) -> Result<Option<ObjectChanges>, StoreError> {
        blocking(&self.reader, move |connection| object_changes::changes_since(connection, version)).await
    }

    async fn versioned_topics(&self) -> Result<Vec<VersionedTopic>, StoreError> {
        self.read(object_changes::versioned_topics).await
    }

    async fn topics_named(&self, names: &[Name]) -> Result<Vec<TopicRecord>, StoreError> {
        let names = names.to_vec();
        self.read(move |connection| object_changes::topics_named(connection, &names)).await
    }

    async fn lists_named(&self, names: &[Name]) -> Result<Vec<List>, StoreError> {
        let names = names.to_vec();
        self.read(move |connection| object_changes::lists_named(connection, &names)).await
    }

    async fn topics_referencing(&self, references: &[ObjectReference]) -> Result<Vec<Topic>, StoreError> {
        let references = references.to_vec();
        self.read(move |connection| object_changes::topics_referencing(connection, &references)).await
    }

    async fn topics_without_references(&self) -> Result<Vec<Topic>, StoreError> {
        self.read(object_changes::topics_without_references).await
    }

    async fn topics(&self) -> Result<Vec<TopicRecord>, StoreError> {
        self.read(|connection| topics(connection, "ORDER BY name", [])).await
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        self.read(clients).await
    }

    async fn lists(&self) -> Result<Vec<List>, StoreError> {
        self.read(lists).await
    }
}

/// Returns the version of the declared objects.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    let mut query = connection.prepare_cached("SELECT value FROM meta WHERE key = 'objects_version'")?;
    Ok(query.query_row([], |row| row.get(0))?)
}

/// Raises the version of the declared objects. Running nodes then reload them.
pub(super) const BUMP_VERSION: &str = "UPDATE meta SET value = value + 1 WHERE key = 'objects_version'";

/// Restarts the matching of a topic. The version rises as with an edit, so that a running pass cannot record its
/// progress on the earlier version for this one.
pub(super) const RESTART_MATCHING: &str = "UPDATE topic SET version = version + 1,
     reference_version = iif(reference_version = version, version + 1, reference_version) WHERE name = ?1";

/// Raises the version of the declared objects if anything was applied.
fn changed(tx: &Transaction<'_>, applied: &AppliedChanges) -> Result<(), StoreError> {
    if *applied != AppliedChanges::default() {
        tx.execute(BUMP_VERSION, [])?;
        object_changes::trim_log(tx)?;
    }
    Ok(())
}

/// Adds and edits objects, and removes the others if `prune` is set.
pub(super) fn declare(
    tx: &Transaction<'_>,
    Objects { sources, topics, clients, lists, affected_topics, references, expected_version }: &Objects,
    prune: bool,
    now: Timestamp,
) -> Result<AppliedChanges, StoreError> {
    let found = version(tx)?;
    if expected_version.is_some_and(|expected| expected != found) {
        return Err(StoreError::StaleObjects);
    }
    let mut applied = AppliedChanges::default();
    for source in sources {
        declare_source(tx, source, now, &mut applied)?;
    }
    for topic in topics {
        declare_topic(tx, topic, &mut applied)?;
    }
    for client in clients {
        let spec = serde_json::to_string(client)?;
        declare_whole(tx, ("client", "Client"), &client.name, &spec, &mut applied)?;
    }
    for list in lists {
        declare_whole(tx, ("list", "List"), &list.name, &serde_json::to_string(list)?, &mut applied)?;
    }
    for topic in affected_topics {
        tx.execute(RESTART_MATCHING, [topic.as_str()])?;
    }
    for (topic, references) in references {
        object_changes::record_references(tx, topic, references)?;
    }
    if prune {
        let left = |table, kept: HashSet<&Name>| -> Result<Vec<Name>, StoreError> {
            Ok(names(tx, table)?.into_iter().filter(|name| !kept.contains(name)).collect())
        };
        let gone = ObjectNames {
            sources: left("source", sources.iter().map(|source| &source.name).collect())?,
            topics: left("topic", topics.iter().map(|topic| &topic.name).collect())?,
            clients: left("client", clients.iter().map(|client| &client.name).collect())?,
            lists: left("list", lists.iter().map(|list| &list.name).collect())?,
        };
        remove(tx, &gone, &mut applied)?;
    }
    changed(tx, &applied)?;
    Ok(applied)
}

/// Adds or edits a source. The triggers `source_is_declared` and `source_state_changes` of migration 0006 record
/// its state in `availability`; `source_moves` of migration 0007 records that `moved_to` was cleared.
fn declare_source(
    tx: &Transaction<'_>,
    source: &Source,
    now: Timestamp,
    applied: &mut AppliedChanges,
) -> Result<(), StoreError> {
    let spec = serde_json::to_string(source)?;
    let label = format!("Source/{}", source.name);
    let before: Option<String> = tx
        .prepare_cached("SELECT spec FROM source WHERE name = ?1")?
        .query_row([source.name.as_str()], |row| row.get(0))
        .optional()?;
    let Some(before) = before else {
        let (state, reason) = standing(source.watch());
        tx.prepare_cached(
            "INSERT INTO source (name, spec, state, since, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![source.name.as_str(), spec, state.as_str(), millis(now), reason])?;
        applied.added.push(label);
        return Ok(());
    };
    if before == spec {
        return Ok(());
    }
    tx.execute(
        "UPDATE source SET spec = ?2, article_pages = NULL, shown = NULL WHERE name = ?1",
        params![source.name.as_str(), spec],
    )?;
    let before: Source = serde_json::from_str(&before)?;
    if source.reads_differently_from(&before) {
        // Facts learnt about another address, or by another way of reading, are void.
        tx.execute(
            "UPDATE source SET state = 'candidate', reason = '', failures = 0, failed_polls = 0, next_poll = NULL,
                    validators = NULL, interval = NULL, rhythm = NULL, moved_to = NULL, last_ok = NULL, since = ?2 WHERE name = ?1",
            params![source.name.as_str(), millis(now)],
        )?;
        websub::unsubscribe(tx, &source.name)?;
    }
    // A paused or retired source stays so even if its address changed.
    if before.watch() != source.watch() || source.watch() != Watch::On {
        set_standing(tx, &source.name, source.watch(), now)?;
    }
    applied.edited.push(label);
    Ok(())
}

/// Adds or edits a topic.
fn declare_topic(
    tx: &Transaction<'_>,
    topic: &Topic,
    applied: &mut AppliedChanges,
) -> Result<(), StoreError> {
    let spec = serde_json::to_string(topic)?;
    let label = format!("Topic/{}", topic.name);
    let before: Option<String> = tx
        .prepare_cached("SELECT spec FROM topic WHERE name = ?1")?
        .query_row([topic.name.as_str()], |row| row.get(0))
        .optional()?;
    match before {
        None => {
            // The version must be higher than that of any removed topic with this name.
            let version = version(tx)? + 1;
            tx.prepare_cached("INSERT INTO topic (name, spec, version) VALUES (?1, ?2, ?3)")?
                .execute(params![topic.name.as_str(), spec, version])?;
            applied.added.push(label);
        }
        Some(before) if before != spec => {
            tx.execute(
                "UPDATE topic SET spec = ?2, version = version + 1 WHERE name = ?1",
                [topic.name.as_str(), &spec],
            )?;
            applied.edited.push(label);
        }
        Some(_) => (),
    }
    Ok(())
}

/// Adds or edits an object that is stored as its spec alone: a client or a list.
fn declare_whole(
    tx: &Transaction<'_>,
    (table, kind): (&str, &str),
    name: &Name,
    spec: &str,
    applied: &mut AppliedChanges,
) -> Result<(), StoreError> {
    let label = format!("{kind}/{name}");
    let before: Option<String> = tx
        .prepare_cached(&format!("SELECT spec FROM {table} WHERE name = ?1"))?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?;
    match &before {
        None => applied.added.push(label),
        Some(before) if *before != spec => applied.edited.push(label),
        Some(_) => return Ok(()),
    }
    tx.prepare_cached(&format!("INSERT OR REPLACE INTO {table} (name, spec) VALUES (?1, ?2)"))?
        .execute([name.as_str(), spec])?;
    Ok(())
}

/// Removes the named objects that are declared.
pub(super) fn undeclare(tx: &Transaction<'_>, wanted: &ObjectNames) -> Result<AppliedChanges, StoreError> {
    let mut applied = AppliedChanges::default();
    let declared = |table: &str, wanted: &[Name]| -> Result<Vec<Name>, StoreError> {
        let mut query = tx.prepare(&format!("SELECT 1 FROM {table} WHERE name = ?1"))?;
        let mut names = Vec::new();
        for name in wanted {
            if query.exists([name.as_str()])? {
                names.push(name.clone());
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    };
    let declared = ObjectNames {
        sources: declared("source", &wanted.sources)?,
        topics: declared("topic", &wanted.topics)?,
        clients: declared("client", &wanted.clients)?,
        lists: declared("list", &wanted.lists)?,
    };
    remove(tx, &declared, &mut applied)?;
    changed(tx, &applied)?;
    Ok(applied)
}

/// Removes declared objects. The trigger `source_is_removed` of migration 0006 records the end of a source in
/// `availability`.
fn remove(
    tx: &Transaction<'_>,
    ObjectNames { sources, topics, clients, lists }: &ObjectNames,
    applied: &mut AppliedChanges,
) -> Result<(), StoreError> {
    for source in sources {
        tx.execute("DELETE FROM source WHERE name = ?1", [source.as_str()])?;
        tx.execute("DELETE FROM page WHERE source = ?1", [source.as_str()])?;
        websub::unsubscribe(tx, source)?;
        tx.execute("DELETE FROM fetch WHERE source = ?1", [source.as_str()])?;
        applied.removed.push(format!("Source/{source}"));
    }
    for topic in topics {
        tx.execute("DELETE FROM match WHERE topic = ?1", [topic.as_str()])?;
        tx.execute("DELETE FROM topic WHERE name = ?1", [topic.as_str()])?;
        applied.removed.push(format!("Topic/{topic}"));
    }
    for client in clients {
        tx.execute("DELETE FROM client WHERE name = ?1", [client.as_str()])?;
        applied.removed.push(format!("Client/{client}"));
    }
    for list in lists {
        tx.execute("DELETE FROM list WHERE name = ?1", [list.as_str()])?;
        applied.removed.push(format!("List/{list}"));
    }
    Ok(())
}

/// Returns the names of the objects in a table, in ascending order.
fn names(tx: &Transaction<'_>, table: &str) -> Result<Vec<Name>, StoreError> {
    let mut query = tx.prepare(&format!("SELECT name FROM {table} ORDER BY name"))?;
    let texts: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(texts.into_iter().map(Name::from_stored).collect())
}

/// Resumes, pauses or retires a source. Returns false if it is not declared.
pub(super) fn set_watch(
    tx: &Transaction<'_>,
    source: &Name,
    watch: Watch,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let spec: Option<String> = tx
        .query_row("SELECT spec FROM source WHERE name = ?1", [source.as_str()], |row| row.get(0))
        .optional()?;
    let Some(spec) = spec else { return Ok(false) };
    let declared: Source = serde_json::from_str(&spec)?;
    let spec = serde_json::to_string(&declared.watched(watch))?;
    tx.execute("UPDATE source SET spec = ?2 WHERE name = ?1", [source.as_str(), &spec])?;
    set_standing(tx, source, watch, now)?;
    tx.execute(BUMP_VERSION, [])?;
    Ok(true)
}

/// Returns the state and reason of a source that is resumed, paused or retired.
fn standing(watch: Watch) -> (SourceState, &'static str) {
    match watch {
        Watch::On => (SourceState::Candidate, ""),
        Watch::Paused => (SourceState::Paused, "paused by the operator"),
        Watch::Retired => (SourceState::Retired, "retired by the operator"),
    }
}

/// Resumes, pauses or retires a source and clears its failures. The trigger `source_state_changes` of migration
/// 0006 records a change of state.
fn set_standing(tx: &Transaction<'_>, source: &Name, watch: Watch, now: Timestamp) -> Result<(), StoreError> {
    let (state, reason) = standing(watch);
    tx.execute(
        "UPDATE source SET state = ?2, reason = ?3, since = ?4, failures = 0, failed_polls = 0, next_poll = NULL
         WHERE name = ?1",
        params![source.as_str(), state.as_str(), reason, millis(now)],
    )?;
    Ok(())
}

/// Returns the topics that `condition`, a WHERE or ORDER BY clause, selects.
pub(super) fn topics(
    connection: &Connection,
    condition: &str,
    values: impl Params,
) -> Result<Vec<TopicRecord>, StoreError> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT spec, version, matched_version, (SELECT count(*) FROM match WHERE match.topic = topic.name),
                iif(rematch_version = version, rematch_row, 0)
         FROM topic {condition}"
    ))?;
    let mut rows = query.query(values)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let spec: String = row.get(0)?;
        let (version, matched): (i64, i64) = (row.get(1)?, row.get(2)?);
        records.push(TopicRecord {
            topic: serde_json::from_str(&spec)?,
            version,
            is_matched: matched == version,
            materials: row.get::<_, i64>(3)?.unsigned_abs(),
            rematch_row: row.get(4)?,
        });
    }
    Ok(records)
}

pub(super) fn clients(connection: &Connection) -> Result<Vec<Client>, StoreError> {
    let mut query = connection.prepare_cached("SELECT spec FROM client ORDER BY name")?;
    let specs: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    specs.iter().map(|spec| Ok(serde_json::from_str(spec)?)).collect()
}

pub(super) fn lists(connection: &Connection) -> Result<Vec<List>, StoreError> {
    let mut query = connection.prepare_cached("SELECT spec FROM list ORDER BY name")?;
    let specs: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    specs.iter().map(|spec| Ok(serde_json::from_str(spec)?)).collect()
}
