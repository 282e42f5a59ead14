//! Declared objects: sources, topics, clients and lists, and their version.

use async_trait::async_trait;
use model::{Client, List, Name, Source, Timestamp, Topic, Watch};

use crate::StoreError;

/// A declared topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicRecord {
    /// As it is declared.
    pub topic: Topic,
    /// Rises with each edit.
    pub version: i64,
    /// Everything stored has been matched against this version.
    pub is_matched: bool,
    /// Where it has not: the row of the last item that was, 0 where none was.
    pub rematched: i64,
    /// Materials it has.
    pub materials: u64,
}

/// Declared objects, by kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objects {
    /// What publishes.
    pub sources: Vec<Source>,
    /// What is watched for.
    pub topics: Vec<Topic>,
    /// Who watches.
    pub clients: Vec<Client>,
    /// What queries name together.
    pub lists: Vec<List>,
    /// Topics that are as they were, but name what is edited, and so mean something else: as if they were edited.
    pub touched: Vec<Name>,
    /// The version of the objects that were looked at to tell what is touched. Refused with
    /// [`StoreError::StaleObjects`] where it is another one by now.
    pub seen: Option<i64>,
}

/// Names of declared objects, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectNames {
    /// Of what publishes.
    pub sources: Vec<Name>,
    /// Of what is watched for.
    pub topics: Vec<Name>,
    /// Of who watches.
    pub clients: Vec<Name>,
    /// Of what queries name together.
    pub lists: Vec<Name>,
}

/// What declaring objects changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// New ones, as `Kind/name`.
    pub added: Vec<String>,
    /// Edited ones.
    pub edited: Vec<String>,
    /// Removed ones.
    pub removed: Vec<String>,
}

/// Declared objects.
#[async_trait]
pub trait DeclaredObjects: Send + Sync {
    /// Declares objects. With `prune`, what is not among them is removed.
    async fn declare(&self, objects: &Objects, prune: bool, now: Timestamp) -> Result<Applied, StoreError>;
    /// Removes objects, with the matches of topics. Items stay.
    async fn undeclare(&self, names: &ObjectNames) -> Result<Applied, StoreError>;
    /// Watches a source from now on, or not. False where there is none of that name.
    async fn watch(&self, source: &Name, watch: Watch, now: Timestamp) -> Result<bool, StoreError>;
    /// Changes with every change of the declared objects.
    async fn objects_version(&self) -> Result<i64, StoreError>;
    /// All topics, in the order of names.
    async fn topics(&self) -> Result<Vec<TopicRecord>, StoreError>;
    /// All clients, in the order of names.
    async fn clients(&self) -> Result<Vec<Client>, StoreError>;
    /// All lists, in the order of names.
    async fn lists(&self) -> Result<Vec<List>, StoreError>;
}
