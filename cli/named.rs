//! What is there for declarations and queries to name: sources, lists and other topics.

use std::collections::{BTreeSet, HashMap};

use config::Object;
use matcher::{Definitions, Query, QueryReference};
use model::{List, Name, Topic};
use store::Store;

use crate::backend::Backend;
use crate::global::Global;

/// What is stored already.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) sources: Vec<Name>,
    pub(crate) topics: Vec<Topic>,
    pub(crate) lists: Vec<List>,
}

impl Known {
    /// What the data folder or the database holds, if there is one.
    pub(crate) async fn read(global: &Global) -> anyhow::Result<Self> {
        if !Backend::is_there(global) {
            return Ok(Self::default());
        }
        Self::of(&*Backend::to_read(global).await?.store).await
    }

    pub(crate) async fn of(store: &dyn Store) -> anyhow::Result<Self> {
        Ok(Self {
            sources: store.sources().await?.into_iter().map(|record| record.source.name).collect(),
            topics: store.topics().await?.into_iter().map(|record| record.topic).collect(),
            lists: store.lists().await?,
        })
    }

    pub(crate) fn definitions(&self) -> Definitions {
        Definitions::new(self.lists.clone(), &self.topics)
    }

    /// The same when these are declared.
    pub(crate) fn with<'o>(mut self, objects: impl IntoIterator<Item = &'o Object>) -> Self {
        // Of what stands twice the later one counts.
        for object in objects {
            match object {
                Object::Topic(topic) => self.topics.push(topic.clone()),
                Object::List(list) => self.lists.push(list.clone()),
                Object::Source(source) => self.sources.push(source.name.clone()),
                Object::Client(_) => (),
            }
        }
        self
    }

    /// Stored topics that name a list or topic which these objects change, or a topic that does: they mean something
    /// else now.
    pub(crate) fn naming_what_changes<'o>(&self, objects: impl IntoIterator<Item = &'o Object>) -> Vec<Name> {
        let topics: HashMap<&Name, &Topic> = self.topics.iter().map(|topic| (&topic.name, topic)).collect();
        let lists: HashMap<&Name, &List> = self.lists.iter().map(|list| (&list.name, list)).collect();
        let mut changed: BTreeSet<QueryReference> = objects
            .into_iter()
            .filter_map(|object| match object {
                Object::Topic(topic) => topics
                    .get(&topic.name)
                    .is_none_or(|known| known.query != topic.query)
                    .then(|| QueryReference::Topic(topic.name.to_string())),
                Object::List(list) => (lists.get(&list.name).copied() != Some(list))
                    .then(|| QueryReference::List(list.name.to_string())),
                Object::Source(_) | Object::Client(_) => None,
            })
            .collect();
        let mut rest: Vec<(&Name, BTreeSet<QueryReference>)> = self
            .topics
            .iter()
            .map(|topic| (&topic.name, names(topic)))
            .filter(|(_, names)| !names.is_empty())
            .collect();
        let mut naming = Vec::new();
        loop {
            let (affected_topics, others): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|(_, names)| !names.is_disjoint(&changed));
            if affected_topics.is_empty() {
                return naming;
            }
            changed.extend(affected_topics.iter().map(|(name, _)| QueryReference::Topic(name.to_string())));
            naming.extend(affected_topics.into_iter().map(|(name, _)| name.clone()));
            rest = others;
        }
    }
}

/// What a topic names in its query and rules.
pub(crate) fn names(topic: &Topic) -> BTreeSet<QueryReference> {
    // Most name nothing, and need not be read for that.
    let may_name = |text: &str| text.contains('@') || text.to_ascii_lowercase().contains("topic");
    let queries = std::iter::once(&topic.query).chain(topic.tags.iter().map(|tag| &tag.query));
    let read = queries.filter(|text| may_name(text)).filter_map(|text| Query::parse_rule(text).ok());
    read.flat_map(|query| query.references()).collect()
}

/// What queries may name in this store.
pub(crate) async fn definitions(store: &dyn Store) -> anyhow::Result<Definitions> {
    Ok(Known::of(store).await?.definitions())
}
