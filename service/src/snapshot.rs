//! The declared objects as a node uses them: an immutable snapshot.
//!
//! A full load reads every object. An edit makes a new snapshot from the previous one and the changes since its
//! version, and shares everything that did not change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use matcher::{Lists, RejectedTopic, TopicIndex};
use model::{Client, Host, JobId, JobKind, Name, Source, SourceKind, Tenant, Watch};
use store::{ObjectChanges, SourceRecord, Store, StoreError, VersionedTopic};
use url::Url;

use crate::search_budgets::{ClientBudgets, within_budget};
use crate::search_needs::SearchNeeds;
use crate::source_set::{SourceSet, read_url};

/// The declared objects at one version.
#[derive(Clone, Default)]
pub struct Snapshot {
    version: i64,
    topics: Arc<TopicIndex>,
    /// The versions of the topics that depend on originality.
    deferred: Arc<BTreeMap<Name, i64>>,
    deferred_names: Arc<[Name]>,
    sources: Arc<SourceSet>,
    clients: Arc<HashMap<String, Client>>,
    /// The strings that topics need from searched sources; kept only while there are any.
    needs: Arc<SearchNeeds>,
    /// The searches of each searched source, with the tenant of each.
    searches: Arc<HashMap<Name, BTreeMap<String, Tenant>>>,
    rejected: Arc<BTreeMap<Name, RejectedTopic>>,
}

impl Snapshot {
    /// Loads every object, with the state of each source. Topics that are equal in `previous` are not compiled again.
    pub async fn load(
        store: &dyn Store,
        previous: Arc<TopicIndex>,
    ) -> Result<(Self, Vec<SourceRecord>), StoreError> {
        // The version is read first: a later change makes it stale, and the change is applied next.
        let version = store.objects_version().await?;
        let records = store.sources().await?;
        let topics = store.versioned_topics().await?;
        let versions: HashMap<Name, i64> =
            topics.iter().map(|one| (one.topic.name.clone(), one.version)).collect();
        let clients = store.clients().await?;
        let lists = store.lists().await?;
        let topics = topics.into_iter().map(|one| one.topic).collect();
        let compilation = tokio::task::spawn_blocking(move || previous.changed(topics, Lists::new(lists)));
        let (index, rejected) = compilation.await.map_err(|error| StoreError::Other(error.to_string()))?;
        let rejected = rejected.into_iter().map(|one| (one.topic.name.clone(), one)).collect();
        let mut snapshot = Self {
            version,
            topics: Arc::new(index),
            sources: Arc::new(SourceSet::new(records.iter().map(|record| &record.source))),
            clients: Arc::new(clients.into_iter().map(|client| (client.name.to_string(), client)).collect()),
            rejected: Arc::new(rejected),
            ..Self::default()
        };
        snapshot.set_deferred(|name| versions.get(name).copied());
        snapshot.plan_searches(None);
        Ok((snapshot, records))
    }

    /// Loads the objects that are needed to plan the jobs of some sources, with the records of these sources. Topics
    /// are loaded only if one of the sources is searched.
    pub async fn load_for(
        store: &dyn Store,
        names: &[Name],
    ) -> Result<(Self, Vec<SourceRecord>), StoreError> {
        let records = store.sources().await?;
        let is_named = |record: &&SourceRecord| names.contains(&record.source.name);
        if records.iter().filter(is_named).any(|record| record.source.is_searched()) {
            let (snapshot, records) = Self::load(store, Arc::default()).await?;
            let records = records.into_iter().filter(|record| is_named(&record)).collect();
            return Ok((snapshot, records));
        }
        let clients = store.clients().await?;
        let snapshot = Self {
            sources: Arc::new(SourceSet::new(records.iter().map(|record| &record.source))),
            clients: Arc::new(clients.into_iter().map(|client| (client.name.to_string(), client)).collect()),
            ..Self::default()
        };
        let records = records.into_iter().filter(|record| is_named(&record)).collect();
        Ok((snapshot, records))
    }

    /// Returns the snapshot after `changes`. The cost grows with the changes, except where a searched source is
    /// declared: its budget is shared among all topics.
    pub async fn with_changes(&self, changes: &ObjectChanges) -> Result<Self, StoreError> {
        let mut next = self.clone();
        next.version = changes.version;
        if !changes.sources.is_empty() {
            let sources = Arc::make_mut(&mut next.sources);
            for (name, record) in &changes.sources {
                match record {
                    Some(record) => sources.insert(record.source.clone()),
                    None => sources.remove(name),
                }
            }
        }
        if !changes.clients.is_empty() {
            let clients = Arc::make_mut(&mut next.clients);
            for (name, client) in &changes.clients {
                match client {
                    Some(client) => drop(clients.insert(name.to_string(), client.clone())),
                    None => drop(clients.remove(name.as_str())),
                }
            }
        }
        if !changes.topics.is_empty() || !changes.lists.is_empty() {
            next.compile(changes).await?;
        }
        next.plan_searches(Some(changes));
        Ok(next)
    }

