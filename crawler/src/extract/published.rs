//! The publication time of a page, chosen from hints ordered by trust.
//!
//! Order: the selector of the source, the address, JSON-LD, meta elements, time elements and elements
//! named like a date, the text. Measured with `score.py` on third-party labelled pages: dates in
//! addresses are right in 98 of 100 cases, JSON-LD in 93, meta in 87, classes in 83, the text in 79.
//! A hint that has only the day is refined by a less trusted one with a time on the same day.

use jiff::tz::TimeZone;
use model::{Precision, Published, PublishedMethod, Timestamp};
use url::Url;

use super::article::nearest;
use super::metadata::Metadata;
use crate::dates::{self, Moment};

const META_NAMES: &[&str] = &[
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

/// The length of the beginning of the text in which a date is searched, in characters.
const TEXT_HEAD_CHARS: usize = 1500;

/// Returns the publication time from the most trusted plausible hint. `selected` is the text that the selector
/// of the source matched, `headline` the position of the headline among the elements.
pub(super) fn find_published(
    selected: Option<&str>,
    url: &Url,
    page: &Metadata,
    headline: Option<usize>,
    text: &str,
    zone: &TimeZone,
    now: Timestamp,
) -> Option<Published> {
    let hints = collect_hints(selected, url, page, headline, text, zone);
    let plausible: Vec<&Hint> = hints.iter().filter(|hint| is_plausible(hint.moment.at, now)).collect();
    let best = *plausible.first().or(hints.first().as_ref())?;
    let refined = (best.moment.precision == Precision::Day)
        .then(|| {
            plausible.iter().find(|hint| {
                hint.moment.precision == Precision::Second && is_on_day(hint.moment.at, best.moment.at, zone)
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

fn collect_hints(
    selected: Option<&str>,
    url: &Url,
    page: &Metadata,
    headline: Option<usize>,
    text: &str,
    zone: &TimeZone,
) -> Vec<Hint> {
    let mut hints = Vec::new();
    let mut add = |method, text: &str| {
        if let Some(moment) = dates::parse(text, zone).map(|moment| reduce_midnight(moment, text)) {
            hints.push(Hint { method, original: text.to_owned(), moment });
        }
    };
    if let Some(selected) = selected {
        add(PublishedMethod::Selector, selected);
    }
    let in_address = dates::in_url(url).map(|date| date.to_string());
    if let Some(date) = &in_address {
        add(PublishedMethod::Url, date);
    }
    if let Some(text) = &page.json_ld.published {
        add(PublishedMethod::JsonLd, text);
    }
    if let Some(text) = page.meta(META_NAMES) {
        add(PublishedMethod::Meta, text);
    }
    let itemprop = page.itemprops.iter().find(|(name, _)| name == "datepublished");
    let marked = itemprop.map(|(_, text)| text).into_iter().chain(&page.published).map(String::as_str);
    let unmarked =
        [&page.times, &page.dated, &page.plain_dates].into_iter().flat_map(|texts| nearest(texts, headline));
    for text in marked.chain(unmarked) {
        add(PublishedMethod::Time, text);
    }
    let head =
        text.char_indices().nth(TEXT_HEAD_CHARS).map_or(text, |(at, _)| text.get(..at).unwrap_or(text));
    if let Some(moment) = dates::find(head, zone) {
        hints.push(Hint { method: PublishedMethod::Text, original: String::new(), moment });
    }
    hints
}

fn is_plausible(at: Timestamp, now: Timestamp) -> bool {
    let early = Timestamp::from_second(631_152_000).unwrap_or(Timestamp::MIN); // 1990-01-01
    at >= early && at.as_second() <= now.as_second() + 86_400
}

/// Reduces an exact midnight to day precision: publishing systems that store only the day write it.
fn reduce_midnight(moment: Moment, text: &str) -> Moment {
    let is_midnight =
        ["T00:00:00", " 00:00:00", "T00:00+", "T00:00-", "T00:00Z"].iter().any(|mark| text.contains(mark));
    let date = text.get(..10).and_then(|date| date.parse::<jiff::civil::Date>().ok()).filter(|_| is_midnight);
    match date.and_then(|date| TimeZone::UTC.to_timestamp(date.into()).ok()) {
        Some(at) => Moment { at, precision: Precision::Day },
        None => moment,
    }
}

/// Returns true if `at` is on `day` in `zone`. A day is represented by its midnight in UTC.
fn is_on_day(at: Timestamp, day: Timestamp, zone: &TimeZone) -> bool {
    at.to_zoned(zone.clone()).date() == day.to_zoned(TimeZone::UTC).date()
}
