//! Views: stored data as callers may see it. This is the only place where the rights of sources are applied.
//!
//! The fields of the views are the keys of the JSON output, in this order.

use std::collections::HashMap;
use std::time::Duration;

use config::format_duration;
use model::{
    FetchRecord, Item, Match, Name, Precision, PublishedMethod, Reservation, Rights, Span, Timestamp, Zone,
    rfc3339,
};
use scheduler::due;
use serde::{Serialize, Serializer};
use store::{SourceRecord, Store, StoreError, StoredItem, StoredMatch, StoryItem, TopicRecord};
use url::Url;

/// A time, printed as RFC 3339 with whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

fn moment(at: Option<Timestamp>) -> Option<Moment> {
    at.map(Moment)
}

/// A source and its state.
#[derive(Debug, Clone, Serialize)]
pub struct SourceView {
    name: Name,
    kind: &'static str,
    url: Url,
    state: &'static str,
    reason: Option<String>,
    last_ok: Option<Moment>,
    next_poll: Option<Moment>,
    every: String,
    category: &'static str,
    since: Moment,
    last_poll: Option<Moment>,
    failed_polls: u32,
    failures: f64,
    moved_to: Option<String>,
    pages_waiting: u64,
}

impl From<&SourceRecord> for SourceView {
    fn from(record: &SourceRecord) -> Self {
        let source = &record.source;
        Self {
            name: source.name.clone(),
            kind: source.kind.as_str(),
            url: source.url.clone(),
            state: record.state.as_str(),
            reason: (!record.reason.is_empty()).then(|| record.reason.clone()),
            last_ok: moment(record.last_ok),
            next_poll: moment(record.next_poll),
            every: format_duration(without_millis(typical_wait(record))),
            category: source.category.as_str(),
            since: Moment(record.since),
            last_poll: moment(record.last_poll),
            failed_polls: record.failed_polls,
            failures: record.failures,
            moved_to: record.moved_to.clone(),
            pages_waiting: record.pages_waiting,
        }
    }
}

/// Returns the wait between polls at an hour of average activity.
fn typical_wait(record: &SourceRecord) -> Duration {
    let every = record.source.every;
    due::paced(record.interval.unwrap_or(every.min), every, None, record.since)
}

/// Truncates a learnt interval to seconds, unless it is shorter than one.
fn without_millis(interval: Duration) -> Duration {
    if interval < Duration::from_secs(1) { interval } else { Duration::from_secs(interval.as_secs()) }
}

/// A topic and its matching.
#[derive(Debug, Clone, Serialize)]
pub struct TopicView {
    name: Name,
    query: String,
    client: Option<String>,
    materials: u64,
    is_matched: bool,
    version: i64,
    languages: Vec<String>,
    categories: Vec<&'static str>,
    sources: Vec<Name>,
    exclude_sources: Vec<Name>,
    tags: serde_json::Map<String, serde_json::Value>,
}

impl From<&TopicRecord> for TopicView {
    fn from(record: &TopicRecord) -> Self {
        let topic = &record.topic;
        Self {
            name: topic.name.clone(),
            query: topic.query.clone(),
            client: topic.client.clone(),
            materials: record.materials,
            is_matched: record.is_matched,
            version: record.version,
            languages: topic.languages.clone(),
            categories: topic.categories.iter().map(|category| category.as_str()).collect(),
            sources: topic.sources.clone(),
            exclude_sources: topic.exclude_sources.clone(),
            tags: topic.tags.iter().map(|tag| (tag.name.to_string(), tag.query.clone().into())).collect(),
        }
    }
}

/// An entry of a source's fetch history.
#[derive(Debug, Clone, Serialize)]
pub struct FetchView {
    at: Moment,
    status: &'static str,
    http_status: Option<u16>,
    items: u64,
    bytes: u64,
    /// Measured for complete exchanges only.
    duration_seconds: Option<f64>,
    url: String,
    detail: Option<String>,
}

impl From<&FetchRecord> for FetchView {
    fn from(record: &FetchRecord) -> Self {
        Self {
            at: Moment(record.at),
            status: record.status.as_str(),
            http_status: record.http_status,
            items: record.items,
            bytes: record.bytes,
            duration_seconds: (!record.duration.is_zero()).then_some(record.duration.as_secs_f64()),
            url: record.url.clone(),
            detail: (!record.detail.is_empty()).then(|| record.detail.clone()),
        }
    }
}

/// The rights to the texts of each source.
#[derive(Debug, Clone, Default)]
pub struct SourceRights(HashMap<Name, Rights>);

