//! From a body to entries: feeds, sitemaps, listings.
//!
//! Reading never fails. It returns what it understood plus a list of problems, and an *alarm* where
//! the body is not what the source was declared to be: a feed without entries is an alarm, never an
//! empty success. One kind of source is one file here.

mod feed;
mod lenient;
mod listing;
mod page;
mod piecemeal;
mod sanitise;
mod sitemap;

use model::{Entry, SourceKind};
use url::Url;

pub(crate) use listing::{selector, text_of};
pub use page::Page;

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
    /// Where it goes on.
    pub next: Option<Url>,
    /// What could not be understood.
    pub problems: Vec<String>,
    /// Why this is no success.
    pub alarm: Option<Alarm>,
}

/// Why a body that was read is no success. In words an operator can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// It is not what it was declared to be.
    Foreign(String),
    /// It is, and holds nothing.
    Empty(String),
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Foreign(reason) | Self::Empty(reason)) = self;
        f.write_str(reason)
    }
}

/// Reads a body as the kind of source it was declared to be.
pub fn read(kind: SourceKind, page: &Page<'_>) -> Reading {
    let mut reading = match kind {
        SourceKind::Feed => feed::read(page),
        SourceKind::Sitemap => sitemap::read(page),
        SourceKind::Listing => listing::read(page),
    };
    if reading.entries.len() > MAX_ENTRIES {
        reading.entries.truncate(MAX_ENTRIES);
        reading.problems.push(format!("only the first {MAX_ENTRIES} entries were read"));
    }
    if reading.alarm.is_none() && reading.entries.is_empty() && reading.children.is_empty() {
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
