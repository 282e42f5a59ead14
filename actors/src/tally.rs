//! Counters and events of a node since its start.

use std::sync::atomic::{AtomicU64, Ordering};

use model::{FetchRecord, Name, SourceState};
use serde::Serialize;
use tokio::sync::broadcast;

/// The number of events buffered for a slow subscriber, which misses older ones.
const EVENT_BUFFER: usize = 4096;

/// An event of a node.
#[derive(Debug, Clone)]
pub enum Event {
    /// An exchange ended or was skipped.
    Fetched {
        /// The source.
        source: Name,
        /// The record of the exchange.
        record: FetchRecord,
    },
    /// A poll determined the state of its source.
    State {
        /// The source.
        source: Name,
        /// The state of the source.
        state: SourceState,
    },
    /// An item that matches a topic was stored for the first time.
    Material {
        /// The source of the item.
        source: Name,
        /// The topics that the item matches.
        topics: Vec<Name>,
        /// The title of the item.
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
    /// Exchanges for sources, without those for robots.txt.
    pub fetches: u64,
    /// Items stored for the first time.
    pub items: u64,
    /// Items updated.
    pub edited: u64,
    /// Items stored for the first time that match a topic.
    pub materials: u64,
    /// Failed exchanges.
    pub errors: u64,
    /// Successful polls.
    pub sources_read: u64,
    /// Failed polls.
    pub sources_failed: u64,
    /// Restarted actors.
    pub restarts: u64,
    /// Harvests rejected because their lease had ended.
    pub fenced: u64,
    /// Jobs that are due again because they crashed or their harvest could not be stored.
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
            events: broadcast::Sender::new(EVENT_BUFFER),
        }
    }
}

impl Tally {
    /// Returns the current counters.
    pub fn totals(&self) -> Totals {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            fetches: load(&self.fetches),
            items: load(&self.items),
            edited: load(&self.edited),
            materials: load(&self.materials),
            errors: load(&self.errors),
            sources_read: load(&self.sources_read),
            sources_failed: load(&self.sources_failed),
            restarts: load(&self.restarts),
            fenced: load(&self.fenced),
            interrupted: load(&self.interrupted),
        }
    }

    /// Subscribes to the events from now on.
    pub fn watch(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub(crate) fn record_fetch(&self, source: &Name, record: &FetchRecord) {
        add(
            &self.fetches,
            u64::from(record.http_status.is_some() || record.bytes > 0 || !record.status.is_ok()),
        );
        add(&self.errors, u64::from(!record.status.is_ok()));
        self.send(|| Event::Fetched { source: source.clone(), record: record.clone() });
    }

    pub(crate) fn record_poll(&self, source: &Name, state: SourceState, ok: bool) {
        add(if ok { &self.sources_read } else { &self.sources_failed }, 1);
        self.send(|| Event::State { source: source.clone(), state });
    }

    pub(crate) fn record_save(&self, saved: &store::SaveOutcome) {
        add(&self.items, saved.new_items);
        add(&self.edited, saved.edited_items);
        add(&self.materials, saved.new_materials);
        add(&self.fenced, u64::from(saved.fenced));
    }

    pub(crate) fn record_interruption(&self) {
        add(&self.interrupted, 1);
    }

    pub(crate) fn record_restart(&self) {
        add(&self.restarts, 1);
    }

    /// Sends an event to the subscribers. The event is created only if there are any.
    pub(crate) fn send(&self, event: impl FnOnce() -> Event) {
        if self.events.receiver_count() > 0 {
            drop(self.events.send(event()));
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
