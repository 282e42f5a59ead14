//! The declared part of a topic: its query, filters and tags.

use serde::{Deserialize, Serialize};

use crate::{Category, Item, Name, Source};

/// A monitoring request of a client: one query and filters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// The name, unique among topics.
    pub name: Name,
    /// The query in TQL.
    pub query: String,
    /// The client that owns the topic.
    pub client: Option<String>,
    /// Admitted languages of an item; empty admits all.
    pub languages: Vec<String>,
    /// Admitted categories of the item's source; empty admits all.
    pub categories: Vec<Category>,
    /// Admitted sources; empty admits all.
    pub sources: Vec<Name>,
    /// Excluded sources.
    pub exclude_sources: Vec<Name>,
    /// Rules that tag the topic's matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// A rule that tags a topic's matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The name, unique within the topic.
    pub name: Name,
    /// The rule in TQL. Unlike a topic's query, it may match nearly every item.
    pub query: String,
}

impl Topic {
    /// Returns a topic with a query and no filters.
    pub fn new(name: Name, query: impl Into<String>) -> Self {
        Self {
            name,
            query: query.into(),
            client: None,
            languages: Vec::new(),
            categories: Vec::new(),
            sources: Vec::new(),
            exclude_sources: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// Returns true if the filters admit an item of this source.
    pub fn admits(&self, item: &Item, source: &Source) -> bool {
        let admits_language = self.languages.is_empty()
            || item.language.as_ref().is_some_and(|language| self.languages.contains(language));
        admits_language && self.admits_source(source)
    }

    /// Returns true if no filter is declared.
    pub fn admits_all(&self) -> bool {
        let Self { languages, categories, sources, exclude_sources, .. } = self;
        languages.is_empty() && categories.is_empty() && sources.is_empty() && exclude_sources.is_empty()
    }

    /// Returns true if the filters admit items of this source.
    pub fn admits_source(&self, source: &Source) -> bool {
        (self.categories.is_empty() || self.categories.contains(&source.category))
            && (self.sources.is_empty() || self.sources.contains(&source.name))
            && !self.exclude_sources.contains(&source.name)
    }
}
