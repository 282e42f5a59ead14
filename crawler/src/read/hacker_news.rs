//! Hacker News, by the search API that Algolia keeps for it.

use model::{Entry, PostKind};
use serde_json::Value;
use url::Url;

use super::json::{self, Layout};
use super::{Accept, Page, Reader, Reading, address};

pub(super) struct HackerNews;

/// Fields of a hit (hn.algolia.com/api).
const LAYOUT: Layout<'static> = Layout {
    items: "/hits",
    id: Some("/objectID"),
    url: None,
    title: Some("/title"),
    text: None,
    summary: None,
    time: Some("/created_at"),
    updated: None,
    author: Some("/author"),
    author_id: Some("/author"),
    image: None,
    language: None,
    parent: Some("/parent_id"),
    thread: Some("/story_id"),
    likes: Some("/points"),
    comments: Some("/num_comments"),
    shares: None,
    views: None,
    followers: None,
    is_plain: false,
};

impl Reader for HackerNews {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        let mut url = address::moved(declared, &["news.ycombinator.com"], "hn.algolia.com");
        match address::parts(&url).as_slice() {
            ["api", "v1", ..] => (),
            [] | ["newest" | "newcomments"] => {
                let comments = declared.path().contains("newcomments");
                let tags = if comments { "comment" } else { "story" };
                let query = ["q", "query"].iter().find_map(|name| address::parameter(&url, name));
                url = address::with(&address::at(&url, "/api/v1/search_by_date"), &[("tags", tags)]);
                if let Some(query) = query {
                    url = address::with(&url, &[("query", &query)]);
                }
            }
            _ => {
                return Err(
                    "write https://news.ycombinator.com/newest, or an address of hn.algolia.com/api/v1"
                        .to_owned(),
                );
            }
        }
        Ok(address::with_missing(&url, &[("hitsPerPage", "100")]))
    }

    fn accept(&self) -> Accept {
        Accept::Json
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn shows_all(&self, address: &Url) -> bool {
        // What is searched, or on the front page, is a choice.
        let is_kind = |tags: String| matches!(tags.as_str(), "story" | "comment");
        address::parts(address).last() == Some(&"search_by_date")
            && address::asks_only(address, &["tags", "hitsPerPage"])
            && address::parameter(address, "tags").is_some_and(is_kind)
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        json::of_document(page, |document| {
            let mut reading = json::each(document, LAYOUT.items, |hit| Some(entry(page, hit)));
            let number = |pointer: &str| document.pointer(pointer).and_then(Value::as_u64);
            if let (Some(shown), Some(pages)) = (number("/page"), number("/nbPages")) {
                let next = (shown + 1 < pages).then(|| (shown + 1).to_string());
                reading.next = json::before(page, "page", next);
            }
            reading
        })
    }
}

/// A story's own address leads elsewhere: what is said of it here is the publication.
fn entry(page: &Page<'_>, hit: &Value) -> Entry {
    let mut entry = json::entry(page, hit, &LAYOUT);
    let comment = json::text(hit, "/comment_text");
    let words = [json::text(hit, "/story_text"), comment.clone()];
    let words: Vec<String> =
        words.into_iter().flatten().map(|text| crate::plain::plain_text(&text)).collect();
    entry.text = Some(words.join("\n")).filter(|text| !text.is_empty()).or_else(|| entry.title.clone());
    entry.title = entry.title.take().or_else(|| json::text(hit, "/story_title"));
    entry.url = entry
        .id
        .as_deref()
        .and_then(|id| Url::parse(&format!("https://news.ycombinator.com/item?id={id}")).ok());
    entry.post.kind = Some(if comment.is_some() { PostKind::Comment } else { PostKind::Post });
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_fixture};
    use model::SourceKind;

    #[test]
    fn stories_and_comments() {
        let reading = read_fixture(
            SourceKind::HackerNews,
            "hackernews/by_date.json",
            "https://hn.algolia.com/api/v1/search_by_date?tags=story&hitsPerPage=100",
        );
        let [story, comment] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(
            (story.title.as_deref(), story.text.as_deref()),
            (Some("Show HN: A crawler"), Some("Show HN: A crawler"))
        );
        assert_eq!(story.url.as_ref().map(Url::as_str), Some("https://news.ycombinator.com/item?id=900"));
        assert_eq!((story.post.likes, story.post.comments), (Some(5), Some(2)));
        assert_eq!(
            (comment.text.as_deref(), comment.post.kind),
            (Some("It's polite.\nI like it"), Some(PostKind::Comment))
        );
        assert_eq!(
            (comment.post.parent.as_deref(), comment.title.as_deref()),
            (Some("900"), Some("Show HN: A crawler"))
        );
        assert_eq!(
            reading.next.as_ref().and_then(|next| address::parameter(next, "page")).as_deref(),
            Some("1")
        );
    }

    #[test]
    fn it_is_read_by_its_search() {
        let at = |url| address_of(SourceKind::HackerNews, url);
        assert_eq!(
            at("https://news.ycombinator.com/").as_deref(),
            Ok("https://hn.algolia.com/api/v1/search_by_date?tags=story&hitsPerPage=100")
        );
        assert!(at("https://news.ycombinator.com/item?id=1").is_err());
    }
}
