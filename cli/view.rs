//! What is stored, as it is shown. The one place where a source's rights are kept.

use std::collections::HashMap;
use std::time::Duration;

use config::format_duration;
use model::{FetchRecord, Item, Name, Reservation, Rights, Timestamp, rfc3339};
use scheduler::due;
use serde_json::{Value, json};
use store::{StoryItem, SourceRecord, Store, StoreError, StoredItem, StoredMatch, TopicRecord};

/// A time as it is printed; unknown is null.
pub(crate) fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(rfc3339(at)))
}

/// A source and how it is doing.
pub(crate) fn source(record: &SourceRecord) -> Value {
    let source = &record.source;
    json!({
        "name": source.name,
        "kind": source.kind.as_str(),
        "url": source.url,
        "state": record.state.as_str(),
        "reason": (!record.reason.is_empty()).then_some(&record.reason),
        "last_ok": time(record.last_ok),
        "next_poll": time(record.next_poll),
        "every": format_duration(coarse(usual_wait(record))),
        "category": source.category.as_str(),
        "since": time(Some(record.since)),
        "last_poll": time(record.last_poll),
        "failed_polls": record.failed_polls,
        "failures": record.failures,
        "moved_to": record.moved_to,
        "pages_waiting": record.pages_waiting,
    })
}

/// How long it is left alone at a usual hour.
fn usual_wait(record: &SourceRecord) -> Duration {
    let every = record.source.every;
    due::paced(record.interval.unwrap_or(every.min), every, None, record.since)
}

/// A learnt interval, to the second: nobody reads milliseconds there.
fn coarse(interval: Duration) -> Duration {
    if interval < Duration::from_secs(1) { interval } else { Duration::from_secs(interval.as_secs()) }
}

/// A topic and what it has.
pub(crate) fn topic(record: &TopicRecord) -> Value {
    let topic = &record.topic;
    let tags: serde_json::Map<String, Value> =
        topic.tags.iter().map(|tag| (tag.name.to_string(), json!(tag.query))).collect();
    json!({
        "name": topic.name,
        "query": topic.query,
        "client": topic.client,
        "materials": record.materials,
        "is_matched": record.is_matched,
        "version": record.version,
        "languages": topic.languages,
        "categories": topic.categories.iter().map(|category| category.as_str()).collect::<Vec<_>>(),
        "sources": topic.sources,
        "exclude_sources": topic.exclude_sources,
        "tags": tags,
    })
}

/// A line of history.
pub(crate) fn fetch(record: &FetchRecord) -> Value {
    json!({
        "at": time(Some(record.at)),
        "status": record.status.as_str(),
        "http_status": record.http_status,
        "items": record.items,
        "bytes": record.bytes,
        // Measured for whole exchanges only.
        "duration_seconds": (!record.duration.is_zero()).then_some(record.duration.as_secs_f64()),
        "url": record.url,
        "detail": (!record.detail.is_empty()).then_some(&record.detail),
    })
}

/// What may be shown of each source's texts.
pub(crate) struct RightsOf(HashMap<Name, Rights>);

impl RightsOf {
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let records = store.sources().await?;
        Ok(Self(records.into_iter().map(|record| (record.source.name, record.source.rights)).collect()))
    }

    /// What the source's rights and the publisher's reservations leave. Of a source that is no longer declared nobody knows:
    /// then the least.
    fn of(&self, item: &Item) -> Rights {
        let declared = self.0.get(&item.source).copied().unwrap_or(Rights::Link);
        declared.min(Reservation::most(&item.reservations))
    }
}

/// A match with its item, cut to what the source's rights allow.
pub(crate) fn material(stored: &StoredMatch, rights: &RightsOf) -> Value {
    let item = &stored.item.item;
    let rights = rights.of(item);
    let may_quote = rights != Rights::Link;
    let published = item.published.as_ref();
    json!({
        "id": stored.item.id,
        "seq": stored.seq,
        "source": item.source,
        "topic": stored.found.topic,
        "title": item.title,
        "url": item.url.as_ref().or(item.canonical_url.as_ref()),
        "published_at": time(published.map(|published| published.at)),
        "published_precision": published.map(|published| published.precision),
        "published_method": published.map(|published| published.method),
        "language": item.language,
        "author": item.author,
        "matched_at": time(Some(stored.matched_at)),
        "first_seen": time(Some(stored.item.first_seen)),
        "excerpt": (may_quote && !stored.found.excerpt.is_empty()).then_some(&stored.found.excerpt),
        "text": (rights == Rights::Full && !item.text.is_empty()).then_some(&item.text),
        "spans": stored.found.spans.iter().filter(|span| may_quote || span.zone == model::Zone::Title).collect::<Vec<_>>(),
        "tags": stored.found.tags,
        "problems": item.problems,
    })
}

