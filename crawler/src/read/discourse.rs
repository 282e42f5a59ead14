//! A forum that runs Discourse: its latest posts, or the topics of a category.

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
        match address::parts(declared).as_slice() {
            [] => Ok(address::at(declared, "/posts.json")),
            [.., last] if last.ends_with(".json") => Ok(declared.clone()),
            ["c" | "tag", ..] | ["latest" | "posts"] => Ok(address::at(declared, &format!("{path}.json"))),
            _ => {
                Err("write the forum's or a category's address such as https://forum.example/c/NAME/5"
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

    fn shows_all(&self, address: &Url) -> bool {
        // Topics stand there by their last answer.
        address::parts(address).last() == Some(&"posts.json") && address::asks_only(address, &[])
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        json::of_document(page, |document| {
            if document.pointer(TOPIC.items).is_some() {
                topics(page, document)
            } else {
                posts(page, document)
            }
        })
    }
}

fn posts(page: &Page<'_>, document: &Value) -> Reading {
    let mut reading = json::each(document, POST.items, |post| {
        let mut entry = json::entry(page, post, &POST);
        let topic = json::text(post, "/topic_title").filter(|title| !title.is_empty());
        let number = post.get("post_number").and_then(Value::as_u64).unwrap_or(1);
        entry.url = entry.url.take().or_else(|| address_of_post(page, post, number));
        entry.title = topic.map(|title| crate::plain::plain_title(&title));
        entry.id = entry.id.take().map(|id| format!("post-{id}"));
        entry.post.kind = Some(if number > 1 { PostKind::Comment } else { PostKind::Post });
        entry.post.parent = json::text(post, "/reply_to_post_number");
        entry.post.likes = likes(post);
        Some(entry)
    });
    let posts = document.pointer(POST.items).and_then(Value::as_array);
    let oldest = posts.into_iter().flatten().filter_map(|post| post.get("id")?.as_u64()).min();
    // The post of that number is the first of the next page.
    let before = oldest.and_then(|id| id.checked_sub(1)).filter(|id| *id > 0);
    reading.next = json::before(page, "before", before.map(|id| id.to_string()));
    reading
}

fn topics(page: &Page<'_>, document: &Value) -> Reading {
    let mut reading = json::each(document, TOPIC.items, |topic| {
        let mut entry = json::entry(page, topic, &TOPIC);
        let slug = json::text(topic, "/slug").unwrap_or_else(|| "-".to_owned());
        entry.url = entry.id.as_deref().and_then(|id| page.url.join(&format!("/t/{slug}/{id}")).ok());
        entry.id = entry.id.take().map(|id| format!("topic-{id}"));
        Some(entry)
    });
    // It leads to a page; its data stand beside it.
    let more = json::text(document, "/topic_list/more_topics_url").and_then(|more| page.url.join(&more).ok());
    reading.next = more.map(|mut more| {
        if !more.path().ends_with(".json") {
            let path = format!("{}.json", more.path().trim_end_matches('/'));
            more.set_path(&path);
        }
        more
    });
    reading
}

fn address_of_post(page: &Page<'_>, post: &Value, number: u64) -> Option<Url> {
    let (slug, topic) = (json::text(post, "/topic_slug")?, json::text(post, "/topic_id")?);
    page.url.join(&format!("/t/{slug}/{topic}/{number}")).ok()
}

/// Likes are the second sort of action.
fn likes(post: &Value) -> Option<u64> {
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
        let [answer, first] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(
            (answer.id.as_deref(), answer.title.as_deref()),
            (Some("post-502"), Some("Қай банк жақсы?"))
        );
        assert_eq!(answer.text.as_deref(), Some("Мен бәрін сынадым.\nЕшқайсысы"));
        assert_eq!(answer.url.as_ref().map(Url::as_str), Some("https://forum.kz/t/qai-bank/40/2"));
        assert_eq!(
            (answer.post.kind, answer.post.likes, answer.author.as_deref()),
            (Some(PostKind::Comment), Some(3), Some("dana"))
        );
        assert_eq!(first.post.kind, Some(PostKind::Post));
        assert_eq!(reading.next.as_ref().map(Url::as_str), Some("https://forum.kz/posts.json?before=500"));
    }

    #[test]
    fn topics_of_a_category_lead_to_their_pages() {
        let reading =
            read_fixture(SourceKind::Discourse, "discourse/category.json", "https://forum.kz/c/bank/5.json");
        let [topic] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(topic.url.as_ref().map(Url::as_str), Some("https://forum.kz/t/qai-bank/40"));
        assert_eq!((topic.text.as_deref(), topic.title.as_deref()), (None, Some("Қай банк жақсы?")));
        assert_eq!(reading.next.as_ref().map(Url::as_str), Some("https://forum.kz/c/bank/5.json?page=1"));
    }

    #[test]
    fn forums_are_read_by_their_json() {
        let at = |url| address_of(SourceKind::Discourse, url);
        assert_eq!(at("https://forum.kz/").as_deref(), Ok("https://forum.kz/posts.json"));
        assert_eq!(at("https://forum.kz/c/bank/5").as_deref(), Ok("https://forum.kz/c/bank/5.json"));
        assert!(at("https://forum.kz/about").is_err());
    }
}
