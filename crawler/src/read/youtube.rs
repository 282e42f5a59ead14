//! A channel or playlist of YouTube: the Atom feed of its 15 newest films.

use model::PostKind;
use scraper::Html;
use std::time::Duration;
use url::Url;

use super::listing::constant_selector;
use super::{Accept, Alarm, Page, Reader, Reading, address, feed, sniff};
use crate::html::bounded;

pub(super) struct Youtube;

impl Reader for Youtube {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        let url = address::moved(declared, &["youtube.com", "m.youtube.com"], "www.youtube.com");
        let feed = |name: &str, value: &str| {
            address::with(&address::at(&url, "/feeds/videos.xml"), &[(name, value)])
        };
        match (address::parts(&url).as_slice(), address::parameter(&url, "list")) {
            (["feeds", "videos.xml"], _) => Ok(url),
            (["channel", id, ..], _) => Ok(feed("channel_id", id)),
            (["playlist"], Some(list)) => Ok(feed("playlist_id", &list)),
            // Its page names the feed.
            ([handle, ..], _) if handle.starts_with('@') => Ok(address::at(&url, &format!("/{handle}"))),
            (["c" | "user", _, ..], _) => Ok(url),
            _ => Err("write a channel's or playlist's address such as https://www.youtube.com/channel/UC…"
                .to_owned()),
        }
    }

    fn accept(&self) -> Accept {
        Accept::Xml
    }

    fn delay(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        if sniff(page) == Some(model::SourceKind::Listing) {
            return feed_of(page);
        }
        let mut reading = feed::Feed.read(page);
        for entry in &mut reading.entries {
            entry.post.kind = Some(PostKind::Video);
            // The description is all the words that a film has here.
            entry.text = entry.text.take().or_else(|| entry.summary.take()).or_else(|| entry.title.clone());
        }
        reading
    }
}

/// A channel's page names its feed.
fn feed_of(page: &Page<'_>) -> Reading {
    let decoded = page.decoded();
    let (markup, _) = bounded(&decoded.text);
    let tree = Html::parse_document(&markup);
    let feed = tree.select(&FEED).find_map(|link| page.url.join(link.value().attr("href")?).ok());
    match feed {
        Some(feed) => Reading { children: vec![feed], ..Reading::default() },
        None => Reading::alarmed(Alarm::Foreign(
            "this page of YouTube names no feed: is it a channel's?".to_owned(),
        )),
    }
}

constant_selector!(FEED, "link[rel=alternate][type='application/rss+xml'][href*='feeds/videos.xml']");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_body, read_fixture};
    use model::SourceKind;

    #[test]
    fn films_are_read_with_their_descriptions_and_counters() {
        let reading = read_fixture(
            SourceKind::Youtube,
            "youtube/channel.xml",
            "https://www.youtube.com/feeds/videos.xml?channel_id=UC1",
        );
        let [film] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(film.id.as_deref(), Some("yt:video:abc123"));
        assert_eq!(film.title.as_deref(), Some("Қала күні"));
        assert_eq!(film.text.as_deref(), Some("Мереке туралы репортаж\nЖазылыңыз!"));
        assert_eq!(film.author.as_deref(), Some("Qala TV"));
        assert_eq!(
            (film.post.kind, film.post.views, film.post.likes),
            (Some(PostKind::Video), Some(5123), Some(77))
        );
    }

    #[test]
    fn a_handles_page_leads_to_its_feed() {
        let page = r#"<!DOCTYPE html><html><head><link rel="alternate" type="application/rss+xml" title="RSS" href="https://www.youtube.com/feeds/videos.xml?channel_id=UC1"></head></html>"#;
        let reading = read_body(SourceKind::Youtube, page.as_bytes(), "https://www.youtube.com/@qala");
        assert_eq!(reading.alarm, None);
        assert_eq!(
            reading.children.iter().map(Url::as_str).collect::<Vec<_>>(),
            ["https://www.youtube.com/feeds/videos.xml?channel_id=UC1"]
        );
    }

    #[test]
    fn channels_and_playlists_have_feeds() {
        let at = |url| address_of(SourceKind::Youtube, url);
        assert_eq!(
            at("https://youtube.com/channel/UC1/videos").as_deref(),
            Ok("https://www.youtube.com/feeds/videos.xml?channel_id=UC1")
        );
        assert_eq!(
            at("https://www.youtube.com/playlist?list=PL2").as_deref(),
            Ok("https://www.youtube.com/feeds/videos.xml?playlist_id=PL2")
        );
        assert_eq!(
            at("https://www.youtube.com/@qala/videos").as_deref(),
            Ok("https://www.youtube.com/@qala")
        );
        assert!(at("https://www.youtube.com/watch?v=1").is_err());
    }
}
