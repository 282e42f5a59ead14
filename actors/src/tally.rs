//! What a node did so far: counters that only rise, and events for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};

use model::{FetchRecord, Name, SourceState};
use serde::Serialize;
use tokio::sync::broadcast;

/// Events kept for a slow watcher; it misses older ones.
const EVENTS: usize = 4096;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// An exchange ended, or was not made.
    Fetched {
        /// For which source.
        source: Name,
        /// How it ended.
        record: FetchRecord,
    },
    /// A poll told something about its source.
    State {
        /// Which source.
        source: Name,
        /// How it is doing.
        state: SourceState,
    },
    /// An item that matched was stored for the first time.
    Material {
        /// The source that published it.
        source: Name,
        /// The topics that it matched.
        topics: Vec<Name>,
        /// Its title.
        title: String,
    },
}

/// Counters and events of a node.
#[derive(Debug)]
pub struct Tally {
    fetches: AtomicU64,
    items: AtomicU64,
    edited: AtomicU64,
    materials: AtomicU64,
    errors: AtomicU64,
    sources_read: AtomicU64,
    sources_failed: AtomicU64,
    restarts: AtomicU64,
    fenced: AtomicU64,
    interrupted: AtomicU64,
    events: broadcast::Sender<Event>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Exchanges made for sources; robots.txt not counted.
    pub fetches: u64,
    /// Items stored for the first time.
    pub items: u64,
    /// Items changed.
    pub edited: u64,
    /// Items that matched a topic, stored for the first time.
    pub materials: u64,
    /// Exchanges that brought nothing.
    pub errors: u64,
    /// Polls that succeeded.
    pub sources_read: u64,
    /// Polls that did not.
    pub sources_failed: u64,
    /// Actors started again.
    pub restarts: u64,
    /// Harvests refused because their lease was over.
    pub fenced: u64,
    /// Jobs that crashed, or whose harvest could not be stored: they are due again.
    pub interrupted: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            fetches: AtomicU64::default(),
            items: AtomicU64::default(),
            edited: AtomicU64::default(),
            materials: AtomicU64::default(),
            errors: AtomicU64::default(),
            sources_read: AtomicU64::default(),
            sources_failed: AtomicU64::default(),
            restarts: AtomicU64::default(),
            fenced: AtomicU64::default(),
            interrupted: AtomicU64::default(),
            events: broadcast::Sender::new(EVENTS),
        }
    }
}

impl Tally {
    /// The counters now.
    pub fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            fetches: read(&self.fetches),
            items: read(&self.items),
            edited: read(&self.edited),
            materials: read(&self.materials),
            errors: read(&self.errors),
            sources_read: read(&self.sources_read),
            sources_failed: read(&self.sources_failed),
            restarts: read(&self.restarts),
            fenced: read(&self.fenced),
            interrupted: read(&self.interrupted),
        }
    }

    /// Events from now on.
    pub fn watch(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub(crate) fn fetched(&self, source: &Name, record: &FetchRecord) {
        add(
            &self.fetches,
            u64::from(record.http_status.is_some() || record.bytes > 0 || !record.status.is_ok()),
        );
        add(&self.errors, u64::from(!record.status.is_ok()));
        self.tell(|| Event::Fetched { source: source.clone(), record: record.clone() });
    }

    pub(crate) fn polled(&self, source: &Name, state: SourceState, ok: bool) {
        add(if ok { &self.sources_read } else { &self.sources_failed }, 1);
        self.tell(|| Event::State { source: source.clone(), state });
    }

    pub(crate) fn stored(&self, saved: &store::SaveOutcome) {
        add(&self.items, saved.new_items);
        add(&self.edited, saved.edited_items);
        add(&self.materials, saved.new_materials);
        add(&self.fenced, u64::from(saved.fenced));
    }

    pub(crate) fn interrupted(&self) {
        add(&self.interrupted, 1);
    }

    pub(crate) fn restarted(&self) {
        add(&self.restarts, 1);
    }

    /// Tells watchers, if there are any.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.events.receiver_count() > 0 {
            drop(self.events.send(event()));
        }
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
