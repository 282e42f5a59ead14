//! JSON, in which pointers (RFC 6901) say where things stand: of a source that declares them, or of a platform.

use model::{Entry, Pointers, Post, Precision, Published, PublishedMethod, Timestamp};
use serde_json::Value;
use url::Url;

use super::{Accept, Alarm, Page, Reader, Reading, address, suspect};
use crate::dates;
use crate::plain::{fold, plain_text, plain_title};

/// JSON by the pointers that its source declares.
pub(super) struct Json;

impl Reader for Json {
    fn accept(&self) -> Accept {
        Accept::Json
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        let none = Pointers::default();
        let pointers = page.pointers.unwrap_or(&none);
        let layout = Layout::of(pointers);
        of_document(page, |document| {
            let mut reading = each(document, layout.items, |item| Some(entry(page, item, &layout)));
            let places = (pointers.time.as_deref(), pointers.title.as_deref());
            reading.suspicion = suspect(&reading.entries, places);
            let next = pointers.next.as_deref().and_then(|next| text(document, next));
            reading.next =
                next.and_then(|next| page.url.join(next.trim()).ok()).filter(|next| next != page.url);
            reading
        })
    }
}

/// Where things stand: `items` from the document's root, the others from each item.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layout<'a> {
    /// The document itself where empty.
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
    /// Texts are as they are, not HTML.
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

/// The document that a body is.
pub(super) fn document(page: &Page<'_>) -> Result<Value, Alarm> {
    let text = page.decoded().text;
    let start = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if start.starts_with('<') {
        return Err(Alarm::Foreign("a web page came where JSON was expected".to_owned()));
    }
    serde_json::from_str(start).map_err(|error| Alarm::Foreign(format!("this is no JSON: {error}")))
}

/// What `read` makes of the document that a body is; an alarm where it is none.
pub(super) fn of_document(page: &Page<'_>, read: impl FnOnce(&Value) -> Reading) -> Reading {
    match document(page) {
        Ok(document) => read(&document),
        Err(alarm) => Reading::alarmed(alarm),
    }
}

/// The items that a pointer leads to, each with the entry that `entry` makes of it, if it makes one.
pub(super) fn each(document: &Value, pointer: &str, entry: impl FnMut(&Value) -> Option<Entry>) -> Reading {
    match items(document, pointer) {
        Ok(items) => {
            let mut reading =
                Reading { entries: items.iter().filter_map(entry).collect(), ..Reading::default() };
            drop_empty(&mut reading);
            reading
        }
        Err(alarm) => Reading::alarmed(alarm),
    }
}

/// The list that a pointer leads to.
pub(super) fn items<'v>(document: &'v Value, pointer: &str) -> Result<&'v [Value], Alarm> {
    let place = if pointer.is_empty() { "the beginning" } else { pointer };
    match document.pointer(pointer) {
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Alarm::Foreign(format!("what stands at {place} of this JSON is no list"))),
        None => Err(Alarm::Foreign(format!(
            "nothing stands at {place} of this JSON: its server changed it, or it is another document"
        ))),
    }
}

/// Entries that say nothing are a problem; where none says anything, the document is not what it was.
fn drop_empty(reading: &mut Reading) {
    let all = reading.entries.len();
    let says_something = |entry: &Entry| entry.url.is_some() || entry.title.is_some() || entry.text.is_some();
    reading.entries.retain(says_something);
    let empty = all - reading.entries.len();
    if empty > 0 && reading.entries.is_empty() {
        reading.alarm = Some(Alarm::Foreign(format!(
            "none of {all} items has an address, a title or a text: its server changed its JSON"
        )));
    } else if empty > 0 {
        reading.problems.push(format!("{empty} items have neither address, title nor text"));
    }
}

