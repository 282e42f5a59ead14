//! JSON documents, whose fields are located by JSON pointers (RFC 6901): those that a source declares, or those
//! of a platform.

use model::{Entry, Pointers, Post, Precision, Published, PublishedMethod, Timestamp};
use serde_json::Value;
use url::Url;

use super::{Accept, Alarm, Page, Reader, Reading, address, detect_layout_change};
use crate::dates;
use crate::plain::{fold, plain_text, plain_title};

/// JSON with the pointers that the source declares.
pub(super) struct Json;

impl Reader for Json {
    fn accept(&self) -> Accept {
        Accept::Json
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        let none = Pointers::default();
        let pointers = page.pointers.unwrap_or(&none);
        let layout = Layout::of(pointers);
        read_document(page, |document| {
            let mut reading =
                read_items(document, layout.items, |item| Some(build_entry(page, item, &layout)));
            let places = (pointers.time.as_deref(), pointers.title.as_deref());
            reading.suspicion = detect_layout_change(&reading.entries, places);
            let next = pointers.next.as_deref().and_then(|next| text_at(document, next));
            reading.next =
                next.and_then(|next| page.url.join(next.trim()).ok()).filter(|next| next != page.url);
            reading
        })
    }
}

/// JSON pointers to the fields: `items` from the root of the document, the others from each item.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layout<'a> {
    /// The pointer to the list of items; empty if the document itself is the list.
    pub(super) items: &'a str,
    pub(super) id: Option<&'a str>,
    pub(super) url: Option<&'a str>,
    pub(super) title: Option<&'a str>,
    pub(super) text: Option<&'a str>,
    pub(super) summary: Option<&'a str>,
    pub(super) time: Option<&'a str>,
    pub(super) updated: Option<&'a str>,
    pub(super) author: Option<&'a str>,
    pub(super) author_id: Option<&'a str>,
    pub(super) image: Option<&'a str>,
    pub(super) language: Option<&'a str>,
    pub(super) parent: Option<&'a str>,
    pub(super) thread: Option<&'a str>,
    pub(super) likes: Option<&'a str>,
    pub(super) comments: Option<&'a str>,
    pub(super) shares: Option<&'a str>,
    pub(super) views: Option<&'a str>,
    pub(super) followers: Option<&'a str>,
    /// True if texts are plain, not HTML.
    pub(super) is_plain: bool,
}

impl<'a> Layout<'a> {
    fn of(pointers: &'a Pointers) -> Self {
        Self {
            items: pointers.items.as_deref().unwrap_or(""),
            id: pointers.id.as_deref(),
            url: pointers.url.as_deref(),
            title: pointers.title.as_deref(),
            text: pointers.text.as_deref(),
            summary: pointers.summary.as_deref(),
            time: pointers.time.as_deref(),
            updated: pointers.updated.as_deref(),
            author: pointers.author.as_deref(),
            image: pointers.image.as_deref(),
            language: pointers.language.as_deref(),
            likes: pointers.likes.as_deref(),
            comments: pointers.comments.as_deref(),
            shares: pointers.shares.as_deref(),
            views: pointers.views.as_deref(),
            ..Self::default()
        }
    }
}

/// Parses a body as JSON.
fn parse_document(page: &Page<'_>) -> Result<Value, Alarm> {
    let text = page.decoded().text;
    let start = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if start.starts_with('<') {
        return Err(Alarm::WrongFormat("expected JSON, got a web page".to_owned()));
    }
    serde_json::from_str(start).map_err(|error| Alarm::WrongFormat(format!("invalid JSON: {error}")))
}

/// Parses a body as JSON and passes the document to `read`. Returns an alarm if the body is not JSON.
pub(super) fn read_document(page: &Page<'_>, read: impl FnOnce(&Value) -> Reading) -> Reading {
    match parse_document(page) {
        Ok(document) => read(&document),
        Err(alarm) => Reading::from_alarm(alarm),
    }
}

/// Converts the items at a pointer to entries with `entry`, and skips those for which it returns `None`.
/// Returns an alarm if the pointer does not lead to a list.
pub(super) fn read_items(
    document: &Value,
    pointer: &str,
    entry: impl FnMut(&Value) -> Option<Entry>,
) -> Reading {
    match items_at(document, pointer) {
        Ok(items) => {
            let mut reading =
                Reading { entries: items.iter().filter_map(entry).collect(), ..Reading::default() };
            drop_empty_entries(&mut reading);
            reading
        }
        Err(alarm) => Reading::from_alarm(alarm),
    }
}

