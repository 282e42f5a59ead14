//! The second opinion on feeds: feedparser-rs, which forgives more.

use feedparser_rs::FeedVersion;
use model::{Post, Precision, Published, PublishedMethod, Timestamp};

use super::feed::{Raw, assemble};
use super::{Alarm, Page, Reading, guarded};
use crate::dates;
use crate::plain::plain_title;

pub(super) fn read(page: &Page<'_>, text: &str) -> Reading {
    let foreign = |reason| Reading { alarm: Some(Alarm::Foreign(reason)), ..Reading::default() };
    let feed = match guarded("feedparser-rs", || feedparser_rs::parse(text.as_bytes())) {
        Ok(Ok(feed)) => feed,
        Ok(Err(error)) => return foreign(error.to_string()),
        Err(problem) => return foreign(problem),
    };
    if feed.version == FeedVersion::Unknown && feed.entries.is_empty() {
        return foreign("no kind of feed is recognised".to_owned());
    }
    let entries = feed.entries.iter().map(|entry| self::entry(page, entry)).collect();
    let title = feed.feed.title.as_deref().map(plain_title).filter(|title| !title.is_empty());
    let problems = feed.bozo_exception.into_iter().collect();
    Reading { title, entries, problems, ..Reading::default() }
}

fn entry(page: &Page<'_>, entry: &feedparser_rs::Entry) -> model::Entry {
    let moment = |at: Option<chrono::DateTime<chrono::Utc>>, text: Option<&String>| -> Option<Published> {
        let written = text.and_then(|text| dates::parse(text, &page.zone));
        let at =
            at.and_then(|at| Timestamp::from_second(at.timestamp()).ok()).or(written.map(|told| told.at))?;
        Some(Published {
            at,
            precision: written.map_or(Precision::Second, |told| told.precision),
            method: PublishedMethod::Feed,
            original: text.map_or_else(|| at.to_string(), |text| text.trim().to_owned()),
            clamped: false,
        })
    };
    let updated = moment(entry.updated, entry.updated_str.as_ref());
    let published = moment(entry.published, entry.published_str.as_ref())
        .or_else(|| moment(entry.dc_date, None))
        .or_else(|| updated.clone());
    assemble(
        page,
        Raw {
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
