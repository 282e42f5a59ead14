//! Hacker News, read by its Algolia search API.

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
        let mut url = address::replace_host(declared, &["news.ycombinator.com"], "hn.algolia.com");
        match address::segments(&url).as_slice() {
            ["api", "v1", ..] => (),
            [] | ["newest" | "newcomments"] => {
                let is_comments = declared.path().contains("newcomments");
                let tags = if is_comments { "comment" } else { "story" };
                let query = ["q", "query"].iter().find_map(|name| address::parameter(&url, name));
                url = address::with_parameters(
                    &address::with_path(&url, "/api/v1/search_by_date"),
                    &[("tags", tags)],
                );
                if let Some(query) = query {
                    url = address::with_parameters(&url, &[("query", &query)]);
                }
            }
            _ => {
                return Err(
                    "write https://news.ycombinator.com/newest or an address under hn.algolia.com/api/v1"
                        .to_owned(),
                );
            }
        }
        Ok(address::with_defaults(&url, &[("hitsPerPage", "100")]))
    }

    fn accept(&self) -> Accept {
        Accept::Json
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn is_complete_window(&self, address: &Url) -> bool {
        // A search and the front page show a selection.
        let is_kind = |tags: String| matches!(tags.as_str(), "story" | "comment");
        address::segments(address).last() == Some(&"search_by_date")
            && address::has_only_parameters(address, &["tags", "hitsPerPage"])
            && address::parameter(address, "tags").is_some_and(is_kind)
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        json::read_document(page, |document| {
            let mut reading = json::read_items(document, LAYOUT.items, |hit| Some(entry(page, hit)));
            let number = |pointer: &str| document.pointer(pointer).and_then(Value::as_u64);
            if let (Some(current), Some(pages)) = (number("/page"), number("/nbPages")) {
                let next = (current + 1 < pages).then(|| (current + 1).to_string());
                reading.next = json::next_page(page, "page", next);
            }
            reading
        })
    }
}

/// Builds the entry of a hit. Its address is the discussion on Hacker News, because the link of a story leads
/// to another site.
fn entry(page: &Page<'_>, hit: &Value) -> Entry {
    let mut entry = json::build_entry(page, hit, &LAYOUT);
    let comment = json::text_at(hit, "/comment_text");
    let texts = [json::text_at(hit, "/story_text"), comment.clone()];
    let texts: Vec<String> =
        texts.into_iter().flatten().map(|text| crate::plain::plain_text(&text)).collect();
    entry.text = Some(texts.join("\n")).filter(|text| !text.is_empty()).or_else(|| entry.title.clone());
    entry.title = entry.title.take().or_else(|| json::text_at(hit, "/story_title"));
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
    fn stories_and_comments_are_read() {
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
    fn site_addresses_become_search_addresses() {
        let at = |url| address_of(SourceKind::HackerNews, url);
        assert_eq!(
            at("https://news.ycombinator.com/").as_deref(),
            Ok("https://hn.algolia.com/api/v1/search_by_date?tags=story&hitsPerPage=100")
        );
        assert!(at("https://news.ycombinator.com/item?id=1").is_err());
    }
}