/// Returns the list at a pointer.
pub(super) fn items_at<'v>(document: &'v Value, pointer: &str) -> Result<&'v [Value], Alarm> {
    let place = if pointer.is_empty() { "the root" } else { pointer };
    match document.pointer(pointer) {
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Alarm::WrongFormat(format!("expected a list at {place} of this JSON"))),
        None => Err(Alarm::WrongFormat(format!(
            "found nothing at {place} of this JSON: its structure changed, or it is another document"
        ))),
    }
}

/// Drops entries without address, title and text, and reports a problem. Sets an alarm if that drops all entries: the
/// structure of the document has changed.
fn drop_empty_entries(reading: &mut Reading) {
    let all = reading.entries.len();
    let has_content = |entry: &Entry| entry.url.is_some() || entry.title.is_some() || entry.text.is_some();
    reading.entries.retain(has_content);
    let empty = all - reading.entries.len();
    if empty > 0 && reading.entries.is_empty() {
        reading.alarm = Some(Alarm::WrongFormat(format!(
            "none of {all} items has an address, a title or a text: the structure of this JSON may have changed"
        )));
    } else if empty > 0 {
        reading.problems.push(format!("skipped {empty} items without address, title and text"));
    }
}

/// Builds the entry of an item.
pub(super) fn build_entry(page: &Page<'_>, item: &Value, layout: &Layout<'_>) -> Entry {
    let at = |pointer: Option<&str>| pointer.and_then(|pointer| text_at(item, pointer));
    let count = |pointer: Option<&str>| pointer.and_then(|pointer| parse_count(item.pointer(pointer)?));
    let words = |pointer: Option<&str>| {
        at(pointer)
            .map(|text| if layout.is_plain { fold_lines(&text) } else { plain_text(&text) })
            .filter(|text| !text.is_empty())
    };
    let address = |pointer: Option<&str>| {
        at(pointer)
            .and_then(|text| page.url.join(text.trim()).ok())
            .filter(|url: &Url| url.scheme().starts_with("http"))
    };
    let post = Post {
        author_id: at(layout.author_id),
        parent: at(layout.parent),
        thread: at(layout.thread),
        likes: count(layout.likes),
        comments: count(layout.comments),
        shares: count(layout.shares),
        views: count(layout.views),
        followers: count(layout.followers),
        ..Post::default()
    };
    let published = layout.time.and_then(|time| parse_published(page, item.pointer(time)?));
    Entry {
        id: at(layout.id).filter(|id| !id.trim().is_empty()),
        url: address(layout.url),
        title: at(layout.title)
            .map(|title| if layout.is_plain { fold(&title) } else { plain_title(&title) })
            .filter(|title| !title.is_empty()),
        summary: words(layout.summary),
        text: words(layout.text),
        author: at(layout.author).map(|author| plain_title(&author)).filter(|author| !author.is_empty()),
        updated_at: layout
            .updated
            .and_then(|updated| parse_time(page, item.pointer(updated)?))
            .map(|(at, _)| at),
        changed_on: None,
        is_deleted: false,
        image: address(layout.image),
        language: at(layout.language).map(|language| {
            language.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase()
        }),
        published,
        post,
        problems: Vec::new(),
    }
}

