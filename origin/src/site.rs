//! A site: its publications and its faults.

use std::net::Ipv4Addr;
use std::time::Duration;

/// The form in which a site publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An RSS feed at `/feed.xml`, with summaries.
    Feed,
    /// An RSS feed at `/feed.xml`, with full texts.
    FullFeed,
    /// A Google News sitemap at `/sitemap.xml`.
    Sitemap,
    /// A page of links at `/list`.
    Listing,
    /// The preview of a Telegram channel at `/s/NAME`, twenty posts a page.
    Telegram,
    /// The timeline of a Mastodon server, twenty statuses a page.
    Mastodon,
    /// The feed of a YouTube channel, fifteen videos.
    Youtube,
    /// The feed of a Reddit community, twenty submissions a page.
    Reddit,
    /// The feed of an author on Bluesky, twenty posts a page.
    Bluesky,
    /// The stream of all Bluesky posts, over a WebSocket.
    Jetstream,
    /// A wall on VK, twenty posts a page.
    Vk,
    /// The latest posts of a Discourse forum, twenty a page.
    Discourse,
    /// The search of Hacker News, twenty hits a page.
    HackerNews,
    /// The GDELT search: addresses of the site's articles.
    Gdelt,
}

/// The language of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Kazakh in Cyrillic.
    Kazakh,
    /// Russian.
    Russian,
    /// English.
    English,
}

impl Language {
    /// Returns the ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Kazakh => "kk",
            Self::Russian => "ru",
            Self::English => "en",
        }
    }
}

/// The behaviour of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Behaviour {
    /// No faults.
    Healthy,
    /// Every address but robots.txt answers 500.
    Failing,
    /// Every third request to the site answers 503 with `Retry-After: 1`.
    Flaky,
    /// Each response takes two seconds.
    Slow,
    /// Connections are accepted but requests are never answered.
    Stalled,
    /// The front has moved permanently to another path of the site.
    Moved,
    /// The front has moved permanently to the next site of the world.
    MovedAway,
    /// The front answers 410.
    Gone,
    /// robots.txt forbids everything.
    Forbidden,
    /// Some articles are under `/private/`, which robots.txt forbids.
    PartlyForbidden,
    /// robots.txt answers 503, so its rules are unknown.
    RobotsDown,
    /// The front redirects in a loop.
    Loop,
    /// Dates are years in the future.
    Ahead,
    /// Neither entries nor articles have dates.
    Dateless,
    /// Entries link to the metadata address of the machine and to a local file.
    Luring,
    /// An HTML page in place of the feed.
    NoFeed,
    /// A compressed body of about a hundred kilobytes that expands to 100 MiB.
    Bomb,
    /// Some articles answer 404.
    MissingPages,
    /// Articles forbid archived copies (`X-Robots-Tag: noarchive`) and reserve data mining in a meta element.
    Reserved,
    /// The feed declares a WebSub hub, which pushes each new article.
    Pushing,
    /// Posts are edited some time after publication: see [`Site::is_changed`].
    Edits,
    /// Posts are deleted some time after publication: see [`Site::is_changed`].
    Deletes,
    /// A second request for the front within 300 milliseconds is rejected in the manner of its platform.
    Limited,
    /// Every path but robots.txt redirects to a login.
    Walled,
    /// Documents have another format.
    Redesigned,
    /// Requests without [`crate::TOKEN`] are answered with 401.
    Guarded,
}

/// A site of the simulated internet.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The host name.
    pub name: String,
    /// The address on which it listens.
    pub address: Ipv4Addr,
    /// The form in which it publishes.
    pub kind: Kind,
    /// The language of its texts.
    pub language: Language,
    /// The behaviour.
    pub behaviour: Behaviour,
    /// The number of articles published before the start of the world.
    pub backlog: u32,
    /// The interval between new articles; zero for no new articles.
    pub every: Duration,
    /// The crawl delay in robots.txt.
    pub crawl_delay: Option<Duration>,
    /// The number of menu links around each article.
    pub clutter: usize,
    /// Set if the behaviour applies only while the faults of the world are on ([`crate::Origin::trouble`]).
    pub is_passing: bool,
}

