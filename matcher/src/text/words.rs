//! Splits a text into words: UAX #29 with additions for monitoring queries.
//!
//! A word keeps the characters that join its parts (`AT&T`, `интернет-магазин`, `kaspi.kz`, `Google+`), and its parts
//! are words as well. Hashtags, mentions, cashtags, URLs, emoji and numbers with separators are single words.

use super::word_parts::{camel_case_parts, runs, split_parts};
use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Upper bound on the bytes of a word. A longer run of letters is cut.
const MAX_WORD_BYTES: usize = 512;

/// Number of bytes that are examined from the start of a word: more than any word has.
const LOOKAHEAD_BYTES: usize = 8 * MAX_WORD_BYTES;

/// The kind of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Letters. Has inflected forms.
    Word,
    /// Letters with an initial capital within a sentence: probably a name, which may look like a form of a common
    /// word.
    Name,
    /// Digits; `1 000` and `1,000` are 1000.
    Number,
    /// A hashtag, mention or cashtag, as written: `#хлеб`, `@user`, `$KZT`.
    Tag,
    /// A whole URL.
    Url,
    Emoji,
}

/// A word in a text, before its form is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawWord<'t> {
    pub(crate) kind: Kind,
    /// Its byte range.
    pub(crate) range: Range<usize>,
    /// Its text; of a number without separators.
    pub(crate) text: Cow<'t, str>,
    /// The byte ranges of its parts, in order; empty if it has only one.
    pub(crate) parts: Vec<Range<usize>>,
}

