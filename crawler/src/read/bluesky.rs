//! The posts of a Bluesky author, read by the public API, which needs no account.

use model::{Entry, PostKind};
use serde_json::Value;
use url::Url;

use super::json::{self, Layout};
use super::{Accept, Page, Reader, Reading, address};

pub(super) struct Bluesky;

/// The host of the public API (docs.bsky.app/docs/api/app-bsky-feed-get-author-feed).
const API_HOST: &str = "public.api.bsky.app";
const AUTHOR_FEED_PATH: &str = "/xrpc/app.bsky.feed.getAuthorFeed";

/// Fields of a `feedViewPost`.
const LAYOUT: Layout<'static> = Layout {
    items: "/feed",
    id: Some("/post/uri"),
    url: None,
    title: None,
    text: Some("/post/record/text"),
    summary: None,
    time: Some("/post/record/createdAt"),
    updated: None,
    author: Some("/post/author/displayName"),
    author_id: Some("/post/author/did"),
    image: Some("/post/embed/images/0/thumb"),
    language: Some("/post/record/langs"),
    parent: Some("/post/record/reply/parent/uri"),
    thread: Some("/post/record/reply/root/uri"),
    likes: Some("/post/likeCount"),
    comments: Some("/post/replyCount"),
    shares: Some("/post/repostCount"),
    views: None,
    followers: None,
    is_plain: true,
};

impl Reader for Bluesky {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        let url = address::replace_host(declared, &["bsky.app"], API_HOST);
        match address::segments(&url).as_slice() {
            ["xrpc", "app.bsky.feed.getAuthorFeed"] => Ok(address::with_defaults(&url, &[("limit", "100")])),
            ["profile", actor] => Ok(address::with_parameters(
                &address::with_path(&url, AUTHOR_FEED_PATH),
                &[("actor", actor), ("limit", "100")],
            )),
            _ => Err("write the address of an author, such as https://bsky.app/profile/NAME".to_owned()),
        }
    }

    fn accept(&self) -> Accept {
        Accept::Json
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn is_complete_window(&self, address: &Url) -> bool {
        address::has_only_parameters(address, &["actor", "limit", "filter"])
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        json::read_document(page, |document| {
            let mut reading = json::read_items(document, LAYOUT.items, |item| Some(entry(page, item)));
            reading.next = json::next_page(page, "cursor", json::text_at(document, "/cursor"));
            reading
        })
    }
}

fn entry(page: &Page<'_>, item: &Value) -> Entry {
    let mut entry = json::build_entry(page, item, &LAYOUT);
    entry.url = entry.id.as_deref().and_then(web_address);
    entry.author = entry.author.take().or_else(|| json::text_at(item, "/post/author/handle"));
    // The author sets `createdAt`; it cannot be later than the time of indexing.
    let indexed_at = item.pointer("/post/indexedAt").and_then(|at| json::parse_published(page, at));
    entry.published = match (entry.published.take(), indexed_at) {
        (Some(created), Some(indexed)) if created.at > indexed.at => Some(indexed),
        (created, indexed) => created.or(indexed),
    };
    let reason = json::text_at(item, "/reason/$type").unwrap_or_default();
    if reason.ends_with("reasonRepost") {
        // A repost has its own identifier and time, because the post itself may be in the feed of the same author.
        let by = json::text_at(item, "/reason/by/did").unwrap_or_default();
        entry.post.parent = entry.id.take();
        entry.id = entry.post.parent.as_ref().map(|post| format!("{post}#{by}"));
        let at = item.pointer("/reason/indexedAt").and_then(|at| json::parse_published(page, at));
        entry.published = at.or(entry.published.take());
    }
    entry.post.kind = Some(match (reason.ends_with("reasonRepost"), entry.post.parent.is_some()) {
        (true, _) => PostKind::Repost,
        (false, true) => PostKind::Comment,
        (false, false) => PostKind::Post,
    });
    let pictures = item.pointer("/post/record/embed/images").and_then(Value::as_array);
    let descriptions = pictures.into_iter().flatten().filter_map(|picture| json::text_at(picture, "/alt"));
    let card =
        ["/post/embed/external/title", "/post/embed/external/description"].map(|at| json::text_at(item, at));
    let attached = descriptions.chain(card.into_iter().flatten()).map(|text| json::fold_lines(&text));
    let texts: Vec<String> =
        entry.text.take().into_iter().chain(attached).filter(|text| !text.is_empty()).collect();
    entry.text = Some(texts.join("\n")).filter(|text| !text.is_empty());
    entry
}

/// Returns the web address of a post: `at://did/app.bsky.feed.post/key` is `bsky.app/profile/did/post/key`.
fn web_address(uri: &str) -> Option<Url> {
    let mut parts = uri.strip_prefix("at://")?.split('/');
    let (author, _, key) = (parts.next()?, parts.next()?, parts.next()?);
    Url::parse(&format!("https://bsky.app/profile/{author}/post/{key}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_fixture};
    use model::SourceKind;

    #[test]
    fn posts_replies_and_reposts_are_read() {
        let reading = read_fixture(
            SourceKind::Bluesky,
            "bluesky/author_feed.json",
            "https://public.api.bsky.app/xrpc/app.bsky.feed.getAuthorFeed?actor=qala.kz&limit=100",
        );
        assert_eq!(reading.alarm, None);
        let [post, reply, repost] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(post.url.as_ref().map(Url::as_str), Some("https://bsky.app/profile/did:plc:abc/post/3k1"));
        assert_eq!(
            post.text.as_deref(),
            Some("Тенге < доллар & евро\nБазардағы дүкен\nКурс валют\nНацбанк сообщил")
        );
        assert_eq!((post.author.as_deref(), post.language.as_deref()), (Some("Қала"), Some("kk")));
        assert_eq!((post.post.likes, post.post.comments, post.post.shares), (Some(3), Some(1), Some(2)));
        // Its `createdAt` is later than its `indexedAt`.
        assert_eq!(
            reply.published.as_ref().map(|p| p.at.to_string()).as_deref(),
            Some("2026-11-22T10:00:00Z")
        );
        assert_eq!((reply.post.kind, reply.author.as_deref()), (Some(PostKind::Comment), Some("qala.kz")));
        assert_eq!(repost.post.kind, Some(PostKind::Repost));
        assert_eq!(repost.id.as_deref(), Some("at://did:plc:zzz/app.bsky.feed.post/777#did:plc:abc"));
        assert_eq!(
            repost.published.as_ref().map(|p| p.at.to_string()).as_deref(),
            Some("2026-11-22T00:00:00Z")
        );
        assert_eq!(
            reading.next.as_ref().and_then(|next| address::parameter(next, "cursor")).as_deref(),
            Some("2026-11-21T00:00:00Z")
        );
    }

    #[test]
    fn profile_addresses_become_api_addresses() {
        let at = |url| address_of(SourceKind::Bluesky, url);
        assert_eq!(
            at("https://bsky.app/profile/qala.kz").as_deref(),
            Ok("https://public.api.bsky.app/xrpc/app.bsky.feed.getAuthorFeed?actor=qala.kz&limit=100")
        );
        assert!(at("https://bsky.app/").is_err());
    }
}
