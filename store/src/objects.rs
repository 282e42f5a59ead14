//! Declared objects: sources, topics, clients and lists, and their version.

use async_trait::async_trait;
use model::{Client, List, Name, Source, Timestamp, Topic, Watch};

use crate::StoreError;

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
    pub rematched: i64,
    /// The number of items that match the topic.
    pub materials: u64,
}

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
    pub touched: Vec<Name>,
    /// The version of the declared objects from which the caller derived this change. Declaring fails with
    /// [`StoreError::StaleObjects`] if the stored version differs. `None` skips the check.
    pub seen: Option<i64>,
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
pub struct Applied {
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
    /// [`StoreError::StaleObjects`] if [`Objects::seen`] is set and differs from the stored version.
    ///
    /// The triggers `source_is_declared` and `source_state_changes` (PostgreSQL migration 0005, SQLite migration
    /// 0006) record the resulting states; see [`SourceStates::availability`](crate::SourceStates::availability).
    async fn declare(&self, objects: &Objects, prune: bool, now: Timestamp) -> Result<Applied, StoreError>;
    /// Removes objects, the matches of removed topics, and the fetch history, waiting article pages and WebSub
    /// subscriptions of removed sources. Items stay. The trigger `source_is_removed` records the end of a source.
    async fn undeclare(&self, names: &ObjectNames) -> Result<Applied, StoreError>;
    /// Resumes, pauses or retires a source. Returns false if the source is not declared.
    async fn watch(&self, source: &Name, watch: Watch, now: Timestamp) -> Result<bool, StoreError>;
    /// Returns the version of the declared objects. It rises with every change of them.
    async fn objects_version(&self) -> Result<i64, StoreError>;
    /// Returns all topics, ordered by name.
    async fn topics(&self) -> Result<Vec<TopicRecord>, StoreError>;
    /// Returns all clients, ordered by name.
    async fn clients(&self) -> Result<Vec<Client>, StoreError>;
    /// Returns all lists, ordered by name.
    async fn lists(&self) -> Result<Vec<List>, StoreError>;
}