impl Site {
    /// Returns the name of the source kind that reads this site.
    pub fn source_kind(&self) -> &'static str {
        match self.kind {
            Kind::Feed | Kind::FullFeed => "feed",
            Kind::Sitemap => "sitemap",
            Kind::Listing => "listing",
            Kind::Telegram => "telegram",
            Kind::Mastodon => "mastodon",
            Kind::Youtube => "youtube",
            Kind::Reddit => "reddit",
            Kind::Bluesky => "bluesky",
            Kind::Jetstream => "jetstream",
            Kind::Vk => "vk",
            Kind::Discourse => "discourse",
            Kind::HackerNews => "hackernews",
            Kind::Gdelt => "gdelt",
        }
    }

    /// Returns the path of the front: the feed, sitemap, listing or first page.
    pub fn front(&self) -> &'static str {
        match self.kind {
            Kind::Feed | Kind::FullFeed => "/feed.xml",
            Kind::Sitemap => "/sitemap.xml",
            Kind::Listing => "/list",
            Kind::Telegram => "/s/channel",
            Kind::Mastodon => "/api/v1/accounts/1/statuses",
            Kind::Youtube => "/feeds/videos.xml",
            Kind::Reddit => "/r/channel/new/.rss",
            Kind::Bluesky => "/xrpc/app.bsky.feed.getAuthorFeed",
            Kind::Jetstream => "/subscribe",
            Kind::Vk => "/method/wall.get",
            Kind::Discourse => "/posts.json",
            Kind::HackerNews => "/api/v1/search_by_date",
            Kind::Gdelt => "/api/v2/doc/doc",
        }
    }

    /// Returns true if the front contains full texts, so that article pages are not needed.
    pub fn shows_whole_texts(&self) -> bool {
        !matches!(self.kind, Kind::Feed | Kind::Sitemap | Kind::Listing | Kind::Gdelt)
    }

    /// Returns the behaviour while the faults of the world are on or off.
    pub fn behaviour_in(&self, trouble: bool) -> Behaviour {
        if self.is_passing && !trouble { Behaviour::Healthy } else { self.behaviour }
    }

    /// Returns true if a post has been edited or deleted once `published` articles exist. This applies to every third
    /// article that is not part of the backlog, after at least two more articles.
    pub fn is_changed(&self, number: u32, published: u32) -> bool {
        number >= self.backlog && number.is_multiple_of(3) && published > number + 2
    }

    /// Returns the number of articles published after a time.
    pub fn published_after(&self, elapsed: Duration) -> u32 {
        let new_count =
            if self.every.is_zero() { 0 } else { elapsed.as_millis() / self.every.as_millis().max(1) };
        self.backlog + u32::try_from(new_count).unwrap_or(u32::MAX / 2)
    }

    /// Returns the path of an article.
    pub fn article_path(&self, number: u32) -> String {
        if self.is_private(number) { format!("/private/{number}") } else { format!("/news/{number}") }
    }

    /// Returns true if robots.txt forbids an article.
    pub fn is_private(&self, number: u32) -> bool {
        self.behaviour == Behaviour::PartlyForbidden && number.is_multiple_of(3)
    }

    /// Returns true if the page of an article answers 404.
    pub fn is_missing(&self, number: u32) -> bool {
        self.behaviour == Behaviour::MissingPages && number.is_multiple_of(4)
    }

    /// Returns true if a polite visitor can discover the articles of the site.
    pub fn is_readable(&self) -> bool {
        use Behaviour::{Bomb, Failing, Forbidden, Gone, Loop, NoFeed, RobotsDown, Stalled, Walled};
        self.is_passing
            || !matches!(
                self.behaviour,
                Failing | Stalled | Gone | Forbidden | RobotsDown | Loop | NoFeed | Bomb | Walled
            )
    }

    /// Returns the text of robots.txt.
    pub fn robots(&self) -> String {
        let rule = match self.behaviour {
            Behaviour::Forbidden => "Disallow: /\n",
            Behaviour::PartlyForbidden => "Disallow: /private/\n",
            _ => "Disallow: /admin/\n",
        };
        let delay = self
            .crawl_delay
            .map(|delay| format!("Crawl-delay: {}\n", delay.as_secs_f64()))
            .unwrap_or_default();
        format!("User-agent: *\n{rule}{delay}\nSitemap: http://{}/sitemap.xml\n", self.name)
    }

    /// Returns true if robots.txt forbids a path. Decided by the behaviour, not by parsing the file.
    pub fn forbids(&self, path: &str) -> bool {
        if path == "/robots.txt" {
            return false;
        }
        match self.behaviour {
            Behaviour::Forbidden => true,
            Behaviour::PartlyForbidden => path.starts_with("/private/"),
            // While the rules are unreachable, everything is disallowed (RFC 9309 §2.3.1.4).
            Behaviour::RobotsDown => true,
            _ => path.starts_with("/admin/"),
        }
    }
}
