//! Parses response bodies into entries: feeds, sitemaps, listings and platform APIs.
//!
//! Parsing never fails. It returns the entries it understood, a list of problems, and an *alarm* if
//! the body does not match the declared kind of the source: a feed without entries is an alarm, never
//! an empty success. Each kind of source has one file here with its `Reader`.

mod address;
mod autodiscovery;
mod bluesky;
mod discourse;
mod feed;
mod gdelt;
mod hacker_news;
mod import;
mod jetstream;
mod json;
mod lenient;
mod listing;
mod mastodon;
mod opml;
mod page;
mod piecemeal;
mod raw_entry;
mod reddit;
mod sanitise;
mod sitemap;
mod telegram;
#[cfg(test)]
mod testing;
mod vk;
mod wall;
mod youtube;

use std::time::Duration;

use model::{Entry, HubOffer, Source, SourceKind};
use url::Url;

pub use autodiscovery::{COMMON_FEED_PATHS, linked_feeds};
pub use json::check_pointer;
pub(crate) use listing::{parse_selector, text_of};
pub use opml::{Outline, read_opml, write_opml};
pub use page::Page;
pub use wall::detect_wall;

use crate::fetch::{Accept, OriginToken};

/// Upper bound on the entries read from one document (the bound of the sitemap protocol).
pub(crate) const MAX_ENTRIES: usize = 50_000;

/// The result of parsing a body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The title of the document.
    pub title: Option<String>,
    /// The entries, in document order.
    pub entries: Vec<Entry>,
    /// Addresses of the documents that it consists of, such as the sitemaps of an index, newest first.
    pub children: Vec<Url>,
    /// Identifiers that the document shows but that are not among `entries`.
    pub unordered: Vec<String>,
    /// The address of the next page, which has older entries.
    pub next: Option<Url>,
    /// The WebSub hub that the document offers.
    pub hub: Option<HubOffer>,
    /// The time for which the document declares itself fresh.
    pub fresh_for: Option<Duration>,
    /// The cursor at which a stream continues.
    pub cursor: Option<String>,
    /// Parts of the document that could not be understood.
    pub problems: Vec<String>,
    /// The reason why the reading is not a success.
    pub alarm: Option<Alarm>,
    /// A sign that the layout changed, although entries were read.
    pub suspicion: Option<String>,
}

impl Reading {
    /// Creates a reading that has only an alarm.
    pub(crate) fn from_alarm(alarm: Alarm) -> Self {
        Self { alarm: Some(alarm), ..Self::default() }
    }
}

/// The reason why a parsed body is not a success, worded for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// The body is not of the declared kind.
    WrongFormat(String),
    /// The body is of the declared kind but has no entries.
    Empty(String),
    /// The host restricts access to the document.
    Restricted(String),
    /// The host reports that it receives too many requests.
    RateLimited(String),
    /// The host reports that the document is permanently gone.
    Gone(String),
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::WrongFormat(reason)
        | Self::Empty(reason)
        | Self::Restricted(reason)
        | Self::RateLimited(reason)
        | Self::Gone(reason)) = self;
        f.write_str(reason)
    }
}

/// A kind of source: its fetch address, its request limits, and the parser of its responses.
trait Reader: Sync {
    /// Returns the address to fetch for a declared address. The error text names a valid form of address.
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        Ok(declared.clone())
    }

    /// Returns the format to request.
    fn accept(&self) -> Accept {
        Accept::Page
    }

    /// Returns the minimum delay between two requests to the host, used if the source declares no delay.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns true if the host answers only requests with a token.
    fn needs_token(&self) -> bool {
        false
    }

    /// Returns true if a response without entries is valid, as it is for an API but not for a page.
    fn may_be_empty(&self) -> bool {
        false
    }

    /// Returns true if the address shows every publication, newest first, back to the oldest one it shows. A
    /// publication that disappears from such a window was deleted.
    fn is_complete_window(&self, _address: &Url) -> bool {
        false
    }

    /// Parses a body.
    fn read(&self, page: &Page<'_>) -> Reading;
}

fn reader(kind: SourceKind) -> &'static dyn Reader {
    match kind {
        SourceKind::Feed => &feed::Feed,
        SourceKind::Sitemap => &sitemap::Sitemap,
        SourceKind::Listing => &listing::Listing,
        SourceKind::Json => &json::Json,
        SourceKind::Telegram => &telegram::Telegram,
        SourceKind::Youtube => &youtube::Youtube,
        SourceKind::Mastodon => &mastodon::Mastodon,
        SourceKind::Bluesky => &bluesky::Bluesky,
        SourceKind::Jetstream => &jetstream::Jetstream,
        SourceKind::Reddit => &reddit::Reddit,
        SourceKind::Vk => &vk::Vk,
        SourceKind::Discourse => &discourse::Discourse,
        SourceKind::HackerNews => &hacker_news::HackerNews,
        SourceKind::Gdelt => &gdelt::Gdelt,
        SourceKind::Import => &import::Import,
    }
}