    async fn compile(&mut self, changes: &ObjectChanges) -> Result<(), StoreError> {
        let present = |change: &(Name, Option<VersionedTopic>)| change.1.clone();
        let topics: Vec<VersionedTopic> = changes.topics.iter().filter_map(present).collect();
        let removed: Vec<Name> = changes
            .topics
            .iter()
            .filter(|(_, topic)| topic.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        let versions: HashMap<Name, i64> =
            topics.iter().map(|one| (one.topic.name.clone(), one.version)).collect();
        let (index, lists) = (self.topics.clone(), changes.lists.clone());
        let topics = topics.into_iter().map(|one| one.topic).collect();
        let compilation = tokio::task::spawn_blocking(move || index.with(topics, &removed, lists));
        let (index, rejected) = compilation.await.map_err(|error| StoreError::Other(error.to_string()))?;
        self.topics = Arc::new(index);
        if !self.rejected.is_empty() || !rejected.is_empty() {
            let all = Arc::make_mut(&mut self.rejected);
            changes.topics.iter().for_each(|(name, _)| drop(all.remove(name)));
            all.extend(rejected.into_iter().map(|one| (one.topic.name.clone(), one)));
        }
        let previous = self.deferred.clone();
        self.set_deferred(|name| versions.get(name).or_else(|| previous.get(name)).copied());
        Ok(())
    }

    fn set_deferred(&mut self, version_of: impl Fn(&Name) -> Option<i64>) {
        let deferred: BTreeMap<Name, i64> =
            self.topics.deferred().filter_map(|name| Some((name.clone(), version_of(name)?))).collect();
        if deferred != *self.deferred {
            self.deferred_names = deferred.keys().cloned().collect();
            self.deferred = Arc::new(deferred);
        }
    }

    /// Returns the same objects with another index of the same topics.
    pub fn with_topics(&self, index: TopicIndex) -> Self {
        Self { topics: Arc::new(index), ..self.clone() }
    }

    /// Returns the version of the objects.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Returns the compiled topics.
    pub fn topics(&self) -> &Arc<TopicIndex> {
        &self.topics
    }

    /// Returns the topics that depend on originality, with their versions. They are decided when stories are linked.
    pub fn deferred(&self) -> Vec<(Name, i64)> {
        self.deferred.iter().map(|(name, version)| (name.clone(), *version)).collect()
    }

    /// Returns the names of the topics that depend on originality.
    pub fn deferred_topics(&self) -> Arc<[Name]> {
        self.deferred_names.clone()
    }

    /// Returns a source that is declared and active.
    pub fn source(&self, name: &Name) -> Option<Arc<Source>> {
        self.sources.get(name).filter(|source| source.watch() == Watch::On).cloned()
    }

    /// Returns a source that is declared, active or not.
    pub fn declared(&self, name: &Name) -> Option<Arc<Source>> {
        self.sources.get(name).cloned()
    }

    /// Returns the names of all declared sources.
    pub fn source_names(&self) -> Vec<Name> {
        self.sources.names().cloned().collect()
    }

    /// Returns the politeness host of a URL: its host, or the group that a source at that host declares.
    pub fn host_of(&self, url: &Url) -> Option<Host> {
        Some(self.sources.politeness_host(Host::from_url(url)?))
    }

    /// Returns the number of active sources at a politeness host.
    pub fn sources_at(&self, host: &Host) -> usize {
        self.sources.count_at(host)
    }

    /// Iterates over the topics whose queries this build cannot compile.
    pub fn rejected_topics(&self) -> impl Iterator<Item = &RejectedTopic> {
        self.rejected.values()
    }

    /// Returns the tenant that the jobs of a source are charged to.
    pub fn tenant_of(&self, source: &Source) -> Tenant {
        source.client.as_ref().map_or_else(Tenant::shared, |client| self.tenant(client.as_str()))
    }

    /// Returns the tenant that a job is charged to.
    pub fn tenant_of_job(&self, job: &JobId) -> Tenant {
        let Some(source) = self.sources.get(&job.source) else { return Tenant::shared() };
        let search = self.searches.get(&job.source).and_then(|searches| searches.get(&job.query));
        search.cloned().unwrap_or_else(|| self.tenant_of(source))
    }

    fn tenant(&self, client: &str) -> Tenant {
        let undeclared = || Tenant { client: client.to_owned(), weight: Client::DEFAULT_WEIGHT };
        self.clients.get(client).map_or_else(undeclared, Client::tenant)
    }

    /// Returns the jobs that read a source, with the tenant of each: one poll, or, for a searched source, a search
    /// for each string that topics need.
    pub fn jobs_of(&self, source: &Source) -> BTreeMap<JobId, Tenant> {
        if source.kind == SourceKind::Import {
            return BTreeMap::new(); // imported items are never fetched
        }
        let Some(host) = self.host_of(&read_url(source)) else { return BTreeMap::new() };
        let Some(searches) = self.searches.get(&source.name) else {
            return BTreeMap::from([(JobId::poll(source.name.clone(), host), self.tenant_of(source))]);
        };
        let job = |query: &String| JobId::search(source.name.clone(), host.clone(), query.clone());
        searches.iter().map(|(query, tenant)| (job(query), tenant.clone())).collect()
    }

    /// Returns true if a job still belongs to a source.
    pub fn has_job(&self, source: &Source, job: &JobId) -> bool {
        if source.kind == SourceKind::Import {
            return false;
        }
        let searches = self.searches.get(&source.name);
        let is_at_host = || self.host_of(&read_url(source)).as_ref() == Some(&job.host);
        match job.kind {
            JobKind::Pages | JobKind::Backfill | JobKind::WebSub => true,
            JobKind::Poll => searches.is_none() && is_at_host(),
            JobKind::Search => {
                is_at_host() && searches.is_some_and(|searches| searches.contains_key(&job.query))
            }
        }
    }

    /// Returns true if a source is searched for a string.
    pub fn has_search(&self, source: &Name, query: &str) -> bool {
        self.searches.get(source).is_some_and(|searches| searches.contains_key(query))
    }

    /// Returns the strings that topics need from a searched source, each with these topics.
    pub fn needed_searches(&self, source: &Source) -> BTreeMap<String, Vec<&model::Topic>> {
        self.needs.of_source(source)
    }

    /// Iterates over all declared sources.
    pub(crate) fn declared_sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.sources.iter()
    }

