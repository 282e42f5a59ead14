//! Mastodon and servers with its API: public timelines, tag timelines, and the statuses of an account.

use model::PostKind;
use serde_json::Value;
use url::Url;

use super::json::{self, Layout};
use super::{Accept, Page, Reader, Reading, address};

pub(super) struct Mastodon;

/// Fields of a `Status` (docs.joinmastodon.org/entities/Status).
const LAYOUT: Layout<'static> = Layout {
    items: "",
    id: Some("/uri"),
    url: Some("/url"),
    title: None,
    text: Some("/content"),
    summary: Some("/spoiler_text"),
    time: Some("/created_at"),
    updated: Some("/edited_at"),
    author: Some("/account/acct"),
    author_id: Some("/account/id"),
    image: Some("/media_attachments/0/preview_url"),
    language: Some("/language"),
    parent: Some("/in_reply_to_id"),
    thread: None,
    likes: Some("/favourites_count"),
    comments: Some("/replies_count"),
    shares: Some("/reblogs_count"),
    views: None,
    followers: Some("/account/followers_count"),
    is_plain: false,
};

impl Reader for Mastodon {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        let api = |path: &str, parameters: &[(&str, &str)]| {
            address::with_parameters(
                &address::with_path(declared, path),
                &[&[("limit", "40")], parameters].concat(),
            )
        };
        match address::segments(declared).as_slice() {
            ["api", "v1", ..] => Ok(address::with_defaults(declared, &[("limit", "40")])),
            ["public"] | ["public", "remote"] => Ok(api("/api/v1/timelines/public", &[])),
            [] | ["public", "local"] => Ok(api("/api/v1/timelines/public", &[("local", "true")])),
            ["tags", tag] => Ok(api(&format!("/api/v1/timelines/tag/{tag}"), &[])),
            [account, ..] if account.starts_with('@') => {
                let lookup = address::with_path(declared, "/api/v1/accounts/lookup");
                Ok(address::with_parameters(&lookup, &[("acct", account.trim_start_matches('@'))]))
            }
            _ => Err("write the address of a server, tag or account, such as https://mastodon.social/@NAME"
                .to_owned()),
        }
    }

    fn accept(&self) -> Accept {
        Accept::Json
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn is_complete_window(&self, address: &Url) -> bool {
        // Trending, pinned and tagged lists show a selection; public timelines omit accounts that the server limits.
        match address::segments(address).as_slice() {
            ["api", "v1", "accounts", "lookup"] => true,
            ["api", "v1", "accounts", _, "statuses"] => {
                address::has_only_parameters(address, &["limit", "exclude_replies", "exclude_reblogs"])
            }
            _ => false,
        }
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        json::read_document(page, |document| {
            if let Some(statuses) = statuses_of(page, document) {
                return Reading { children: vec![statuses], ..Reading::default() };
            }
            let mut reading = json::read_items(document, LAYOUT.items, |status| Some(entry(page, status)));
            let oldest = document.as_array().and_then(|all| json::text_at(all.last()?, "/id"));
            reading.next = json::next_page(page, "max_id", oldest);
            reading
        })
    }
}

/// Returns the address of the statuses if the document is a looked-up account.
fn statuses_of(page: &Page<'_>, document: &Value) -> Option<Url> {
    document.get("acct")?;
    let id = json::text_at(document, "/id")?;
    Some(address::with_parameters(
        &address::with_path(page.url, &format!("/api/v1/accounts/{id}/statuses")),
        &[("limit", "40")],
    ))
}

