//! Declared objects in PostgreSQL: sources with their state, topics with their versions.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use model::{Client, List, Name, Source, SourceState, Timestamp, Topic, Watch};

use super::locks::Lock;
use super::{Postgres, execute, locks, object_changes, read, rows, text, transaction, websub};
use crate::{
    AppliedChanges, DeclaredObjects, ObjectChanges, ObjectNames, ObjectReference, Objects, StoreError,
    TopicRecord, VersionedTopic,
};

#[async_trait]
impl DeclaredObjects for Postgres {
    async fn declare(
        &self,
        objects: &Objects,
        prune: bool,
        now: Timestamp,
    ) -> Result<AppliedChanges, StoreError> {
        transaction!(self, |tx| declare(&tx, objects, prune, now).await)
    }

    async fn undeclare(&self, names: &ObjectNames) -> Result<AppliedChanges, StoreError> {
        transaction!(self, |tx| undeclare(&tx, names).await)
    }

    async fn watch(&self, source: &Name, watch: Watch, now: Timestamp) -> Result<bool, StoreError> {
        transaction!(self, |tx| set_watch(&tx, source, watch, now).await)
    }

    async fn objects_version(&self) -> Result<i64, StoreError> {
        version(&*self.client().await?).await
    }

    async fn changes_since(&self, version: i64) -> Result<Option<ObjectChanges>, StoreError> {
        object_changes::changes_since(&mut *self.client().await?, version).await
    }

    async fn versioned_topics(&self) -> Result<Vec<VersionedTopic>, StoreError> {
        object_changes::versioned_topics(&*self.client().await?).await
    }

    async fn topics_named(&self, names: &[Name]) -> Result<Vec<TopicRecord>, StoreError> {
        object_changes::topics_named(&*self.client().await?, names).await
    }

    async fn lists_named(&self, names: &[Name]) -> Result<Vec<List>, StoreError> {
        object_changes::lists_named(&*self.client().await?, names).await
    }

    async fn topics_referencing(&self, references: &[ObjectReference]) -> Result<Vec<Topic>, StoreError> {
        object_changes::topics_referencing(&*self.client().await?, references).await
    }

    async fn topics_without_references(&self) -> Result<Vec<Topic>, StoreError> {
        object_changes::topics_without_references(&*self.client().await?).await
    }

    async fn topics(&self) -> Result<Vec<TopicRecord>, StoreError> {
        topics(&*self.client().await?, "ORDER BY name").await
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        clients(&*self.client().await?).await
    }

    async fn lists(&self) -> Result<Vec<List>, StoreError> {
        lists(&*self.client().await?).await
    }
}

/// Selects the version of the declared objects.
const SELECT_VERSION: &str = "SELECT value FROM meta WHERE key = 'objects_version'";

/// Returns the version of the declared objects.
pub(super) async fn version(client: &Object) -> Result<i64, StoreError> {
    Ok(client.query_one(&client.prepare_cached(SELECT_VERSION).await?, &[]).await?.get(0))
}

/// Returns the version of the declared objects within a transaction.
pub(super) async fn version_in(tx: &Transaction<'_>) -> Result<i64, StoreError> {
    Ok(tx.query_one(&tx.prepare_cached(SELECT_VERSION).await?, &[]).await?.get(0))
}

/// Raises the version of the declared objects. Running nodes then reload them.
pub(super) async fn bump_version(tx: &Transaction<'_>) -> Result<(), StoreError> {
    execute(tx, "UPDATE meta SET value = value + 1 WHERE key = 'objects_version'", &[]).await?;
    object_changes::trim_log(tx).await
}

/// The stored objects: specs by name, for each kind.
struct StoredSpecs {
    sources: HashMap<String, String>,
    topics: HashMap<String, String>,
    clients: HashMap<String, String>,
    lists: HashMap<String, String>,
}

impl StoredSpecs {
    /// Reads the named objects, or all objects if `names` is `None`.
    async fn read(tx: &Transaction<'_>, names: Option<&ObjectNames>) -> Result<Self, StoreError> {
        let named = |names: fn(&ObjectNames) -> &Vec<Name>, all: Option<&ObjectNames>| {
            all.map(|all| names(all).iter().map(|name| text(name.as_str())).collect::<Vec<String>>())
        };
        Ok(Self {
            sources: specs(tx, "source", named(|all| &all.sources, names)).await?,
            topics: specs(tx, "topic", named(|all| &all.topics, names)).await?,
            clients: specs(tx, "client", named(|all| &all.clients, names)).await?,
            lists: specs(tx, "list", named(|all| &all.lists, names)).await?,
        })
    }
}