    /// Returns the names of the searched sources.
    pub(crate) fn searched_sources(&self) -> impl Iterator<Item = &Name> {
        self.searches.keys()
    }

    /// Returns the politeness group that applies at a source, with the source's own host.
    pub(crate) fn group_of(&self, source: &Source) -> Option<(Host, Host)> {
        self.sources.group_of(source)
    }

    /// Distributes the searches of searched sources among topics, in the order of source names, because clients have
    /// budgets over all sources. `None` plans from scratch.
    fn plan_searches(&mut self, changes: Option<&ObjectChanges>) {
        if changes.is_some_and(|changes| !self.has_search_changes(changes)) {
            return;
        }
        let mut sources: Vec<Arc<Source>> =
            self.sources.iter().filter(|source| source.is_searched()).cloned().collect();
        if sources.is_empty() {
            self.needs = Arc::default();
            self.searches = Arc::default();
            return;
        }
        // A change of a list may change any topic that names it, so all needs are computed again.
        let names = changes
            .filter(|changes| !self.needs.is_empty() && changes.lists.is_empty())
            .map(|changes| changes.topics.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        self.needs = Arc::new(match names {
            Some(names) => self.needs.with_changes(&self.topics, &names),
            None => SearchNeeds::new(&self.topics),
        });
        sources.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let mut budgets = ClientBudgets::new(self.clients.values());
        let mut searches = HashMap::new();
        for source in sources {
            let needed = self.needs.of_source(&source);
            let limit = source.searches.unwrap_or(Source::DEFAULT_SEARCHES) as usize;
            let tenant_of =
                |client: Option<&str>| client.map_or_else(Tenant::shared, |name| self.tenant(name));
            // An inactive source uses no budget. Its jobs are still planned, so that they can be removed.
            let mut unused = ClientBudgets::new(self.clients.values());
            let budgets = if source.watch() == Watch::On { &mut budgets } else { &mut unused };
            let admitted = within_budget(&needed, limit, &tenant_of, budgets);
            if admitted.len() < needed.len() {
                let (needed, admitted) = (needed.len(), admitted.len());
                tracing::warn!(source = %source.name, needed, admitted, "topics need more searches than the budgets allow");
            }
            searches.insert(source.name.clone(), admitted);
        }
        self.searches = Arc::new(searches);
    }

    /// Returns true if changes may change the searches of a source.
    fn has_search_changes(&self, changes: &ObjectChanges) -> bool {
        let is_searched = |(name, record): &(Name, Option<SourceRecord>)| {
            self.searches.contains_key(name)
                || record.as_ref().is_some_and(|record| record.source.is_searched())
        };
        changes.sources.iter().any(is_searched)
            || !(self.searches.is_empty()
                || changes.topics.is_empty() && changes.clients.is_empty() && changes.lists.is_empty())
    }
}
