//! VK, by its API: a wall, a wall's search, or the search through all news. The API asks for a token.
//!
//! A search shows its first 1,000 results and no more: what lies before is asked for as a search that ends where those
//! began.

use model::{Entry, PostKind};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use url::Url;

use super::json::{self, Layout};
use super::{Accept, Alarm, Page, Reader, Reading, address};

pub(super) struct Vk;

const API: &str = "api.vk.com";
/// The version whose answers are read.
const VERSION: &str = "5.199";
/// Posts that one answer of a wall holds at most.
const WALL: &str = "100";
/// Results that one answer of a search holds at most.
const SEARCH: &str = "200";

/// Fields of a `wall_wallpost` (github.com/VKCOM/vk-api-schema).
const LAYOUT: Layout<'static> = Layout {
    items: "/response/items",
    id: None,
    url: None,
    title: None,
    text: Some("/text"),
    summary: None,
    time: Some("/date"),
    updated: Some("/edited"),
    author: None,
    author_id: Some("/from_id"),
    image: None,
    language: None,
    parent: None,
    thread: None,
    likes: Some("/likes/count"),
    comments: Some("/comments/count"),
    shares: Some("/reposts/count"),
    views: Some("/views/count"),
    followers: None,
    is_plain: true,
};

impl Reader for Vk {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        let url = address::moved(declared, &["vk.com", "m.vk.com", "vk.ru"], API);
        let always = [("extended", "1"), ("v", VERSION)];
        match address::parts(&url).as_slice() {
            ["method", method] => {
                let count = if method.starts_with("newsfeed") { SEARCH } else { WALL };
                Ok(address::with_missing(&url, &[&[("count", count)][..], &always].concat()))
            }
            ["search"] => {
                let Some(query) = address::parameter(&url, "q") else {
                    return Err("write what is searched for, as ?q={query}".to_owned());
                };
                let search = address::at(&url, "/method/newsfeed.search");
                Ok(address::with(
                    &search,
                    &[&[("q", query.as_str()), ("count", SEARCH)][..], &always].concat(),
                ))
            }
            [name] if is_name(name) => {
                let wall = address::at(&url, "/method/wall.get");
                Ok(address::with(&wall, &[&[("domain", *name), ("count", WALL)][..], &always].concat()))
            }
            _ => {
                Err("write a wall's address such as https://vk.com/NAME, or https://vk.com/search?q={query}"
                    .to_owned())
            }
        }
    }

    fn accept(&self) -> Accept {
        Accept::Json
    }

    /// A service token may ask five times a second for everything; a user's wall 5,000 times a day.
    fn delay(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn needs_token(&self) -> bool {
        true
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn shows_all(&self, address: &Url) -> bool {
        address::parts(address).as_slice() == ["method", "wall.get"]
            && address::asks_only(address, &["domain", "owner_id", "count", "extended", "v"])
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        json::of_document(page, |document| {
            if let Some(error) = document.get("error") {
                return Reading::alarmed(refusal(error));
            }
            let names = names(document);
            let is_deleted = |post: &Value| post.get("is_deleted").and_then(Value::as_bool) == Some(true);
            let mut reading = json::each(document, LAYOUT.items, |post| {
                (!is_deleted(post)).then(|| entry(page, post, &names))
            });
            reading.next = before(page, document);
            reading
        })
    }
}

/// A community's or person's short name: not one of VK's own pages, nor a single post.
fn is_name(name: &str) -> bool {
    const PAGES: &[&str] = &["feed", "search", "im", "video", "audio", "groups", "login", "settings"];
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
    };
    !PAGES.contains(&name)
        && !numbered("wall")
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}

/// Errors of the API come with status 200 (dev.vk.com/en/reference/errors).
fn refusal(error: &Value) -> Alarm {
    let code = error.get("error_code").and_then(Value::as_i64).unwrap_or(0);
    // What it repeats of the request may hold the token: only its own words are told.
    let message = json::text(error, "/error_msg").unwrap_or_default();
    let reason = format!("VK refuses (error {code}): {message}");
    match code {
        1 | 6 | 9 | 10 | 29 => Alarm::Busy(reason),
        18 | 19 => Alarm::Gone(reason),
        4 | 5 | 14 | 15 | 17 | 27 | 28 | 30 | 203 => Alarm::Restricted(reason),
        _ => Alarm::Foreign(reason),
    }
}