/// Builds the entry of a status. A boost has the text of the boosted status.
fn entry(page: &Page<'_>, status: &Value) -> model::Entry {
    let boosted = status.get("reblog").filter(|boosted| boosted.is_object());
    let mut entry = json::build_entry(page, boosted.unwrap_or(status), &LAYOUT);
    let is_reply = entry.post.parent.is_some();
    entry.post.kind = Some(match (boosted, is_reply) {
        (Some(_), _) => PostKind::Repost,
        (None, true) => PostKind::Comment,
        (None, false) => PostKind::Post,
    });
    if boosted.is_some() {
        entry.post.parent = entry.id.take();
        entry.id = json::text_at(status, "/uri");
        entry.published = status.get("created_at").and_then(|at| json::parse_published(page, at));
    }
    // A status has no title; a content warning is part of the text.
    let warning = entry.summary.take();
    entry.text = match (warning, entry.text.take()) {
        (Some(warning), Some(text)) => Some(format!("{warning}\n{text}")),
        (one, other) => one.or(other),
    };
    if let Some(pictures) = boosted.unwrap_or(status).pointer("/media_attachments").and_then(Value::as_array)
    {
        let descriptions = pictures.iter().filter_map(|picture| json::text_at(picture, "/description"));
        let texts: Vec<String> =
            entry.text.take().into_iter().chain(descriptions.map(|text| json::fold_lines(&text))).collect();
        entry.text = Some(texts.join("\n")).filter(|text| !text.is_empty());
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_body, read_fixture};
    use model::SourceKind;

    #[test]
    fn statuses_boosts_and_replies_are_read() {
        let reading = read_fixture(
            SourceKind::Mastodon,
            "mastodon/timeline.json",
            "https://masto.kz/api/v1/timelines/public?limit=40&local=true",
        );
        assert_eq!(reading.alarm, None);
        let [status, reply, boost] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(status.id.as_deref(), Some("https://masto.kz/users/aigul/statuses/113"));
        assert_eq!(status.url.as_ref().map(Url::as_str), Some("https://masto.kz/@aigul/113"));
        assert_eq!(status.text.as_deref(), Some("Ауа райы\nАстанада боран #ауарайы\nҚарлы көше"));
        assert_eq!(status.language.as_deref(), Some("kk"));
        assert_eq!(
            (status.post.likes, status.post.followers, status.post.kind),
            (Some(4), Some(250), Some(PostKind::Post))
        );
        assert_eq!((reply.post.kind, reply.post.parent.as_deref()), (Some(PostKind::Comment), Some("113")));
        assert_eq!(reply.updated_at.map(|at| at.to_string()).as_deref(), Some("2026-11-23T05:00:00Z"));
        assert_eq!(
            (boost.post.kind, boost.post.parent.as_deref(), boost.text.as_deref()),
            (Some(PostKind::Repost), Some("https://other.example/users/x/statuses/9"), Some("Чужие слова"))
        );
        assert_eq!(boost.id.as_deref(), Some("https://masto.kz/users/aigul/statuses/111/activity"));
        assert_eq!(
            reading.next.as_ref().map(Url::as_str),
            Some("https://masto.kz/api/v1/timelines/public?limit=40&local=true&max_id=111")
        );
    }

    #[test]
    fn an_account_leads_to_its_statuses() {
        let account = r#"{"id":"77","acct":"aigul","username":"aigul"}"#;
        let reading = read_body(
            SourceKind::Mastodon,
            account.as_bytes(),
            "https://masto.kz/api/v1/accounts/lookup?acct=aigul",
        );
        assert_eq!(
            reading.children.iter().map(Url::as_str).collect::<Vec<_>>(),
            ["https://masto.kz/api/v1/accounts/77/statuses?limit=40"]
        );
    }

    #[test]
    fn browser_addresses_become_api_addresses() {
        let at = |url| address_of(SourceKind::Mastodon, url);
        assert_eq!(
            at("https://masto.kz/@aigul").as_deref(),
            Ok("https://masto.kz/api/v1/accounts/lookup?acct=aigul")
        );
        assert_eq!(
            at("https://masto.kz/tags/астана").as_deref(),
            Ok("https://masto.kz/api/v1/timelines/tag/%D0%B0%D1%81%D1%82%D0%B0%D0%BD%D0%B0?limit=40")
        );
        assert_eq!(
            at("https://masto.kz").as_deref(),
            Ok("https://masto.kz/api/v1/timelines/public?limit=40&local=true")
        );
        assert!(at("https://masto.kz/about").is_err());
    }
}