/// The entry that an item makes.
pub(super) fn entry(page: &Page<'_>, item: &Value, layout: &Layout<'_>) -> Entry {
    let at = |pointer: Option<&str>| pointer.and_then(|pointer| text(item, pointer));
    let count = |pointer: Option<&str>| pointer.and_then(|pointer| count(item.pointer(pointer)?));
    let words = |pointer: Option<&str>| {
        at(pointer)
            .map(|text| if layout.is_plain { lines(&text) } else { plain_text(&text) })
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
    let published = layout.time.and_then(|time| published(page, item.pointer(time)?));
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
            .and_then(|updated| published_at(page, item.pointer(updated)?))
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

/// Plain text of several lines, white space in order.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(fold).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// What stands at a pointer, as text; numbers and truths as they are written.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Array(parts) => parts.first().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// When something was published: a date, or seconds or milliseconds since 1970.
pub(super) fn published(page: &Page<'_>, value: &Value) -> Option<Published> {
    let (at, precision) = published_at(page, value)?;
    let original = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
    Some(Published { at, precision, method: PublishedMethod::Feed, original, clamped: false })
}

fn published_at(page: &Page<'_>, value: &Value) -> Option<(Timestamp, Precision)> {
    /// Seconds beyond this lie in the year 5138: they are milliseconds.
    const MILLISECONDS: f64 = 1e11;
    let text = value.as_str().map(str::trim);
    // Fewer than nine digits are a date, such as 20261123.
    let digits = value.as_i64().map(|number| number.to_string());
    let text = text.or(digits.as_deref().filter(|digits| !is_number(digits)));
    let number = value.as_f64().filter(|_| text.is_none());
    let number = number.or_else(|| text?.parse().ok().filter(|_| text.is_some_and(is_number)));
    match (number, text) {
        (Some(number), _) => {
            let seconds = if number.abs() >= MILLISECONDS { number / 1000.0 } else { number };
            let at = Timestamp::from_millisecond((seconds * 1000.0) as i64).ok()?;
            Some((at, Precision::Second))
        }
        (None, Some(text)) => dates::parse(text, &page.zone).map(|moment| (moment.at, moment.precision)),
        (None, None) => None,
    }
}

/// Nine digits and more are seconds; fewer may be a date.
fn is_number(text: &str) -> bool {
    text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The page before, for a platform that numbers what it shows: the address with the parameter that asks for it.
pub(super) fn before(page: &Page<'_>, parameter: &str, value: Option<String>) -> Option<Url> {
    Some(address::with(page.url, &[(parameter, &value?)])).filter(|next| next != page.url)
}

/// What is wrong with a pointer, if something is (RFC 6901 §3).
pub fn check_pointer(text: &str) -> Result<(), String> {
    if !text.is_empty() && !text.starts_with('/') {
        return Err("it must begin with a slash".to_owned());
    }
    let is_escaped = |(at, _): (usize, &str)| matches!(text.as_bytes().get(at + 1), Some(b'0' | b'1'));
    match text.match_indices('~').all(is_escaped) {
        true => Ok(()),
        false => Err("a tilde is written ~0, and a slash in a name ~1".to_owned()),
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
        let page = Page::new(&url, body.as_bytes(), &selectors, None, now).pointed_at(&pointers);
        super::super::read(SourceKind::Json, &page)
    }

    #[test]
    fn items_are_read_where_pointers_lead() {
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
        assert_eq!(reading.problems, ["1 items have neither address, title nor text"]);
    }

    #[test]
    fn an_endpoint_that_changed_is_told_in_words() {
        for (body, expected) in [
            ("<!DOCTYPE html><p>x", "a web page came where JSON was expected"),
            ("{\"data\":", "this is no JSON"),
            (
                r#"{"data":{"list":[]}}"#,
                "nothing stands at /data/items of this JSON: its server changed it, or it is another document",
            ),
            (r#"{"data":{"items":{}}}"#, "what stands at /data/items of this JSON is no list"),
            (
                r#"{"data":{"items":[{"uid":1},{"uid":2}]}}"#,
                "none of 2 items has an address, a title or a text: its server changed its JSON",
            ),
            (r#"{"data":{"items":[]}}"#, "no entries were found in this json"),
        ] {
            let alarm = check(body).alarm.map(|alarm| alarm.to_string()).unwrap_or_default();
            assert!(alarm.starts_with(expected), "{body}: {alarm}");
        }
        assert!(check(&"[".repeat(100_000)).alarm.is_some(), "depth is bounded");
    }

    #[test]
    fn pointers_are_judged_as_the_rfc_says() {
        for (text, is_good) in
            [("", true), ("/a/0/b~1c", true), ("a/b", false), ("/a~", false), ("/a~2", false), ("/", true)]
        {
            assert_eq!(check_pointer(text).is_ok(), is_good, "{text}");
        }
    }
}
