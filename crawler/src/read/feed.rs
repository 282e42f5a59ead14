//! RSS, Atom and JSON Feed: feed-rs behind a sanitiser, with a lenient parser as fallback.
//!
//! Measured on real feeds, feed-rs alone silently returns nothing for RSS 0.90 and Atom 0.3, and
//! fails on a feed with one bad entry; the lenient parser ([`super::lenient`]) reads those and fails
//! on others. The parser that returns more entries wins. If a feed is malformed, its entries are also
//! read one by one ([`super::piecemeal`]).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Entry, Post, Precision, Published, PublishedMethod, SourceKind, same_site};
use url::Url;

use super::raw_entry::{RawEntry, build_entry};
use super::{Accept, Alarm, Page, Reader, Reading, catch_panic, lenient, piecemeal, sanitise, sniff};
use crate::dates::{self, Moment};
use crate::plain::plain_title;
use crate::websub;

/// Upper bound on the reported unparsable times of a feed.
const MAX_TIME_PROBLEMS: usize = 5;

/// A feed in any format: RSS, Atom or JSON Feed.
pub(super) struct Feed;

impl Reader for Feed {
    fn accept(&self) -> Accept {
        Accept::Xml
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        read(page)
    }
}

fn read(page: &Page<'_>) -> Reading {
    if sniff(page) == Some(SourceKind::Listing) && !has_feed_root(page) {
        return Reading {
            alarm: Some(Alarm::WrongFormat("expected a feed, got a web page".to_owned())),
            ..Reading::default()
        };
    }
    let decoded = page.decoded();
    let is_json =
        decoded.text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').starts_with('{');
    let text =
        if is_json { Cow::Borrowed(&*decoded.text) } else { Cow::Owned(sanitise::sanitise(&decoded.text)) };
    let mut reading = match read_strict(page, &text) {
        Ok(reading) => fill_gaps(page, &decoded.text, &text, reading),
        Err(problem) => read_malformed(page, &decoded.text, &text, problem),
    };
    reading.problems.extend(decoded.problem);
    reading
}

/// Fills the gaps of a strict reading. A complete reading is kept; any other is merged with that of the lenient
/// parser. If the feed has more entries than were read (a stray end tag is enough), it is also read entry by
/// entry. `raw` is the decoded feed, `text` the sanitised one.
fn fill_gaps(page: &Page<'_>, raw: &str, text: &str, first: Reading) -> Reading {
    let reading = if is_complete(&first) { first } else { merge(first, lenient::read(page, text)) };
    let starts = piecemeal::entry_starts_outside_sections(raw);
    if reading.entries.len() >= starts.len() {
        return reading;
    }
    match piecemeal::read(page, raw, &starts) {
        Some(others) => merge(reading, others),
        None => reading,
    }
}

/// Reads a malformed feed with the lenient parser and entry by entry, and returns the reading with the most entries.
/// `problem` is the error of the strict parser.
fn read_malformed(page: &Page<'_>, raw: &str, text: &str, problem: String) -> Reading {
    let mut reading = lenient::read(page, text);
    // An unclosed CDATA section or comment hides entries; one in the head of the feed may contain false ones.
    for starts in [piecemeal::entry_starts_outside_sections(raw), piecemeal::entry_starts(raw)] {
        if let Some(others) = piecemeal::read(page, raw, &starts)
            && others.entries.len() > reading.entries.len()
        {
            reading = others;
        }
    }
    if reading.alarm.is_some() {
        reading.alarm = Some(Alarm::WrongFormat(format!("not a feed: {problem}")));
    } else {
        reading.problems.push(problem);
    }
    reading
}

/// Returns true if a body that begins like a web page contains the root element of a feed.
fn has_feed_root(page: &Page<'_>) -> bool {
    let head = page.head();
    head.contains("<rss") || head.contains("<feed")
}

fn is_complete(reading: &Reading) -> bool {
    !reading.entries.is_empty()
        && reading.entries.iter().all(|entry| entry.url.is_some() && entry.title.is_some())
}

/// Returns the reading with more entries. If both have the same number, fills the gaps of the first from the second.
fn merge(first: Reading, second: Reading) -> Reading {
    if second.entries.len() > first.entries.len() {
        return second;
    }
    if second.entries.len() < first.entries.len() {
        return first;
    }
    let mut merged = first;
    for (entry, other) in merged.entries.iter_mut().zip(second.entries) {
        entry.url = entry.url.take().or(other.url);
        entry.title = entry.title.take().or(other.title);
        entry.published = entry.published.take().or(other.published);
        entry.text = entry.text.take().or(other.text);
        entry.summary = entry.summary.take().or(other.summary);
    }
    merged.title = merged.title.or(second.title);
    merged.fresh_for = merged.fresh_for.or(second.fresh_for);
    merged.hub = merged.hub.or(second.hub);
    merged
}

/// Parses a feed with feed-rs.
fn read_strict(page: &Page<'_>, text: &str) -> Result<Reading, String> {
    let zone = page.zone.clone();
    let times = Arc::new(Mutex::new(Times::default()));
    let recorder = times.clone();
    let parser = feed_rs::parser::Builder::new()
        .base_uri(Some(page.url.as_str()))
        .sanitize_content(false)
        .id_generator(|_, _, _| String::new())
        .timestamp_parser(move |text| {
            let moment = dates::parse(text, &zone);
            recorder.lock().unwrap_or_else(PoisonError::into_inner).record(text, moment);
            chrono::DateTime::from_timestamp(moment?.at.as_second(), 0)
        })
        .build();
    let feed =
        catch_panic("feed-rs", || parser.parse(text.as_bytes()))?.map_err(|error| error.to_string())?;
    let times = std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner));
    let next = next_page(page, &feed);
    let links = feed.links.iter().filter_map(|link| Some((link.rel.as_deref()?, link.href.as_str())));
    let hub = websub::offer(links, page.url);
    let entries = feed.entries.into_iter().map(|entry| self::entry(page, entry, &times)).collect();
    let title = feed.title.map(|title| plain_title(&title.content)).filter(|title| !title.is_empty());
    // RSS 2.0: `ttl` is the number of minutes for which the feed may be cached.
    let fresh_for = feed.ttl.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
    Ok(Reading { title, entries, next, hub, fresh_for, problems: times.problems, ..Reading::default() })
}

