//! A Discourse forum: its latest posts, or the topics of a category.

use model::PostKind;
use serde_json::Value;
use std::time::Duration;
use url::Url;

use super::json::{self, Layout};
use super::{Accept, Page, Reader, Reading, address};

pub(super) struct Discourse;

/// Fields of a post in `/posts.json` (docs.discourse.org).
const POST: Layout<'static> = Layout {
    items: "/latest_posts",
    id: Some("/id"),
    url: Some("/post_url"),
    title: None,
    text: Some("/cooked"),
    summary: None,
    time: Some("/created_at"),
    updated: None,
    author: Some("/username"),
    author_id: Some("/user_id"),
    image: None,
    language: None,
    parent: None,
    thread: Some("/topic_id"),
    likes: None,
    comments: Some("/reply_count"),
    shares: None,
    views: Some("/reads"),
    followers: None,
    is_plain: false,
};

/// Fields of a topic in `/latest.json` and `/c/…json`.
const TOPIC: Layout<'static> = Layout {
    items: "/topic_list/topics",
    id: Some("/id"),
    url: None,
    title: Some("/title"),
    text: None,
    summary: Some("/excerpt"),
    time: Some("/created_at"),
    updated: None,
    author: None,
    author_id: None,
    image: Some("/image_url"),
    language: None,
    parent: None,
    thread: None,
    likes: Some("/like_count"),
    comments: Some("/reply_count"),
    shares: None,
    views: Some("/views"),
    followers: None,
    is_plain: false,
};

impl Reader for Discourse {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        let path = declared.path().trim_end_matches('/').to_owned();
        match address::segments(declared).as_slice() {
            [] => Ok(address::with_path(declared, "/posts.json")),
            [.., last] if last.ends_with(".json") => Ok(declared.clone()),
            ["c" | "tag", ..] | ["latest" | "posts"] => {
                Ok(address::with_path(declared, &format!("{path}.json")))
            }
            _ => {
                Err("write the address of a forum or category, such as https://forum.example/c/NAME/5"
                    .to_owned())
            }
        }
    }

    fn accept(&self) -> Accept {
        Accept::Json
    }

    fn delay(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn is_complete_window(&self, address: &Url) -> bool {
        // Other lists show topics in the order of their last reply.
        address::segments(address).last() == Some(&"posts.json") && address::has_only_parameters(address, &[])
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        json::read_document(page, |document| {
            if document.pointer(TOPIC.items).is_some() {
                read_topics(page, document)
            } else {
                read_posts(page, document)
            }
        })
    }
}

fn read_posts(page: &Page<'_>, document: &Value) -> Reading {
    let mut reading = json::read_items(document, POST.items, |post| {
        let mut entry = json::build_entry(page, post, &POST);
        let topic = json::text_at(post, "/topic_title").filter(|title| !title.is_empty());
        let number = post.get("post_number").and_then(Value::as_u64).unwrap_or(1);
        entry.url = entry.url.take().or_else(|| post_address(page, post, number));
        entry.title = topic.map(|title| crate::plain::plain_title(&title));
        entry.id = entry.id.take().map(|id| format!("post-{id}"));
        entry.post.kind = Some(if number > 1 { PostKind::Comment } else { PostKind::Post });
        entry.post.parent = json::text_at(post, "/reply_to_post_number");
        entry.post.likes = read_likes(post);
        Some(entry)
    });
    let posts = document.pointer(POST.items).and_then(Value::as_array);
    let oldest = posts.into_iter().flatten().filter_map(|post| post.get("id")?.as_u64()).min();
    // `before` is inclusive: the post with that number is the first one of the next page.
    let before = oldest.and_then(|id| id.checked_sub(1)).filter(|id| *id > 0);
    reading.next = json::next_page(page, "before", before.map(|id| id.to_string()));
    reading
}

fn read_topics(page: &Page<'_>, document: &Value) -> Reading {
    let mut reading = json::read_items(document, TOPIC.items, |topic| {
        let mut entry = json::build_entry(page, topic, &TOPIC);
        let slug = json::text_at(topic, "/slug").unwrap_or_else(|| "-".to_owned());
        entry.url = entry.id.as_deref().and_then(|id| page.url.join(&format!("/t/{slug}/{id}")).ok());
        entry.id = entry.id.take().map(|id| format!("topic-{id}"));
        Some(entry)
    });
    // The link leads to an HTML page; the JSON is at the same path with `.json`.
    let more =
        json::text_at(document, "/topic_list/more_topics_url").and_then(|more| page.url.join(&more).ok());
    reading.next = more.map(|mut more| {
        if !more.path().ends_with(".json") {
            let path = format!("{}.json", more.path().trim_end_matches('/'));
            more.set_path(&path);
        }
        more
    });
    reading
}

fn post_address(page: &Page<'_>, post: &Value, number: u64) -> Option<Url> {
    let (slug, topic) = (json::text_at(post, "/topic_slug")?, json::text_at(post, "/topic_id")?);
    page.url.join(&format!("/t/{slug}/{topic}/{number}")).ok()
}

/// Returns the number of likes: the count of the action with identifier 2.
fn read_likes(post: &Value) -> Option<u64> {
    let actions = post.get("actions_summary")?.as_array()?;
    let like = actions.iter().find(|action| action.get("id").and_then(Value::as_u64) == Some(2))?;
    like.get("count").and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_fixture};
    use model::SourceKind;

    #[test]
    fn posts_are_read_with_their_topic() {
        let reading =
            read_fixture(SourceKind::Discourse, "discourse/posts.json", "https://forum.kz/posts.json");
        let [reply, first] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(
            (reply.id.as_deref(), reply.title.as_deref()),
            (Some("post-502"), Some("Қай банк жақсы?"))
        );
        assert_eq!(reply.text.as_deref(), Some("Мен бәрін сынадым.\nЕшқайсысы"));
        assert_eq!(reply.url.as_ref().map(Url::as_str), Some("https://forum.kz/t/qai-bank/40/2"));
        assert_eq!(
            (reply.post.kind, reply.post.likes, reply.author.as_deref()),
            (Some(PostKind::Comment), Some(3), Some("dana"))
        );
        assert_eq!(first.post.kind, Some(PostKind::Post));
        assert_eq!(reading.next.as_ref().map(Url::as_str), Some("https://forum.kz/posts.json?before=500"));
    }

    #[test]
    fn topics_of_a_category_are_read() {
        let reading =
            read_fixture(SourceKind::Discourse, "discourse/category.json", "https://forum.kz/c/bank/5.json");
        let [topic] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(topic.url.as_ref().map(Url::as_str), Some("https://forum.kz/t/qai-bank/40"));
        assert_eq!((topic.text.as_deref(), topic.title.as_deref()), (None, Some("Қай банк жақсы?")));
        assert_eq!(reading.next.as_ref().map(Url::as_str), Some("https://forum.kz/c/bank/5.json?page=1"));
    }

    #[test]
    fn forum_addresses_become_json_addresses() {
        let at = |url| address_of(SourceKind::Discourse, url);
        assert_eq!(at("https://forum.kz/").as_deref(), Ok("https://forum.kz/posts.json"));
        assert_eq!(at("https://forum.kz/c/bank/5").as_deref(), Ok("https://forum.kz/c/bank/5.json"));
        assert!(at("https://forum.kz/about").is_err());
    }
}
