//! Import of publications from files. They take the same path as fetched ones: rights, identity, matching and storing
//! in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crawler::extract::entry_hash;
use model::{Entry, Finding, Harvest, Host, ItemKey, Name, PollOutcome, SourceState, Timestamp, Token};
use store::{EntryRef, EntryStatus, SaveOutcome, Store, StoreError};

use crate::job::job_run::finding_of_entry;
use service::Snapshot;

/// Upper bound on the attempts while the declared objects change during an import.
const MAX_ATTEMPTS: u32 = 10;

/// Imports publications of declared sources.
pub struct Importer {
    store: Arc<dyn Store>,
    snapshot: Snapshot,
}

impl Importer {
    /// Creates an importer with the current declared objects.
    pub async fn new(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let (snapshot, _) = Snapshot::load(&*store, Arc::default()).await?;
        Ok(Self { store, snapshot })
    }

    /// Returns the names of the sources that publications can be imported for.
    pub fn sources(&self) -> Vec<Name> {
        self.snapshot.source_names()
    }

    /// Stores publications, each with the name of its source. A publication that is already stored in the same
    /// version changes nothing. Fails without storing anything if a source is not declared.
    pub async fn keep(
        &mut self,
        entries: Vec<(Name, Entry)>,
        now: Timestamp,
    ) -> Result<SaveOutcome, StoreError> {
        let mut by_source: BTreeMap<Name, Vec<Entry>> = BTreeMap::new();
        for (source, entry) in entries {
            by_source.entry(source).or_default().push(entry);
        }
        for _ in 0..MAX_ATTEMPTS {
            let mut harvests = Vec::new();
            for (source, entries) in &by_source {
                harvests.push(self.harvest(source, entries, now).await?);
            }
            match self.store.save(&harvests.into(), self.snapshot.version()).await {
                Err(StoreError::StaleObjects) => {
                    self.snapshot = Snapshot::load(&*self.store, self.snapshot.topics().clone()).await?.0;
                }
                outcomes => {
                    let total = outcomes?.into_iter().fold(SaveOutcome::default(), sum);
                    let message = "another import of the same source is running; run the import again";
                    return if total.fenced { Err(StoreError::Other(message.to_owned())) } else { Ok(total) };
                }
            }
        }
        Err(StoreError::StaleObjects)
    }

    async fn harvest(&self, name: &Name, entries: &[Entry], now: Timestamp) -> Result<Harvest, StoreError> {
        let undeclared = || StoreError::Other(format!("source {name} is not declared"));
        let source = self.snapshot.declared(name).ok_or_else(undeclared)?;
        let entry_ref = |entry: &Entry| {
            let text = entry.text.as_deref().or(entry.summary.as_deref()).unwrap_or("");
            let title = entry.title.as_deref().unwrap_or("");
            let key = ItemKey::new(entry.id.as_deref(), entry.url.as_ref(), title, text);
            EntryRef { key, hash: entry_hash(entry, &source), address: None }
        };
        let entry_refs: Vec<EntryRef> = entries.iter().map(entry_ref).collect();
        let statuses = self.store.classify_entries(name, &entry_refs).await?;
        let mut keys = BTreeSet::new();
        let mut findings: Vec<Finding> = Vec::new();
        for ((entry, entry_ref), status) in entries.iter().zip(entry_refs).zip(statuses) {
            if status != EntryStatus::Same && keys.insert(entry_ref.key) {
                findings.push(finding_of_entry(&source, entry, None, self.snapshot.topics(), now));
            }
        }
        let interval = source.every.min;
        // The import sends no request. No real host has this name.
        let host = Host::group(&format!("import-{name}"));
        // Tokens must increase, and time does.
        let token = Token(u64::try_from(now.as_millisecond()).unwrap_or(0));
        Ok(Harvest {
            objects_version: self.snapshot.version(),
            deferred_topics: self.snapshot.deferred_topics(),
            findings,
            // An import proves the state only of a source that is never fetched.
            outcome: (source.kind == model::SourceKind::Import).then(|| PollOutcome {
                state: SourceState::Live,
                reason: String::new(),
                failures: 0.0,
                ok: true,
                deferred: false,
                interval,
                next_poll: now,
                moved_to: None,
                validators: None,
            }),
            ..Harvest::new(name.clone(), host, token, now)
        })
    }
}

fn sum(one: SaveOutcome, other: SaveOutcome) -> SaveOutcome {
    SaveOutcome {
        fenced: one.fenced || other.fenced,
        new_items: one.new_items + other.new_items,
        edited_items: one.edited_items + other.edited_items,
        new_materials: one.new_materials + other.new_materials,
        new_matches: one.new_matches + other.new_matches,
    }
}
