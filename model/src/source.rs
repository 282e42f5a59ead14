//! The declared part of a source: address, kind and reading options.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Fallback, Host, Name, Pointers};

/// A source of publications, as declared by the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The name, unique among sources.
    pub name: Name,
    /// The format or platform, which selects the reader.
    pub kind: SourceKind,
    /// The address. If it contains `{query}`, the source is not polled but searched with the queries of topics.
    pub url: Url,
    /// The category of the publisher.
    pub category: Category,
    /// ISO 3166 country code in lower case.
    pub country: Option<String>,
    /// ISO 639-1 codes of the expected languages: a hint, never a filter.
    pub languages: Vec<String>,
    /// IANA time zone of dates that do not state one.
    pub timezone: Option<String>,
    /// Bounds of the poll interval.
    pub every: Every,
    /// Minimum delay between two requests to the host. Defaults to the delay in the settings.
    pub delay: Option<Duration>,
    /// The condition for fetching article pages.
    pub article: ArticleMode,
    /// The part of a text that may be shown.
    pub rights: Rights,
    /// CSS selectors for HTML pages.
    pub selectors: Selectors,
    /// JSON pointers for JSON documents.
    #[serde(default, skip_serializing_if = "Pointers::is_empty")]
    pub pointers: Pointers,
    /// Alternative ways to read the source, in the order in which they are tried while the declared way fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Fallback>,
    /// The name of the access token that the host requires. The token itself is never part of a declaration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Name>,
    /// The politeness group. Sources of one group share one request delay, regardless of their hosts.
    pub politeness_group: Option<String>,
    /// The client for which the source is read exclusively. Its polls count towards that client's share of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Name>,
    /// Upper bound on searches of a searched source, 0 to [`Self::MAX_SEARCHES`]. Defaults to [`Self::DEFAULT_SEARCHES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searches: Option<u32>,
    /// Set while the source is paused: it is not polled.
    pub paused: bool,
    /// Set when the source is retired for good: it is not polled, and this does not count as a coverage gap.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
}

/// The declared intention to poll a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Polled.
    On,
    /// Not polled for the time being.
    Paused,
    /// Never polled again.
    Retired,
}

impl Source {
    /// Default search budget of a searched source.
    pub const DEFAULT_SEARCHES: u32 = 200;
    /// Upper bound on the declared search budget. More searches would overload the host or would never complete.
    pub const MAX_SEARCHES: u32 = 10_000;

    /// Returns the politeness group or host whose request delay applies when `url` is fetched for this source.
    pub fn host_for(&self, url: &Url) -> Option<Host> {
        match &self.politeness_group {
            Some(group) => Some(Host::group(group)),
            None => Host::from_url(url),
        }
    }

    /// Returns the declared intention to poll the source.
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
            every: crate::Pace::default_bounds(kind),
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

    /// Returns the source with another intention to poll it.
    pub fn watched(self, watch: Watch) -> Self {
        // Earlier builds ignore `retired`. `paused` keeps them from polling a retired source.
        Self { paused: watch != Watch::On, retired: watch == Watch::Retired, ..self }
    }

    /// Returns true if the source is searched: its address contains the placeholder for a query.
    pub fn is_searched(&self) -> bool {
        has_query_placeholder(&self.url)
    }

    /// Returns the address of a search for `query`; `None` if the source is not searched.
    pub fn search_url(&self, query: &str) -> Option<Url> {
        // In a path, `+` is a literal plus sign; %20 is a space everywhere.
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let query = query.replace('+', "%20");
        let [plain, escaped] = QUERY_PLACEHOLDERS;
        // Both forms are replaced in one pass: the query itself may contain the text of a placeholder.
        let parts: Vec<String> =
            self.url.as_str().split(escaped).map(|part| part.replace(plain, &query)).collect();
        let address = parts.join(&query);
        Url::parse(&address).ok().filter(|_| self.is_searched())
    }

    /// Returns true if the source is read differently from its `previous` declaration. State learned under the previous
    /// declaration is then invalid.
    pub fn reads_differently_from(&self, previous: &Self) -> bool {
        (self.kind, self.url.as_str(), &self.selectors, &self.pointers, &self.token)
            != (
                previous.kind,
                previous.url.as_str(),
                &previous.selectors,
                &previous.pointers,
                &previous.token,
            )
    }
}

/// The placeholder for a query in an address: as declared, and as the WHATWG URL parser escapes it in a path.
const QUERY_PLACEHOLDERS: [&str; 2] = ["{query}", "%7Bquery%7D"];

/// Returns true if an address contains the placeholder for a query.
pub fn has_query_placeholder(url: &Url) -> bool {
    QUERY_PLACEHOLDERS.iter().any(|placeholder| url.as_str().contains(placeholder))
}

/// The format or platform of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// RSS, Atom or JSON Feed.
    Feed,
    /// Sitemap, sitemap index or Google News sitemap.
    Sitemap,
    /// An HTML page with links to articles.
    Listing,
    /// A JSON document, read with JSON pointers.
    Json,
    /// The public preview of a Telegram channel.
    Telegram,
    /// A YouTube channel or playlist.
    Youtube,
    /// An account, a tag or the timeline of a Mastodon server.
    Mastodon,
    /// A Bluesky author.
    Bluesky,
    /// The stream of all Bluesky posts. Posts that match no topic are not stored.
    Jetstream,
    /// A Reddit community.
    Reddit,
    /// A VK wall or the VK search.
    Vk,
    /// A Discourse forum.
    Discourse,
    /// Hacker News.
    HackerNews,
    /// The GDELT article search.
    Gdelt,
    /// Items imported from files; never fetched.
    Import,
}

impl SourceKind {
    /// All kinds, in display order.
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

    /// Returns the kind's identifier.
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

    /// Parses a kind's identifier.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The category of a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// A newspaper, agency or news site.
    News,
    /// A blog.
    Blog,
    /// A forum.
    Forum,
    /// A review site.
    Review,
    /// A social network.
    Social,
}

impl Category {
    /// Returns the category's identifier.
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

/// The bounds of the learned poll interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Every {
    /// The minimum interval.
    pub min: Duration,
    /// The maximum interval while polls succeed.
    pub max: Duration,
}

/// The condition for fetching the article page of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArticleMode {
    /// If the entry does not contain the text.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never; the entry is the whole publication.
    Never,
}

/// The part of a text that may be shown to the reader of a material.
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

/// CSS selectors for the pages of a source. All are optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Selectors {
    /// An entry of a listing.
    pub item: Option<String>,
    /// The link inside an entry.
    pub link: Option<String>,
    /// The title, inside an entry or on an article page.
    pub title: Option<String>,
    /// The publication time, inside an entry or on an article page.
    pub time: Option<String>,
    /// The text of an article page.
    pub text: Option<String>,
    /// The link to the next page of a listing.
    pub next: Option<String>,
}

impl Selectors {
    /// Returns true if no selector is declared.
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

    /// Percent-encoding by RFC 3986 §2.1: a space is %20, and UTF-8 is escaped byte by byte.
    #[test]
    fn queries_replace_placeholders_in_path_and_query_string() {
        check("https://a.kz/s?q={query}", "су b", Some("https://a.kz/s?q=%D1%81%D1%83%20b"));
        check("https://a.kz/s/{query}/rss", "a+b", Some("https://a.kz/s/a%2Bb/rss"));
        check("https://a.kz/{query}?q={query}", "x", Some("https://a.kz/x?q=x"));
        check("https://a.kz/s?q={query}", "{query}", Some("https://a.kz/s?q=%7Bquery%7D"));
        check("https://a.kz/s", "x", None);
    }
}
