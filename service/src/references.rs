//! References among declared objects: the lists, topics and sources that topics name.

use std::collections::{BTreeMap, BTreeSet};

use config::Object;
use matcher::{Definitions, Query, QueryReference};
use model::{List, Name, Topic};
use store::{ObjectReference, Store, StoreError};

/// Upper bound on the rounds of following references. Topics may reference each other 16 deep.
const MAX_ROUNDS: usize = 32;

/// Returns the lists and topics that a topic names in its query and in the rules of its tags.
pub fn query_references(topic: &Topic) -> BTreeSet<QueryReference> {
    // Most queries contain no reference. This check avoids parsing them.
    let may_reference = |text: &str| text.contains('@') || text.to_ascii_lowercase().contains("topic");
    let queries = std::iter::once(&topic.query).chain(topic.tags.iter().map(|tag| &tag.query));
    let parsed = queries.filter(|text| may_reference(text)).filter_map(|text| Query::parse_rule(text).ok());
    parsed.flat_map(|query| query.references()).collect()
}

/// Returns every object that a topic references, as the store records it.
pub fn object_references(topic: &Topic) -> Vec<ObjectReference> {
    let sources = topic.sources.iter().chain(&topic.exclude_sources);
    let sources = sources.map(|name| ObjectReference::Source(name.to_string()));
    sources.chain(query_references(topic).iter().map(object_reference)).collect()
}

fn object_reference(reference: &QueryReference) -> ObjectReference {
    match reference {
        QueryReference::List(name) => ObjectReference::List(name.clone()),
        QueryReference::Topic(name) => ObjectReference::Topic(name.clone()),
    }
}

/// The stored objects around a set of declarations: those that the declarations reference, directly or through
/// topics, and the topics that reference them.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    topics: BTreeMap<Name, Topic>,
    lists: BTreeMap<Name, List>,
    sources: BTreeSet<Name>,
    /// The stored topics that reference a changed object.
    affected: BTreeSet<Name>,
    /// The references of stored topics that were not recorded yet.
    unrecorded: Vec<(Name, Vec<ObjectReference>)>,
}

impl Surroundings {
    /// Loads the surroundings of `objects`. The cost grows with what they reference, and with the topics that
    /// reference them, not with the number of stored objects.
    pub async fn load(store: &dyn Store, objects: &[Object]) -> Result<Self, StoreError> {
        let mut surroundings = Self::default();
        // Topics of older builds: their references are not recorded, so they may reference anything.
        let unrecorded = store.topics_without_references().await?;
        let references: BTreeMap<Name, Vec<ObjectReference>> =
            unrecorded.iter().map(|topic| (topic.name.clone(), object_references(topic))).collect();
        let changed = surroundings.changed_objects(store, objects).await?;
        let mut pending = changed;
        for _ in 0..MAX_ROUNDS {
            if pending.is_empty() {
                break;
            }
            let targets: Vec<ObjectReference> = pending.iter().cloned().collect();
            let mut topics = store.topics_referencing(&targets).await?;
            let names_pending = |topic: &&Topic| {
                references.get(&topic.name).is_some_and(|all| all.iter().any(|one| pending.contains(one)))
            };
            topics.extend(unrecorded.iter().filter(names_pending).cloned());
            pending = BTreeSet::new();
            for topic in topics {
                if surroundings.affected.insert(topic.name.clone()) {
                    pending.insert(ObjectReference::Topic(topic.name.to_string()));
                    surroundings.topics.insert(topic.name.clone(), topic);
                }
            }
        }
        surroundings.unrecorded = references.into_iter().collect();
        let roots: Vec<Topic> = objects
            .iter()
            .filter_map(|object| match object {
                Object::Topic(topic) => Some(topic.clone()),
                _ => None,
            })
            .chain(surroundings.topics.values().cloned())
            .collect();
        surroundings.follow(store, &roots).await?;
        surroundings.find_sources(store, &roots).await?;
        Ok(surroundings)
    }

    /// Loads all topics and lists, for callers whose queries are not known yet.
    pub async fn all(store: &dyn Store) -> Result<Self, StoreError> {
        let topics =
            store.versioned_topics().await?.into_iter().map(|one| (one.topic.name.clone(), one.topic));
        let lists = store.lists().await?.into_iter().map(|list| (list.name.clone(), list));
        Ok(Self { topics: topics.collect(), lists: lists.collect(), ..Self::default() })
    }

    /// Loads the objects that some topics reference, directly or through other topics.
    pub async fn of_topics(store: &dyn Store, topics: &[Topic]) -> Result<Self, StoreError> {
        let mut surroundings = Self::default();
        surroundings.follow(store, topics).await?;
        Ok(surroundings)
    }

