//! Search results of GDELT (DOC 2.0). They are only addresses; each article is fetched from its own host by
//! that host's rules.

use std::time::Duration;
use url::Url;

use super::json::{self, Layout};
use super::{Accept, Alarm, Page, Reader, Reading, address};

pub(super) struct Gdelt;

/// Fields of an article (blog.gdeltproject.org/gdelt-doc-2-0-api-debuts). `seendate` is not the publication time.
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
                "write the search query, as in https://api.gdeltproject.org/api/v2/doc/doc?query={query}"
                    .to_owned(),
            );
        }
        let required = [("mode", "artlist"), ("format", "json")];
        let defaults = [("maxrecords", "250"), ("timespan", "1d"), ("sort", "datedesc")];
        Ok(address::with_defaults(&address::with_parameters(declared, &required), &defaults))
    }

    fn accept(&self) -> Accept {
        Accept::Json
    }

    /// The host allows one request in five seconds, as its response to faster clients says.
    fn delay(&self) -> Duration {
        Duration::from_secs(6)
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        let text = String::from_utf8_lossy(page.body);
        // Rate-limit errors are plain text with status 200.
        if text.trim_start().starts_with("Please limit requests") {
            return Reading::from_alarm(Alarm::RateLimited(text.trim().chars().take(200).collect()));
        }
        // Titles contain control characters and escapes that are not valid JSON.
        let clean: String = text.chars().filter(|c| !c.is_control() || c.is_whitespace()).collect();
        let clean = clean.replace("\\'", "'");
        let page = &Page { body: clean.as_bytes(), ..page.clone() };
        json::read_document(page, |document| {
            // A response without results is an empty object without a list.
            match document.as_object().is_some_and(serde_json::Map::is_empty) {
                true => Reading::default(),
                false => json::read_items(document, LAYOUT.items, |item| {
                    Some(json::build_entry(page, item, &LAYOUT))
                }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_body, read_fixture};
    use model::SourceKind;

    const SEARCH_URL: &str = "https://api.gdeltproject.org/api/v2/doc/doc?query=astana&mode=artlist&format=json&maxrecords=250&timespan=1d&sort=datedesc";

    #[test]
    fn articles_are_addresses_with_titles() {
        let reading = read_fixture(SourceKind::Gdelt, "gdelt/artlist.json", SEARCH_URL);
        let [article] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(article.url.as_ref().map(Url::as_str), Some("https://news.example/astana/1"));
        assert_eq!(
            (article.title.as_deref(), article.text.as_deref()),
            (Some("Astana opens a bridge"), None)
        );
        assert_eq!(article.published, None, "the article page has the time");
    }

    #[test]
    fn rate_limit_errors_raise_alarms_and_invalid_escapes_are_repaired() {
        let alarm =
            read_body(SourceKind::Gdelt, b"Please limit requests to one every 5 seconds", SEARCH_URL).alarm;
        assert!(matches!(alarm, Some(Alarm::RateLimited(_))), "{alarm:?}");
        let invalid = "{\"articles\":[{\"url\":\"https://a.example/1\",\"title\":\"It\\'s \u{7}here\"}]}";
        let reading = read_body(SourceKind::Gdelt, invalid.as_bytes(), SEARCH_URL);
        assert_eq!(reading.entries[0].title.as_deref(), Some("It's here"));
    }

    #[test]
    fn required_parameters_are_added_to_the_address() {
        assert_eq!(
            address_of(SourceKind::Gdelt, "https://api.gdeltproject.org/api/v2/doc/doc?query=astana")
                .as_deref(),
            Ok(SEARCH_URL)
        );
        assert!(address_of(SourceKind::Gdelt, "https://api.gdeltproject.org/api/v2/doc/doc").is_err());
    }
}
