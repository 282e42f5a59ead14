//! One publication as read, and what identifies it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;
use xxhash_rust::xxh3::xxh3_128;

use crate::{Name, Post, Reservation, Timestamp, canonical_url};

/// One publication as read. Stored once however often it is seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The source that published it.
    pub source: Name,
    /// What identifies it within its source.
    pub key: ItemKey,
    /// Where it was found.
    pub url: Option<Url>,
    /// The address the publisher calls its own, without tracking parameters.
    pub canonical_url: Option<Url>,
    /// Plain text.
    pub title: Option<String>,
    /// Plain text; paragraphs are separated by line feeds.
    pub text: String,
    /// The entry's own summary, where the text came from elsewhere.
    pub summary: Option<String>,
    /// As the publication names them.
    pub author: Option<String>,
    /// ISO 639-1 code.
    pub language: Option<String>,
    /// When it was published, and how that is known.
    pub published: Option<Published>,
    /// When the publisher says it was changed.
    pub updated_at: Option<Timestamp>,
    /// The picture that stands for it.
    pub image: Option<Url>,
    /// What a platform tells of it beside its words.
    #[serde(default, skip_serializing_if = "Post::is_empty")]
    pub post: Post,
    /// What its publisher reserves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<Reservation>,
    /// What could not be understood, in words.
    pub problems: Vec<String>,
}

impl Item {
    /// A fingerprint of what a reader sees: a change of it is an edit.
    pub fn content_hash(&self) -> String {
        let title = self.title.as_deref().unwrap_or("");
        let published = self.published.as_ref().map(|p| p.original.as_str()).unwrap_or("");
        let mut whole = format!("{title}\u{0}{}\u{0}{published}", self.text);
        // What is reserved later is news as well; without, fingerprints are what they always were.
        for reservation in &self.reservations {
            whole.push('\u{0}');
            whole.push_str(&format!("{reservation:?}"));
        }
        format!("{:032x}", xxh3_128(whole.as_bytes()))
    }
}

/// What identifies an item within its source.
///
/// The publisher's own identifier where it gives one, else the canonical address, else a
/// fingerprint of the words. Our clock is never part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemKey(String);

impl ItemKey {
    /// Chooses the strongest identity that is given. Keys are bounded: a longer identifier is hashed.
    pub fn choose(native_id: Option<&str>, url: Option<&Url>, title: &str, text: &str) -> Self {
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

    /// A key as it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The key as text.
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

/// An identifier that is an address keeps its fragment: forums tell posts of a page apart by it.
fn canonical_id(url: &Url) -> String {
    let mut id = canonical_url(url);
    id.set_fragment(url.fragment());
    id.to_string()
}

/// When something was published, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The moment, for order and display. Clamped to the first sight where the source's is absurd.
    pub at: Timestamp,
    /// How exact it is.
    pub precision: Precision,
    /// Where it was read.
    pub method: PublishedMethod,
    /// As the source gave it, letter by letter.
    pub original: String,
    /// The original lies in the future or before the web; `at` is a stand-in.
    pub clamped: bool,
}

impl Published {
    /// Clamps a time that lies more than 15 minutes after `seen` (clocks differ) or before 1990
    /// (the web did not exist), keeping the original.
    pub fn clamp(mut self, seen: Timestamp) -> Self {
        let late = seen.saturating_add(std::time::Duration::from_secs(15 * 60)).unwrap_or(Timestamp::MAX);
        let early = Timestamp::from_second(631_152_000).unwrap_or(Timestamp::MIN); // 1990-01-01
        if self.at > late || self.at < early {
            self.at = seen;
            self.clamped = true;
        }
        self
    }
}

/// How exact a time of publication is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// To the second or minute.
    Second,
    /// The day only.
    Day,
}

/// Where a time of publication was read, the most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishedMethod {
    /// In the feed's entry.
    Feed,
    /// In the sitemap.
    Sitemap,
    /// By the source's own selector.
    Selector,
    /// In the address.
    Url,
    /// In JSON-LD.
    JsonLd,
    /// In a meta element.
    Meta,
    /// In a time element or one named like a date.
    Time,
    /// In the visible text.
    Text,
}

/// A topic matched an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The topic.
    pub topic: Name,
    /// Where the words stand.
    pub spans: Vec<Span>,
    /// At most 300 characters around the first span; matches at the same words share it.
    pub excerpt: Arc<str>,
    /// The topic's rules that hold for the item as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Name>,
}

/// Words that made a query match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Which part of the item.
    pub zone: Zone,
    /// First byte in the zone's text.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// The words themselves.
    pub text: String,
}

/// A part of an item; phrases never cross from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// The title.
    Title,
    /// The text.
    Text,
}

