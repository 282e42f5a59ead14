//! What is watched for: the declared part of a topic.

use serde::{Deserialize, Serialize};

use crate::{Category, Item, Name, Source};

/// A monitoring request: one query, owned by a client, with filters around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Unique among topics.
    pub name: Name,
    /// The query in TQL.
    pub query: String,
    /// Whose topic it is.
    pub client: Option<String>,
    /// Languages an item must be in; empty admits all.
    pub languages: Vec<String>,
    /// Categories its source must have; empty admits all.
    pub categories: Vec<Category>,
    /// Sources it must come from; empty admits all.
    pub sources: Vec<Name>,
    /// Sources it must not come from.
    pub exclude_sources: Vec<Name>,
    /// Rules that mark what it matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// A rule that marks a topic's matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Unique within the topic.
    pub name: Name,
    /// The rule in TQL; it may hold for nearly everything.
    pub query: String,
}

impl Topic {
    /// A topic that asks for a query and nothing else.
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

    /// Whether the filters around the query admit an item of this source.
    pub fn admits(&self, item: &Item, source: &Source) -> bool {
        let language = self.languages.is_empty()
            || item.language.as_ref().is_some_and(|language| self.languages.contains(language));
        language && self.admits_source(source)
    }

    /// Whether they admit everything.
    pub fn admits_all(&self) -> bool {
        let Self { languages, categories, sources, exclude_sources, .. } = self;
        languages.is_empty() && categories.is_empty() && sources.is_empty() && exclude_sources.is_empty()
    }

    /// Whether they admit anything of this source.
    pub fn admits_source(&self, source: &Source) -> bool {
        (self.categories.is_empty() || self.categories.contains(&source.category))
            && (self.sources.is_empty() || self.sources.contains(&source.name))
            && !self.exclude_sources.contains(&source.name)
    }
}
