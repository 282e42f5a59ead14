//! What GDELT found elsewhere (DOC 2.0): addresses only, each of which is read at its own host by that host's rules.

use std::time::Duration;
use url::Url;

use super::json::{self, Layout};
use super::{Accept, Alarm, Page, Reader, Reading, address};

pub(super) struct Gdelt;

/// Fields of an article (blog.gdeltproject.org/gdelt-doc-2-0-api-debuts). When it was seen is not when it was published.
const LAYOUT: Layout<'static> = Layout {
    items: "/articles",
    id: None,
    url: Some("/url"),
    title: Some("/title"),
    text: None,
    summary: None,
    time: None,
    updated: None,
    author: None,
    author_id: None,
    image: Some("/socialimage"),
    language: None,
    parent: None,
    thread: None,
    likes: None,
    comments: None,
    shares: None,
    views: None,
    followers: None,
    is_plain: true,
};

impl Reader for Gdelt {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        if address::parameter(declared, "query").is_none() {
            return Err(
                "write what is looked for, as https://api.gdeltproject.org/api/v2/doc/doc?query={query}"
                    .to_owned(),
            );
        }
        let asked = [("mode", "artlist"), ("format", "json")];
        let usual = [("maxrecords", "250"), ("timespan", "1d"), ("sort", "datedesc")];
        Ok(address::with_missing(&address::with(declared, &asked), &usual))
    }

    fn accept(&self) -> Accept {
        Accept::Json
    }

    /// One request in five seconds, as its answers say to who asks more often.
    fn delay(&self) -> Duration {
        Duration::from_secs(6)
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        let text = String::from_utf8_lossy(page.body);
        // Its refusals are sentences, with status 200.
        if text.trim_start().starts_with("Please limit requests") {
            return Reading::alarmed(Alarm::Busy(text.trim().chars().take(200).collect()));
        }
        // Titles come with control characters, and with escapes that JSON does not know.
        let clean: String = text.chars().filter(|c| !c.is_control() || c.is_whitespace()).collect();
        let clean = clean.replace("\\'", "'");
        let page = &Page { body: clean.as_bytes(), ..page.clone() };
        json::of_document(page, |document| {
            // Where nothing was found there is no list.
            match document.as_object().is_some_and(serde_json::Map::is_empty) {
                true => Reading::default(),
                false => json::each(document, LAYOUT.items, |item| Some(json::entry(page, item, &LAYOUT))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_body, read_fixture};
    use model::SourceKind;

    const AT: &str = "https://api.gdeltproject.org/api/v2/doc/doc?query=astana&mode=artlist&format=json&maxrecords=250&timespan=1d&sort=datedesc";

    #[test]
    fn articles_are_addresses_with_titles() {
        let reading = read_fixture(SourceKind::Gdelt, "gdelt/artlist.json", AT);
        let [article] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(article.url.as_ref().map(Url::as_str), Some("https://news.example/astana/1"));
        assert_eq!(
            (article.title.as_deref(), article.text.as_deref()),
            (Some("Astana opens a bridge"), None)
        );
        assert_eq!(article.published, None, "its own page says when");
    }

    #[test]
    fn a_refusal_in_words_is_told() {
        let alarm = read_body(SourceKind::Gdelt, b"Please limit requests to one every 5 seconds", AT).alarm;
        assert!(matches!(alarm, Some(Alarm::Busy(_))), "{alarm:?}");
        let spoilt = "{\"articles\":[{\"url\":\"https://a.example/1\",\"title\":\"It\\'s \u{7}here\"}]}";
        let reading = read_body(SourceKind::Gdelt, spoilt.as_bytes(), AT);
        assert_eq!(reading.entries[0].title.as_deref(), Some("It's here"));
    }

    #[test]
    fn what_is_needed_is_added_to_the_address() {
        assert_eq!(
            address_of(SourceKind::Gdelt, "https://api.gdeltproject.org/api/v2/doc/doc?query=astana")
                .as_deref(),
            Ok(AT)
        );
        assert!(address_of(SourceKind::Gdelt, "https://api.gdeltproject.org/api/v2/doc/doc").is_err());
    }
}