/// The names of objects to remove, by kind.
struct Gone {
    sources: Vec<String>,
    topics: Vec<String>,
    clients: Vec<String>,
    lists: Vec<String>,
}

/// Adds and edits objects, and removes the others if `prune` is set.
pub(super) async fn declare(
    tx: &Transaction<'_>,
    objects: &Objects,
    prune: bool,
    now: Timestamp,
) -> Result<AppliedChanges, StoreError> {
    locks::take(tx, Lock::Objects).await?;
    let Objects { sources, topics, clients, lists, affected_topics, references, expected_version } = objects;
    let names = ObjectNames {
        sources: sources.iter().map(|source| source.name.clone()).collect(),
        topics: topics.iter().map(|topic| topic.name.clone()).collect(),
        clients: clients.iter().map(|client| client.name.clone()).collect(),
        lists: lists.iter().map(|list| list.name.clone()).collect(),
    };
    // Only pruning needs to know the other objects.
    let known = StoredSpecs::read(tx, (!prune).then_some(&names)).await?;
    let found = version_in(tx).await?;
    if expected_version.is_some_and(|expected| expected != found) {
        return Err(StoreError::StaleObjects);
    }
    let mut applied = AppliedChanges::default();
    for source in sources {
        declare_source(tx, source, known.sources.get(source.name.as_str()), now, &mut applied).await?;
    }
    for topic in topics {
        declare_topic(tx, topic, known.topics.get(topic.name.as_str()), &mut applied).await?;
    }
    for client in clients {
        let (name, spec) = (&client.name, serde_json::to_string(client)?);
        let before = known.clients.get(name.as_str());
        declare_whole(tx, ("client", "Client"), (name, &spec), before, &mut applied).await?;
    }
    for list in lists {
        let (name, spec) = (&list.name, serde_json::to_string(list)?);
        let before = known.lists.get(name.as_str());
        declare_whole(tx, ("list", "List"), (name, &spec), before, &mut applied).await?;
    }
    restart_matching(tx, affected_topics).await?;
    object_changes::record_references(tx, references).await?;
    if prune {
        let gone = Gone {
            sources: beside(&known.sources, sources.iter().map(|source| &source.name)),
            topics: beside(&known.topics, topics.iter().map(|topic| &topic.name)),
            clients: beside(&known.clients, clients.iter().map(|client| &client.name)),
            lists: beside(&known.lists, lists.iter().map(|list| &list.name)),
        };
        remove(tx, &gone, &mut applied).await?;
    }
    if applied != AppliedChanges::default() {
        bump_version(tx).await?;
    }
    Ok(applied)
}

/// Returns the specs of the named objects in a table, or of all objects, by name.
async fn specs(
    tx: &Transaction<'_>,
    table: &str,
    names: Option<Vec<String>>,
) -> Result<HashMap<String, String>, StoreError> {
    let rows = match names {
        Some(names) if names.is_empty() => Vec::new(),
        Some(names) => {
            rows(tx, &format!("SELECT name, spec FROM {table} WHERE name = ANY($1)"), &[&names]).await?
        }
        None => rows(tx, &format!("SELECT name, spec FROM {table}"), &[]).await?,
    };
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Returns the stored names that are not among these, in ascending order.
fn beside<'a>(known: &HashMap<String, String>, kept: impl Iterator<Item = &'a Name>) -> Vec<String> {
    let kept: HashSet<&str> = kept.map(Name::as_str).collect();
    left(known, |name| !kept.contains(name))
}

/// Returns the stored names that meet a condition, in ascending order.
fn left(known: &HashMap<String, String>, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names: Vec<String> = known.keys().filter(|name| is_wanted(name)).cloned().collect();
    names.sort();
    names
}

