//! VK, read by its API: a wall, a search of a wall, or a search of all news. The API requires a token.
//!
//! A search returns at most 1,000 results. Older ones are requested by a search that ends at the time of the
//! oldest result.

use model::{Entry, PostKind};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use url::Url;

use super::json::{self, Layout};
use super::{Accept, Alarm, Page, Reader, Reading, address};

pub(super) struct Vk;

const API_HOST: &str = "api.vk.com";
/// The API version that responses are requested in.
const API_VERSION: &str = "5.199";
/// The page size of a wall; the maximum of the API.
const WALL_PAGE_SIZE: &str = "100";
/// The page size of a search; the maximum of the API.
const SEARCH_PAGE_SIZE: &str = "200";

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
        let url = address::replace_host(declared, &["vk.com", "m.vk.com", "vk.ru"], API_HOST);
        let always = [("extended", "1"), ("v", API_VERSION)];
        match address::segments(&url).as_slice() {
            ["method", method] => {
                let count = if method.starts_with("newsfeed") { SEARCH_PAGE_SIZE } else { WALL_PAGE_SIZE };
                Ok(address::with_defaults(&url, &[&[("count", count)][..], &always].concat()))
            }
            ["search"] => {
                let Some(query) = address::parameter(&url, "q") else {
                    return Err("add the search parameter ?q={query}".to_owned());
                };
                let search = address::with_path(&url, "/method/newsfeed.search");
                Ok(address::with_parameters(
                    &search,
                    &[&[("q", query.as_str()), ("count", SEARCH_PAGE_SIZE)][..], &always].concat(),
                ))
            }
            [name] if is_short_name(name) => {
                let wall = address::with_path(&url, "/method/wall.get");
                Ok(address::with_parameters(
                    &wall,
                    &[&[("domain", *name), ("count", WALL_PAGE_SIZE)][..], &always].concat(),
                ))
            }
            _ => Err("write a wall address such as https://vk.com/NAME, or https://vk.com/search?q={query}"
                .to_owned()),
        }
    }

    fn accept(&self) -> Accept {
        Accept::Json
    }

    /// The limits of a service token are five requests a second in total and 5,000 a day for walls.
    fn delay(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn needs_token(&self) -> bool {
        true
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn is_complete_window(&self, address: &Url) -> bool {
        address::segments(address).as_slice() == ["method", "wall.get"]
            && address::has_only_parameters(address, &["domain", "owner_id", "count", "extended", "v"])
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        json::read_document(page, |document| {
            if let Some(error) = document.get("error") {
                return Reading::from_alarm(alarm_of_error(error));
            }
            let names = names_by_id(document);
            let is_deleted = |post: &Value| post.get("is_deleted").and_then(Value::as_bool) == Some(true);
            let mut reading = json::read_items(document, LAYOUT.items, |post| {
                (!is_deleted(post)).then(|| entry(page, post, &names))
            });
            reading.next = next_page(page, document);
            reading
        })
    }
}

/// Returns true for the short name of a community or user, as opposed to a page of VK itself or a single post.
fn is_short_name(name: &str) -> bool {
    const VK_PAGES: &[&str] = &["feed", "search", "im", "video", "audio", "groups", "login", "settings"];
    let is_numbered = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
    };
    !VK_PAGES.contains(&name)
        && !is_numbered("wall")
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}

/// Maps an API error to an alarm. API errors have status 200 (dev.vk.com/en/reference/errors).
fn alarm_of_error(error: &Value) -> Alarm {
    let code = error.get("error_code").and_then(Value::as_i64).unwrap_or(0);
    // The error repeats the request parameters, which may include the token: report the message only.
    let message = json::text_at(error, "/error_msg").unwrap_or_default();
    let reason = format!("VK returned error {code}: {message}");
    match code {
        1 | 6 | 9 | 10 | 29 => Alarm::RateLimited(reason),
        18 | 19 => Alarm::Gone(reason),
        4 | 5 | 14 | 15 | 17 | 27 | 28 | 30 | 203 => Alarm::Restricted(reason),
        _ => Alarm::WrongFormat(reason),
    }
}