/// Names of people and communities, by number: a community's is negative.
fn names(document: &Value) -> HashMap<i64, String> {
    let list = |pointer: &str| document.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let number = |one: &Value| one.get("id").and_then(Value::as_i64);
    let people = list("/response/profiles").filter_map(|one| {
        let part = |pointer| json::text(one, pointer).unwrap_or_default();
        Some((number(one)?, format!("{} {}", part("/first_name"), part("/last_name")).trim().to_owned()))
    });
    let communities =
        list("/response/groups").filter_map(|one| Some((-number(one)?, json::text(one, "/name")?)));
    people.chain(communities).collect()
}

fn entry(page: &Page<'_>, post: &Value, names: &HashMap<i64, String>) -> Entry {
    let mut entry = json::entry(page, post, &LAYOUT);
    let number = |pointer: &str| post.pointer(pointer).and_then(Value::as_i64);
    let (owner, id) = (number("/owner_id").or_else(|| number("/to_id")), number("/id"));
    if let (Some(owner), Some(id)) = (owner, id) {
        entry.id = Some(format!("{owner}_{id}"));
        let answered = number("/post_id").or_else(|| number("/reply_post_id"));
        let address = match answered {
            Some(answered) => format!("https://vk.com/wall{owner}_{answered}?reply={id}"),
            None => format!("https://vk.com/wall{owner}_{id}"),
        };
        entry.url = Url::parse(&address).ok();
        entry.post.parent = answered.map(|answered| format!("{owner}_{answered}"));
    }
    let author = number("/signer_id").or_else(|| number("/from_id"));
    entry.author = author.and_then(|author| names.get(&author)).cloned();
    entry.post.channel = owner.and_then(|owner| names.get(&owner)).cloned();
    let repeated = post.pointer("/copy_history/0");
    if let Some(repeated) = repeated {
        let words = json::text(repeated, "/text").map(|text| json::lines(&text));
        let all: Vec<String> =
            entry.text.take().into_iter().chain(words).filter(|text| !text.is_empty()).collect();
        entry.text = Some(all.join("\n")).filter(|text| !text.is_empty());
        entry.post.parent = match (json::text(repeated, "/owner_id"), json::text(repeated, "/id")) {
            (Some(owner), Some(id)) => Some(format!("{owner}_{id}")),
            _ => None,
        };
    }
    entry.post.kind = Some(match (repeated.is_some(), post.get("post_type").and_then(Value::as_str)) {
        (true, _) => PostKind::Repost,
        (false, Some("reply")) => PostKind::Comment,
        _ => PostKind::Post,
    });
    entry
}

/// What came before: of a search the next page, or, where its thousand is over, a search that ends where it began.
fn before(page: &Page<'_>, document: &Value) -> Option<Url> {
    let items = json::items(document, LAYOUT.items).ok().filter(|items| !items.is_empty())?;
    if !page.url.path().ends_with("newsfeed.search") {
        let shown: u64 =
            address::parameter(page.url, "offset").and_then(|text| text.parse().ok()).unwrap_or(0);
        let behind = shown.saturating_add(items.len() as u64);
        let count = document.pointer("/response/count").and_then(Value::as_u64)?;
        return (behind < count).then(|| address::with(page.url, &[("offset", &behind.to_string())]));
    }
    if let Some(next) = json::text(document, "/response/next_from").filter(|next| !next.is_empty()) {
        return Some(address::with(page.url, &[("start_from", &next)]));
    }
    // On the first page everything was shown.
    address::parameter(page.url, "start_from")?;
    let oldest = items.iter().filter_map(|item| item.get("date")?.as_i64()).min()?;
    let ends = address::parameter(page.url, "end_time").and_then(|text| text.parse::<i64>().ok());
    // Where a thousand were written in one second, the rest of it is passed over, so that this ends.
    let oldest = if ends == Some(oldest) { oldest - 1 } else { oldest };
    let earlier = address::with(page.url, &[("end_time", &oldest.to_string())]);
    Some(without(&earlier, "start_from"))
}

