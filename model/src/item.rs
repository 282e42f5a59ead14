//! Items (publications), their identity and their matches.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;
use xxhash_rust::xxh3::xxh3_128;

use crate::{Name, Post, Reservation, Timestamp, canonical_url};

/// One publication, as parsed. It is stored once, regardless of how often it is fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The source that published it.
    pub source: Name,
    /// The identity of the item within its source.
    pub key: ItemKey,
    /// The address at which the item was found.
    pub url: Option<Url>,
    /// The canonical address that the publisher declares, without tracking parameters.
    pub canonical_url: Option<Url>,
    /// The title, as plain text.
    pub title: Option<String>,
    /// The text, as plain text. Paragraphs are separated by line feeds.
    pub text: String,
    /// The summary in the entry, if the text comes from another place.
    pub summary: Option<String>,
    /// The author, as the publication names them.
    pub author: Option<String>,
    /// The language, as an ISO 639-1 code.
    pub language: Option<String>,
    /// The publication time and its origin.
    pub published: Option<Published>,
    /// The time of the last change, as the publisher states it.
    pub updated_at: Option<Timestamp>,
    /// The address of the lead image.
    pub image: Option<Url>,
    /// Metadata of the platform.
    #[serde(default, skip_serializing_if = "Post::is_empty")]
    pub post: Post,
    /// The rights that the publisher reserves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<Reservation>,
    /// Problems found while parsing the item.
    pub problems: Vec<String>,
}

impl Item {
    /// Returns a fingerprint of the content that readers see and of the reserved rights. A changed fingerprint means an
    /// edit.
    pub fn content_hash(&self) -> String {
        let title = self.title.as_deref().unwrap_or("");
        let published = self.published.as_ref().map(|p| p.original.as_str()).unwrap_or("");
        let mut content = format!("{title}\u{0}{}\u{0}{published}", self.text);
        // A reservation added later is an edit, too. Items without reservations keep the fingerprints of earlier builds.
        for reservation in &self.reservations {
            content.push('\u{0}');
            content.push_str(&format!("{reservation:?}"));
        }
        format!("{:032x}", xxh3_128(content.as_bytes()))
    }
}

/// The identity of an item within its source: the publisher's identifier if there is one, else the canonical address,
/// else a fingerprint of title and text. It never depends on the time of the fetch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemKey(String);

impl ItemKey {
    /// Returns the key with the strongest identity available. An identifier of more than 512 bytes is hashed.
    pub fn new(native_id: Option<&str>, url: Option<&Url>, title: &str, text: &str) -> Self {
        if let Some(id) = native_id.map(str::trim).filter(|id| !id.is_empty()) {
            return Self::bounded(
                "id",
                Url::parse(id).map(|url| canonical_id(&url)).as_deref().unwrap_or(id),
            );
        }
        if let Some(url) = url {
            return Self::bounded("url", canonical_url(url).as_str());
        }
        let words = format!("{title}\u{0}{text}");
        Self(format!("text:{:032x}", xxh3_128(words.as_bytes())))
    }

    /// Wraps a stored key without checking it.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn bounded(prefix: &str, identifier: &str) -> Self {
        if identifier.len() <= 512 {
            Self(format!("{prefix}:{identifier}"))
        } else {
            Self(format!("{prefix}:{:032x}", xxh3_128(identifier.as_bytes())))
        }
    }
}

/// Returns the canonical form of an identifier that is an address. It keeps the fragment, since forums distinguish the
/// posts of a page by fragments.
fn canonical_id(url: &Url) -> String {
    let mut id = canonical_url(url);
    id.set_fragment(url.fragment());
    id.to_string()
}

/// A publication time and its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The time, for order and display. An implausible time is replaced by the time the item was first seen.
    pub at: Timestamp,
    /// The precision of the time.
    pub precision: Precision,
    /// The place where the time was found.
    pub method: PublishedMethod,
    /// The time exactly as the source states it.
    pub original: String,
    /// True if the original time lies in the future or before 1990, so that `at` was replaced.
    pub clamped: bool,
}

impl Published {
    /// Replaces the time by `first_seen` if it lies more than 15 minutes after `first_seen` (a tolerance for differing
    /// clocks) or before 1990 (the web did not exist). The original text stays.
    pub fn clamp(mut self, first_seen: Timestamp) -> Self {
        let latest =
            first_seen.saturating_add(std::time::Duration::from_secs(15 * 60)).unwrap_or(Timestamp::MAX);
        let earliest = Timestamp::from_second(631_152_000).unwrap_or(Timestamp::MIN); // 1990-01-01
        if self.at > latest || self.at < earliest {
            self.at = first_seen;
            self.clamped = true;
        }
        self
    }
}

