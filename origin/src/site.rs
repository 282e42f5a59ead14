//! A site: what it publishes and how it misbehaves.

use std::net::Ipv4Addr;
use std::time::Duration;

/// How a site shows what it publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An RSS feed at `/feed.xml`, with summaries.
    Feed,
    /// An RSS feed at `/feed.xml`, with whole texts.
    FullFeed,
    /// A Google-News sitemap at `/sitemap.xml`.
    Sitemap,
    /// A page of links at `/list`.
    Listing,
    /// The preview of a Telegram channel at `/s/NAME`, twenty posts a page.
    Telegram,
    /// The timeline of a Mastodon server, twenty statuses a page.
    Mastodon,
    /// The feed of a YouTube channel, fifteen films.
    Youtube,
    /// The feed of a community of Reddit, twenty submissions a page.
    Reddit,
    /// The feed of an author on Bluesky, twenty posts a page.
    Bluesky,
    /// The stream of what is posted on Bluesky, over a WebSocket.
    Jetstream,
    /// A wall on VK, twenty posts a page.
    Vk,
    /// The latest posts of a Discourse forum, twenty a page.
    Discourse,
    /// The search of Hacker News, twenty hits a page.
    HackerNews,
    /// What GDELT found: addresses of the site's articles.
    Gdelt,
}

/// What a site publishes in.
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
    /// ISO 639-1.
    pub fn code(self) -> &'static str {
        match self {
            Self::Kazakh => "kk",
            Self::Russian => "ru",
            Self::English => "en",
        }
    }
}

/// How a site behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Behaviour {
    /// As it should.
    Healthy,
    /// Every address but robots.txt answers 500.
    Failing,
    /// Every third request answers 503 with `Retry-After: 1`.
    Flaky,
    /// Each answer takes two seconds.
    Slow,
    /// Connections are taken and never answered.
    Stalled,
    /// The front address moved for good to another address of the site.
    Moved,
    /// The front address moved for good to the next site of the world.
    MovedAway,
    /// The front address is gone (410).
    Gone,
    /// robots.txt forbids everything.
    Forbidden,
    /// Some articles lie under `/private/`, which robots.txt forbids.
    PartlyForbidden,
    /// robots.txt answers 503: nobody knows.
    RobotsDown,
    /// Redirects in a circle.
    Loop,
    /// Dates lie years ahead.
    Ahead,
    /// Entries have no dates, and articles neither.
    Dateless,
    /// An entry links to the machine's own metadata address.
    Luring,
    /// A page where the feed should be.
    NoFeed,
    /// A body of a few kilobytes that unfolds to 100 MiB.
    Bomb,
    /// Some articles answer 404.
    MissingPages,
    /// Articles ask for no copies to be shown (`X-Robots-Tag: noarchive`), and reserve data mining in their heads.
    Reserved,
    /// Its feed offers a hub, which pushes each article that comes out.
    Pushing,
    /// Posts are edited some time after they came out: see [`Site::is_changed`].
    Edits,
    /// Posts are taken back some time after they came out.
    Deletes,
    /// Whoever asks again within 300 milliseconds is refused, as its platform does that.
    Limited,
    /// Everything leads to a login.
    Walled,
    /// What it shows has another form.
    Redesigned,
    /// Answers 401 to whoever does not show [`crate::TOKEN`].
    Guarded,
}

/// A site of the simulated internet.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its host name.
    pub name: String,
    /// Where it listens.
    pub address: Ipv4Addr,
    /// How it shows what it publishes.
    pub kind: Kind,
    /// What it publishes in.
    pub language: Language,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// Articles that are there from the beginning.
    pub backlog: u32,
    /// A new article each time this has passed; none where zero.
    pub every: Duration,
    /// Asked for in robots.txt.
    pub crawl_delay: Option<Duration>,
    /// Links of clutter around each article.
    pub clutter: usize,
    /// It behaves so only while the world is in trouble ([`crate::Origin::trouble`]).
    pub is_passing: bool,
}

impl Site {
    /// What sort of thing it shows, in the words of whoever reads it.
    pub fn shows(&self) -> &'static str {
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

    /// The path of its front: the feed, sitemap or listing.
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

    /// Whether its front shows whole texts, so that nobody needs its articles' pages.
    pub fn shows_whole_texts(&self) -> bool {
        !matches!(self.kind, Kind::Feed | Kind::Sitemap | Kind::Listing | Kind::Gdelt)
    }

    /// How it behaves while the world is in trouble, or is not.
    pub fn behaviour_in(&self, trouble: bool) -> Behaviour {
        if self.is_passing && !trouble { Behaviour::Healthy } else { self.behaviour }
    }

    /// Whether a post was edited, or taken back, once so many articles are out: every third of those that were not there from
    /// the beginning, when two more came out.
    pub fn is_changed(&self, number: u32, published: u32) -> bool {
        number >= self.backlog && number.is_multiple_of(3) && published > number + 2
    }

    /// Articles published after so long.
    pub fn published_after(&self, elapsed: Duration) -> u32 {
        let fresh =
            if self.every.is_zero() { 0 } else { elapsed.as_millis() / self.every.as_millis().max(1) };
        self.backlog + u32::try_from(fresh).unwrap_or(u32::MAX / 2)
    }

    /// The path of an article.
    pub fn article_path(&self, number: u32) -> String {
        if self.is_private(number) { format!("/private/{number}") } else { format!("/news/{number}") }
    }

    /// Whether robots.txt forbids an article.
    pub fn is_private(&self, number: u32) -> bool {
        self.behaviour == Behaviour::PartlyForbidden && number.is_multiple_of(3)
    }

    /// Whether an article's page answers 404.
    pub fn is_missing(&self, number: u32) -> bool {
        self.behaviour == Behaviour::MissingPages && number.is_multiple_of(4)
    }

    /// Whether a polite visitor can learn of the site's articles at all.
    pub fn is_readable(&self) -> bool {
        use Behaviour::{Bomb, Failing, Forbidden, Gone, Loop, NoFeed, RobotsDown, Stalled, Walled};
        self.is_passing
            || !matches!(
                self.behaviour,
                Failing | Stalled | Gone | Forbidden | RobotsDown | Loop | NoFeed | Bomb | Walled
            )
    }

    /// What robots.txt says.
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

    /// Whether robots.txt forbids a path. Said from what was meant, not by reading the file.
    pub fn forbids(&self, path: &str) -> bool {
        if path == "/robots.txt" {
            return false;
        }
        match self.behaviour {
            Behaviour::Forbidden => true,
            Behaviour::PartlyForbidden => path.starts_with("/private/"),
            // Nobody may be asked while the rules are not to be had (RFC 9309 §2.3.1.4).
            Behaviour::RobotsDown => true,
            _ => path.starts_with("/admin/"),
        }
    }
}
