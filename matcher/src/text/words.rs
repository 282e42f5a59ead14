//! A text cut into words: UAX #29, and what a monitoring query needs beside it.
//!
//! A word keeps what joins its parts (`AT&T`, `интернет-магазин`, `kaspi.kz`, `Google+`), and its parts are words as well.
//! Hashtags, mentions, cashtags, addresses, emoji and numbers with separators are words of their own.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Bytes of a word at most; of a longer run of letters the rest is not looked at.
const LONGEST: usize = 512;

/// Bytes that are looked at from where a word begins: more than any word has.
const AHEAD: usize = 8 * LONGEST;

/// What kind of a word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Letters, with forms.
    Word,
    /// The same with a capital letter within a sentence: probably a name, which may look like a form of a common word.
    Name,
    /// Digits; `1 000` and `1,000` are 1000.
    Number,
    /// `#хлеб`, `@user`, `$KZT`, as they are written.
    Tag,
    /// An address, whole.
    Url,
    Emoji,
}

/// A word as it was cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut<'t> {
    pub(crate) kind: Kind,
    /// In bytes.
    pub(crate) range: Range<usize>,
    /// As it is read: a number without its separators.
    pub(crate) text: Cow<'t, str>,
    /// Words within it, in order; empty where there is but one.
    pub(crate) parts: Vec<Range<usize>>,
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Cut<'_>> {
    let mut scanner = Scanner { text, at: 0 };
    std::iter::from_fn(move || scanner.next_word())
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    fn next_word(&mut self) -> Option<Cut<'t>> {
        loop {
            self.at += signs(self.bytes());
            if let Some(cut) = self.letters() {
                self.at = cut.range.end;
                return Some(cut);
            }
            // What is further away decides nothing, and would be gone through again for each word.
            let rest = beginning(self.rest(self.at), AHEAD);
            let first = rest.chars().next()?;
            let is_sign = !is_letter(first) && !first.is_alphanumeric() && !is_emoji(first);
            let cut = match first {
                '#' | '@' | '$' => self.tag(first),
                'h' | 'H' | 'w' | 'W' => self.address(rest).or_else(|| self.plain(rest)),
                _ if is_sign => None,
                _ => self.plain(rest),
            };
            match cut {
                Some(cut) => {
                    self.at = cut.range.end;
                    return Some(cut);
                }
                None if is_sign => self.at += first.len_utf8(),
                None => self.at += segment(rest).len().max(first.len_utf8()),
            }
        }
    }

    fn rest(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or("")
    }

    /// What is still to come.
    fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or(&[])
    }

    fn follows_letter(&self) -> bool {
        self.text
            .get(..self.at)
            .and_then(|before| before.chars().next_back())
            .is_some_and(char::is_alphanumeric)
    }

    fn cut(&self, kind: Kind, length: usize, parts: Vec<Range<usize>>) -> Option<Cut<'t>> {
        let range = self.at..self.at + length;
        Some(Cut { kind, text: Cow::Borrowed(self.text.get(range.clone())?), range, parts })
    }

    fn address(&self, rest: &'t str) -> Option<Cut<'t>> {
        let scheme = ["https://", "http://", "www."].into_iter().find(|scheme| {
            rest.get(..scheme.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(scheme))
        })?;
        if self.follows_letter() {
            return None;
        }
        let end = rest.find(|c: char| c.is_whitespace() || "<>\"«»“”{}|".contains(c)).unwrap_or(rest.len());
        let address = rest.get(..end)?.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'', '…']);
        if address.len() <= scheme.len() || address.len() > 4 * LONGEST {
            return None;
        }
        let skipped = if scheme.starts_with("http") { scheme.len() } else { 0 };
        let skipped = if address.get(skipped..)?.starts_with("www.") { skipped + 4 } else { skipped };
        let host =
            address.get(skipped..)?.find(['/', '?', '#', ':']).map_or(address.len(), |at| skipped + at);
        let path = runs(self.text, self.at + host..self.at + address.len(), char::is_alphanumeric);
        let parts = std::iter::once(self.at + skipped..self.at + host).chain(path).collect();
        self.cut(Kind::Url, address.len(), parts)
    }

    fn tag(&self, sign: char) -> Option<Cut<'t>> {
        let after = self.at + sign.len_utf8();
        let belongs: fn(char) -> bool = match sign {
            '#' => |c| c.is_alphanumeric() || c == '_' || is_mark(c),
            '@' => |c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'),
            '$' => char::is_alphabetic,
            _ => return None,
        };
        // Tags may follow each other at once: #a#b.
        if (sign != '#' && self.follows_letter())
            || !self.rest(after).chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_')
        {
            return None;
        }
        let rest = beginning(self.rest(after), AHEAD);
        let length = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let name = rest.get(..length)?.trim_end_matches(['.', '-']);
        let goes_on =
            rest.get(name.len()..).and_then(|rest| rest.chars().next()).is_some_and(char::is_alphanumeric);
        if name.is_empty() || goes_on || name.len() > LONGEST || (sign == '$' && name.chars().count() > 10) {
            return None;
        }
        let whole = after..after + name.len();
        let parts = if sign == '#' { camel_parts(name, after) } else { std::iter::once(whole).collect() };
        self.cut(Kind::Tag, sign.len_utf8() + name.len(), parts)
    }

    /// Most words: letters of alphabets whose letters all belong together by UAX #29, with nothing joined to them. No
    /// address is alone: its scheme has signs behind it.
    fn letters(&self) -> Option<Cut<'t>> {
        let bytes = self.bytes();
        // Letters without end are not gone through again for each part of them.
        let end = letters(bytes.get(..LONGEST + 2).unwrap_or(bytes));
        let is_alone = match bytes.get(end..)? {
            [] | [b' ' | b',' | b'\n' | b'!' | b'?' | b';' | b')' | b'"', ..] => true,
            [b'.' | b':', next, ..] => matches!(next, b' ' | b'\n'),
            after => after.starts_with("»".as_bytes()),
        };
        (is_alone && end > 0 && end <= LONGEST).then(|| self.cut(Kind::Word, end, Vec::new()))?
    }

    fn plain(&self, rest: &'t str) -> Option<Cut<'t>> {
        let first = segment(rest);
        if !first.chars().any(char::is_alphanumeric) {
            return if first.chars().next().is_some_and(is_emoji) {
                self.cut(Kind::Emoji, first.len(), Vec::new())
            } else {
                None
            };
        }
        if let Some(number) = self.number(first, rest) {
            return Some(number);
        }
        let length = joined(rest, first.len());
        let range = self.at..self.at + length;
        let mut parts = pieces(self.text, range);
        // `_банк_`: signs around a word are none of it.
        if let [part] = parts.as_slice()
            && part.len() < length
        {
            let range = part.clone();
            return Some(Cut {
                kind: Kind::Word,
                text: Cow::Borrowed(self.text.get(range.clone())?),
                range,
                parts: Vec::new(),
            });
        }
        if parts.len() == 1 {
            parts.clear();
        }
        self.cut(Kind::Word, length, parts)
    }

    /// `1000`, `1 000`, `1,000`, `1,5`.
    fn number(&self, first: &str, rest: &'t str) -> Option<Cut<'t>> {
        if !first.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.')) {
            return None;
        }
        let mut length = first.len();
        if first.len() <= 3 && first.chars().all(|c| c.is_ascii_digit()) {
            while let Some(more) = group(rest.get(length..)?) {
                length += more;
            }
        }
        // `01.12.2025` is made of numbers, and `100тг` of a number and its unit.
        let dots = rest.get(..length)?.matches('.').count();
        if dots > 1 || is_continued(rest.get(length..)?) {
            return None;
        }
        let written = rest.get(..length)?;
        let mut groups = written.split(',');
        let is_grouped = groups.next().is_some_and(|first| (1..=3).contains(&first.len()))
            && written.contains(',')
            && groups.all(|group| group.len() == 3);
        let read: String = written
            .chars()
            .filter(|c| !(c.is_whitespace() || (is_grouped && *c == ',')))
            .map(|c| if c == ',' { '.' } else { c })
            .collect();
        let text = if read == written { Cow::Borrowed(written) } else { Cow::Owned(read) };
        Some(Cut { kind: Kind::Number, range: self.at..self.at + length, text, parts: Vec::new() })
    }
}