/// Iterates over the words of a text, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = RawWord<'_>> {
    let mut scanner = Scanner { text, at: 0 };
    std::iter::from_fn(move || scanner.next_word())
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    fn next_word(&mut self) -> Option<RawWord<'t>> {
        loop {
            self.at += separators_len(self.bytes());
            if let Some(word) = self.scan_letters() {
                self.at = word.range.end;
                return Some(word);
            }
            // Text further ahead does not matter, and would be scanned again for each word.
            let rest = truncate(self.rest(self.at), LOOKAHEAD_BYTES);
            let first = rest.chars().next()?;
            let is_separator = !is_letter(first) && !first.is_alphanumeric() && !is_emoji(first);
            let word = match first {
                '#' | '@' | '$' => self.scan_tag(first),
                'h' | 'H' | 'w' | 'W' => self.scan_url(rest).or_else(|| self.scan_word(rest)),
                _ if is_separator => None,
                _ => self.scan_word(rest),
            };
            match word {
                Some(word) => {
                    self.at = word.range.end;
                    return Some(word);
                }
                None if is_separator => self.at += first.len_utf8(),
                None => self.at += first_segment(rest).len().max(first.len_utf8()),
            }
        }
    }

    fn rest(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or("")
    }

    /// Returns the bytes that are not scanned yet.
    fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or(&[])
    }

    fn follows_alphanumeric(&self) -> bool {
        self.text
            .get(..self.at)
            .and_then(|scanned| scanned.chars().next_back())
            .is_some_and(char::is_alphanumeric)
    }

    /// Returns a word of `length` bytes at the current position.
    fn word(&self, kind: Kind, length: usize, parts: Vec<Range<usize>>) -> Option<RawWord<'t>> {
        let range = self.at..self.at + length;
        Some(RawWord { kind, text: Cow::Borrowed(self.text.get(range.clone())?), range, parts })
    }

    fn scan_url(&self, rest: &'t str) -> Option<RawWord<'t>> {
        let scheme = ["https://", "http://", "www."].into_iter().find(|scheme| {
            rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })?;
        if self.follows_alphanumeric() {
            return None;
        }
        let end = rest.find(|c: char| c.is_whitespace() || "<>\"«»“”{}|".contains(c)).unwrap_or(rest.len());
        let url = rest.get(..end)?.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'', '…']);
        if url.len() <= scheme.len() || url.len() > 4 * MAX_WORD_BYTES {
            return None;
        }
        let start = if scheme.starts_with("http") { scheme.len() } else { 0 };
        let start = if url.get(start..)?.starts_with("www.") { start + 4 } else { start };
        let host_end = url.get(start..)?.find(['/', '?', '#', ':']).map_or(url.len(), |at| start + at);
        let path = runs(self.text, self.at + host_end..self.at + url.len(), char::is_alphanumeric);
        let parts = std::iter::once(self.at + start..self.at + host_end).chain(path).collect();
        self.word(Kind::Url, url.len(), parts)
    }

    fn scan_tag(&self, sign: char) -> Option<RawWord<'t>> {
        let start = self.at + sign.len_utf8();
        let belongs: fn(char) -> bool = match sign {
            '#' => |c| c.is_alphanumeric() || c == '_' || is_mark(c),
            '@' => |c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'),
            '$' => char::is_alphabetic,
            _ => return None,
        };
        // Hashtags may follow each other without a space: #a#b.
        if (sign != '#' && self.follows_alphanumeric())
            || !self.rest(start).chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_')
        {
            return None;
        }
        let rest = truncate(self.rest(start), LOOKAHEAD_BYTES);
        let length = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let name = rest.get(..length)?.trim_end_matches(['.', '-']);
        let is_continued =
            rest.get(name.len()..).and_then(|rest| rest.chars().next()).is_some_and(char::is_alphanumeric);
        if name.is_empty()
            || is_continued
            || name.len() > MAX_WORD_BYTES
            || (sign == '$' && name.chars().count() > 10)
        {
            return None;
        }
        let whole = start..start + name.len();
        let parts =
            if sign == '#' { camel_case_parts(name, start) } else { std::iter::once(whole).collect() };
        self.word(Kind::Tag, sign.len_utf8() + name.len(), parts)
    }

    /// Scans a word of Latin or Cyrillic letters that nothing is joined to. This is the fast path for most words: by
    /// UAX #29 such letters are never split. A URL is never read as such a word, because a separator and more text
    /// follow its scheme.
    fn scan_letters(&self) -> Option<RawWord<'t>> {
        let bytes = self.bytes();
        // The bound prevents a very long run of letters from being scanned again for each of its parts.
        let end = letters_len(bytes.get(..MAX_WORD_BYTES + 2).unwrap_or(bytes));
        let is_alone = match bytes.get(end..)? {
            [] | [b' ' | b',' | b'\n' | b'!' | b'?' | b';' | b')' | b'"', ..] => true,
            [b'.' | b':', next, ..] => matches!(next, b' ' | b'\n'),
            following => following.starts_with("»".as_bytes()),
        };
        (is_alone && end > 0 && end <= MAX_WORD_BYTES).then(|| self.word(Kind::Word, end, Vec::new()))?
    }

    fn scan_word(&self, rest: &'t str) -> Option<RawWord<'t>> {
        let first = first_segment(rest);
        if !first.chars().any(char::is_alphanumeric) {
            return if first.chars().next().is_some_and(is_emoji) {
                self.word(Kind::Emoji, first.len(), Vec::new())
            } else {
                None
            };
        }
        if let Some(number) = self.scan_number(first, rest) {
            return Some(number);
        }
        let length = joined_len(rest, first.len());
        let range = self.at..self.at + length;
        let mut parts = split_parts(self.text, range);
        // Signs around a word do not belong to it: `_банк_`.
        if let [part] = parts.as_slice()
            && part.len() < length
        {
            let range = part.clone();
            return Some(RawWord {
                kind: Kind::Word,
                text: Cow::Borrowed(self.text.get(range.clone())?),
                range,
                parts: Vec::new(),
            });
        }
        if parts.len() == 1 {
            parts.clear();
        }
        self.word(Kind::Word, length, parts)
    }

    /// Scans a number: `1000`, `1 000`, `1,000`, `1,5`.
    fn scan_number(&self, first: &str, rest: &'t str) -> Option<RawWord<'t>> {
        if !first.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.')) {
            return None;
        }
        let mut length = first.len();
        if first.len() <= 3 && first.chars().all(|c| c.is_ascii_digit()) {
            while let Some(group_len) = digit_group_len(rest.get(length..)?) {
                length += group_len;
            }
        }
        // `01.12.2025` consists of several numbers, and `100тг` of a number and its unit.
        let dots = rest.get(..length)?.matches('.').count();
        if dots > 1 || is_continued(rest.get(length..)?) {
            return None;
        }
        let written = rest.get(..length)?;
        let mut groups = written.split(',');
        let is_grouped = groups.next().is_some_and(|first| (1..=3).contains(&first.len()))
            && written.contains(',')
            && groups.all(|group| group.len() == 3);
        let normalised: String = written
            .chars()
            .filter(|c| !(c.is_whitespace() || (is_grouped && *c == ',')))
            .map(|c| if c == ',' { '.' } else { c })
            .collect();
        let text = if normalised == written { Cow::Borrowed(written) } else { Cow::Owned(normalised) };
        Some(RawWord { kind: Kind::Number, range: self.at..self.at + length, text, parts: Vec::new() })
    }
}

