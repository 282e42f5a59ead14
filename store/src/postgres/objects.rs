//! Declared objects: sources with their state, topics with their versions.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use model::{Client, List, Name, Source, SourceState, Timestamp, Topic, Watch};

use super::locks::Lock;
use super::source_states::has_evidence;
use super::{Postgres, execute, locks, read, rows, text, transaction, websub};
use crate::{Applied, DeclaredObjects, ObjectNames, Objects, StoreError, TopicRecord};

#[async_trait]
impl DeclaredObjects for Postgres {
    async fn declare(&self, objects: &Objects, prune: bool, now: Timestamp) -> Result<Applied, StoreError> {
        transaction!(self, |tx| declare(&tx, objects, prune, now).await)
    }

    async fn undeclare(&self, names: &ObjectNames) -> Result<Applied, StoreError> {
        transaction!(self, |tx| undeclare(&tx, names).await)
    }

    async fn watch(&self, source: &Name, watch: Watch, now: Timestamp) -> Result<bool, StoreError> {
        transaction!(self, |tx| set_watch(&tx, source, watch, now).await)
    }

    async fn objects_version(&self) -> Result<i64, StoreError> {
        version(&*self.client().await?).await
    }

    async fn topics(&self) -> Result<Vec<TopicRecord>, StoreError> {
        topics(&*self.client().await?).await
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        clients(&*self.client().await?).await
    }

    async fn lists(&self) -> Result<Vec<List>, StoreError> {
        lists(&*self.client().await?).await
    }
}

const VERSION: &str = "SELECT value FROM meta WHERE key = 'objects_version'";

pub(super) async fn version(client: &Object) -> Result<i64, StoreError> {
    Ok(client.query_one(&client.prepare_cached(VERSION).await?, &[]).await?.get(0))
}

pub(super) async fn version_in(tx: &Transaction<'_>) -> Result<i64, StoreError> {
    Ok(tx.query_one(&tx.prepare_cached(VERSION).await?, &[]).await?.get(0))
}

pub(super) async fn bump_version(tx: &Transaction<'_>) -> Result<(), StoreError> {
    execute(tx, "UPDATE meta SET value = value + 1 WHERE key = 'objects_version'", &[]).await?;
    Ok(())
}

/// What is stored: names with their specs, by kind.
struct Known {
    sources: HashMap<String, String>,
    topics: HashMap<String, String>,
    clients: HashMap<String, String>,
    lists: HashMap<String, String>,
}

impl Known {
    async fn read(tx: &Transaction<'_>) -> Result<Self, StoreError> {
        let (sources, topics) = (specs(tx, "source").await?, specs(tx, "topic").await?);
        let (clients, lists) = (specs(tx, "client").await?, specs(tx, "list").await?);
        Ok(Self { sources, topics, clients, lists })
    }
}

/// Names of what is removed.
struct Gone {
    sources: Vec<String>,
    topics: Vec<String>,
    clients: Vec<String>,
    lists: Vec<String>,
}

pub(super) async fn declare(
    tx: &Transaction<'_>,
    objects: &Objects,
    prune: bool,
    now: Timestamp,
) -> Result<Applied, StoreError> {
    locks::take(tx, Lock::Objects).await?;
    let known = Known::read(tx).await?;
    let Objects { sources, topics, clients, lists, touched, seen } = objects;
    let found = version_in(tx).await?;
    if seen.is_some_and(|seen| seen != found) {
        return Err(StoreError::StaleObjects);
    }
    let mut applied = Applied::default();
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
    restart_matching(tx, touched).await?;
    if prune {
        let gone = Gone {
            sources: beside(&known.sources, sources.iter().map(|source| &source.name)),
            topics: beside(&known.topics, topics.iter().map(|topic| &topic.name)),
            clients: beside(&known.clients, clients.iter().map(|client| &client.name)),
            lists: beside(&known.lists, lists.iter().map(|list| &list.name)),
        };
        remove(tx, &gone, &mut applied).await?;
    }
    if applied != Applied::default() {
        bump_version(tx).await?;
    }
    Ok(applied)
}

