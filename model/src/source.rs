//! What publishes: the declared part of a source.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Fallback, Host, Name, Pointers};

/// Something that publishes, as the operator declared it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Unique among sources.
    pub name: Name,
    /// How it is read.
    pub kind: SourceKind,
    /// Where it is read. With `{query}` in it the source is searched, for what topics need.
    pub url: Url,
    /// What sort of publisher it is.
    pub category: Category,
    /// ISO 3166 country code in lower case.
    pub country: Option<String>,
    /// ISO 639-1 codes of the languages it is expected to publish in: a hint, never a filter.
    pub languages: Vec<String>,
    /// IANA time zone for dates that come without one.
    pub timezone: Option<String>,
    /// Bounds of the poll interval.
    pub every: Every,
    /// Least delay between two requests to its host; the settings' delay where absent.
    pub delay: Option<Duration>,
    /// When the article page is fetched.
    pub article: ArticleMode,
    /// How much of the text may be shown.
    pub rights: Rights,
    /// Where things stand in a page.
    pub selectors: Selectors,
    /// Where things stand in JSON.
    #[serde(default, skip_serializing_if = "Pointers::is_empty")]
    pub pointers: Pointers,
    /// Other ways to read it, in the order in which they stand in for this one while it fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Fallback>,
    /// The name of the token that its host asks for; the token itself is never part of what is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Name>,
    /// Sources of one group share one politeness, whatever their hosts.
    pub politeness_group: Option<String>,
    /// Whose source it is, where it is read for one client: its polls are that client's share of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Name>,
    /// Of one that is searched: how many searches it is asked for at most, 0 to [`Self::MOST_SEARCHES`];
    /// [`Self::SEARCHES`] where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searches: Option<u32>,
    /// Not polled while true.
    pub paused: bool,
    /// Taken out for good: not polled, and no gap where it is not read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
}

/// Whether a source is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// It is read.
    On,
    /// Not for now.
    Paused,
    /// Not any more.
    Retired,
}

impl Source {
    /// The searches that a source is asked for where it declares no budget.
    pub const SEARCHES: u32 = 200;
    /// More of one source would be rude, or never done.
    pub const MOST_SEARCHES: u32 = 10_000;

    /// What politeness is owed to when `url` is fetched for this source.
    pub fn host_for(&self, url: &Url) -> Option<Host> {
        match &self.politeness_group {
            Some(group) => Some(Host::group(group)),
            None => Host::of(url),
        }
    }

    /// Whether it is watched.
    pub fn watch(&self) -> Watch {
        match (self.retired, self.paused) {
            (true, _) => Watch::Retired,
            (false, true) => Watch::Paused,
            (false, false) => Watch::On,
        }
    }

    /// Returns a news source with the default of every optional field.
    pub fn new(name: Name, kind: SourceKind, url: Url) -> Self {
        Self {
            name,
            kind,
            url,
            category: Category::News,
            country: None,
            languages: Vec::new(),
            timezone: None,
            every: crate::Pace::usual(kind),
            delay: None,
            article: ArticleMode::Auto,
            rights: Rights::Full,
            selectors: Selectors::default(),
            pointers: Pointers::default(),
            fallbacks: Vec::new(),
            token: None,
            politeness_group: None,
            client: None,
            searches: None,
            paused: false,
            retired: false,
        }
    }

    /// The same, watched or not.
    pub fn watched(self, watch: Watch) -> Self {
        // Builds before this one know no retired sources: they must not read them.
        Self { paused: watch != Watch::On, retired: watch == Watch::Retired, ..self }
    }

    /// Whether it is searched: its address has a place for a query.
    pub fn is_searched(&self) -> bool {
        is_template(&self.url)
    }

    /// Where a search for `query` is read; `None` where it is not searched.
    pub fn search_url(&self, query: &str) -> Option<Url> {
        // In a path a plus sign is one; %20 is a space everywhere.
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let query = query.replace('+', "%20");
        let [plain, escaped] = PLACES;
        // In one go: what is filled in may look like a place itself.
        let parts: Vec<String> =
            self.url.as_str().split(escaped).map(|part| part.replace(plain, &query)).collect();
        let filled = parts.join(&query);
        Url::parse(&filled).ok().filter(|_| self.is_searched())
    }

    /// Whether it is read otherwise than it was: what was learnt of it is worth nothing then.
    pub fn is_read_otherwise(&self, before: &Self) -> bool {
        (self.kind, self.url.as_str(), &self.selectors, &self.pointers, &self.token)
            != (before.kind, before.url.as_str(), &before.selectors, &before.pointers, &before.token)
    }
}

/// The place for a query in an address, and as it is written in a path (WHATWG URL escapes braces there).
const PLACES: [&str; 2] = ["{query}", "%7Bquery%7D"];