/// Adds or edits a source. The triggers `source_is_declared` and `source_state_changes` of migration 0005 record
/// its state in `availability`; `source_moves` of migration 0006 records that `moved_to` was cleared.
async fn declare_source(
    tx: &Transaction<'_>,
    source: &Source,
    before: Option<&String>,
    now: Timestamp,
    applied: &mut AppliedChanges,
) -> Result<(), StoreError> {
    let spec = serde_json::to_string(source)?;
    let name = source.name.as_str();
    let Some(before) = before else {
        let (state, reason) = standing(source.watch());
        execute(
            tx,
            "INSERT INTO source (name, spec, state, since, reason) VALUES ($1, $2, $3, $4, $5)",
            &[&name, &spec, &state.as_str(), &now, &reason],
        )
        .await?;
        applied.added.push(format!("Source/{name}"));
        return Ok(());
    };
    if *before == spec {
        return Ok(());
    }
    execute(tx, "UPDATE source SET spec = $2 WHERE name = $1", &[&name, &spec]).await?;
    let before: Source = serde_json::from_str(before)?;
    if source.reads_differently_from(&before) {
        // Facts learnt about another address, or by another way of reading, are void.
        execute(
            tx,
            "UPDATE source SET state = 'candidate', reason = '', failures = 0, failed_polls = 0, next_poll = NULL,
                    validators = NULL, interval_ms = NULL, rhythm = NULL, moved_to = NULL, last_ok = NULL, since = $2
             WHERE name = $1",
            &[&name, &now],
        )
        .await?;
        websub::unsubscribe(tx, &[name.to_string()]).await?;
    }
    execute(tx, "UPDATE source SET article_pages = NULL, shown = NULL WHERE name = $1", &[&name]).await?;
    // A paused or retired source stays so even if its address changed.
    if before.watch() != source.watch() || source.watch() != Watch::On {
        set_standing(tx, &source.name, source.watch(), now).await?;
    }
    applied.edited.push(format!("Source/{name}"));
    Ok(())
}

/// Adds or edits a topic.
async fn declare_topic(
    tx: &Transaction<'_>,
    topic: &Topic,
    before: Option<&String>,
    applied: &mut AppliedChanges,
) -> Result<(), StoreError> {
    let spec = serde_json::to_string(topic)?;
    let name = topic.name.as_str();
    match before {
        None => {
            // The version must be higher than that of any removed topic with this name.
            let sql =
                format!("INSERT INTO topic (name, spec, version) VALUES ($1, $2, ({SELECT_VERSION}) + 1)");
            execute(tx, &sql, &[&name, &spec]).await?;
            applied.added.push(format!("Topic/{name}"));
        }
        Some(before) if *before != spec => {
            execute(tx, "UPDATE topic SET spec = $2, version = version + 1 WHERE name = $1", &[&name, &spec])
                .await?;
            applied.edited.push(format!("Topic/{name}"));
        }
        Some(_) => (),
    }
    Ok(())
}

/// Adds or edits an object that is stored as its spec alone: a client or a list.
async fn declare_whole(
    tx: &Transaction<'_>,
    (table, kind): (&str, &str),
    (name, spec): (&Name, &str),
    before: Option<&String>,
    applied: &mut AppliedChanges,
) -> Result<(), StoreError> {
    match before {
        None => applied.added.push(format!("{kind}/{name}")),
        Some(before) if before != spec => applied.edited.push(format!("{kind}/{name}")),
        Some(_) => return Ok(()),
    }
    let sql = format!(
        "INSERT INTO {table} (name, spec) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET spec = excluded.spec"
    );
    execute(tx, &sql, &[&name.as_str(), &spec]).await?;
    Ok(())
}

/// Removes the named objects that are declared.
pub(super) async fn undeclare(
    tx: &Transaction<'_>,
    names: &ObjectNames,
) -> Result<AppliedChanges, StoreError> {
    locks::take(tx, Lock::Objects).await?;
    let mut applied = AppliedChanges::default();
    let known = StoredSpecs::read(tx, Some(names)).await?;
    let named = |known: &HashMap<String, String>, wanted: &[Name]| {
        left(known, |name| wanted.iter().any(|one| one.as_str() == name))
    };
    let gone = Gone {
        sources: named(&known.sources, &names.sources),
        topics: named(&known.topics, &names.topics),
        clients: named(&known.clients, &names.clients),
        lists: named(&known.lists, &names.lists),
    };
    remove(tx, &gone, &mut applied).await?;
    if applied != AppliedChanges::default() {
        bump_version(tx).await?;
    }
    Ok(applied)
}