/// Returns the longest prefix of a text of at most `max_bytes` bytes.
fn truncate(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let end = (0..=max_bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or(text)
}

/// Returns the first segment of a text by UAX #29, cut at about [`MAX_WORD_BYTES`].
fn first_segment(rest: &str) -> &str {
    let segment = rest.split_word_bounds().next().unwrap_or("");
    match segment.char_indices().find(|(at, _)| *at >= MAX_WORD_BYTES) {
        Some((at, _)) => segment.get(..at).unwrap_or(segment),
        None => segment,
    }
}

/// Returns the length in bytes of a word together with everything that is joined to it. `first` is the length of its
/// first segment.
fn joined_len(rest: &str, first: usize) -> usize {
    let mut length = first;
    while length < MAX_WORD_BYTES {
        let mut ahead = rest.get(length..).unwrap_or("").chars();
        let (Some(joint), next) = (ahead.next(), ahead.next()) else { break };
        let joins = matches!(
            joint,
            '-' | '‑' | '.' | '&' | '+' | '\'' | '’' | '_' | '\u{200b}' | '\u{2060}' | '\u{feff}'
        );
        if joins && next.is_some_and(char::is_alphanumeric) {
            length += joint.len_utf8();
            length += first_segment(rest.get(length..).unwrap_or("")).len();
        } else if joint == '+' && !next.is_some_and(char::is_alphanumeric) {
            length += joint.len_utf8();
        } else {
            break;
        }
    }
    length
}

/// Returns the length in bytes of the letters that a text begins with. Tests [`is_letter`] on UTF-8 bytes, the most
/// frequent letters first, because splitting a text spends most of its time here.
fn letters_len(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let cyrillic = cyrillic_letters_len(text.get(at..).unwrap_or(&[]));
        at += cyrillic;
        if cyrillic < FOUR_LETTERS_BYTES {
            match letter_len(text.get(at..).unwrap_or(&[])) {
                0 => return at,
                length => at += length,
            }
        }
    }
}

/// The length in bytes of four Cyrillic letters.
const FOUR_LETTERS_BYTES: usize = 8;

/// Returns the length in bytes of at most four leading Cyrillic letters (U+0400 to U+047F: all of Russian). Tests four
/// letters at once: each has two bytes, of which the first is D0 or D1.
fn cyrillic_letters_len(text: &[u8]) -> usize {
    const FIRST_BYTES: u64 = 0x00d0_00d0_00d0_00d0;
    const MASK: u64 = 0x00fe_00fe_00fe_00fe;
    let Some(bytes) = text.first_chunk::<FOUR_LETTERS_BYTES>() else { return 0 };
    let others = (u64::from_le_bytes(*bytes) & MASK) ^ FIRST_BYTES;
    others.trailing_zeros() as usize / 16 * 2
}

/// Returns the length in bytes of the letter that a text begins with, or 0 if it does not begin with a letter.
fn letter_len(text: &[u8]) -> usize {
    let (first, second) = match text {
        [] => return 0,
        [first] => (*first, 0),
        [first, second, ..] => (*first, *second),
    };
    match first {
        b'a'..=b'z' | b'A'..=b'Z' => 1,
        0xd0 | 0xd1 | 0xd3 | 0xc4 | 0xc5 => 2,
        0xd2 if !matches!(second, 0x82..=0x89) => 2,
        0xc3 if !matches!(second, 0x97 | 0xb7) => 2,
        0xd4 if second <= 0xaf => 2,
        _ => 0,
    }
}

/// Returns the length in bytes of the leading ASCII characters that cannot begin a word.
fn separators_len(text: &[u8]) -> usize {
    let begins = |byte: &u8| !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"#@$".contains(byte);
    text.iter().position(begins).unwrap_or(text.len())
}

/// Returns true for letters of the Latin and Cyrillic alphabets.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{17f}' | '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}')
}

/// Returns true if letters, or a sign and letters, follow a number directly: `5-й`, `4G`.
fn is_continued(rest: &str) -> bool {
    let mut ahead = rest.chars();
    match ahead.next() {
        Some(c) if c.is_alphanumeric() => true,
        Some('-' | '‑' | '.' | '_' | '+' | '&') => ahead.next().is_some_and(char::is_alphanumeric),
        _ => false,
    }
}

/// Returns the length in bytes of a space and a group of three digits, if the text begins with them.
fn digit_group_len(rest: &str) -> Option<usize> {
    let space = rest.chars().next().filter(|c| matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}'))?;
    let digits = rest.get(space.len_utf8()..)?;
    let is_group = digits.chars().take_while(char::is_ascii_digit).count() == 3
        && !digits.chars().nth(3).is_some_and(char::is_alphanumeric);
    is_group.then_some(space.len_utf8() + 3)
}