/// Returns the address to fetch for a declared address. Users declare the address their browser shows, which
/// often differs from the API address. The error text names a valid form of address.
pub fn endpoint(kind: SourceKind, declared: &Url) -> Result<Url, String> {
    reader(kind).endpoint(declared)
}

/// Returns the kind of the platform at the host of `url`, for addresses without a declared kind.
pub fn kind_of(url: &Url) -> Option<SourceKind> {
    let host = url.host_str()?.trim_start_matches("www.");
    Some(match host {
        "t.me" | "telegram.me" => SourceKind::Telegram,
        "youtube.com" | "m.youtube.com" => SourceKind::Youtube,
        "bsky.app" | "public.api.bsky.app" => SourceKind::Bluesky,
        "reddit.com" | "old.reddit.com" => SourceKind::Reddit,
        "vk.com" | "m.vk.com" | "vk.ru" | "api.vk.com" => SourceKind::Vk,
        "news.ycombinator.com" | "hn.algolia.com" => SourceKind::HackerNews,
        "api.gdeltproject.org" => SourceKind::Gdelt,
        _ => return None,
    })
}

/// Returns the address to fetch for a source; `query` fills in the address of a searched source.
pub fn address_of(source: &Source, query: &str) -> Url {
    let declared = source.search_url(query).unwrap_or_else(|| source.url.clone());
    // Declared addresses are validated; one from an older, unvalidated declaration is used unchanged.
    endpoint(source.kind, &declared).unwrap_or(declared)
}

/// Returns true if sources of this kind are streamed, not polled. Stream entries that match no topic are not stored.
pub fn is_stream(kind: SourceKind) -> bool {
    accept(kind) == Accept::Stream
}

/// Returns the address at which a stream continues after `cursor`.
pub fn with_cursor(url: &Url, cursor: &str) -> Url {
    address::with_parameters(url, &[("cursor", cursor)])
}

/// Returns the token of a source, bound to the address it is sent to.
pub fn token_of(source: &Source) -> Option<OriginToken> {
    source.token.clone().map(|name| OriginToken { name, at: address_of(source, "") })
}

/// Returns the format to request for sources of this kind.
pub fn accept(kind: SourceKind) -> Accept {
    reader(kind).accept()
}

/// Returns the delay between two requests to the host of a source: the declared delay, or else the larger of
/// `usual` and the minimum of the source's kind.
pub fn delay_of(source: &Source, usual: Duration) -> Duration {
    source.delay.unwrap_or_else(|| usual.max(reader(source.kind).delay()))
}

/// Returns true if sources of this kind cannot be read without a token.
pub fn needs_token(kind: SourceKind) -> bool {
    reader(kind).needs_token()
}

/// Returns true if a source of this kind shows at this address every publication, back to the oldest one it shows.
pub fn is_complete_window(kind: SourceKind, address: &Url) -> bool {
    reader(kind).is_complete_window(address)
}

/// Detects a changed layout. Returns a message if no entry has a time although a selector or pointer for times
/// is declared, or if all entries have the same title.
fn detect_layout_change(entries: &[Entry], (times, titles): (Option<&str>, Option<&str>)) -> Option<String> {
    const MIN_ITEMS: usize = 3;
    let count = entries.len();
    if count < MIN_ITEMS {
        return None;
    }
    if let Some(place) = times.filter(|_| entries.iter().all(|entry| entry.published.is_none())) {
        return Some(format!("none of {count} items has a time at {place}: the layout may have changed"));
    }
    let first = entries.first().and_then(|entry| entry.title.as_ref());
    let all_same = first.is_some() && entries.iter().all(|entry| entry.title.as_ref() == first);
    titles
        .filter(|_| all_same)
        .map(|place| format!("all {count} items have the same title at {place}: the layout may have changed"))
}

/// Parses a body as the declared kind of its source.
pub fn read(kind: SourceKind, page: &Page<'_>) -> Reading {
    let mut reading = reader(kind).read(page);
    if reading.entries.len() > MAX_ENTRIES {
        reading.entries.truncate(MAX_ENTRIES);
        reading.problems.push(format!("only the first {MAX_ENTRIES} entries were read"));
    }
    let is_empty = reading.entries.is_empty() && reading.children.is_empty();
    let may_be_empty = reader(kind).may_be_empty() || reading.next.is_some();
    if reading.alarm.is_none() && is_empty && !may_be_empty {
        reading.alarm = Some(Alarm::Empty(format!("found no entries in this {}", kind.as_str())));
    }
    drop_shared_ids(&mut reading);
    reading
}