/// Removes declared objects. The trigger `source_is_removed` of migration 0005 records the end of a source in
/// `availability`.
async fn remove(
    tx: &Transaction<'_>,
    Gone { sources, topics, clients, lists }: &Gone,
    applied: &mut AppliedChanges,
) -> Result<(), StoreError> {
    execute(tx, "DELETE FROM source WHERE name = ANY($1)", &[&sources]).await?;
    execute(tx, "DELETE FROM page WHERE source = ANY($1)", &[&sources]).await?;
    websub::unsubscribe(tx, sources).await?;
    execute(tx, "DELETE FROM fetch_record WHERE source = ANY($1)", &[&sources]).await?;
    applied.removed.extend(sources.iter().map(|name| format!("Source/{name}")));
    if !topics.is_empty() {
        execute(
            tx,
            "WITH gone AS (DELETE FROM match WHERE topic = ANY($1) RETURNING item, first_seen),
                  items AS (SELECT DISTINCT item, first_seen FROM gone),
                  bare AS (SELECT count(*) AS n FROM items WHERE NOT EXISTS (
                      SELECT 1 FROM match WHERE match.item = items.item AND match.first_seen = items.first_seen
                      AND match.topic <> ALL($1)))
             UPDATE total SET matches = matches - (SELECT count(*) FROM gone), materials = materials - bare.n FROM bare",
            &[&topics],
        )
        .await?;
        execute(tx, "DELETE FROM topic WHERE name = ANY($1)", &[&topics]).await?;
    }
    applied.removed.extend(topics.iter().map(|name| format!("Topic/{name}")));
    if !clients.is_empty() {
        execute(tx, "DELETE FROM client WHERE name = ANY($1)", &[&clients]).await?;
    }
    applied.removed.extend(clients.iter().map(|name| format!("Client/{name}")));
    if !lists.is_empty() {
        execute(tx, "DELETE FROM list WHERE name = ANY($1)", &[&lists]).await?;
    }
    applied.removed.extend(lists.iter().map(|name| format!("List/{name}")));
    Ok(())
}

/// Resumes, pauses or retires a source. Returns false if it is not declared.
pub(super) async fn set_watch(
    tx: &Transaction<'_>,
    source: &Name,
    watch: Watch,
    now: Timestamp,
) -> Result<bool, StoreError> {
    locks::take(tx, Lock::Objects).await?;
    let known = rows(tx, "SELECT spec FROM source WHERE name = $1", &[&source.as_str()]).await?;
    let Some(row) = known.first() else { return Ok(false) };
    let declared: Source = serde_json::from_str(row.get(0))?;
    let spec = serde_json::to_string(&declared.watched(watch))?;
    execute(tx, "UPDATE source SET spec = $2 WHERE name = $1", &[&source.as_str(), &spec]).await?;
    set_standing(tx, source, watch, now).await?;
    bump_version(tx).await?;
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
/// 0005 records a change of state.
async fn set_standing(
    tx: &Transaction<'_>,
    source: &Name,
    watch: Watch,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (state, reason) = standing(watch);
    execute(
        tx,
        "UPDATE source SET state = $2, reason = $3, since = $4, failures = 0, failed_polls = 0, next_poll = NULL
         WHERE name = $1",
        &[&source.as_str(), &state.as_str(), &reason, &now],
    )
    .await?;
    Ok(())
}

/// Selects the columns of a [`TopicRecord`].
pub(super) const SELECT_TOPICS: &str = "SELECT spec, version, matched_version, materials,
        CASE WHEN rematch_version = version THEN rematch_row ELSE 0 END
     FROM topic";

/// Returns the topics that `condition`, a WHERE or ORDER BY clause, selects.
pub(super) async fn topics(client: &Object, condition: &str) -> Result<Vec<TopicRecord>, StoreError> {
    read(client, &format!("{SELECT_TOPICS} {condition}"), &[]).await?.iter().map(topic_record).collect()
}

/// Reads a topic from the columns of [`SELECT_TOPICS`].
pub(super) fn topic_record(row: &tokio_postgres::Row) -> Result<TopicRecord, StoreError> {
    let (version, matched): (i64, i64) = (row.get(1), row.get(2));
    Ok(TopicRecord {
        topic: serde_json::from_str(row.get(0))?,
        version,
        is_matched: matched == version,
        materials: row.get::<_, i64>(3).unsigned_abs(),
        rematch_row: row.get(4),
    })
}

pub(super) async fn clients(client: &Object) -> Result<Vec<Client>, StoreError> {
    let found = read(client, "SELECT spec FROM client ORDER BY name", &[]).await?;
    found.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

pub(super) async fn lists(client: &Object) -> Result<Vec<List>, StoreError> {
    let found = read(client, "SELECT spec FROM list ORDER BY name", &[]).await?;
    found.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

/// Restarts the matching of topics. The versions rise as with an edit, so that a running pass cannot record its
/// progress on the earlier versions for these.
pub(super) async fn restart_matching(tx: &Transaction<'_>, topics: &[Name]) -> Result<(), StoreError> {
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = topics.iter().map(|name| text(name.as_str())).collect();
    let sql = match object_changes::has_change_log(tx).await? {
        true => {
            "UPDATE topic SET version = version + 1, reference_version =
                 CASE WHEN reference_version = version THEN version + 1 ELSE reference_version END
             WHERE name = ANY($1)"
        }
        false => "UPDATE topic SET version = version + 1 WHERE name = ANY($1)",
    };
    execute(tx, sql, &[&names]).await?;
    Ok(())
}
