//! Merges an entry and its article page into an item.

use model::{ArticleMode, Entry, Item, ItemKey, Source, SourceKind, Timestamp, canonical_url};
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::article::Article;
use super::language::language_of;

/// Returns true if the article page of an entry is not needed: its source never fetches pages, or the entry has
/// the text.
pub fn needs_no_page(entry: &Entry, source: &Source) -> bool {
    match source.article {
        ArticleMode::Never => true,
        ArticleMode::Always => false,
        ArticleMode::Auto => entry.text.is_some(),
    }
}

/// Returns a fingerprint of the content of an entry. A different fingerprint means that the publication was edited.
///
/// If the page is fetched, the fingerprint excludes the summary: many feeds put counters and
/// advertisements there, and each change would cost the host a request. The link text of a listing is
/// always excluded, because it differs between links on one page.
pub fn entry_hash(entry: &Entry, source: &Source) -> String {
    let title = entry.title.as_deref().filter(|_| source.kind != SourceKind::Listing).unwrap_or("");
    let published = entry.published.as_ref().map_or("", |published| published.original.as_str());
    let updated = entry.updated_at.map(|at| at.to_string()).unwrap_or_default();
    let text =
        if needs_no_page(entry, source) { entry.text.as_deref().or(entry.summary.as_deref()) } else { None };
    let whole = [title, published, &updated, text.unwrap_or("")].join("\u{0}");
    format!("{:016x}", xxh3_64(whole.as_bytes()))
}

/// Builds the item of an entry, with the fields of its article page if there is one.
///
/// The entry takes precedence for identity, title and time, which are exact there, and for the author; the page
/// for the text and its own address. An implausible publication time is clamped to `first_seen`.
pub fn item_of(
    source: &Source,
    entry: &Entry,
    page: Option<(&Article, &Url)>,
    first_seen: Timestamp,
) -> Item {
    let article = page.map(|(article, _)| article);
    let mut problems = entry.problems.clone();
    let text = match article.map(|article| article.text.as_str()).filter(|text| !text.is_empty()) {
        Some(text) => text.to_owned(),
        None => entry.text.clone().or_else(|| entry.summary.clone()).unwrap_or_default(),
    };
    if let Some(article) = article {
        problems.extend(article.problems.iter().cloned());
    }
    let title = entry.title.clone().or_else(|| article.and_then(|article| article.title.clone()));
    let key = ItemKey::new(entry.id.as_deref(), entry.url.as_ref(), title.as_deref().unwrap_or(""), &text);
    let published = entry.published.clone().or_else(|| article.and_then(|article| article.published.clone()));
    let published = published.map(|published| published.clamp(first_seen));
    if published.as_ref().is_some_and(|published| published.clamped) {
        problems.push("implausible publication time; replaced by the time of first sight".to_owned());
    }
    let hint = article.and_then(|article| article.language.as_deref()).or(entry.language.as_deref());
    let hint = hint.or(source.languages.first().map(String::as_str));
    let sample = format!("{} {text}", title.as_deref().unwrap_or(""));
    let own_address = article.and_then(|article| article.canonical_url.clone());
    Item {
        source: source.name.clone(),
        key,
        canonical_url: own_address.or_else(|| entry.url.as_ref().map(canonical_url)),
        url: entry.url.clone(),
        summary: entry.summary.clone().filter(|summary| *summary != text),
        author: entry.author.clone().or_else(|| article.and_then(|article| article.author.clone())),
        language: language_of(&sample, hint),
        updated_at: entry.updated_at.or_else(|| article.and_then(|article| article.updated_at)),
        image: entry.image.clone().or_else(|| article.and_then(|article| article.image.clone())),
        post: entry.post.clone(),
        reservations: article.map(|article| article.reservations.clone()).unwrap_or_default(),
        title,
        text,
        published,
        problems,
    }
}