impl SourceRights {
    /// Reads the rights of all declared sources.
    pub async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let records = store.sources().await?;
        Ok(Self(records.into_iter().map(|record| (record.source.name, record.source.rights)).collect()))
    }

    /// Returns the rights to an item: those of its source, reduced by the publisher's reservations. The rights to
    /// items of undeclared sources are unknown, so the least apply.
    fn of(&self, item: &Item) -> Rights {
        let declared = self.0.get(&item.source).copied().unwrap_or(Rights::Link);
        declared.min(Reservation::most(&item.reservations))
    }
}

/// The parts of an item's text that its rights permit.
struct Permitted<'i> {
    rights: Rights,
    item: &'i Item,
}

impl<'i> Permitted<'i> {
    fn new(item: &'i Item, rights: &SourceRights) -> Self {
        Self { rights: rights.of(item), item }
    }

    fn excerpt(&self, match_: &Match) -> Option<String> {
        (self.rights != Rights::Link && !match_.excerpt.is_empty()).then(|| match_.excerpt.to_string())
    }

    fn text(&self) -> Option<String> {
        (self.rights == Rights::Full && !self.item.text.is_empty()).then(|| self.item.text.clone())
    }

    /// Returns the spans that may be quoted. The title is always shown.
    fn spans(&self, match_: &Match) -> Vec<Span> {
        let may_quote = |span: &&Span| self.rights != Rights::Link || span.zone == Zone::Title;
        match_.spans.iter().filter(may_quote).cloned().collect()
    }
}

/// A match with its item, reduced to what the rights allow.
#[derive(Debug, Clone, Serialize)]
pub struct MaterialView {
    id: String,
    seq: i64,
    source: Name,
    topic: Name,
    title: Option<String>,
    url: Option<Url>,
    published_at: Option<Moment>,
    published_precision: Option<Precision>,
    published_method: Option<PublishedMethod>,
    language: Option<String>,
    author: Option<String>,
    matched_at: Moment,
    first_seen: Moment,
    excerpt: Option<String>,
    text: Option<String>,
    spans: Vec<Span>,
    tags: Vec<Name>,
    problems: Vec<String>,
}

impl MaterialView {
    /// Creates the view of a match.
    pub fn new(stored: &StoredMatch, rights: &SourceRights) -> Self {
        let item = &stored.item.item;
        let permitted = Permitted::new(item, rights);
        let published = item.published.as_ref();
        Self {
            id: stored.item.id.clone(),
            seq: stored.seq,
            source: item.source.clone(),
            topic: stored.found.topic.clone(),
            title: item.title.clone(),
            url: item.url.as_ref().or(item.canonical_url.as_ref()).cloned(),
            published_at: moment(published.map(|published| published.at)),
            published_precision: published.map(|published| published.precision),
            published_method: published.map(|published| published.method),
            language: item.language.clone(),
            author: item.author.clone(),
            matched_at: Moment(stored.matched_at),
            first_seen: Moment(stored.item.first_seen),
            excerpt: permitted.excerpt(&stored.found),
            text: permitted.text(),
            spans: permitted.spans(&stored.found),
            tags: stored.found.tags.clone(),
            problems: item.problems.clone(),
        }
    }
}

/// A stored item that a query matches, reduced to what the rights allow.
#[derive(Debug, Clone, Serialize)]
pub struct HitView {
    id: String,
    source: Name,
    title: Option<String>,
    url: Option<Url>,
    published_at: Option<Moment>,
    language: Option<String>,
    first_seen: Moment,
    excerpt: Option<String>,
    spans: Vec<Span>,
}

impl HitView {
    /// Creates the view of a hit.
    pub fn new(stored: &StoredItem, match_: &Match, rights: &SourceRights) -> Self {
        let item = &stored.item;
        let permitted = Permitted::new(item, rights);
        Self {
            id: stored.id.clone(),
            source: item.source.clone(),
            title: item.title.clone(),
            url: item.url.as_ref().or(item.canonical_url.as_ref()).cloned(),
            published_at: published_at(item),
            language: item.language.clone(),
            first_seen: Moment(stored.first_seen),
            excerpt: permitted.excerpt(match_),
            spans: permitted.spans(match_),
        }
    }
}

/// An item with all its matches, reduced to what the rights allow.
#[derive(Debug, Clone, Serialize)]
pub struct ItemView {
    id: String,
    source: Name,
    title: Option<String>,
    url: Option<Url>,
    canonical_url: Option<Url>,
    author: Option<String>,
    language: Option<String>,
    published_at: Option<Moment>,
    published_precision: Option<Precision>,
    published_method: Option<PublishedMethod>,
    published_original: Option<String>,
    published_clamped: Option<bool>,
    updated_at: Option<Moment>,
    first_seen: Moment,
    changed_at: Moment,
    version: i64,
    rights: Rights,
    reservations: Vec<Reservation>,
    matches: Vec<ItemMatchView>,
    problems: Vec<String>,
    text: Option<String>,
    story: Option<StoryView>,
}

