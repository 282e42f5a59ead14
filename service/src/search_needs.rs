//! The strings that topics need from searched sources.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use matcher::TopicIndex;
use model::{Name, Source, Topic};

/// The search strings of each topic that has any.
#[derive(Debug, Clone, Default)]
pub(crate) struct SearchNeeds(HashMap<Name, Arc<TopicNeeds>>);

#[derive(Debug)]
struct TopicNeeds {
    topic: Topic,
    strings: Vec<String>,
}

impl SearchNeeds {
    /// Computes the strings of every topic of an index. Parses each query.
    pub(crate) fn new(index: &TopicIndex) -> Self {
        let needs = index.topics().filter_map(|topic| Some((topic.name.clone(), needs_of(index, topic)?)));
        Self(needs.collect())
    }

    /// Returns the needs after a change of the named topics.
    pub(crate) fn with_changes(&self, index: &TopicIndex, names: &[Name]) -> Self {
        let mut needs = self.0.clone();
        for name in names {
            match index.topic(name).and_then(|topic| needs_of(index, topic)) {
                Some(topic_needs) => drop(needs.insert(name.clone(), topic_needs)),
                None => drop(needs.remove(name)),
            }
        }
        Self(needs)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the strings that topics need from a source, each with these topics, sorted by name.
    pub(crate) fn of_source(&self, source: &Source) -> BTreeMap<String, Vec<&Topic>> {
        let mut searches: BTreeMap<String, Vec<&Topic>> = BTreeMap::new();
        for needs in self.0.values().filter(|needs| needs.topic.admits_source(source)) {
            for text in &needs.strings {
                searches.entry(text.clone()).or_default().push(&needs.topic);
            }
        }
        searches
            .values_mut()
            .for_each(|topics| topics.sort_unstable_by(|one, other| one.name.cmp(&other.name)));
        searches
    }
}

fn needs_of(index: &TopicIndex, topic: &Topic) -> Option<Arc<TopicNeeds>> {
    let strings = index.search_strings(topic);
    (!strings.is_empty()).then(|| Arc::new(TopicNeeds { topic: topic.clone(), strings }))
}