/// The default number of entries on a page of a WordPress feed; a page with fewer is the last one.
const WORDPRESS_PAGE_SIZE: usize = 10;

/// Returns the address of the next page, which has older entries: the feed's `next` link (RFC 5005), or the `paged`
/// parameter of a WordPress feed.
fn next_page(page: &Page<'_>, feed: &feed_rs::model::Feed) -> Option<Url> {
    let link = feed.links.iter().find(|link| link.rel.as_deref() == Some("next"));
    if let Some(link) = link {
        let next = page.url.join(&link.href).ok()?;
        return Some(next).filter(|next| next != page.url && same_site(next, page.url));
    }
    let generator = feed.generator.as_ref()?;
    let is_wordpress = [Some(&generator.content), generator.uri.as_ref()]
        .into_iter()
        .flatten()
        .any(|text| text.to_ascii_lowercase().contains("wordpress.org"));
    if !is_wordpress || feed.entries.len() < WORDPRESS_PAGE_SIZE {
        return None;
    }
    let is_page = |(key, _): &(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| key == "paged";
    let number: u32 =
        page.url.query_pairs().find(is_page).map_or(Some(1), |(_, number)| number.parse().ok())?;
    let others: Vec<(String, String)> = page
        .url
        .query_pairs()
        .filter(|pair| !is_page(pair))
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let mut next = page.url.clone();
    next.query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair("paged", &number.checked_add(1)?.to_string());
    Some(next)
}

/// The original texts of the times in a feed: feed-rs returns only the parsed moments.
#[derive(Default)]
struct Times {
    originals: HashMap<i64, (String, Precision)>,
    problems: Vec<String>,
}

impl Times {
    fn record(&mut self, text: &str, moment: Option<Moment>) {
        match moment {
            Some(moment) => {
                let original = (text.trim().to_owned(), moment.precision);
                self.originals.insert(moment.at.as_second(), original);
            }
            None if self.problems.len() < MAX_TIME_PROBLEMS && !text.trim().is_empty() => {
                let text: String = text.trim().chars().take(60).collect();
                self.problems.push(format!("cannot parse the time {text:?}"));
            }
            None => (),
        }
    }

    fn published(&self, at: model::Timestamp) -> Published {
        let (original, precision) =
            self.originals.get(&at.as_second()).cloned().unwrap_or((at.to_string(), Precision::Second));
        Published { at, precision, method: PublishedMethod::Feed, original, clamped: false }
    }
}

fn entry(page: &Page<'_>, entry: feed_rs::model::Entry, times: &Times) -> Entry {
    let link = entry
        .links
        .iter()
        .find(|link| link.rel.as_deref().is_none_or(|rel| rel == "alternate"))
        .or_else(|| {
            entry
                .links
                .iter()
                .find(|link| !matches!(link.rel.as_deref(), Some("enclosure" | "self" | "edit")))
        })
        .map(|link| link.href.as_str());
    let body = entry.content.as_ref().and_then(|content| content.body.as_deref());
    let description = || entry.media.iter().find_map(|media| media.description.as_ref());
    let summary = entry.summary.as_ref().or_else(description).map(|summary| summary.content.as_str());
    let community = entry.media.iter().find_map(|media| media.community.as_ref());
    let authors: Vec<String> = entry
        .authors
        .iter()
        .map(|person| parse_person_name(person.name.as_deref().unwrap_or_default()))
        .filter(|name| !name.is_empty())
        .collect();
    let moment = |at: chrono::DateTime<chrono::Utc>| model::Timestamp::from_second(at.timestamp()).ok();
    let image = entry
        .media
        .iter()
        .flat_map(|media| &media.thumbnails)
        .map(|thumbnail| thumbnail.image.uri.as_str())
        .next();
    let published = entry.published.and_then(moment);
    let updated = entry.updated.and_then(moment);
    build_entry(
        page,
        RawEntry {
            id: Some(entry.id.as_str()),
            link,
            title: entry.title.as_ref().map(|title| title.content.as_str()),
            body,
            summary,
            author: (!authors.is_empty()).then(|| authors.join(", ")),
            published: published.or(updated).map(|at| times.published(at)),
            updated,
            image,
            language: entry.language.as_deref(),
            post: community.map(read_counters).unwrap_or_default(),
        },
    )
}

/// Reads the counters of a media feed (Media RSS, `media:community`).
fn read_counters(community: &feed_rs::model::MediaCommunity) -> Post {
    Post { views: community.stats_views, likes: community.stars_count, ..Post::default() }
}

/// Returns the name of a person; that of `editor@news.kz (Айгүл Серікқызы)` is `Айгүл Серікқызы`.
fn parse_person_name(text: &str) -> String {
    let text = text.trim();
    match text.split_once('(') {
        Some((address, name)) if address.contains('@') || address.is_empty() => {
            name.trim_end_matches(')').trim().to_owned()
        }
        _ if text.contains('@') && !text.contains(' ') => String::new(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Selectors;

    fn check(body: &str) -> Reading {
        let url = Url::parse("https://news.kz/rss").unwrap();
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let selectors = Selectors::default();
        super::super::read(SourceKind::Feed, &Page::new(&url, body.as_bytes(), &selectors, None, now))
    }

    fn rss(items: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"windows-1251\"?><rss version=\"2.0\"><channel><title>Жаңалық &amp;amp; т.б.</title>{items}</channel></rss>"
        )
    }

    /// Hubs come from Atom links, in RSS and Atom feeds (WebSub §4). A `self` link to another site is ignored.
    #[test]
    fn hubs_are_read_from_feed_links() {
        let link = |rel: &str, href: &str| {
            format!("<atom:link xmlns:atom='http://www.w3.org/2005/Atom' rel='{rel}' href='{href}'/>")
        };
        for (self_url, expected) in
            [("https://news.kz/rss?full", Some("https://news.kz/rss?full")), ("https://other.kz/rss", None)]
        {
            let body = rss(&(link("hub", "https://hub.kz/") + &link("self", self_url)));
            let hub = check(&body).hub;
            assert_eq!(hub.as_ref().map(|offer| offer.topic_url.as_str()), expected, "{self_url}");
            assert!(hub.is_none_or(|offer| offer.hub.as_str() == "https://hub.kz/"));
        }
    }

    /// The expected values follow RFC 5005 and the documentation of WordPress, whose feeds page by `paged`.
    #[test]
    fn feeds_lead_to_their_next_page() {
        let items = |count: usize| -> String {
            (0..count)
                .map(|n| format!("<item><guid>{n}</guid><title>t{n}</title><link>/n/{n}</link></item>"))
                .collect()
        };
        let wordpress = "<generator>https://wordpress.org/?v=6.4</generator>";
        let link = |href: &str| {
            format!("<atom:link xmlns:atom='http://www.w3.org/2005/Atom' rel='next' href='{href}'/>")
        };
        for (at, head, count, expected) in [
            (
                "https://news.kz/rss",
                link("https://news.kz/rss?page=2"),
                3,
                Some("https://news.kz/rss?page=2"),
            ),
            ("https://news.kz/rss", link("https://news.kz/rss"), 3, None),
            ("https://news.kz/rss", link("https://other.example/rss"), 3, None),
            ("https://news.kz/feed/", wordpress.to_owned(), 10, Some("https://news.kz/feed/?paged=2")),
            (
                "https://news.kz/?feed=rss2&paged=2",
                wordpress.to_owned(),
                10,
                Some("https://news.kz/?feed=rss2&paged=3"),
            ),
            ("https://news.kz/feed/", wordpress.to_owned(), 9, None),
            ("https://news.kz/feed/?paged=4294967295", wordpress.to_owned(), 10, None),
            ("https://news.kz/feed/", String::new(), 10, None),
        ] {
            let body =
                format!("<rss version='2.0'><channel><title>t</title>{head}{}</channel></rss>", items(count));
            let url = Url::parse(at).unwrap();
            let selectors = Selectors::default();
            let now = "2026-11-23T10:00:00Z".parse().unwrap();
            let page = Page::new(&url, body.as_bytes(), &selectors, None, now);
            let next = super::super::read(SourceKind::Feed, &page).next;
            assert_eq!(next.as_ref().map(Url::as_str), expected, "{at} {head}");
        }
    }

    #[test]
    fn all_fields_of_an_entry_are_read() {
        let reading = check(&rss(
            "<item><title>&lt;b&gt;Банк&lt;/b&gt; &amp;amp; биржа</title><link>/n/1?utm_source=rss</link><guid isPermaLink=\"false\">n1</guid>
             <pubDate>Вт, 03 ноя 2026 14:05:00 +0500</pubDate><author>ed@news.kz (Айгүл Серікқызы)</author><description>Қысқа &lt;i&gt;мазмұны&lt;/i&gt;</description></item>",
        ));
        assert_eq!(reading.alarm, None);
        let entry = &reading.entries[0];
        assert_eq!(entry.title.as_deref(), Some("Банк & биржа"));
        assert_eq!(entry.url.as_ref().map(Url::as_str), Some("https://news.kz/n/1?utm_source=rss"));
        assert_eq!(entry.id.as_deref(), Some("n1"));
        assert_eq!(entry.author.as_deref(), Some("Айгүл Серікқызы"));
        assert_eq!(
            entry.published.as_ref().map(|p| p.at.to_string()).as_deref(),
            Some("2026-11-03T09:05:00Z")
        );
        assert_eq!((entry.summary.as_deref(), entry.text.as_deref()), (Some("Қысқа мазмұны"), None));
    }

    #[test]
    fn teasers_become_summaries() {
        let long = "Қазақстан банкі жаңа мөлшерлемені жариялады. ".repeat(40);
        let reading = check(&rss(&format!(
            "<item><title>a</title><link>/1</link><description>{long}</description></item>
             <item><title>b</title><link>/2</link><description>{long} Читать далее...</description></item>"
        )));
        assert!(reading.entries[0].text.is_some());
        assert!(reading.entries[1].text.is_none() && reading.entries[1].summary.is_some());
    }

    #[test]
    fn web_pages_and_empty_feeds_raise_alarms() {
        assert!(check("<!DOCTYPE html><html><body>404").alarm.unwrap().to_string().contains("web page"));
        assert!(check(&rss("")).alarm.is_some());
        assert!(check("").alarm.is_some());
        assert!(check("{\"a\":1}").alarm.is_some());
    }

    #[test]
    fn one_bad_entry_does_not_affect_the_others() {
        let item = |number: u8, title: &str| {
            format!("<item><title>{title}</title><link>/{number}</link><guid>{number}</guid></item>")
        };
        for bad in [
            "b</b>",
            "A & B <b>x",
            "A < B",
            "<link>",
            "<![CDATA[ never closed",
            "<!-- never closed",
            "x</title></item></channel>",
            "</description></item></channel></rss>",
        ] {
            for place in 0..3 {
                let titles = [0, 1, 2].map(|at| if at == place { bad } else { "Хабар" });
                let items: String = (1..).zip(titles).map(|(number, title)| item(number, title)).collect();
                let reading = check(&rss(&items));
                let is_read = |number: usize| {
                    let url = format!("https://news.kz/{number}");
                    reading
                        .entries
                        .iter()
                        .any(|entry| entry.url.as_ref().is_some_and(|at| at.as_str() == url))
                };
                let others = [1, 2, 3].iter().filter(|number| **number != place + 1);
                let missing: Vec<_> = others.filter(|number| !is_read(**number)).collect();
                assert_eq!(
                    (reading.alarm.as_ref(), missing),
                    (None, vec![]),
                    "{bad} at {place}: {reading:?}"
                );
                assert_eq!(reading.title.as_deref(), Some("Жаңалық & т.б."), "{bad}");
            }
        }
        // More unclosed HTML elements than an XML parser may nest.
        let lines = format!("a</title><description>{}</description>", "<br>".repeat(300));
        let reading = check(&rss(&[item(1, &lines), item(2, "b"), item(3, "c")].concat()));
        let links = reading.entries.iter().filter(|entry| entry.url.is_some()).count();
        assert!(links >= 2, "{reading:?}");
        for head in ["<!-- <item> goes here -->", "<description><![CDATA[ an <item > ]]></description>"] {
            let items = [item(1, "a"), item(2, "A <b> B"), item(3, "c")].concat();
            assert_eq!(check(&rss(&format!("{head}{items}"))).entries.len(), 2, "{head}");
        }
    }

    #[test]
    fn shared_identifiers_are_ignored() {
        let reading = check(&rss(
            "<item><title>a</title><link>/1</link><guid>x</guid></item><item><title>b</title><link>/2</link><guid>x</guid></item>",
        ));
        assert!(reading.entries.iter().all(|entry| entry.id.is_none()), "{reading:?}");
    }

    /// Feed parsers recurse: nesting beyond that of real feeds must not reach them.
    #[test]
    fn deeply_nested_feeds_are_read() {
        for (open, close) in [
            ("<media:group>", "</media:group>"),
            ("<a>", ""),
            ("<a:b c='d'>", "</a:b>"),
            ("<media:group><link></link>", "</media:group>"),
            ("<link>", ""),
        ] {
            let deep = format!("{}{}", open.repeat(60_000), close.repeat(60_000));
            let feed = format!(
                "<rss version='2.0' xmlns:media='http://search.yahoo.com/mrss/' xmlns:a='x'><channel><title>t</title>\
                 <item><title>бірінші</title><guid>1</guid></item><item><title>екінші</title><guid>2</guid>{deep}</item></channel></rss>"
            );
            let reading = check(&feed);
            assert!(!reading.entries.is_empty(), "{open}: {:?}", reading.alarm);
        }
    }
}
