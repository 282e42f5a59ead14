//! Declaring of objects.

use std::collections::BTreeSet;

use config::Object;
use model::{Name, Timestamp};
use store::{AppliedChanges, ObjectReference, Objects, Store, StoreError};

use crate::references::{Surroundings, object_references};

/// Upper bound on the attempts while other callers declare objects at the same time.
const MAX_ATTEMPTS: usize = 10;

/// Adds and edits objects. With `prune`, removes all others. Topics whose meaning changes, because they reference an
/// edited list or topic, count as edited: stored items are matched against them again by
/// [`rematch`](crate::rematch()).
///
/// Fails with [`StoreError::StaleObjects`] if other callers declare objects all the time.
pub async fn declare(
    store: &dyn Store,
    objects: Vec<Object>,
    prune: bool,
    now: Timestamp,
) -> Result<AppliedChanges, StoreError> {
    let mut attempts = 0;
    loop {
        let version = store.objects_version().await?;
        let surroundings = Surroundings::load(store, &objects).await?;
        let declaration = Objects {
            affected_topics: surroundings.affected_topics().map(|topic| topic.name.clone()).collect(),
            references: references(&objects, &surroundings),
            expected_version: Some(version),
            ..by_kind(objects.clone())
        };
        attempts += 1;
        match store.declare(&declaration, prune, now).await {
            // Another caller declared objects meanwhile, which may affect other topics.
            Err(StoreError::StaleObjects) if attempts < MAX_ATTEMPTS => (),
            result => return result,
        }
    }
}

/// Returns the references of the declared topics, and of stored topics whose references were not recorded yet.
fn references(objects: &[Object], surroundings: &Surroundings) -> Vec<(Name, Vec<ObjectReference>)> {
    let mut references: Vec<(Name, Vec<ObjectReference>)> = objects
        .iter()
        .filter_map(|object| match object {
            Object::Topic(topic) => Some((topic.name.clone(), object_references(topic))),
            _ => None,
        })
        .collect();
    let declared: BTreeSet<Name> = references.iter().map(|(name, _)| name.clone()).collect();
    let unrecorded = surroundings.unrecorded().iter().filter(|(name, _)| !declared.contains(name));
    references.extend(unrecorded.cloned());
    references
}

/// Sorts objects by kind.
pub fn by_kind(objects: Vec<Object>) -> Objects {
    let mut sorted = Objects::default();
    for object in objects {
        match object {
            Object::Source(source) => sorted.sources.push(source),
            Object::Topic(topic) => sorted.topics.push(topic),
            Object::Client(client) => sorted.clients.push(client),
            Object::List(list) => sorted.lists.push(list),
        }
    }
    sorted
}

/// Returns all declared objects.
pub async fn declared_objects(store: &dyn Store) -> Result<Vec<Object>, StoreError> {
    let sources = store.sources().await?.into_iter().map(|record| Object::Source(record.source));
    let mut topics = store.versioned_topics().await?;
    topics.sort_by(|one, other| one.topic.name.cmp(&other.topic.name));
    let topics = topics.into_iter().map(|one| Object::Topic(one.topic));
    let clients = store.clients().await?.into_iter().map(Object::Client);
    let lists = store.lists().await?.into_iter().map(Object::List);
    Ok(sources.chain(topics).chain(clients).chain(lists).collect())
}