/// Folds the white space of each line of a plain text and drops empty lines.
pub(super) fn fold_lines(text: &str) -> String {
    text.lines().map(fold).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Returns the value at a pointer as text. Numbers and booleans are formatted as in JSON; of an array, the
/// first element counts if it is a string.
pub(super) fn text_at(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(parts) => parts.first().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

fn parse_count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Parses a publication time: a date, or seconds or milliseconds since 1970.
pub(super) fn parse_published(page: &Page<'_>, value: &Value) -> Option<Published> {
    let (at, precision) = parse_time(page, value)?;
    let original = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
    Some(Published { at, precision, method: PublishedMethod::Feed, original, clamped: false })
}

fn parse_time(page: &Page<'_>, value: &Value) -> Option<(Timestamp, Precision)> {
    /// Numbers from here on are milliseconds: as seconds they would be in the year 5138.
    const MIN_MILLISECONDS: f64 = 1e11;
    let text = value.as_str().map(str::trim);
    // An integer of fewer than nine digits is a date, such as 20261123.
    let digits = value.as_i64().map(|number| number.to_string());
    let text = text.or(digits.as_deref().filter(|digits| !is_unix_time(digits)));
    let number = value.as_f64().filter(|_| text.is_none());
    let number = number.or_else(|| text?.parse().ok().filter(|_| text.is_some_and(is_unix_time)));
    match (number, text) {
        (Some(number), _) => {
            let seconds = if number.abs() >= MIN_MILLISECONDS { number / 1000.0 } else { number };
            let at = Timestamp::from_millisecond((seconds * 1000.0) as i64).ok()?;
            Some((at, Precision::Second))
        }
        (None, Some(text)) => dates::parse(text, &page.zone).map(|moment| (moment.at, moment.precision)),
        (None, None) => None,
    }
}

/// Returns true if the text is nine digits or more; fewer may be a date.
fn is_unix_time(text: &str) -> bool {
    text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the address of the next page, which has older entries, for a platform that pages by a query parameter.
pub(super) fn next_page(page: &Page<'_>, parameter: &str, value: Option<String>) -> Option<Url> {
    Some(address::with_parameters(page.url, &[(parameter, &value?)])).filter(|next| next != page.url)
}

/// Checks a JSON pointer (RFC 6901 §3). The error describes the mistake.
pub fn check_pointer(text: &str) -> Result<(), String> {
    if !text.is_empty() && !text.starts_with('/') {
        return Err("must begin with a slash".to_owned());
    }
    let is_escaped = |(at, _): (usize, &str)| matches!(text.as_bytes().get(at + 1), Some(b'0' | b'1'));
    match text.match_indices('~').all(is_escaped) {
        true => Ok(()),
        false => Err("write a tilde as ~0 and a slash in a name as ~1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Selectors, SourceKind};

    fn pointers() -> Pointers {
        let at = |text: &str| Some(text.to_owned());
        Pointers {
            items: at("/data/items"),
            id: at("/id"),
            url: at("/link"),
            title: at("/title"),
            text: at("/body/html"),
            time: at("/at"),
            author: at("/authors/0/name"),
            likes: at("/stats/likes"),
            next: at("/paging/next"),
            ..Pointers::default()
        }
    }

    fn check(body: &str) -> Reading {
        let url = Url::parse("https://api.news.kz/v1/items?page=1").unwrap();
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let (selectors, pointers) = (Selectors::default(), pointers());
        let page = Page::new(&url, body.as_bytes(), &selectors, None, now).with_pointers(&pointers);
        super::super::read(SourceKind::Json, &page)
    }

    #[test]
    fn items_are_read_by_pointers() {
        let reading = check(
            r#"{"data":{"items":[{"id":7,"link":"/n/7","title":"Банк &amp; биржа","body":{"html":"<p>Бір</p><p>екі</p>"},
               "at":1793700300,"authors":[{"name":"Айгүл"}],"stats":{"likes":"12"}},
               {"id":8,"link":"/n/8","at":"2026-11-03T14:05:00+05:00"},{"x":1}]},"paging":{"next":"?page=2"}}"#,
        );
        assert_eq!(reading.alarm, None);
        let [first, second] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!((first.id.as_deref(), first.title.as_deref()), (Some("7"), Some("Банк & биржа")));
        assert_eq!(first.url.as_ref().map(Url::as_str), Some("https://api.news.kz/n/7"));
        assert_eq!((first.text.as_deref(), first.author.as_deref()), (Some("Бір\nекі"), Some("Айгүл")));
        assert_eq!(first.post.likes, Some(12));
        // By `date -u -d @1793700300`.
        assert_eq!(
            first.published.as_ref().map(|p| p.at.to_string()).as_deref(),
            Some("2026-11-03T10:05:00Z")
        );
        assert_eq!(
            second.published.as_ref().map(|p| p.at.to_string()).as_deref(),
            Some("2026-11-03T09:05:00Z")
        );
        assert_eq!(reading.next.as_ref().map(Url::as_str), Some("https://api.news.kz/v1/items?page=2"));
        assert_eq!(reading.problems, ["skipped 1 items without address, title and text"]);
    }

    #[test]
    fn unexpected_documents_raise_alarms() {
        for (body, expected) in [
            ("<!DOCTYPE html><p>x", "expected JSON, got a web page"),
            ("{\"data\":", "invalid JSON"),
            (
                r#"{"data":{"list":[]}}"#,
                "found nothing at /data/items of this JSON: its structure changed, or it is another document",
            ),
            (r#"{"data":{"items":{}}}"#, "expected a list at /data/items of this JSON"),
            (
                r#"{"data":{"items":[{"uid":1},{"uid":2}]}}"#,
                "none of 2 items has an address, a title or a text: the structure of this JSON may have changed",
            ),
            (r#"{"data":{"items":[]}}"#, "found no entries in this json"),
        ] {
            let alarm = check(body).alarm.map(|alarm| alarm.to_string()).unwrap_or_default();
            assert!(alarm.starts_with(expected), "{body}: {alarm}");
        }
        assert!(check(&"[".repeat(100_000)).alarm.is_some(), "depth is bounded");
    }

    #[test]
    fn pointers_are_checked_by_rfc_6901() {
        for (text, is_valid) in
            [("", true), ("/a/0/b~1c", true), ("a/b", false), ("/a~", false), ("/a~2", false), ("/", true)]
        {
            assert_eq!(check_pointer(text).is_ok(), is_valid, "{text}");
        }
    }
}
