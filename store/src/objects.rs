//! Declared objects: sources, topics, clients and lists, and their version.

use async_trait::async_trait;
use model::{Client, List, Name, Source, Timestamp, Topic, Watch};

use crate::{SourceRecord, StoreError};

/// A declared topic and the state of its matching.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicRecord {
    /// The declared topic.
    pub topic: Topic,
    /// The version number. It rises with each edit, and when matching is restarted.
    pub version: i64,
    /// True if all stored items are matched against this version.
    pub is_matched: bool,
    /// The row of the last item that rematching has matched against this version; 0 if there is none.
    pub rematch_row: i64,
    /// The number of items that match the topic.
    pub materials: u64,
}

/// A declared topic and its version.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionedTopic {
    /// The declared topic.
    pub topic: Topic,
    /// The version number; see [`TopicRecord::version`].
    pub version: i64,
}

/// A reference of a topic to another object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectReference {
    /// A source that the topic includes or excludes.
    Source(String),
    /// A topic that the query names.
    Topic(String),
    /// A list that the query names.
    List(String),
}

impl ObjectReference {
    /// Returns the kind and the name of the object, as stored.
    pub(crate) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Source(name) => ("source", name),
            Self::Topic(name) => ("topic", name),
            Self::List(name) => ("list", name),
        }
    }
}

/// The objects that changed between two versions of the declared objects. `None` stands for a removed object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectChanges {
    /// The version after the changes.
    pub version: i64,
    /// The changed sources, with their states.
    pub sources: Vec<(Name, Option<SourceRecord>)>,
    /// The changed topics. A topic whose matching was restarted counts as changed.
    pub topics: Vec<(Name, Option<VersionedTopic>)>,
    /// The changed clients.
    pub clients: Vec<(Name, Option<Client>)>,
    /// The changed lists.
    pub lists: Vec<(Name, Option<List>)>,
}

/// Upper bound on the changed objects that [`DeclaredObjects::changes_since`] returns. A full load is cheaper beyond.
pub(crate) const MAX_CHANGES: usize = 10_000;

/// The number of versions of the declared objects that the change log covers.
pub(crate) const LOGGED_VERSIONS: i64 = 1_000;

/// Objects to declare, by kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objects {
    /// The sources.
    pub sources: Vec<Source>,
    /// The topics.
    pub topics: Vec<Topic>,
    /// The clients.
    pub clients: Vec<Client>,
    /// The lists of values that queries reference.
    pub lists: Vec<List>,
    /// Unedited topics that reference an edited list or topic. Their matching restarts as if they were edited.
    pub affected_topics: Vec<Name>,
    /// The references of topics, declared here or stored. The references of a declared topic without an entry are
    /// unknown afterwards; see [`DeclaredObjects::topics_without_references`].
    pub references: Vec<(Name, Vec<ObjectReference>)>,
    /// The version of the declared objects from which the caller derived this change. Declaring fails with
    /// [`StoreError::StaleObjects`] if the stored version differs. `None` skips the check.
    pub expected_version: Option<i64>,
}

/// Names of declared objects, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectNames {
    /// The names of sources.
    pub sources: Vec<Name>,
    /// The names of topics.
    pub topics: Vec<Name>,
    /// The names of clients.
    pub clients: Vec<Name>,
    /// The names of lists.
    pub lists: Vec<Name>,
}

/// The changes that a declaration made, each as `Kind/name`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppliedChanges {
    /// The added objects.
    pub added: Vec<String>,
    /// The edited objects.
    pub edited: Vec<String>,
    /// The removed objects.
    pub removed: Vec<String>,
}

/// Declared objects: sources, topics, clients and lists.
#[async_trait]
pub trait DeclaredObjects: Send + Sync {
    /// Adds and edits objects. With `prune`, removes all objects that are not among them. Fails with
    /// [`StoreError::StaleObjects`] if [`Objects::expected_version`] is set and differs from the stored version.
    ///
    /// The triggers `source_is_declared` and `source_state_changes` (PostgreSQL migration 0005, SQLite migration
    /// 0006) record the resulting states; see [`SourceStates::availability`](crate::SourceStates::availability).
    async fn declare(
        &self,
        objects: &Objects,
        prune: bool,
        now: Timestamp,
    ) -> Result<AppliedChanges, StoreError>;
    /// Removes objects, the matches of removed topics, and the fetch history, waiting article pages and WebSub
    /// subscriptions of removed sources. Items stay. The trigger `source_is_removed` records the end of a source.
    async fn undeclare(&self, names: &ObjectNames) -> Result<AppliedChanges, StoreError>;
    /// Resumes, pauses or retires a source. Returns false if the source is not declared.
    async fn watch(&self, source: &Name, watch: Watch, now: Timestamp) -> Result<bool, StoreError>;
    /// Returns the version of the declared objects. It rises with every change of them.
    async fn objects_version(&self) -> Result<i64, StoreError>;
    /// Returns the objects that changed after `version`. Returns `None` if there are more than 10,000, if the change log
    /// does not reach back to `version`, or if the schema has no change log yet: then everything must be loaded. The
    /// triggers of PostgreSQL migration 0009 and SQLite migration 0010 write the log.
    async fn changes_since(&self, version: i64) -> Result<Option<ObjectChanges>, StoreError>;
    /// Returns all topics with their versions, in no particular order.
    async fn versioned_topics(&self) -> Result<Vec<VersionedTopic>, StoreError>;
    /// Returns those of these topics that are declared.
    async fn topics_named(&self, names: &[Name]) -> Result<Vec<TopicRecord>, StoreError>;
    /// Returns those of these lists that are declared.
    async fn lists_named(&self, names: &[Name]) -> Result<Vec<List>, StoreError>;
    /// Returns the topics that reference one of these objects directly.
    async fn topics_referencing(&self, references: &[ObjectReference]) -> Result<Vec<Topic>, StoreError>;
    /// Returns the topics whose references are not recorded, because an older build declared them.
    async fn topics_without_references(&self) -> Result<Vec<Topic>, StoreError>;
    /// Returns all topics, ordered by name.
    async fn topics(&self) -> Result<Vec<TopicRecord>, StoreError>;
    /// Returns all clients, ordered by name.
    async fn clients(&self) -> Result<Vec<Client>, StoreError>;
    /// Returns all lists, ordered by name.
    async fn lists(&self) -> Result<Vec<List>, StoreError>;
}