/// The precision of a publication time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The second or minute is known.
    Second,
    /// Only the day is known.
    Day,
}

/// The place where a publication time was found, the most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishedMethod {
    /// The entry of a feed.
    Feed,
    /// The sitemap.
    Sitemap,
    /// The element matched by a declared selector.
    Selector,
    /// The address.
    Url,
    /// JSON-LD in the page.
    JsonLd,
    /// A `meta` element.
    Meta,
    /// A `time` element, or an element whose class or id names a date.
    Time,
    /// The visible text.
    Text,
}

/// A match of a topic with an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The topic.
    pub topic: Name,
    /// The positions of the matching words.
    pub spans: Vec<Span>,
    /// An excerpt of at most 300 characters around the first span. Matches at the same position share the allocation.
    pub excerpt: Arc<str>,
    /// The tags of the topic whose rules match the item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Name>,
}

/// The position of words that a query matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The part of the item.
    pub zone: Zone,
    /// Byte offset of the first word in the zone's text.
    pub start: usize,
    /// Byte offset after the last word.
    pub end: usize,
    /// The words as they appear in the text.
    pub text: String,
}

/// A part of an item. A phrase never spans two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// The title.
    Title,
    /// The text.
    Text,
}

/// Returns an excerpt of at most `limit` characters of `text` around the byte range `start..end`, cut at white space.
pub fn excerpt_around(text: &str, start: usize, end: usize, limit: usize) -> String {
    let leading_chars = limit.saturating_sub(text.get(start..end).map_or(0, |s| s.chars().count())) / 3;
    let head = text.get(..start).unwrap_or("");
    let from = offset_before_last_chars(head, leading_chars);
    let from = if from == 0 {
        0
    } else {
        text.get(from..start).and_then(|s| s.find(char::is_whitespace)).map_or(start, |at| from + at)
    };
    let rest = text.get(from..).unwrap_or("").trim_start();
    let end = offset_after_first_chars(rest, limit);
    let mut cut = rest.get(..end.unwrap_or(rest.len())).unwrap_or("");
    if end.is_some()
        && let Some(space) = cut.rfind(char::is_whitespace).filter(|at| *at > cut.len() / 2)
    {
        cut = cut.get(..space).unwrap_or(cut);
    }
    let mut excerpt = String::with_capacity(cut.len() + 2 * '…'.len_utf8());
    if from > 0 {
        excerpt.push('…');
    }
    if has_single_spaces(cut) {
        excerpt.push_str(cut);
    } else {
        for (index, word) in cut.split_whitespace().enumerate() {
            if index > 0 {
                excerpt.push(' ');
            }
            excerpt.push_str(word);
        }
    }
    if end.is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// Returns true if all white space in a text consists of single spaces between words. The loops have no branches, so
/// the compiler can vectorise them.
fn has_single_spaces(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_controls = bytes.iter().fold(false, |any, byte| any | (*byte < b' '));
    let has_other_spaces = has_controls || has_wide_spaces(text);
    let following = bytes.get(1..).unwrap_or(&[]);
    let has_two = bytes.iter().zip(following).fold(false, |any, pair| any | (pair == (&b' ', &b' ')));
    !(has_other_spaces || has_two || text.ends_with(' ') || text.starts_with(' '))
}

/// Returns true if a text contains white space beyond ASCII. The lead bytes of such white space also start other
/// characters, but only few in most texts, so blocks without a lead byte are skipped.
fn has_wide_spaces(text: &str) -> bool {
    const BLOCK: usize = 32;
    let is_lead_byte = |byte: &u8| matches!(byte, 0xc2 | 0xe1 | 0xe2 | 0xe3);
    let is_space =
        |at: usize| text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(char::is_whitespace);
    let blocks = (0..).step_by(BLOCK).zip(text.as_bytes().chunks(BLOCK));
    blocks
        .filter(|(_, block)| block.iter().fold(false, |any, byte| any | is_lead_byte(byte)))
        .any(|(from, block)| (from..).zip(block).any(|(at, byte)| is_lead_byte(byte) && is_space(at)))
}

/// Returns the byte offset of the character that precedes the last `count` characters of a text; 0 if the text has no
/// such character.
fn offset_before_last_chars(text: &str, count: usize) -> usize {
    const BLOCK: usize = 32;
    // Counting the first bytes of characters is faster than decoding them, and blocks of bytes can be vectorised.
    let is_first_byte = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let (mut head, mut remaining) = (text.as_bytes(), count);
    while let Some((rest, block)) = head.split_last_chunk::<BLOCK>() {
        let chars = block.iter().filter(|byte| is_first_byte(byte)).count();
        if chars > remaining {
            break;
        }
        (head, remaining) = (rest, remaining - chars);
    }
    let mut starts = head.iter().enumerate().rev().filter(|(_, byte)| is_first_byte(byte));
    starts.nth(remaining).map_or(0, |(at, _)| at)
}

/// Returns the byte offset after the first `count` characters of a text; `None` if no further character follows.
fn offset_after_first_chars(text: &str, count: usize) -> Option<usize> {
    let mut chars = text.chars();
    if let Some(last) = count.checked_sub(1) {
        chars.nth(last)?;
    }
    let rest = chars.as_str();
    (!rest.is_empty()).then(|| text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_prefers_the_identifier_then_the_address_then_the_text() {
        let url = Url::parse("https://a.kz/n/1?utm_source=rss").unwrap();
        assert_eq!(ItemKey::new(Some(" 42 "), Some(&url), "t", "").as_str(), "id:42");
        assert_eq!(ItemKey::new(Some(""), Some(&url), "t", "").as_str(), "url:https://a.kz/n/1");
        assert!(ItemKey::new(None, None, "t", "x").as_str().starts_with("text:"));
    }

    #[test]
    fn forum_posts_with_different_fragments_have_different_keys() {
        let key = |id| ItemKey::new(Some(id), None, "", "");
        assert_ne!(key("https://f.kz/t/5#p1"), key("https://f.kz/t/5#p2"));
        assert_eq!(key("https://f.kz/t/5?utm_source=a"), key("https://f.kz/t/5"));
    }

    #[test]
    fn implausible_times_are_replaced_and_flagged_and_keep_the_original() {
        let first_seen: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        for (at, clamped) in
            [("2026-11-23T10:10:00Z", false), ("2031-01-01T00:00:00Z", true), ("1970-01-01T00:00:00Z", true)]
        {
            let published = Published {
                at: at.parse().unwrap(),
                precision: Precision::Second,
                method: PublishedMethod::Feed,
                original: at.to_owned(),
                clamped: false,
            }
            .clamp(first_seen);
            assert_eq!(published.clamped, clamped, "{at}");
            assert_eq!(published.original, at);
            assert_eq!(published.at, if clamped { first_seen } else { at.parse().unwrap() });
        }
    }

    #[test]
    fn block_scans_agree_with_character_scans() {
        let text = "Қазақ «банк» — a b\u{a0}c\u{3000}d ".repeat(7);
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for count in 0..starts.len() + 3 {
            let expected = starts.iter().rev().nth(count).copied().unwrap_or(0);
            assert_eq!(offset_before_last_chars(&text, count), expected, "{count}");
        }
        for c in (0x80..0x3100).filter_map(char::from_u32) {
            for padding in [0, 31, 32, 40] {
                let text = format!("{}{c} «—»", "a".repeat(padding));
                assert_eq!(has_wide_spaces(&text), c.is_whitespace(), "{c:?}");
            }
        }
    }

    #[test]
    fn excerpts_are_bounded_and_contain_the_match() {
        let text = "слово ".repeat(200) + "Каспий" + &" дальше".repeat(200);
        let start = text.find("Каспий").unwrap();
        let excerpt = excerpt_around(&text, start, start + "Каспий".len(), 300);
        assert!(excerpt.contains("Каспий") && excerpt.chars().count() <= 302, "{excerpt}");
        assert_eq!(excerpt_around("коротко", 0, 14, 300), "коротко");
        assert_eq!(excerpt_around("раз\n  два три ", 0, 6, 300), "раз два три");
        assert_eq!(excerpt_around("раз  два", 0, 6, 300), "раз два");
        assert_eq!(excerpt_around("раз\u{a0}два\u{2028}«три» — \u{2003}да", 0, 6, 300), "раз два «три» — да");
        assert_eq!(excerpt_around("ровно", 0, 2, 5), "ровно");
        assert_eq!(excerpt_around("ровно и", 0, 2, 5), "ровно…");
    }
}