    /// Loads the objects that a query references, directly or through topics.
    pub async fn of_query(store: &dyn Store, query: &str) -> Result<Self, StoreError> {
        match Name::new("query") {
            Ok(name) => Self::of_topics(store, &[Topic::new(name, query.to_owned())]).await,
            Err(_) => Ok(Self::default()),
        }
    }

    /// Returns the lists and topics that `objects` change, compared with the stored ones.
    async fn changed_objects(
        &mut self,
        store: &dyn Store,
        objects: &[Object],
    ) -> Result<BTreeSet<ObjectReference>, StoreError> {
        let (mut topics, mut lists) = (Vec::new(), Vec::new());
        for object in objects {
            match object {
                Object::Topic(topic) => topics.push(topic),
                Object::List(list) => lists.push(list),
                Object::Source(_) | Object::Client(_) => (),
            }
        }
        let names: Vec<Name> = topics.iter().map(|topic| topic.name.clone()).collect();
        let stored_queries: BTreeMap<Name, String> = store
            .topics_named(&names)
            .await?
            .into_iter()
            .map(|record| (record.topic.name, record.topic.query))
            .collect();
        let names: Vec<Name> = lists.iter().map(|list| list.name.clone()).collect();
        let stored_lists: BTreeMap<Name, List> =
            store.lists_named(&names).await?.into_iter().map(|list| (list.name.clone(), list)).collect();
        let topics = topics.into_iter().filter(|topic| stored_queries.get(&topic.name) != Some(&topic.query));
        let lists = lists.into_iter().filter(|list| stored_lists.get(&list.name) != Some(list));
        let topics = topics.map(|topic| ObjectReference::Topic(topic.name.to_string()));
        Ok(topics.chain(lists.map(|list| ObjectReference::List(list.name.to_string()))).collect())
    }

    /// Loads the lists and topics that `roots` reference, level by level.
    async fn follow(&mut self, store: &dyn Store, roots: &[Topic]) -> Result<(), StoreError> {
        let mut level: Vec<Topic> = roots.to_vec();
        for _ in 0..MAX_ROUNDS {
            let references: BTreeSet<QueryReference> = level.iter().flat_map(query_references).collect();
            let (mut topics, mut lists) = (Vec::new(), Vec::new());
            for reference in references {
                match reference {
                    QueryReference::Topic(name) => topics.push(Name::from_stored(name)),
                    QueryReference::List(name) => lists.push(Name::from_stored(name)),
                }
            }
            topics.retain(|name| !self.topics.contains_key(name));
            lists.retain(|name| !self.lists.contains_key(name));
            if topics.is_empty() && lists.is_empty() {
                return Ok(());
            }
            let lists = store.lists_named(&lists).await?;
            self.lists.extend(lists.into_iter().map(|list| (list.name.clone(), list)));
            level = store.topics_named(&topics).await?.into_iter().map(|record| record.topic).collect();
            self.topics.extend(level.iter().map(|topic| (topic.name.clone(), topic.clone())));
        }
        Ok(())
    }

    /// Records the referenced sources that are declared.
    async fn find_sources(&mut self, store: &dyn Store, topics: &[Topic]) -> Result<(), StoreError> {
        let names: BTreeSet<&Name> =
            topics.iter().flat_map(|topic| topic.sources.iter().chain(&topic.exclude_sources)).collect();
        for name in names {
            if store.source(name).await?.is_some() {
                self.sources.insert(name.clone());
            }
        }
        Ok(())
    }

    /// Returns the definitions that queries may reference.
    pub fn definitions(&self) -> Definitions {
        Definitions::new(self.lists.values().cloned().collect(), self.topics.values())
    }

    /// Returns the definitions after these objects are declared.
    pub fn definitions_with<'o>(&self, objects: impl IntoIterator<Item = &'o Object>) -> Definitions {
        let (mut topics, mut lists) = (self.topics.clone(), self.lists.clone());
        for object in objects {
            match object {
                Object::Topic(topic) => drop(topics.insert(topic.name.clone(), topic.clone())),
                Object::List(list) => drop(lists.insert(list.name.clone(), list.clone())),
                Object::Source(_) | Object::Client(_) => (),
            }
        }
        Definitions::new(lists.into_values().collect(), topics.values())
    }

    /// Returns true if a referenced source is declared in the store.
    pub fn has_source(&self, name: &Name) -> bool {
        self.sources.contains(name)
    }

    /// Iterates over the stored topics whose meaning the declarations change, though they are not declared
    /// themselves.
    pub fn affected_topics(&self) -> impl Iterator<Item = &Topic> {
        self.affected.iter().filter_map(|name| self.topics.get(name))
    }

    /// Returns the references of stored topics that were not recorded yet.
    pub(crate) fn unrecorded(&self) -> &[(Name, Vec<ObjectReference>)] {
        &self.unrecorded
    }
}
