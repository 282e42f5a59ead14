//! Feeds that a page links to, and common paths of feeds that no page links to.

use scraper::Html;
use url::Url;

use super::Page;
use super::listing::constant_selector;
use crate::html::bounded;

/// Common paths of feeds, most frequent first, from public lists of feeds of Kazakhstan and other countries.
pub const COMMON_FEED_PATHS: &[&str] = &[
    "/rss.xml",
    "/feed/",
    "/rss",
    "/rss/all",
    "/atom.xml",
    "/feed.xml",
    "/news.rss",
    "/export/rss2/archive/index.xml",
];

/// Returns the feeds that a page links to: first the alternate links of its head, then links with the path of a feed.
pub fn linked_feeds(page: &Page<'_>) -> Vec<Url> {
    let decoded = page.decoded();
    let (markup, _) = bounded(&decoded.text);
    let tree = Html::parse_document(&markup);
    let alternate = tree.select(&ALTERNATE).filter(|link| {
        let kind = link.value().attr("type").unwrap_or("").to_ascii_lowercase();
        ["rss+xml", "atom+xml", "feed+json"].iter().any(|feed| kind.contains(feed))
    });
    let linked = tree.select(&ANCHOR).filter(|anchor| {
        let href = anchor.value().attr("href").unwrap_or("").to_ascii_lowercase();
        let path = href.split(['?', '#']).next().unwrap_or("").trim_end_matches('/');
        [".rss", "/rss", "/rss.xml", "/feed", "/feed.xml", "/atom.xml"].iter().any(|end| path.ends_with(end))
    });
    let mut feeds: Vec<Url> = Vec::new();
    for element in alternate.chain(linked) {
        let url = element.value().attr("href").and_then(|href| page.url.join(href.trim()).ok());
        if let Some(mut url) = url.filter(|url| url.scheme().starts_with("http")) {
            url.set_fragment(None);
            if !feeds.contains(&url) {
                feeds.push(url);
            }
        }
    }
    feeds
}

constant_selector!(ALTERNATE, "link[rel~=alternate][href]");
constant_selector!(ANCHOR, "a[href]");

#[cfg(test)]
mod tests {
    use super::*;
    use model::Selectors;

    #[test]
    fn feeds_are_found_in_the_head_and_among_links() {
        let url = Url::parse("https://qala.kz/").unwrap();
        let body = r#"<head><link rel="alternate" type="application/rss+xml" href="/rss/kk.xml"><link rel="alternate" hreflang="ru" href="/ru">
            <link rel='alternate' type='application/atom+xml' href='https://qala.kz/atom'></head>
            <a href="/rss/">RSS</a><a href="/rss/kk.xml#top">RSS</a><a href="/press">Пресса</a>"#;
        let selectors = Selectors::default();
        let page =
            Page::new(&url, body.as_bytes(), &selectors, None, "2026-11-23T10:00:00Z".parse().unwrap());
        let feeds: Vec<String> = linked_feeds(&page).into_iter().map(String::from).collect();
        assert_eq!(feeds, ["https://qala.kz/rss/kk.xml", "https://qala.kz/atom", "https://qala.kz/rss/"]);
    }
}