/// Detects the kind of a body from its content, independent of the declared kind.
pub fn sniff(page: &Page<'_>) -> Option<SourceKind> {
    let head: String = page.head().to_ascii_lowercase();
    let start = head.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if start.starts_with('{') && head.contains("jsonfeed.org") {
        return Some(SourceKind::Feed);
    }
    let root =
        ["<rss", "<feed", "<rdf:rdf", "<urlset", "<sitemapindex", "<!doctype html", "<html", "<channel"]
            .into_iter()
            .filter_map(|tag| head.find(tag).map(|at| (at, tag)))
            .min()?;
    match root.1 {
        "<urlset" | "<sitemapindex" => Some(SourceKind::Sitemap),
        "<!doctype html" | "<html" => Some(SourceKind::Listing),
        _ => Some(SourceKind::Feed),
    }
}

/// Removes identifiers that entries with different addresses share. Repetitions of the same entry keep theirs.
fn drop_shared_ids(reading: &mut Reading) {
    let mut url_by_id = std::collections::HashMap::<String, Option<Url>>::new();
    let mut shared_ids = std::collections::HashSet::<String>::new();
    for entry in &reading.entries {
        if let Some(id) = &entry.id {
            match url_by_id.get(id) {
                Some(url) if *url != entry.url => {
                    shared_ids.insert(id.clone());
                }
                _ => {
                    url_by_id.insert(id.clone(), entry.url.clone());
                }
            }
        }
    }
    if !shared_ids.is_empty() {
        reading.problems.push(format!("ignored {} identifiers that several entries share", shared_ids.len()));
    }
    for entry in &mut reading.entries {
        if entry.id.as_ref().is_some_and(|id| shared_ids.contains(id)) {
            entry.id = None;
        }
    }
}

/// Checks a CSS selector. The error describes the mistake.
pub fn check_selector(text: &str) -> Result<(), String> {
    use scraper::error::SelectorErrorKind;
    let reason = |error| match error {
        SelectorErrorKind::UnexpectedToken(_) => "unexpected character",
        SelectorErrorKind::EndOfLine => "unexpected end",
        SelectorErrorKind::UnexpectedSelectorParseError(_) => "invalid syntax",
        _ => "not supported",
    };
    scraper::Selector::parse(text).map(drop).map_err(|error| reason(error).to_owned())
}

/// Runs a third-party parser and turns a panic into an error, so that one document cannot stop the process.
pub(crate) fn catch_panic<T>(parser: &'static str, run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
        .map_err(|_| format!("{parser} panicked on this document"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A search and a pinned, tagged, trending or front-page list show only a selection.
    #[test]
    fn selections_do_not_show_all_publications() {
        use SourceKind::{Bluesky, Discourse, Feed, HackerNews, Mastodon, Reddit, Telegram, Vk, Youtube};
        for (kind, declared, expected) in [
            (Telegram, "https://t.me/s/qala", true),
            (Telegram, "https://t.me/s/qala?q=банк", false),
            (Mastodon, "https://m.kz/@u", true),
            (Mastodon, "https://m.kz/api/v1/accounts/1/statuses?exclude_replies=true", true),
            (Mastodon, "https://m.kz/api/v1/accounts/1/statuses?pinned=true", false),
            (Mastodon, "https://m.kz/api/v1/accounts/1/statuses?tagged=kz", false),
            (Mastodon, "https://m.kz/tags/kz", false),
            (Mastodon, "https://m.kz/public", false),
            (Mastodon, "https://m.kz/api/v1/trends/statuses", false),
            (Bluesky, "https://bsky.app/profile/qala.kz", true),
            (
                Bluesky,
                "https://public.api.bsky.app/xrpc/app.bsky.feed.getAuthorFeed?actor=a&includePins=true",
                false,
            ),
            (Vk, "https://vk.com/qala", true),
            (Vk, "https://api.vk.com/method/wall.get?domain=qala&offset=20", false),
            (Vk, "https://vk.com/search?q=банк", false),
            (Discourse, "https://forum.kz/", true),
            (Discourse, "https://forum.kz/latest", false),
            (HackerNews, "https://news.ycombinator.com/newest", true),
            (HackerNews, "https://news.ycombinator.com/newest?q=kz", false),
            (HackerNews, "https://hn.algolia.com/api/v1/search_by_date?tags=front_page", false),
            (HackerNews, "https://hn.algolia.com/api/v1/search?tags=story", false),
            (Reddit, "https://www.reddit.com/r/kz", false),
            (Youtube, "https://www.youtube.com/feeds/videos.xml?channel_id=UC1", false),
            (Feed, "https://a.kz/rss", false),
        ] {
            let address = endpoint(kind, &Url::parse(declared).unwrap()).unwrap();
            assert_eq!(is_complete_window(kind, &address), expected, "{declared}: {address}");
        }
    }
}
