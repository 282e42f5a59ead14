//! Publications that come as files, by the same way as what is fetched: rights, identity, matching, one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crawler::extract::entry_hash;
use model::{Entry, Finding, Harvest, Host, ItemKey, Name, PollOutcome, SourceState, Timestamp, Token};
use service::Snapshot;
use store::{EntryRef, EntryStatus, SaveOutcome, Store, StoreError};

use crate::job::job_run::finding_of_entry;

/// How often objects may change while something is imported, before it is given up.
const MOST_CHANGES: u32 = 10;

/// Takes publications of declared sources.
pub struct Importer {
    store: Arc<dyn Store>,
    snapshot: Snapshot,
}

impl Importer {
    /// With the objects as they are declared now.
    pub async fn new(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let (snapshot, _) = Snapshot::load(&*store, Arc::default()).await?;
        Ok(Self { store, snapshot })
    }

    /// The names of the sources that publications may be of.
    pub fn sources(&self) -> Vec<Name> {
        self.snapshot.source_names()
    }

    /// Stores publications, each with its source; one that is known as it is changes nothing. Of an undeclared source is an
    /// error: nothing is stored then.
    pub async fn keep(
        &mut self,
        entries: Vec<(Name, Entry)>,
        now: Timestamp,
    ) -> Result<SaveOutcome, StoreError> {
        let mut by_source: BTreeMap<Name, Vec<Entry>> = BTreeMap::new();
        for (source, entry) in entries {
            by_source.entry(source).or_default().push(entry);
        }
        for _ in 0..MOST_CHANGES {
            let mut harvests = Vec::new();
            for (source, entries) in &by_source {
                harvests.push(self.harvest(source, entries, now).await?);
            }
            match self.store.save(&harvests.into(), self.snapshot.version()).await {
                Err(StoreError::StaleObjects) => {
                    self.snapshot = Snapshot::load(&*self.store, self.snapshot.topics().clone()).await?.0;
                }
                saved => {
                    let saved = saved?.into_iter().fold(SaveOutcome::default(), added);
                    let at_once = "something else imports the same source at the same moment: run it again";
                    return if saved.fenced { Err(StoreError::Other(at_once.to_owned())) } else { Ok(saved) };
                }
            }
        }
        Err(StoreError::StaleObjects)
    }

    async fn harvest(&self, name: &Name, entries: &[Entry], now: Timestamp) -> Result<Harvest, StoreError> {
        let undeclared = || StoreError::Other(format!("no source {name} is declared"));
        let source = self.snapshot.declared(name).ok_or_else(undeclared)?;
        let sighting = |entry: &Entry| {
            let text = entry.text.as_deref().or(entry.summary.as_deref()).unwrap_or("");
            let title = entry.title.as_deref().unwrap_or("");
            let key = ItemKey::new(entry.id.as_deref(), entry.url.as_ref(), title, text);
            EntryRef { key, hash: entry_hash(entry, &source), address: None }
        };
        let sightings: Vec<EntryRef> = entries.iter().map(sighting).collect();
        let classify_entries = self.store.classify_entries(name, &sightings).await?;
        let mut seen = BTreeSet::new();
        let mut findings: Vec<Finding> = Vec::new();
        for ((entry, sighting), known) in entries.iter().zip(sightings).zip(classify_entries) {
            if known != EntryStatus::Same && seen.insert(sighting.key) {
                findings.push(finding_of_entry(&source, entry, None, self.snapshot.topics(), now));
            }
        }
        let interval = source.every.min;
        // No host is asked: no real host has this name.
        let host = Host::group(&format!("import-{name}"));
        // Tokens must rise, and time does.
        let token = Token(u64::try_from(now.as_millisecond()).unwrap_or(0));
        Ok(Harvest {
            objects_version: self.snapshot.version(),
            deferred_topics: self.snapshot.deferred_topics(),
            findings,
            // Only what is never fetched is known to be well by this.
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

fn added(one: SaveOutcome, other: SaveOutcome) -> SaveOutcome {
    SaveOutcome {
        fenced: one.fenced || other.fenced,
        new_items: one.new_items + other.new_items,
        edited_items: one.edited_items + other.edited_items,
        new_materials: one.new_materials + other.new_materials,
        new_matches: one.new_matches + other.new_matches,
    }
}
