//! A Reddit community, read by its Atom feed. The host allows one request a minute.

use model::{Entry, PostKind};
use std::time::Duration;
use url::Url;

use super::{Accept, Page, Reader, Reading, address, feed};

pub(super) struct Reddit;

impl Reader for Reddit {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        let url = address::replace_host(
            declared,
            &["reddit.com", "old.reddit.com", "new.reddit.com"],
            "www.reddit.com",
        );
        let path = url.path().trim_end_matches('/').to_owned();
        match address::segments(&url).as_slice() {
            ["r", community] => Ok(address::with_parameters(
                &address::with_path(&url, &format!("/r/{community}/new/.rss")),
                &[("limit", "100")],
            )),
            ["user" | "u", author] => Ok(address::with_parameters(
                &address::with_path(&url, &format!("/user/{author}/.rss")),
                &[("limit", "100")],
            )),
            [..] if path.ends_with(".rss") => Ok(address::with_defaults(&url, &[("limit", "100")])),
            _ => Err("write the address of a community, such as https://www.reddit.com/r/NAME".to_owned()),
        }
    }

    fn accept(&self) -> Accept {
        Accept::Xml
    }

    /// The host allows one request a minute per client address (RSS-Bridge; `x-ratelimit-reset`).
    fn delay(&self) -> Duration {
        Duration::from_secs(61)
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        let mut reading = feed::Feed.read(page);
        reading.entries.iter_mut().for_each(fill_from_markup);
        let last = reading.entries.last().and_then(|entry| entry.id.clone()).filter(|id| is_fullname(id));
        reading.next = last.map(|last| address::with_parameters(page.url, &[("after", &last)]));
        reading
    }
}

/// Fills the community, author and kind of an entry, and removes the "submitted by" line below its text.
fn fill_from_markup(entry: &mut Entry) {
    let community = entry.url.as_ref().and_then(|url| match address::segments(url).as_slice() {
        ["r", community, ..] => Some(format!("r/{community}")),
        _ => None,
    });
    entry.post.channel = community;
    entry.author = entry.author.take().map(|author| author.trim_start_matches("/u/").to_owned());
    let is_comment = entry.id.as_deref().is_some_and(|id| id.starts_with("t1_"));
    entry.post.kind = Some(if is_comment { PostKind::Comment } else { PostKind::Post });
    let text = entry.text.take().or_else(|| entry.summary.take()).unwrap_or_default();
    let text = match text.rsplit_once("submitted by") {
        Some((words, author)) if author.trim_start().starts_with("/u/") => words.trim().to_owned(),
        _ => text,
    };
    // A link post without text has its title as text.
    entry.text = Some(text).filter(|text| !text.is_empty()).or_else(|| entry.title.clone());
}

/// Returns true for a Reddit fullname such as `t3_abc`: a kind and a number.
fn is_fullname(id: &str) -> bool {
    id.starts_with('t') && id.contains('_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_fixture};
    use model::SourceKind;

    #[test]
    fn posts_are_read_without_the_submitted_by_line() {
        let reading = read_fixture(
            SourceKind::Reddit,
            "reddit/new.xml",
            "https://www.reddit.com/r/Kazakhstan/new/.rss?limit=100",
        );
        let [post, link] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!((post.id.as_deref(), post.author.as_deref()), (Some("t3_aa1"), Some("steppe_wolf")));
        assert_eq!(post.text.as_deref(), Some("Where do I change tyres in Astana?\nWinter is near."));
        assert_eq!(post.post.channel.as_deref(), Some("r/Kazakhstan"));
        assert_eq!(link.text.as_deref(), Some("New metro line opens"));
        assert_eq!(
            reading.next.as_ref().map(Url::as_str),
            Some("https://www.reddit.com/r/Kazakhstan/new/.rss?limit=100&after=t3_aa0")
        );
    }

    #[test]
    fn community_addresses_become_feed_addresses() {
        let at = |url| address_of(SourceKind::Reddit, url);
        assert_eq!(
            at("https://old.reddit.com/r/Kazakhstan/").as_deref(),
            Ok("https://www.reddit.com/r/Kazakhstan/new/.rss?limit=100")
        );
        assert_eq!(
            at("https://www.reddit.com/search.rss?q=astana").as_deref(),
            Ok("https://www.reddit.com/search.rss?q=astana&limit=100")
        );
        assert!(at("https://www.reddit.com/").is_err());
    }
}