/// Names with their specs.
async fn specs(tx: &Transaction<'_>, table: &str) -> Result<HashMap<String, String>, StoreError> {
    let known = rows(tx, &format!("SELECT name, spec FROM {table}"), &[]).await?;
    Ok(known.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What is known beside these, in the order of names.
fn beside<'a>(known: &HashMap<String, String>, kept: impl Iterator<Item = &'a Name>) -> Vec<String> {
    let kept: HashSet<&str> = kept.map(Name::as_str).collect();
    left(known, |name| !kept.contains(name))
}

fn left(known: &HashMap<String, String>, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names: Vec<String> = known.keys().filter(|name| is_wanted(name)).cloned().collect();
    names.sort();
    names
}

async fn declare_source(
    tx: &Transaction<'_>,
    source: &Source,
    before: Option<&String>,
    now: Timestamp,
    applied: &mut Applied,
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
        // What was learnt of another address, or read in another way, is worth nothing here.
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
    if has_evidence(tx).await? {
        execute(tx, "UPDATE source SET article_pages = NULL, shown = NULL WHERE name = $1", &[&name]).await?;
    }
    // What is stopped stays so, wherever it would be read.
    if before.watch() != source.watch() || source.watch() != Watch::On {
        set_standing(tx, &source.name, source.watch(), now).await?;
    }
    applied.edited.push(format!("Source/{name}"));
    Ok(())
}

async fn declare_topic(
    tx: &Transaction<'_>,
    topic: &Topic,
    before: Option<&String>,
    applied: &mut Applied,
) -> Result<(), StoreError> {
    let spec = serde_json::to_string(topic)?;
    let name = topic.name.as_str();
    match before {
        None => {
            // Higher than any that a topic of this name had before it was removed.
            let sql = format!("INSERT INTO topic (name, spec, version) VALUES ($1, $2, ({VERSION}) + 1)");
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

/// What has nothing but its spec.
async fn declare_whole(
    tx: &Transaction<'_>,
    (table, kind): (&str, &str),
    (name, spec): (&Name, &str),
    before: Option<&String>,
    applied: &mut Applied,
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

pub(super) async fn undeclare(tx: &Transaction<'_>, names: &ObjectNames) -> Result<Applied, StoreError> {
    locks::take(tx, Lock::Objects).await?;
    let mut applied = Applied::default();
    let known = Known::read(tx).await?;
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
    if applied != Applied::default() {
        bump_version(tx).await?;
    }
    Ok(applied)
}

async fn remove(
    tx: &Transaction<'_>,
    Gone { sources, topics, clients, lists }: &Gone,
    applied: &mut Applied,
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

/// How a source stands that is watched, or not, from now on.
fn standing(watch: Watch) -> (SourceState, &'static str) {
    match watch {
        Watch::On => (SourceState::Candidate, ""),
        Watch::Paused => (SourceState::Paused, "paused by the operator"),
        Watch::Retired => (SourceState::Retired, "taken out by the operator"),
    }
}

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

pub(super) async fn topics(client: &Object) -> Result<Vec<TopicRecord>, StoreError> {
    let found = read(
        client,
        "SELECT spec, version, matched_version, materials,
                CASE WHEN rematch_version = version THEN rematch_row ELSE 0 END
         FROM topic ORDER BY name",
        &[],
    )
    .await?;
    let record = |row: &tokio_postgres::Row| {
        let (version, matched): (i64, i64) = (row.get(1), row.get(2));
        Ok(TopicRecord {
            topic: serde_json::from_str(row.get(0))?,
            version,
            is_matched: matched == version,
            materials: row.get::<_, i64>(3).unsigned_abs(),
            rematched: row.get(4),
        })
    };
    found.iter().map(record).collect()
}

pub(super) async fn clients(client: &Object) -> Result<Vec<Client>, StoreError> {
    let found = read(client, "SELECT spec FROM client ORDER BY name", &[]).await?;
    found.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

pub(super) async fn lists(client: &Object) -> Result<Vec<List>, StoreError> {
    let found = read(client, "SELECT spec FROM list ORDER BY name", &[]).await?;
    found.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

/// As an edit: what a pass that is under way notes of the version before says nothing of this one.
pub(super) async fn restart_matching(tx: &Transaction<'_>, topics: &[Name]) -> Result<(), StoreError> {
    let names: Vec<String> = topics.iter().map(|name| text(name.as_str())).collect();
    execute(tx, "UPDATE topic SET version = version + 1 WHERE name = ANY($1)", &[&names]).await?;
    Ok(())
}
