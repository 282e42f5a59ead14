//! Entries of feeds, as a parser returns them.

use model::{Entry, Post, Published};
use url::Url;

use super::Page;
use crate::plain::{plain_text, plain_title};

/// The fields of an entry as a parser returns them.
pub(super) struct RawEntry<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) link: Option<&'a str>,
    pub(super) title: Option<&'a str>,
    pub(super) body: Option<&'a str>,
    pub(super) summary: Option<&'a str>,
    pub(super) author: Option<String>,
    pub(super) published: Option<Published>,
    pub(super) updated: Option<model::Timestamp>,
    pub(super) image: Option<&'a str>,
    pub(super) language: Option<&'a str>,
    pub(super) post: Post,
}

/// Builds an entry from the output of a parser.
pub(super) fn build_entry(page: &Page<'_>, raw: RawEntry<'_>) -> Entry {
    let mut problems = Vec::new();
    let filled = |text: String| (!text.is_empty()).then_some(text);
    let id = raw.id.map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned);
    let link = raw.link.map(str::trim).filter(|link| !link.is_empty());
    // An identifier in the form of an address is the link (RSS: `isPermaLink` defaults to true).
    let address =
        link.or_else(|| id.as_deref().filter(|id| id.starts_with("http://") || id.starts_with("https://")));
    let url = address.and_then(|address| match page.url.join(address) {
        Ok(url) => Some(url),
        Err(error) => {
            problems.push(format!("invalid link {address:?}: {error}"));
            None
        }
    });
    let body = raw.body.map(plain_text).unwrap_or_default();
    let summary = raw.summary.map(plain_text).unwrap_or_default();
    let (text, summary) = split_text_and_summary(body, summary);
    Entry {
        id,
        url,
        title: raw.title.map(plain_title).and_then(filled),
        summary: filled(summary),
        text: filled(text),
        author: raw.author.map(|author| plain_title(&author)).and_then(filled),
        published: raw.published,
        updated_at: raw.updated,
        changed_on: None,
        is_deleted: false,
        image: raw
            .image
            .and_then(|image| page.url.join(image).ok())
            .filter(|image: &Url| image.scheme().starts_with("http")),
        language: raw.language.map(|language| {
            language.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase()
        }),
        post: raw.post,
        problems,
    }
}

/// Returns the full text and the summary of an entry; either may be empty.
///
/// A body that is truncated ("…", "читать далее") or has only a sentence or two is a teaser. A summary as long as an
/// article is the full text: RSS feeds without `content:encoded` put whole articles there.
fn split_text_and_summary(body: String, summary: String) -> (String, String) {
    const MIN_BODY_CHARS: usize = 280;
    const MIN_ARTICLE_CHARS: usize = 1200;
    let is_whole =
        |text: &str, min_chars: usize| text.chars().nth(min_chars).is_some() && !is_truncated(text);
    if is_whole(&body, MIN_BODY_CHARS) && body.len() >= summary.len() {
        return (body, summary);
    }
    if is_whole(&summary, MIN_ARTICLE_CHARS) {
        return (summary, String::new());
    }
    let longer = if body.len() > summary.len() { body } else { summary };
    (String::new(), longer)
}

/// Returns true if a text ends like a teaser.
fn is_truncated(text: &str) -> bool {
    const READ_MORE_PHRASES: &[&str] =
        &["далее", "подробнее", "толығырақ", "оқыңыз", "read more", "continue reading"];
    let text = text.trim_end();
    let words = text.trim_end_matches(['.', '…', ']', ')', '»', '>', '→', ' ']).to_lowercase();
    text.trim_end_matches([']', ')']).ends_with(['…'])
        || text.ends_with("...")
        || READ_MORE_PHRASES.iter().any(|end| words.ends_with(end))
}