/// The beginning of a text, of so many bytes at most.
fn beginning(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or(text)
}

/// The first segment of a text by UAX #29, of bounded length.
fn segment(rest: &str) -> &str {
    let segment = rest.split_word_bounds().next().unwrap_or("");
    match segment.char_indices().find(|(at, _)| *at >= LONGEST) {
        Some((at, _)) => segment.get(..at).unwrap_or(segment),
        None => segment,
    }
}

/// How long a word is together with what is joined to it.
fn joined(rest: &str, first: usize) -> usize {
    let mut length = first;
    while length < LONGEST {
        let mut ahead = rest.get(length..).unwrap_or("").chars();
        let (Some(joint), next) = (ahead.next(), ahead.next()) else { break };
        let joins = matches!(
            joint,
            '-' | '‑' | '.' | '&' | '+' | '\'' | '’' | '_' | '\u{200b}' | '\u{2060}' | '\u{feff}'
        );
        if joins && next.is_some_and(char::is_alphanumeric) {
            length += joint.len_utf8();
            length += segment(rest.get(length..).unwrap_or("")).len();
        } else if joint == '+' && !next.is_some_and(char::is_alphanumeric) {
            length += joint.len_utf8();
        } else {
            break;
        }
    }
    length
}

/// Bytes of the letters that a text begins with: [`is_letter`] by their UTF-8, the most frequent first. Cutting a text
/// is mostly this.
fn letters(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let russian = russian_letters(text.get(at..).unwrap_or(&[]));
        at += russian;
        if russian < FOUR_LETTERS {
            match letter(text.get(at..).unwrap_or(&[])) {
                0 => return at,
                length => at += length,
            }
        }
    }
}