/// A match of an item.
#[derive(Debug, Clone, Serialize)]
pub struct ItemMatchView {
    topic: Name,
    seq: i64,
    matched_at: Moment,
    excerpt: Option<String>,
    spans: Vec<Span>,
    tags: Vec<Name>,
}

impl ItemView {
    /// Creates the view of an item, its matches and the items of its story.
    pub fn new(
        stored: &StoredItem,
        matches: &[StoredMatch],
        story: &[StoryItem],
        rights: &SourceRights,
    ) -> Self {
        let item = &stored.item;
        let permitted = Permitted::new(item, rights);
        let published = item.published.as_ref();
        let match_view = |stored: &StoredMatch| ItemMatchView {
            topic: stored.found.topic.clone(),
            seq: stored.seq,
            matched_at: Moment(stored.matched_at),
            excerpt: permitted.excerpt(&stored.found),
            spans: permitted.spans(&stored.found),
            tags: stored.found.tags.clone(),
        };
        Self {
            id: stored.id.clone(),
            source: item.source.clone(),
            title: item.title.clone(),
            url: item.url.clone(),
            canonical_url: item.canonical_url.clone(),
            author: item.author.clone(),
            language: item.language.clone(),
            published_at: published_at(item),
            published_precision: published.map(|published| published.precision),
            published_method: published.map(|published| published.method),
            published_original: published.map(|published| published.original.clone()),
            published_clamped: published.map(|published| published.clamped),
            updated_at: moment(item.updated_at),
            first_seen: Moment(stored.first_seen),
            changed_at: Moment(stored.changed_at),
            version: stored.version,
            rights: permitted.rights,
            reservations: item.reservations.clone(),
            matches: matches.iter().map(match_view).collect(),
            problems: item.problems.clone(),
            text: permitted.text(),
            story: StoryView::new(stored, story),
        }
    }
}

/// The story of an item: the number of its near-duplicates and the one that was published first.
#[derive(Debug, Clone, Serialize)]
pub struct StoryView {
    items: usize,
    first: FirstItemView,
    is_first: bool,
    like: Option<&'static str>,
    share: Option<f64>,
}

/// The item of a story that was published first.
#[derive(Debug, Clone, Serialize)]
pub struct FirstItemView {
    id: String,
    source: Name,
    published_at: Option<Moment>,
}

impl StoryView {
    /// Creates the view of a story, ordered by publication. Returns `None` for an item that is not linked yet.
    fn new(stored: &StoredItem, story: &[StoryItem]) -> Option<Self> {
        let own = story.iter().find(|one| one.item.row == stored.row)?;
        let first = &story.first()?.item;
        Some(Self {
            items: story.len(),
            first: FirstItemView {
                id: first.id.clone(),
                source: first.item.source.clone(),
                published_at: published_at(&first.item),
            },
            is_first: first.row == stored.row,
            like: own.similarity.map(|similarity| similarity.how.as_str()),
            share: own.similarity.map(|similarity| rounded(similarity.share)),
        })
    }
}

/// An item of a story.
#[derive(Debug, Clone, Serialize)]
pub struct StoryItemView {
    id: String,
    source: Name,
    published_at: Option<Moment>,
    first_seen: Moment,
    like: &'static str,
    share: Option<f64>,
    title: Option<String>,
    url: Option<Url>,
}

impl From<&StoryItem> for StoryItemView {
    fn from(story_item: &StoryItem) -> Self {
        let StoryItem { item: stored, similarity } = story_item;
        Self {
            id: stored.id.clone(),
            source: stored.item.source.clone(),
            published_at: published_at(&stored.item),
            first_seen: Moment(stored.first_seen),
            like: similarity.map_or("first stored", |similarity| similarity.how.as_str()),
            share: similarity.map(|similarity| rounded(similarity.share)),
            title: stored.item.title.clone(),
            url: stored.item.url.as_ref().or(stored.item.canonical_url.as_ref()).cloned(),
        }
    }
}

/// An item that is not stored, as a trial of a source shows it.
#[derive(Debug, Clone, Serialize)]
pub struct TrialItemView {
    title: Option<String>,
    url: Option<Url>,
    published_at: Option<Moment>,
    author: Option<String>,
    language: Option<String>,
    problems: Vec<String>,
}

impl From<&Item> for TrialItemView {
    fn from(item: &Item) -> Self {
        Self {
            title: item.title.clone(),
            url: item.url.clone(),
            published_at: published_at(item),
            author: item.author.clone(),
            language: item.language.clone(),
            problems: item.problems.clone(),
        }
    }
}

fn published_at(item: &Item) -> Option<Moment> {
    moment(item.published.as_ref().map(|published| published.at))
}

fn rounded(share: f64) -> f64 {
    (share * 100.0).round() / 100.0
}
