//! A community of Reddit, by its Atom feed. Its host bears one request a minute.

use model::{Entry, PostKind};
use std::time::Duration;
use url::Url;

use super::{Accept, Page, Reader, Reading, address, feed};

pub(super) struct Reddit;

impl Reader for Reddit {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        let url =
            address::moved(declared, &["reddit.com", "old.reddit.com", "new.reddit.com"], "www.reddit.com");
        let path = url.path().trim_end_matches('/').to_owned();
        match address::parts(&url).as_slice() {
            ["r", community] => Ok(address::with(
                &address::at(&url, &format!("/r/{community}/new/.rss")),
                &[("limit", "100")],
            )),
            ["user" | "u", author] => {
                Ok(address::with(&address::at(&url, &format!("/user/{author}/.rss")), &[("limit", "100")]))
            }
            [..] if path.ends_with(".rss") => Ok(address::with_missing(&url, &[("limit", "100")])),
            _ => Err("write a community's address such as https://www.reddit.com/r/NAME".to_owned()),
        }
    }

    fn accept(&self) -> Accept {
        Accept::Xml
    }

    /// One request a minute for each address (RSS-Bridge; `x-ratelimit-reset`).
    fn delay(&self) -> Duration {
        Duration::from_secs(61)
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        let mut reading = feed::Feed.read(page);
        reading.entries.iter_mut().for_each(complete);
        let last = reading.entries.last().and_then(|entry| entry.id.clone()).filter(|id| is_name(id));
        reading.next = last.map(|last| address::with(page.url, &[("after", &last)]));
        reading
    }
}

/// What the feed puts into its markup: the community, the author, and a line that is the same below each post.
fn complete(entry: &mut Entry) {
    let community = entry.url.as_ref().and_then(|url| match address::parts(url).as_slice() {
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
    // A link without words has its title.
    entry.text = Some(text).filter(|text| !text.is_empty()).or_else(|| entry.title.clone());
}

/// `t3_abc`: the kind of a thing, and its number.
fn is_name(id: &str) -> bool {
    id.starts_with('t') && id.contains('_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_fixture};
    use model::SourceKind;

    #[test]
    fn posts_are_read_without_the_line_below_them() {
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
    fn communities_are_read_by_their_feeds() {
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
