//! From a body to entries: feeds, sitemaps, listings, and what platforms show.
//!
//! Reading never fails. It returns what it understood plus a list of problems, and an *alarm* where
//! the body is not what the source was declared to be: a feed without entries is an alarm, never an
//! empty success. One kind of source is one file here, a `Reader`.

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

pub use autodiscovery::{USUAL_PATHS, feeds_offered};
pub use json::check_pointer;
pub(crate) use listing::{selector, text_of};
pub use opml::{Outline, read_opml, write_opml};
pub use page::Page;
pub use wall::wall_before;

use crate::fetch::{Accept, TokenFor};

/// Entries beyond this are not read: no honest document has more (the sitemap protocol's bound).
pub(crate) const MAX_ENTRIES: usize = 50_000;

/// What a body was understood as.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The document's own title.
    pub title: Option<String>,
    /// Its entries, in document order.
    pub entries: Vec<Entry>,
    /// Documents that belong to it: the sitemaps of an index, the newest first.
    pub children: Vec<Url>,
    /// Identifiers of what stands there as well, and is no entry.
    pub unordered: Vec<String>,
    /// Where it goes on, with what is older.
    pub next: Option<Url>,
    /// The hub that tells whoever asks for it what is new there.
    pub hub: Option<HubOffer>,
    /// For how long it stays as it is, as it says itself.
    pub fresh_for: Option<Duration>,
    /// Where a stream goes on.
    pub cursor: Option<String>,
    /// What could not be understood.
    pub problems: Vec<String>,
    /// Why this is no success.
    pub alarm: Option<Alarm>,
    /// What makes one think that the layout changed, though entries were read.
    pub suspicion: Option<String>,
}

impl Reading {
    /// Nothing but an alarm.
    pub(crate) fn alarmed(alarm: Alarm) -> Self {
        Self { alarm: Some(alarm), ..Self::default() }
    }
}

/// Why a body that was read is no success. In words an operator can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// It is not what it was declared to be.
    Foreign(String),
    /// It is, and holds nothing.
    Empty(String),
    /// Its host shows it to some only, and we are none of these.
    Restricted(String),
    /// Its host is asked too often.
    Busy(String),
    /// Its host says that it is gone for good.
    Gone(String),
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Foreign(reason)
        | Self::Empty(reason)
        | Self::Restricted(reason)
        | Self::Busy(reason)
        | Self::Gone(reason)) = self;
        f.write_str(reason)
    }
}

/// A kind of source: where it is read, what it may be asked, and how its answers are understood.
trait Reader: Sync {
    /// Where a source is read whose address was declared so. An error says what address is wanted.
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        Ok(declared.clone())
    }

    /// What its answers are made of.
    fn accept(&self) -> Accept {
        Accept::Page
    }

    /// Least delay between two requests to its host, where nobody declares another.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether its host answers only who brings a token.
    fn needs_token(&self) -> bool {
        false
    }

    /// Whether nothing may be there without anything being wrong: an answer that says so, not a page.
    fn may_be_empty(&self) -> bool {
        false
    }

    /// Whether what this address shows is all that was published, the newest first, back to the oldest that it shows: what is
    /// gone from between was taken back then.
    fn shows_all(&self, _address: &Url) -> bool {
        false
    }

    /// What a body says.
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

/// Where a source of this kind is read whose address was declared so: people declare what their browsers show, which is not
/// always where programs read. An error says what address is wanted.
pub fn endpoint(kind: SourceKind, declared: &Url) -> Result<Url, String> {
    reader(kind).endpoint(declared)
}

/// The kind of a platform by its host, for addresses of which nobody said what they are.
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

/// Where a source is read, for `query` where it is searched.
pub fn address_of(source: &Source, query: &str) -> Url {
    let declared = source.search_url(query).unwrap_or_else(|| source.url.clone());
    // An address that was declared is a good one; of older declarations, which nobody judged, it stands for itself.
    endpoint(source.kind, &declared).unwrap_or(declared)
}

/// Whether it is listened to, not polled: what comes is read as it comes, and what matches no topic is not kept.
pub fn is_stream(kind: SourceKind) -> bool {
    accept(kind) == Accept::Stream
}

/// Where a stream goes on behind a cursor.
pub fn resumed(url: &Url, cursor: &str) -> Url {
    address::with(url, &[("cursor", cursor)])
}