/// Four Cyrillic letters have so many bytes.
const FOUR_LETTERS: usize = 8;

/// Bytes of the Cyrillic letters (U+0400 to U+047F: all of Russian) among the first four, told at once: each has two bytes, of
/// which the first is D0 or D1.
fn russian_letters(text: &[u8]) -> usize {
    const FIRST: u64 = 0x00d0_00d0_00d0_00d0;
    const MASK: u64 = 0x00fe_00fe_00fe_00fe;
    let Some(bytes) = text.first_chunk::<FOUR_LETTERS>() else { return 0 };
    let others = (u64::from_le_bytes(*bytes) & MASK) ^ FIRST;
    others.trailing_zeros() as usize / 16 * 2
}

/// Bytes of the letter that a text begins with; none where it begins with none.
fn letter(text: &[u8]) -> usize {
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

/// Bytes of the signs of ASCII that a text begins with and that begin no word.
fn signs(text: &[u8]) -> usize {
    let begins = |byte: &u8| !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"#@$".contains(byte);
    text.iter().position(begins).unwrap_or(text.len())
}

/// Letters of the Latin and Cyrillic alphabets.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{17f}' | '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}')
}

/// Whether letters or a hyphen follow a number at once: `5-й`, `4G`.
fn is_continued(rest: &str) -> bool {
    let mut ahead = rest.chars();
    match ahead.next() {
        Some(c) if c.is_alphanumeric() => true,
        Some('-' | '‑' | '.' | '_' | '+' | '&') => ahead.next().is_some_and(char::is_alphanumeric),
        _ => false,
    }
}

/// A further group of three digits behind a space; its length.
fn group(rest: &str) -> Option<usize> {
    let space = rest.chars().next().filter(|c| matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}'))?;
    let digits = rest.get(space.len_utf8()..)?;
    let is_group = digits.chars().take_while(char::is_ascii_digit).count() == 3
        && !digits.chars().nth(3).is_some_and(char::is_alphanumeric);
    is_group.then_some(space.len_utf8() + 3)
}

/// The parts of a word: between hyphens, dots and the like, and between a number and its unit (`100тг`).
fn pieces(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let joints = |c: char| matches!(c, '-' | '‑' | '.' | ':' | '_');
    let word = text.get(range.clone()).unwrap_or("");
    let parts =
        if word.contains(joints) { runs(text, range.clone(), |c| !joints(c)) } else { vec![range.clone()] };
    let parts: Vec<Range<usize>> = parts.into_iter().flat_map(|part| number_and_unit(text, part)).collect();
    if parts == [range] { Vec::new() } else { parts }
}