/// Returns the names of users and communities by identifier. The identifiers of communities are negative.
fn names_by_id(document: &Value) -> HashMap<i64, String> {
    let list = |pointer: &str| document.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let id = |object: &Value| object.get("id").and_then(Value::as_i64);
    let users = list("/response/profiles").filter_map(|user| {
        let part = |pointer| json::text_at(user, pointer).unwrap_or_default();
        Some((id(user)?, format!("{} {}", part("/first_name"), part("/last_name")).trim().to_owned()))
    });
    let communities =
        list("/response/groups").filter_map(|group| Some((-id(group)?, json::text_at(group, "/name")?)));
    users.chain(communities).collect()
}

fn entry(page: &Page<'_>, post: &Value, names: &HashMap<i64, String>) -> Entry {
    let mut entry = json::build_entry(page, post, &LAYOUT);
    let number = |pointer: &str| post.pointer(pointer).and_then(Value::as_i64);
    let (owner, id) = (number("/owner_id").or_else(|| number("/to_id")), number("/id"));
    if let (Some(owner), Some(id)) = (owner, id) {
        entry.id = Some(format!("{owner}_{id}"));
        let parent = number("/post_id").or_else(|| number("/reply_post_id"));
        let address = match parent {
            Some(parent) => format!("https://vk.com/wall{owner}_{parent}?reply={id}"),
            None => format!("https://vk.com/wall{owner}_{id}"),
        };
        entry.url = Url::parse(&address).ok();
        entry.post.parent = parent.map(|parent| format!("{owner}_{parent}"));
    }
    let author = number("/signer_id").or_else(|| number("/from_id"));
    entry.author = author.and_then(|author| names.get(&author)).cloned();
    entry.post.channel = owner.and_then(|owner| names.get(&owner)).cloned();
    let reposted = post.pointer("/copy_history/0");
    if let Some(reposted) = reposted {
        let original = json::text_at(reposted, "/text").map(|text| json::fold_lines(&text));
        let texts: Vec<String> =
            entry.text.take().into_iter().chain(original).filter(|text| !text.is_empty()).collect();
        entry.text = Some(texts.join("\n")).filter(|text| !text.is_empty());
        entry.post.parent = match (json::text_at(reposted, "/owner_id"), json::text_at(reposted, "/id")) {
            (Some(owner), Some(id)) => Some(format!("{owner}_{id}")),
            _ => None,
        };
    }
    entry.post.kind = Some(match (reposted.is_some(), post.get("post_type").and_then(Value::as_str)) {
        (true, _) => PostKind::Repost,
        (false, Some("reply")) => PostKind::Comment,
        _ => PostKind::Post,
    });
    entry
}

/// Returns the address of the next page, which has older posts. A search that has reached its 1,000 results
/// continues as a search that ends at the time of the oldest result.
fn next_page(page: &Page<'_>, document: &Value) -> Option<Url> {
    let items = json::items_at(document, LAYOUT.items).ok().filter(|items| !items.is_empty())?;
    if !page.url.path().ends_with("newsfeed.search") {
        let offset: u64 =
            address::parameter(page.url, "offset").and_then(|text| text.parse().ok()).unwrap_or(0);
        let next_offset = offset.saturating_add(items.len() as u64);
        let count = document.pointer("/response/count").and_then(Value::as_u64)?;
        return (next_offset < count)
            .then(|| address::with_parameters(page.url, &[("offset", &next_offset.to_string())]));
    }
    if let Some(next) = json::text_at(document, "/response/next_from").filter(|next| !next.is_empty()) {
        return Some(address::with_parameters(page.url, &[("start_from", &next)]));
    }
    // Without a `start_from`, this is the first page and has all results.
    address::parameter(page.url, "start_from")?;
    let oldest = items.iter().filter_map(|item| item.get("date")?.as_i64()).min()?;
    let end_time = address::parameter(page.url, "end_time").and_then(|text| text.parse::<i64>().ok());
    // If one second has a thousand results, the rest of that second is skipped, so that the paging terminates.
    let oldest = if end_time == Some(oldest) { oldest - 1 } else { oldest };
    let earlier = address::with_parameters(page.url, &[("end_time", &oldest.to_string())]);
    Some(without_parameter(&earlier, "start_from"))
}