/// Returns true for combining marks, which belong to the letter before them.
pub(crate) fn is_mark(c: char) -> bool {
    c >= '\u{300}' && is_combining_mark(c)
}

/// Returns true for emoji: the Unicode blocks that contain pictures, and regional indicators (flags).
pub(crate) fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f300}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Kind, &str, &[&str])]) {
        let actual: Vec<(Kind, String, Vec<&str>)> = words(text)
            .map(|word| {
                let parts = word.parts.iter().map(|part| text.get(part.clone()).unwrap()).collect();
                (word.kind, word.text.into_owned(), parts)
            })
            .collect();
        let expected: Vec<(Kind, String, Vec<&str>)> =
            expected.iter().map(|(kind, word, parts)| (*kind, (*word).to_owned(), parts.to_vec())).collect();
        assert_eq!(actual, expected, "{text}");
    }

    #[test]
    fn words_keep_their_joints_and_list_their_parts() {
        use Kind::{Emoji, Number, Tag, Url, Word};
        check("Ёлки — «Халық банкі»", &[(Word, "Ёлки", &[]), (Word, "Халық", &[]), (Word, "банкі", &[])]);
        check(
            "интернет-магазин AT&T Google+.",
            &[
                (Word, "интернет-магазин", &["интернет", "магазин"]),
                (Word, "AT&T", &[]),
                (Word, "Google+", &[]),
            ],
        );
        check(
            "вырос.Потом C++ Trump’s",
            &[(Word, "вырос.Потом", &["вырос", "Потом"]), (Word, "C++", &[]), (Word, "Trump’s", &[])],
        );
        check(
            "1 000 тенге, 1,000 и 2,5%",
            &[
                (Number, "1000", &[]),
                (Word, "тенге", &[]),
                (Number, "1000", &[]),
                (Word, "и", &[]),
                (Number, "2.5", &[]),
            ],
        );
        check(
            "в 2020 100 раз",
            &[(Word, "в", &[]), (Number, "2020", &[]), (Number, "100", &[]), (Word, "раз", &[])],
        );
        check("5-й 4G", &[(Word, "5-й", &["5", "й"]), (Word, "4G", &[])]);
        check(
            "#СтопКоррупция @a.user. $KZT a@b.kz",
            &[
                (Tag, "#СтопКоррупция", &["Стоп", "Коррупция"]),
                (Tag, "@a.user", &["a.user"]),
                (Tag, "$KZT", &["KZT"]),
                (Word, "a", &[]),
                (Word, "b.kz", &["b", "kz"]),
            ],
        );
        check(
            "см. https://www.zakon.kz/news/1?x=2, да",
            &[
                (Word, "см", &[]),
                (Url, "https://www.zakon.kz/news/1?x=2", &["zakon.kz", "news", "1", "x", "2"]),
                (Word, "да", &[]),
            ],
        );
        check("огонь 🔥🇰🇿", &[(Word, "огонь", &[]), (Emoji, "🔥", &[]), (Emoji, "🇰🇿", &[])]);
        check(" ,. - ", &[]);
    }

    #[test]
    fn letters_are_recognised_by_their_bytes() {
        for c in (0..=0x3000).filter_map(char::from_u32) {
            let text = c.to_string();
            let expected = if is_letter(c) { text.len() } else { 0 };
            assert_eq!(letters_len(text.as_bytes()), expected, "{c:?}");
        }
        assert_eq!(letters_len("Ёлка, да".as_bytes()), "Ёлка".len());
        assert_eq!(letters_len("ok".as_bytes()), 2);
    }

    proptest::proptest! {
        #[test]
        fn letters_len_agrees_with_is_letter(text in "[а-яёӘқҒЈA-cü×÷ҁ҂ ,]{0,24}") {
            let end = text.find(|c| !is_letter(c)).unwrap_or(text.len());
            proptest::prop_assert_eq!(letters_len(text.as_bytes()), end);
        }

        #[test]
        fn words_are_in_order_and_within_bounds(text in ".{0,80}") {
            let mut previous_end = 0;
            for word in words(&text) {
                proptest::prop_assert!(word.range.start >= previous_end && word.range.end > word.range.start);
                proptest::prop_assert!(text.get(word.range.clone()).is_some());
                for part in &word.parts {
                    proptest::prop_assert!(part.start >= word.range.start && part.end <= word.range.end);
                    proptest::prop_assert!(text.get(part.clone()).is_some());
                }
                previous_end = word.range.end;
            }
        }
    }
}