/// `100тг` in two; anything else whole, without accents that have lost their letter and signs before it.
fn number_and_unit(text: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let written = text.get(part.clone()).unwrap_or("");
    let begun = written.trim_start_matches(|c| is_mark(c) || !c.is_alphanumeric());
    let start = part.start + written.len() - begun.len();
    let word = text.get(start..part.end).unwrap_or("");
    let unit = word.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 1);
    match unit {
        _ if word.is_empty() => Vec::new(),
        Some(at) if word.chars().skip(at).all(char::is_alphabetic) => {
            vec![start..start + at, start + at..part.end]
        }
        _ => std::iter::once(start..part.end).collect(),
    }
}

/// Runs of characters of a kind.
fn runs(text: &str, range: Range<usize>, belongs: impl Fn(char) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, c) in text.get(range.clone()).unwrap_or("").char_indices() {
        let (start, end) = (range.start + at, range.start + at + c.len_utf8());
        match runs.last_mut() {
            _ if !belongs(c) => (),
            Some(run) if run.end == start => run.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}

/// `СтопКоррупция` is two words; a name without inner capitals is one.
fn camel_parts(name: &str, offset: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut before = ' ';
    for (at, c) in name.char_indices() {
        let (start, end) = (offset + at, offset + at + c.len_utf8());
        let begins = c.is_uppercase() && before.is_lowercase() || (before == '_' && c != '_');
        match parts.last_mut() {
            _ if c == '_' => (),
            Some(part) if part.end == start && !begins => part.end = end,
            _ => parts.push(start..end),
        }
        before = c;
    }
    parts
}

/// Combining accents belong to the letter before them.
pub(crate) fn is_mark(c: char) -> bool {
    c >= '\u{300}' && is_combining_mark(c)
}

/// Pictures: the blocks of Unicode that hold them, and flags.
pub(crate) fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f300}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Kind, &str, &[&str])]) {
        let seen: Vec<(Kind, String, Vec<&str>)> = words(text)
            .map(|cut| {
                let parts = cut.parts.iter().map(|part| text.get(part.clone()).unwrap()).collect();
                (cut.kind, cut.text.into_owned(), parts)
            })
            .collect();
        let expected: Vec<(Kind, String, Vec<&str>)> =
            expected.iter().map(|(kind, word, parts)| (*kind, (*word).to_owned(), parts.to_vec())).collect();
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn words_keep_what_joins_them_and_show_their_parts() {
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
    fn letters_are_told_by_their_bytes_as_by_themselves() {
        for c in (0..=0x3000).filter_map(char::from_u32) {
            let text = c.to_string();
            let expected = if is_letter(c) { text.len() } else { 0 };
            assert_eq!(letters(text.as_bytes()), expected, "{c:?}");
        }
        assert_eq!(letters("Ёлка, да".as_bytes()), "Ёлка".len());
        assert_eq!(letters("ok".as_bytes()), 2);
    }

    proptest::proptest! {
        #[test]
        fn letters_are_told_many_at_a_time_as_one_by_one(text in "[а-яёӘқҒЈA-cü×÷ҁ҂ ,]{0,24}") {
            let end = text.find(|c| !is_letter(c)).unwrap_or(text.len());
            proptest::prop_assert_eq!(letters(text.as_bytes()), end);
        }

        #[test]
        fn any_text_is_cut_in_order_and_within_bounds(text in ".{0,80}") {
            let mut before = 0;
            for cut in words(&text) {
                proptest::prop_assert!(cut.range.start >= before && cut.range.end > cut.range.start);
                proptest::prop_assert!(text.get(cut.range.clone()).is_some());
                for part in &cut.parts {
                    proptest::prop_assert!(part.start >= cut.range.start && part.end <= cut.range.end);
                    proptest::prop_assert!(text.get(part.clone()).is_some());
                }
                before = cut.range.end;
            }
        }
    }
}
