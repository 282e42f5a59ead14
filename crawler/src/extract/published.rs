//! When a page was published: every hint with its provenance, the most trusted first.
//!
//! Order: the source's selector, the address, JSON-LD, meta elements, time elements and elements
//! named like a date, the text. Measured with `score.py` on other people's labelled pages: address
//! dates are right in 98 of 100, JSON-LD in 93, meta in 87, classes in 83, the text in 79.
//! A hint that only gives the day is refined by a lower one that gives the time of the same day.

use jiff::tz::TimeZone;
use model::{Precision, Published, PublishedMethod, Timestamp};
use url::Url;

use super::article::nearest;
use super::metadata::Metadata;
use crate::dates::{self, Moment};

const META: &[&str] = &[
    "article:published_time",
    "og:published_time",
    "datepublished",
    "article:published",
    "date.published",
    "published_time",
    "published-date",
    "publish-date",
    "publish_date",
    "publication_date",
    "pubdate",
    "parsely-pub-date",
    "sailthru.date",
    "cxenseparse:recs:publishtime",
    "dc.date.issued",
    "dc.date.created",
    "dcterms.created",
    "dcterms.date",
    "dc.date",
    "dcterms.issued",
    "citation_publication_date",
    "article.published",
    "article.created",
    "datecreated",
    "date",
    "og:article:published_time",
    "mediator_published_time",
    "originalpublicationdate",
    "timestamp",
];

/// The words before a date in a text that make it the publication's: looked for in its beginning only.
const TEXT_HEAD: usize = 1500;

pub(super) fn published(
    selected: Option<&str>,
    url: &Url,
    page: &Metadata,
    headline: Option<usize>,
    text: &str,
    zone: &TimeZone,
    now: Timestamp,
) -> Option<Published> {
    let hints = hints(selected, url, page, headline, text, zone);
    let sane: Vec<&Hint> = hints.iter().filter(|hint| is_sane(hint.moment.at, now)).collect();
    let best = *sane.first().or(hints.first().as_ref())?;
    let refined = (best.moment.precision == Precision::Day)
        .then(|| {
            sane.iter().find(|hint| {
                hint.moment.precision == Precision::Second && is_of_day(hint.moment.at, best.moment.at, zone)
            })
        })
        .flatten()
        .copied()
        .unwrap_or(best);
    Some(Published {
        at: refined.moment.at,
        precision: refined.moment.precision,
        method: refined.method,
        original: refined.original.clone(),
        clamped: false,
    })
}

struct Hint {
    method: PublishedMethod,
    original: String,
    moment: Moment,
}

fn hints(
    selected: Option<&str>,
    url: &Url,
    page: &Metadata,
    headline: Option<usize>,
    text: &str,
    zone: &TimeZone,
) -> Vec<Hint> {
    let mut hints = Vec::new();
    let mut read = |method, text: &str| {
        if let Some(moment) = dates::parse(text, zone).map(|moment| as_day(moment, text)) {
            hints.push(Hint { method, original: text.to_owned(), moment });
        }
    };
    if let Some(selected) = selected {
        read(PublishedMethod::Selector, selected);
    }
    let in_address = dates::in_url(url).map(|date| date.to_string());
    if let Some(date) = &in_address {
        read(PublishedMethod::Url, date);
    }
    if let Some(text) = &page.json_ld.published {
        read(PublishedMethod::JsonLd, text);
    }
    if let Some(text) = page.meta(META) {
        read(PublishedMethod::Meta, text);
    }
    let itemprop = page.itemprops.iter().find(|(name, _)| name == "datepublished");
    let marked = itemprop.map(|(_, text)| text).into_iter().chain(&page.published).map(String::as_str);
    let shown =
        [&page.times, &page.dated, &page.plain_dates].into_iter().flat_map(|shown| nearest(shown, headline));
    for text in marked.chain(shown) {
        read(PublishedMethod::Time, text);
    }
    let head = text.char_indices().nth(TEXT_HEAD).map_or(text, |(at, _)| text.get(..at).unwrap_or(text));
    if let Some(moment) = dates::find(head, zone) {
        hints.push(Hint { method: PublishedMethod::Text, original: String::new(), moment });
    }
    hints
}

fn is_sane(at: Timestamp, now: Timestamp) -> bool {
    let early = Timestamp::from_second(631_152_000).unwrap_or(Timestamp::MIN); // 1990-01-01
    at >= early && at.as_second() <= now.as_second() + 86_400
}

/// Midnight to the second is what systems write that know the day only.
fn as_day(moment: Moment, text: &str) -> Moment {
    let midnight =
        ["T00:00:00", " 00:00:00", "T00:00+", "T00:00-", "T00:00Z"].iter().any(|mark| text.contains(mark));
    let date = text.get(..10).and_then(|date| date.parse::<jiff::civil::Date>().ok()).filter(|_| midnight);
    match date.and_then(|date| TimeZone::UTC.to_timestamp(date.into()).ok()) {
        Some(at) => Moment { at, precision: Precision::Day },
        None => moment,
    }
}

/// Whether a moment lies, by its own clock, on a day (which is midnight UTC by convention).
fn is_of_day(at: Timestamp, day: Timestamp, zone: &TimeZone) -> bool {
    at.to_zoned(zone.clone()).date() == day.to_zoned(TimeZone::UTC).date()
}