/// At most `limit` characters of `text` around the byte range `start..end`, cut at white space.
pub fn excerpt_around(text: &str, start: usize, end: usize, limit: usize) -> String {
    let before = limit.saturating_sub(text.get(start..end).map_or(0, |s| s.chars().count())) / 3;
    let head = text.get(..start).unwrap_or("");
    let from = place_before(head, before);
    let from = if from == 0 {
        0
    } else {
        text.get(from..start).and_then(|s| s.find(char::is_whitespace)).map_or(start, |at| from + at)
    };
    let rest = text.get(from..).unwrap_or("").trim_start();
    let end = place_of(rest, limit);
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
        for (number, word) in cut.split_whitespace().enumerate() {
            if number > 0 {
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

/// Whether all white space within a text is single spaces. Without branches, so that it takes next to no time.
fn has_single_spaces(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_others = bytes.iter().fold(false, |found, byte| found | (*byte < b' '));
    let has_others = has_others || has_wide_spaces(text);
    let following = bytes.get(1..).unwrap_or(&[]);
    let has_two = bytes.iter().zip(following).fold(false, |found, two| found | (two == (&b' ', &b' ')));
    !(has_others || has_two || text.ends_with(' ') || text.starts_with(' '))
}

/// Whether there is white space beyond ASCII: most texts have signs that begin like it, but few.
fn has_wide_spaces(text: &str) -> bool {
    const BLOCK: usize = 32;
    let may_begin = |byte: &u8| matches!(byte, 0xc2 | 0xe1 | 0xe2 | 0xe3);
    let is_space =
        |at: usize| text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(char::is_whitespace);
    let blocks = (0..).step_by(BLOCK).zip(text.as_bytes().chunks(BLOCK));
    blocks
        .filter(|(_, block)| block.iter().fold(false, |found, byte| found | may_begin(byte)))
        .any(|(from, block)| (from..).zip(block).any(|(at, byte)| may_begin(byte) && is_space(at)))
}

/// Where the character begins before which so many end a text; at the beginning of a text of fewer.
fn place_before(text: &str, count: usize) -> usize {
    const BLOCK: usize = 32;
    // By their first bytes, which is quicker than to read the characters, and many at a time quicker still.
    let is_first = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let (mut rest, mut left) = (text.as_bytes(), count);
    while let Some((before, block)) = rest.split_last_chunk::<BLOCK>() {
        let begun = block.iter().filter(|byte| is_first(byte)).count();
        if begun > left {
            break;
        }
        (rest, left) = (before, left - begun);
    }
    let mut begun = rest.iter().enumerate().rev().filter(|(_, byte)| is_first(byte));
    begun.nth(left).map_or(0, |(at, _)| at)
}

/// Where the character behind so many begins.
fn place_of(text: &str, count: usize) -> Option<usize> {
    let mut after = text.chars();
    if let Some(last) = count.checked_sub(1) {
        after.nth(last)?;
    }
    let after = after.as_str();
    (!after.is_empty()).then(|| text.len() - after.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_publishers_identifier_wins_over_the_address_and_the_address_over_the_words() {
        let url = Url::parse("https://a.kz/n/1?utm_source=rss").unwrap();
        assert_eq!(ItemKey::choose(Some(" 42 "), Some(&url), "t", "").as_str(), "id:42");
        assert_eq!(ItemKey::choose(Some(""), Some(&url), "t", "").as_str(), "url:https://a.kz/n/1");
        assert!(ItemKey::choose(None, None, "t", "x").as_str().starts_with("text:"));
    }

    #[test]
    fn forum_posts_told_apart_by_fragment_stay_apart() {
        let key = |id| ItemKey::choose(Some(id), None, "", "");
        assert_ne!(key("https://f.kz/t/5#p1"), key("https://f.kz/t/5#p2"));
        assert_eq!(key("https://f.kz/t/5?utm_source=a"), key("https://f.kz/t/5"));
    }

    #[test]
    fn absurd_times_are_clamped_and_flagged_and_the_original_kept() {
        let seen: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
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
            .clamp(seen);
            assert_eq!(published.clamped, clamped, "{at}");
            assert_eq!(published.original, at);
            assert_eq!(published.at, if clamped { seen } else { at.parse().unwrap() });
        }
    }

    #[test]
    fn places_and_spaces_are_told_many_at_a_time_as_one_by_one() {
        let text = "Қазақ «банк» — a b\u{a0}c\u{3000}d ".repeat(7);
        let begun: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for count in 0..begun.len() + 3 {
            let expected = begun.iter().rev().nth(count).copied().unwrap_or(0);
            assert_eq!(place_before(&text, count), expected, "{count}");
        }
        for c in (0x80..0x3100).filter_map(char::from_u32) {
            for before in [0, 31, 32, 40] {
                let text = format!("{}{c} «—»", "a".repeat(before));
                assert_eq!(has_wide_spaces(&text), c.is_whitespace(), "{c:?}");
            }
        }
    }

    #[test]
    fn excerpts_are_bounded_and_hold_the_match() {
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