fn without_parameter(url: &Url, name: &str) -> Url {
    let others: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(existing, _)| existing != name).collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(others);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_body, read_fixture};
    use model::SourceKind;

    const SEARCH_URL: &str =
        "https://api.vk.com/method/newsfeed.search?q=%D0%B1%D0%B0%D0%BD%D0%BA&count=200&extended=1&v=5.199";

    #[test]
    fn posts_reposts_and_replies_are_read() {
        let reading = read_fixture(SourceKind::Vk, "vk/search.json", SEARCH_URL);
        assert_eq!(reading.alarm, None);
        let [post, repost, reply] = reading.entries.as_slice() else { panic!("{reading:?}") };
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
        assert_eq!(reply.url.as_ref().map(Url::as_str), Some("https://vk.com/wall-55_10?reply=12"));
        assert_eq!(reply.post.kind, Some(PostKind::Comment));
        assert_eq!(
            reading.next.as_ref().and_then(|next| address::parameter(next, "start_from")).as_deref(),
            Some("200/-55_9")
        );
    }

    /// A search returns at most 1,000 results and continues as a search that ends at the oldest one.
    #[test]
    fn a_search_continues_beyond_1000_results() {
        let body = r#"{"response":{"items":[{"id":1,"owner_id":2,"date":1795000100,"text":"a"},{"id":2,"owner_id":2,"date":1795000050,"text":"b"}],"total_count":5000}}"#;
        let last_page = format!("{SEARCH_URL}&start_from=800");
        let next = read_body(SourceKind::Vk, body.as_bytes(), &last_page).next.unwrap();
        assert_eq!(address::parameter(&next, "end_time").as_deref(), Some("1795000050"));
        assert_eq!(address::parameter(&next, "start_from"), None);
        let same_second = format!("{last_page}&end_time=1795000050");
        let next = read_body(SourceKind::Vk, body.as_bytes(), &same_second).next.unwrap();
        assert_eq!(address::parameter(&next, "end_time").as_deref(), Some("1795000049"));
        assert_eq!(
            read_body(SourceKind::Vk, body.as_bytes(), SEARCH_URL).next,
            None,
            "the first page has all results"
        );
    }

    #[test]
    fn api_errors_become_alarms() {
        let alarm = |code: i32| {
            let body = format!(
                r#"{{"error":{{"error_code":{code},"error_msg":"Access denied","request_params":[{{"key":"access_token","value":"s3cret"}}]}}}}"#
            );
            read_body(SourceKind::Vk, body.as_bytes(), SEARCH_URL).alarm.unwrap()
        };
        assert!(matches!(alarm(5), Alarm::Restricted(_)));
        assert!(matches!(alarm(6), Alarm::RateLimited(_)));
        assert!(matches!(alarm(18), Alarm::Gone(_)));
        assert!(matches!(alarm(100), Alarm::WrongFormat(_)));
        assert!(!alarm(5).to_string().contains("s3cret"));
    }

    #[test]
    fn wall_and_search_addresses_become_api_addresses() {
        let at = |url| address_of(SourceKind::Vk, url);
        assert_eq!(
            at("https://vk.com/qala").as_deref(),
            Ok("https://api.vk.com/method/wall.get?domain=qala&count=100&extended=1&v=5.199")
        );
        assert_eq!(at("https://vk.com/search?q=%D0%B1%D0%B0%D0%BD%D0%BA").as_deref(), Ok(SEARCH_URL));
        for bad in ["https://vk.com/", "https://vk.com/feed?section=search&q=x", "https://vk.com/wall-12_3"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