fn without(url: &Url, name: &str) -> Url {
    let kept: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(known, _)| known != name).collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(kept);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_body, read_fixture};
    use model::SourceKind;

    const SEARCHED: &str =
        "https://api.vk.com/method/newsfeed.search?q=%D0%B1%D0%B0%D0%BD%D0%BA&count=200&extended=1&v=5.199";

    #[test]
    fn posts_reposts_and_answers() {
        let reading = read_fixture(SourceKind::Vk, "vk/search.json", SEARCHED);
        assert_eq!(reading.alarm, None);
        let [post, repost, answer] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!((post.id.as_deref(), post.author.as_deref()), (Some("-55_10"), Some("Қала газеті")));
        assert_eq!(post.url.as_ref().map(Url::as_str), Some("https://vk.com/wall-55_10"));
        assert_eq!((post.post.views, post.post.likes, post.post.shares), (Some(900), Some(12), Some(2)));
        // By `date -u -d @1795000000`.
        assert_eq!(
            post.published.as_ref().map(|p| p.at.to_string()).as_deref(),
            Some("2026-11-18T11:06:40Z")
        );
        assert_eq!(
            (repost.text.as_deref(), repost.post.kind),
            (Some("Смотрите\nИсходный текст"), Some(PostKind::Repost))
        );
        assert_eq!(repost.author.as_deref(), Some("Анна Ким"));
        assert_eq!(answer.url.as_ref().map(Url::as_str), Some("https://vk.com/wall-55_10?reply=12"));
        assert_eq!(answer.post.kind, Some(PostKind::Comment));
        assert_eq!(
            reading.next.as_ref().and_then(|next| address::parameter(next, "start_from")).as_deref(),
            Some("200/-55_9")
        );
    }

    /// The first thousand are all that a search shows: it goes on as one that ends there.
    #[test]
    fn a_search_goes_on_beyond_its_first_thousand() {
        let body = r#"{"response":{"items":[{"id":1,"owner_id":2,"date":1795000100,"text":"a"},{"id":2,"owner_id":2,"date":1795000050,"text":"b"}],"total_count":5000}}"#;
        let last = format!("{SEARCHED}&start_from=800");
        let next = read_body(SourceKind::Vk, body.as_bytes(), &last).next.unwrap();
        assert_eq!(address::parameter(&next, "end_time").as_deref(), Some("1795000050"));
        assert_eq!(address::parameter(&next, "start_from"), None);
        let stuck = format!("{last}&end_time=1795000050");
        let next = read_body(SourceKind::Vk, body.as_bytes(), &stuck).next.unwrap();
        assert_eq!(address::parameter(&next, "end_time").as_deref(), Some("1795000049"));
        assert_eq!(read_body(SourceKind::Vk, body.as_bytes(), SEARCHED).next, None, "one page was all");
    }

    #[test]
    fn refusals_are_told_by_their_meaning() {
        let alarm = |code: i32| {
            let body = format!(
                r#"{{"error":{{"error_code":{code},"error_msg":"Access denied","request_params":[{{"key":"access_token","value":"s3cret"}}]}}}}"#
            );
            read_body(SourceKind::Vk, body.as_bytes(), SEARCHED).alarm.unwrap()
        };
        assert!(matches!(alarm(5), Alarm::Restricted(_)));
        assert!(matches!(alarm(6), Alarm::Busy(_)));
        assert!(matches!(alarm(18), Alarm::Gone(_)));
        assert!(matches!(alarm(100), Alarm::Foreign(_)));
        assert!(!alarm(5).to_string().contains("s3cret"));
    }

    #[test]
    fn walls_and_searches_are_read_by_the_api() {
        let at = |url| address_of(SourceKind::Vk, url);
        assert_eq!(
            at("https://vk.com/qala").as_deref(),
            Ok("https://api.vk.com/method/wall.get?domain=qala&count=100&extended=1&v=5.199")
        );
        assert_eq!(at("https://vk.com/search?q=%D0%B1%D0%B0%D0%BD%D0%BA").as_deref(), Ok(SEARCHED));
        for bad in ["https://vk.com/", "https://vk.com/feed?section=search&q=x", "https://vk.com/wall-12_3"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