/// What a query finds in a stored item, cut to what the source's rights allow.
pub(crate) fn hit(stored: &StoredItem, found: &model::Match, rights: &RightsOf) -> Value {
    let item = &stored.item;
    let may_quote = rights.of(item) != Rights::Link;
    json!({
        "id": stored.id,
        "source": item.source,
        "title": item.title,
        "url": item.url.as_ref().or(item.canonical_url.as_ref()),
        "published_at": time(item.published.as_ref().map(|published| published.at)),
        "language": item.language,
        "first_seen": time(Some(stored.first_seen)),
        "excerpt": (may_quote && !found.excerpt.is_empty()).then_some(&found.excerpt),
        "spans": found.spans.iter().filter(|span| may_quote || span.zone == model::Zone::Title).collect::<Vec<_>>(),
    })
}

/// An item with all that it matched, cut to what the source's rights allow.
pub(crate) fn item(stored: &StoredItem, matches: &[StoredMatch], rights: &RightsOf) -> Value {
    let item = &stored.item;
    let allowed = rights.of(item);
    let published = item.published.as_ref();
    let matched: Vec<Value> = matches
        .iter()
        .map(|found| {
            let shown = material(found, rights);
            json!({"topic": shown["topic"], "seq": shown["seq"], "matched_at": shown["matched_at"], "excerpt": shown["excerpt"],
                   "spans": shown["spans"], "tags": shown["tags"]})
        })
        .collect();
    json!({
        "id": stored.id,
        "source": item.source,
        "title": item.title,
        "url": item.url,
        "canonical_url": item.canonical_url,
        "author": item.author,
        "language": item.language,
        "published_at": time(published.map(|published| published.at)),
        "published_precision": published.map(|published| published.precision),
        "published_method": published.map(|published| published.method),
        "published_original": published.map(|published| &published.original),
        "published_clamped": published.map(|published| published.clamped),
        "updated_at": time(item.updated_at),
        "first_seen": time(Some(stored.first_seen)),
        "changed_at": time(Some(stored.changed_at)),
        "version": stored.version,
        "rights": allowed,
        "reservations": item.reservations,
        "matches": matched,
        "problems": item.problems,
        "text": (allowed == Rights::Full && !item.text.is_empty()).then_some(&item.text),
    })
}

/// What story an item belongs to: how many reprints there are, and who was first, as far as times of publication tell; null
/// where it was not looked at yet.
pub(crate) fn story(stored: &StoredItem, story: &[StoryItem]) -> Value {
    let own = story.iter().find(|reprint| reprint.item.row == stored.row);
    let first = story.first().map(|reprint| &reprint.item);
    json!(own.zip(first).map(|(own, first)| json!({
        "items": story.len(),
        "first": {"id": first.id, "source": first.item.source, "published_at": published_at(&first.item)},
        "is_first": first.row == stored.row,
        "like": own.similarity.map(|similarity| similarity.how.as_str()),
        "share": own.similarity.map(|similarity| rounded(similarity.share)),
    })))
}

/// One of a story's items.
pub(crate) fn reprint(reprint: &StoryItem) -> Value {
    let StoryItem { item: stored, similarity } = reprint;
    json!({
        "id": stored.id,
        "source": stored.item.source,
        "published_at": published_at(&stored.item),
        "first_seen": time(Some(stored.first_seen)),
        "like": similarity.map_or("first stored", |similarity| similarity.how.as_str()),
        "share": similarity.map(|similarity| rounded(similarity.share)),
        "title": stored.item.title,
        "url": stored.item.url.as_ref().or(stored.item.canonical_url.as_ref()),
    })
}

fn published_at(item: &Item) -> Value {
    time(item.published.as_ref().map(|published| published.at))
}

fn rounded(share: f64) -> f64 {
    (share * 100.0).round() / 100.0
}

/// An item that is not stored, as `source test` and `feed` show it.
pub(crate) fn unstored(item: &Item) -> Value {
    json!({
        "title": item.title,
        "url": item.url,
        "published_at": time(item.published.as_ref().map(|published| published.at)),
        "author": item.author,
        "language": item.language,
        "problems": item.problems,
    })
}
