//! The lenient feed parser: feedparser-rs, which accepts more malformed feeds than feed-rs.

use feedparser_rs::FeedVersion;
use model::{Post, Precision, Published, PublishedMethod, Timestamp};

use super::raw_entry::{RawEntry, build_entry};
use super::{Alarm, Page, Reading, catch_panic};
use crate::dates;
use crate::plain::plain_title;

/// Parses a feed with feedparser-rs. Sets an alarm if the text is not a feed.
pub(super) fn read(page: &Page<'_>, text: &str) -> Reading {
    let foreign = |reason| Reading { alarm: Some(Alarm::WrongFormat(reason)), ..Reading::default() };
    let feed = match catch_panic("feedparser-rs", || feedparser_rs::parse(text.as_bytes())) {
        Ok(Ok(feed)) => feed,
        Ok(Err(error)) => return foreign(error.to_string()),
        Err(problem) => return foreign(problem),
    };
    if feed.version == FeedVersion::Unknown && feed.entries.is_empty() {
        return foreign("unknown feed format".to_owned());
    }
    let entries = feed.entries.iter().map(|entry| self::entry(page, entry)).collect();
    let title = feed.feed.title.as_deref().map(plain_title).filter(|title| !title.is_empty());
    let problems = feed.bozo_exception.into_iter().collect();
    Reading { title, entries, problems, ..Reading::default() }
}

fn entry(page: &Page<'_>, entry: &feedparser_rs::Entry) -> model::Entry {
    let moment = |at: Option<chrono::DateTime<chrono::Utc>>, text: Option<&String>| -> Option<Published> {
        let parsed = text.and_then(|text| dates::parse(text, &page.zone));
        let at = at
            .and_then(|at| Timestamp::from_second(at.timestamp()).ok())
            .or(parsed.map(|moment| moment.at))?;
        Some(Published {
            at,
            precision: parsed.map_or(Precision::Second, |moment| moment.precision),
            method: PublishedMethod::Feed,
            original: text.map_or_else(|| at.to_string(), |text| text.trim().to_owned()),
            clamped: false,
        })
    };
    let updated = moment(entry.updated, entry.updated_str.as_ref());
    let published = moment(entry.published, entry.published_str.as_ref())
        .or_else(|| moment(entry.dc_date, None))
        .or_else(|| updated.clone());
    build_entry(
        page,
        RawEntry {
            id: entry.id.as_deref(),
            link: entry.link.as_deref(),
            title: entry.title.as_deref(),
            body: entry.content.first().map(|content| content.value.as_str()),
            summary: entry.summary.as_deref(),
            author: entry.author.as_deref().map(str::to_owned),
            published,
            updated: updated.map(|updated| updated.at),
            image: None,
            language: None,
            post: Post::default(),
        },
    )
}
