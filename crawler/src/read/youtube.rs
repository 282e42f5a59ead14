//! A YouTube channel or playlist, read by the Atom feed of its 15 newest videos.

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
        let url = address::replace_host(declared, &["youtube.com", "m.youtube.com"], "www.youtube.com");
        let feed = |name: &str, value: &str| {
            address::with_parameters(&address::with_path(&url, "/feeds/videos.xml"), &[(name, value)])
        };
        match (address::segments(&url).as_slice(), address::parameter(&url, "list")) {
            (["feeds", "videos.xml"], _) => Ok(url),
            (["channel", id, ..], _) => Ok(feed("channel_id", id)),
            (["playlist"], Some(list)) => Ok(feed("playlist_id", &list)),
            // The page of a handle links to the feed.
            ([handle, ..], _) if handle.starts_with('@') => {
                Ok(address::with_path(&url, &format!("/{handle}")))
            }
            (["c" | "user", _, ..], _) => Ok(url),
            _ => {
                Err("write the address of a channel or playlist, such as https://www.youtube.com/channel/UC…"
                    .to_owned())
            }
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
            // The description is the only text of a video in the feed.
            entry.text = entry.text.take().or_else(|| entry.summary.take()).or_else(|| entry.title.clone());
        }
        reading
    }
}

/// Returns the feed that the page of a channel links to.
fn feed_of(page: &Page<'_>) -> Reading {
    let decoded = page.decoded();
    let (markup, _) = bounded(&decoded.text);
    let tree = Html::parse_document(&markup);
    let feed = tree.select(&FEED).find_map(|link| page.url.join(link.value().attr("href")?).ok());
    match feed {
        Some(feed) => Reading { children: vec![feed], ..Reading::default() },
        None => Reading::from_alarm(Alarm::WrongFormat(
            "this YouTube page links to no feed; use the address of a channel or playlist".to_owned(),
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
    fn videos_are_read_with_descriptions_and_counters() {
        let reading = read_fixture(
            SourceKind::Youtube,
            "youtube/channel.xml",
            "https://www.youtube.com/feeds/videos.xml?channel_id=UC1",
        );
        let [video] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(video.id.as_deref(), Some("yt:video:abc123"));
        assert_eq!(video.title.as_deref(), Some("Қала күні"));
        assert_eq!(video.text.as_deref(), Some("Мереке туралы репортаж\nЖазылыңыз!"));
        assert_eq!(video.author.as_deref(), Some("Qala TV"));
        assert_eq!(
            (video.post.kind, video.post.views, video.post.likes),
            (Some(PostKind::Video), Some(5123), Some(77))
        );
    }

    #[test]
    fn the_page_of_a_handle_leads_to_its_feed() {
        let page = r#"<!DOCTYPE html><html><head><link rel="alternate" type="application/rss+xml" title="RSS" href="https://www.youtube.com/feeds/videos.xml?channel_id=UC1"></head></html>"#;
        let reading = read_body(SourceKind::Youtube, page.as_bytes(), "https://www.youtube.com/@qala");
        assert_eq!(reading.alarm, None);
        assert_eq!(
            reading.children.iter().map(Url::as_str).collect::<Vec<_>>(),
            ["https://www.youtube.com/feeds/videos.xml?channel_id=UC1"]
        );
    }

    #[test]
    fn channel_and_playlist_addresses_become_feed_addresses() {
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