/// The token of a source, for its own host.
pub fn token_of(source: &Source) -> Option<TokenFor> {
    source.token.clone().map(|name| TokenFor { name, at: address_of(source, "") })
}

/// What answers of this kind are made of.
pub fn accept(kind: SourceKind) -> Accept {
    reader(kind).accept()
}

/// The delay between two requests to a source's host: the declared one, or else `usual`, or what its kind of host can bear.
pub fn delay_of(source: &Source, usual: Duration) -> Duration {
    source.delay.unwrap_or_else(|| usual.max(reader(source.kind).delay()))
}

/// Whether a source of this kind cannot be read without a token.
pub fn needs_token(kind: SourceKind) -> bool {
    reader(kind).needs_token()
}

/// Whether what a source of this kind shows at this address is all that was published, back to the oldest that it shows.
pub fn shows_all(kind: SourceKind, address: &Url) -> bool {
    reader(kind).shows_all(address)
}

/// What looks as if a layout had changed: of all entries none has a time any more, though it is said where times stand, or
/// all say the same.
fn suspect(entries: &[Entry], (times, titles): (Option<&str>, Option<&str>)) -> Option<String> {
    const LEAST: usize = 3;
    let count = entries.len();
    if count < LEAST {
        return None;
    }
    if let Some(place) = times.filter(|_| entries.iter().all(|entry| entry.published.is_none())) {
        return Some(format!("none of {count} items has a time at {place}: was the layout changed?"));
    }
    let first = entries.first().and_then(|entry| entry.title.as_ref());
    let is_alike = first.is_some() && entries.iter().all(|entry| entry.title.as_ref() == first);
    titles
        .filter(|_| is_alike)
        .map(|place| format!("all {count} items have the same title at {place}: was the layout changed?"))
}

/// Reads a body as the kind of source it was declared to be.
pub fn read(kind: SourceKind, page: &Page<'_>) -> Reading {
    let mut reading = reader(kind).read(page);
    if reading.entries.len() > MAX_ENTRIES {
        reading.entries.truncate(MAX_ENTRIES);
        reading.problems.push(format!("only the first {MAX_ENTRIES} entries were read"));
    }
    let is_silent = reading.entries.is_empty() && reading.children.is_empty();
    let is_honest = reader(kind).may_be_empty() || reading.next.is_some();
    if reading.alarm.is_none() && is_silent && !is_honest {
        reading.alarm = Some(Alarm::Empty(format!("no entries were found in this {}", kind.as_str())));
    }
    settle_identities(&mut reading);
    reading
}

/// What a body looks like, whatever it was declared to be.
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

/// An identifier that several entries share identifies none of them; an entry that stands twice is one.
fn settle_identities(reading: &mut Reading) {
    let mut seen = std::collections::HashMap::<String, Option<Url>>::new();
    let mut shared = std::collections::HashSet::<String>::new();
    for entry in &reading.entries {
        if let Some(id) = &entry.id {
            match seen.get(id) {
                Some(url) if *url != entry.url => {
                    shared.insert(id.clone());
                }
                _ => {
                    seen.insert(id.clone(), entry.url.clone());
                }
            }
        }
    }
    if !shared.is_empty() {
        reading
            .problems
            .push(format!("{} identifiers stand for several entries and were not used", shared.len()));
    }
    for entry in &mut reading.entries {
        if entry.id.as_ref().is_some_and(|id| shared.contains(id)) {
            entry.id = None;
        }
    }
}

/// What is wrong with a CSS selector, if something is.
pub fn check_selector(text: &str) -> Result<(), String> {
    use scraper::error::SelectorErrorKind;
    let reason = |error| match error {
        SelectorErrorKind::UnexpectedToken(_) => "a character stands where none may",
        SelectorErrorKind::EndOfLine => "it ends too early",
        SelectorErrorKind::UnexpectedSelectorParseError(_) => "it cannot be read",
        _ => "it is not understood",
    };
    scraper::Selector::parse(text).map(drop).map_err(|error| reason(error).to_owned())
}

/// Runs other people's parser: a panic of theirs is a problem of the document, not the end of us.
pub(crate) fn guarded<T>(parser: &'static str, run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(|_| format!("{parser} broke on it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What shows a choice (a search, what is pinned, tagged, trending, or on a front page) is not all that there is.
    #[test]
    fn what_shows_all_is_told_from_a_choice() {
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
            assert_eq!(shows_all(kind, &address), expected, "{declared}: {address}");
        }
    }
}