/// Whether an address has a place for a query.
pub fn is_template(url: &Url) -> bool {
    PLACES.iter().any(|place| url.as_str().contains(place))
}

/// How a source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// RSS, Atom or JSON Feed.
    Feed,
    /// Sitemap, sitemap index or Google-News sitemap.
    Sitemap,
    /// A page with links to articles.
    Listing,
    /// JSON, in which pointers say where things stand.
    Json,
    /// The public preview of a Telegram channel.
    Telegram,
    /// A channel or playlist of YouTube.
    Youtube,
    /// An account, a tag or the timeline of a Mastodon server.
    Mastodon,
    /// An author of Bluesky.
    Bluesky,
    /// Everything on Bluesky, as it is posted; what matches no topic is not kept.
    Jetstream,
    /// A community of Reddit.
    Reddit,
    /// A wall of VK, or its search.
    Vk,
    /// A forum that runs Discourse.
    Discourse,
    /// Hacker News.
    HackerNews,
    /// What GDELT found elsewhere.
    Gdelt,
    /// Never fetched: fed from files.
    Import,
}

impl SourceKind {
    /// All kinds, in the order in which they are shown.
    pub const ALL: [Self; 15] = [
        Self::Feed,
        Self::Sitemap,
        Self::Listing,
        Self::Json,
        Self::Telegram,
        Self::Youtube,
        Self::Mastodon,
        Self::Bluesky,
        Self::Jetstream,
        Self::Reddit,
        Self::Vk,
        Self::Discourse,
        Self::HackerNews,
        Self::Gdelt,
        Self::Import,
    ];

    /// The kind as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Sitemap => "sitemap",
            Self::Listing => "listing",
            Self::Json => "json",
            Self::Telegram => "telegram",
            Self::Youtube => "youtube",
            Self::Mastodon => "mastodon",
            Self::Bluesky => "bluesky",
            Self::Jetstream => "jetstream",
            Self::Reddit => "reddit",
            Self::Vk => "vk",
            Self::Discourse => "discourse",
            Self::HackerNews => "hackernews",
            Self::Gdelt => "gdelt",
            Self::Import => "import",
        }
    }

    /// The kind that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What sort of publisher a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// A newspaper, agency or news site.
    News,
    /// A blog.
    Blog,
    /// A forum.
    Forum,
    /// A site of reviews.
    Review,
    /// A social network.
    Social,
}

impl Category {
    /// The category as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Blog => "blog",
            Self::Forum => "forum",
            Self::Review => "review",
            Self::Social => "social",
        }
    }
}

/// Bounds between which the poll interval is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Every {
    /// Never sooner than this.
    pub min: Duration,
    /// Never later than this while the source answers.
    pub max: Duration,
}

/// When the article page of an entry is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArticleMode {
    /// When the entry lacks its text.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never: the entry is all there is.
    Never,
}

/// How much of a text may be shown to the reader of a material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rights {
    /// Title and link only.
    Link,
    /// Title, link and an excerpt.
    Excerpt,
    /// Everything.
    #[default]
    Full,
}

/// CSS selectors for sources whose pages are known. All are optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Selectors {
    /// One entry of a listing.
    pub item: Option<String>,
    /// The link inside an entry.
    pub link: Option<String>,
    /// The title, inside an entry or on an article page.
    pub title: Option<String>,
    /// The time, inside an entry or on an article page.
    pub time: Option<String>,
    /// The text of an article page.
    pub text: Option<String>,
    /// The link to the next page of a listing.
    pub next: Option<String>,
}

impl Selectors {
    /// Whether nothing was declared.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, query: &str, expected: Option<&str>) {
        let spec = format!(
            r#"{{"name":"s","kind":"feed","url":"{url}","category":"news","languages":[],"every":{{"min":{{"secs":60,"nanos":0}},"max":{{"secs":60,"nanos":0}}}},"article":"auto","rights":"full","selectors":{{}},"paused":false,"country":null,"timezone":null,"delay":null,"politeness_group":null}}"#
        );
        let source: Source = serde_json::from_str(&spec).unwrap();
        assert_eq!(source.search_url(query).as_ref().map(Url::as_str), expected, "{url}");
    }

    /// As RFC 3986 §2.1 has them: a space is %20, everything of UTF-8 is escaped byte by byte.
    #[test]
    fn queries_are_filled_into_paths_and_behind_question_marks() {
        check("https://a.kz/s?q={query}", "су b", Some("https://a.kz/s?q=%D1%81%D1%83%20b"));
        check("https://a.kz/s/{query}/rss", "a+b", Some("https://a.kz/s/a%2Bb/rss"));
        check("https://a.kz/{query}?q={query}", "x", Some("https://a.kz/x?q=x"));
        check("https://a.kz/s?q={query}", "{query}", Some("https://a.kz/s?q=%7Bquery%7D"));
        check("https://a.kz/s", "x", None);
    }
}
