//! The documents of a site.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;

use crate::query::Query;
use crate::site::{Behaviour, Kind, Site};
use crate::text::Article;
use crate::world::World;

/// Upper bound on the entries of a front.
const MAX_ENTRIES: u32 = 30;
const HOUR: Duration = Duration::from_secs(3600);

/// A site at a moment.
#[derive(Clone, Copy)]
pub(crate) struct SiteView<'a> {
    pub(crate) world: &'a World,
    pub(crate) site: &'a Site,
    pub(crate) port: u16,
    /// The start of the world.
    pub(crate) epoch: Timestamp,
    /// The number of published articles.
    pub(crate) published: u32,
}

impl SiteView<'_> {
    /// Returns the content type and text of the front: the feed, sitemap or listing, or the requested page of a
    /// platform.
    pub(crate) fn front(&self, query: &Query<'_>) -> (&'static str, String) {
        if self.site.behaviour == Behaviour::NoFeed {
            return (
                "text/html; charset=utf-8",
                "<!DOCTYPE html><html><body>Сайт на ремонте</body></html>".to_owned(),
            );
        }
        match self.site.kind {
            Kind::Feed | Kind::FullFeed => ("application/rss+xml; charset=utf-8", self.feed()),
            Kind::Sitemap => ("application/xml", self.sitemap()),
            Kind::Listing => ("text/html; charset=utf-8", self.listing()),
            _ => self.platform(query),
        }
    }

    /// Returns the page of an article.
    pub(crate) fn article(&self, number: u32) -> String {
        let Site { name, language, clutter, .. } = self.site;
        let article = self.compose(number);
        let time = match self.displayed_date(number) {
            Some(at) => format!("<time datetime=\"{at}\" itemprop=\"datePublished\">{at}</time>"),
            None => String::new(),
        };
        let mut page = format!(
            "<!DOCTYPE html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{} | {name}</title>\
             <link rel=\"canonical\" href=\"{}\"><meta property=\"og:title\" content=\"{}\"></head><body>",
            language.code(),
            article.title,
            self.address(&self.site.article_path(number)),
            article.title
        );
        self.clutter(&mut page, "nav", clutter / 2);
        let _ = write!(
            page,
            "<main><article><h1>{}</h1><p class=\"byline\"><span class=\"author\">{}</span> {time}</p>",
            article.title, article.author
        );
        for paragraph in &article.paragraphs {
            let _ = write!(page, "<p>{paragraph}</p>");
        }
        page.push_str("</article></main><aside><h3>&raquo;</h3><ul>");
        self.clutter(&mut page, "div", clutter - clutter / 2);
        let _ = write!(
            page,
            "</ul></aside><footer>© {name} <a href=\"/about\">+7 727 000 00 00</a></footer></body></html>"
        );
        page
    }

    pub(crate) fn compose(&self, number: u32) -> Article {
        Article::compose(self.world.seed, &self.site.name, self.site.language, number)
    }

    pub(crate) fn address(&self, path: &str) -> String {
        format!("http://{}:{}{path}", self.site.name, self.port)
    }

    /// Returns the publication time of an article in microseconds.
    pub(crate) fn published_micros(&self, number: u32) -> Option<i64> {
        self.published_at(number).map(Timestamp::as_microsecond)
    }

    /// Returns the date that the site displays for an article; `None` if it displays no dates.
    pub(crate) fn displayed_date(&self, number: u32) -> Option<Timestamp> {
        let at = self.published_at(number)?;
        match self.site.behaviour {
            Behaviour::Dateless => None,
            Behaviour::Ahead => at.checked_add(HOUR * 24 * 365 * 5).ok(),
            _ => Timestamp::from_second(at.as_second()).ok(),
        }
    }

    /// Returns the publication time of an article. The backlog is spaced one hour apart before the start of the world.
    fn published_at(&self, number: u32) -> Option<Timestamp> {
        if number < self.site.backlog {
            self.epoch.checked_sub(HOUR * (self.site.backlog - number)).ok()
        } else {
            self.epoch.checked_add(self.site.every * (number - self.site.backlog + 1)).ok()
        }
    }

    /// Returns the numbers of the articles on the front, the newest first.
    fn front_numbers(&self) -> impl Iterator<Item = u32> {
        (self.published.saturating_sub(MAX_ENTRIES)..self.published).rev()
    }

    fn feed(&self) -> String {
        self.feed_of(self.front_numbers())
    }

    /// Returns a feed of the articles from number `from` on.
    pub(crate) fn feed_from(&self, from: u32) -> String {
        self.feed_of((from..self.published).rev())
    }

    fn feed_of(&self, numbers: impl Iterator<Item = u32>) -> String {
        let mut feed = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\"><channel><title>{}</title><link>{}</link>",
            self.site.name,
            self.address("/")
        );
        if self.site.behaviour == Behaviour::Pushing {
            let [hub, own] = [self.address("/hub"), self.address(self.site.front())];
            let _ = write!(
                feed,
                "<atom:link xmlns:atom=\"http://www.w3.org/2005/Atom\" rel=\"hub\" href=\"{hub}\"/><atom:link xmlns:atom=\"http://www.w3.org/2005/Atom\" rel=\"self\" href=\"{own}\"/>"
            );
        }
        if self.site.behaviour == Behaviour::Luring {
            feed.push_str("<item><title>Ішкі деректер</title><link>http://169.254.169.254/latest/meta-data/</link><guid isPermaLink=\"false\">lure-1</guid><description>Осында қараңыз</description></item><item><title>Файл</title><link>file:///etc/passwd</link><guid isPermaLink=\"false\">lure-2</guid><description>Тағы біреуі</description></item>");
        }
        for number in numbers {
            let article = self.compose(number);
            let link = self.address(&self.site.article_path(number));
            let _ = write!(
                feed,
                "<item><title>{}</title><link>{link}?utm_source=rss</link><guid isPermaLink=\"false\">{}-{number}</guid>",
                article.title, self.site.name
            );
            if let Some(at) = self.displayed_date(number) {
                let date =
                    jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default();
                let _ = write!(feed, "<pubDate>{date}</pubDate>");
            }
            let summary: String =
                article.paragraphs.first().map(|first| first.chars().take(120).collect()).unwrap_or_default();
            let _ = write!(feed, "<description>{summary}…</description>");
            if self.site.kind == Kind::FullFeed {
                let body: String =
                    article.paragraphs.iter().map(|paragraph| format!("<p>{paragraph}</p>")).collect();
                let _ = write!(feed, "<content:encoded><![CDATA[{body}]]></content:encoded>");
            }
            feed.push_str("</item>");
        }
        feed.push_str("</channel></rss>");
        feed
    }

    fn sitemap(&self) -> String {
        let mut map = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:news=\"http://www.google.com/schemas/sitemap-news/0.9\">",
        );
        for number in self.front_numbers() {
            let date = self
                .displayed_date(number)
                .map(|at| format!("<news:publication_date>{at}</news:publication_date>"))
                .unwrap_or_default();
            let _ = write!(
                map,
                "<url><loc>{}</loc><news:news><news:publication><news:name>{}</news:name><news:language>{}</news:language></news:publication>{date}<news:title>{}</news:title></news:news></url>",
                self.address(&self.site.article_path(number)),
                self.site.name,
                self.site.language.code(),
                self.compose(number).title
            );
        }
        map.push_str("</urlset>");
        map
    }

    fn listing(&self) -> String {
        let mut page = format!(
            "<!DOCTYPE html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title></head><body>",
            self.site.language.code(),
            self.site.name
        );
        self.clutter(&mut page, "nav", self.site.clutter / 2);
        page.push_str("<main>");
        for number in self.front_numbers() {
            let _ = write!(
                page,
                "<div class=\"card\"><h2><a href=\"{}\">{}</a></h2></div>",
                self.site.article_path(number),
                self.compose(number).title
            );
        }
        page.push_str("</main><footer><a href=\"/about\">+7 727 000 00 00</a></footer></body></html>");
        page
    }

    fn clutter(&self, page: &mut String, element: &str, links: usize) {
        let _ = write!(page, "<{element} class=\"menu\">");
        for number in 0..links {
            let _ = write!(
                page,
                "<li class=\"menu__item menu__item--{number}\"><a class=\"menu__link\" href=\"/section/{number}\" title=\"Бөлім {number}\">Бөлім {number}</a></li>"
            );
        }
        let _ = write!(page, "</{element}>");
    }
}
