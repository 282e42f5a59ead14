//! Folding: the normal form in which letters are compared.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Folds a word: NFC, lower case, ё as е, straight apostrophes, invisible characters removed.
pub(crate) fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let composed = word.nfc().flat_map(char::to_lowercase).filter(|c| !is_invisible(*c));
    composed
        .map(|c| match c {
            'ё' => 'е',
            '’' | 'ʼ' | '‘' => '\'',
            other => other,
        })
        .collect()
}

/// Returns true for characters that comparison ignores: soft hyphens, joiners, byte order marks and variation
/// selectors, which are invisible; accents that do not compose to a letter (ба́нк) and skin tones, which queries
/// leave out.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{300}'..='\u{36f}' | '\u{1f3fb}'..='\u{1f3ff}'
    )
}

/// Converts a folded word to plain letters: Kazakh letters become similar Russian letters, and accents are removed.
/// `й` is a separate letter and stays.
pub(crate) fn plain(folded: &str) -> String {
    if folded.is_ascii() {
        return folded.to_owned();
    }
    folded.chars().map(to_plain_letter).collect()
}

/// Returns the plain letter of a letter. In a query a plain letter matches itself and its special letters; a special
/// letter matches only itself.
pub(crate) fn to_plain_letter(c: char) -> char {
    match c {
        'қ' => 'к',
        'ғ' => 'г',
        'ә' => 'а',
        'ө' => 'о',
        'ұ' | 'ү' => 'у',
        'і' => 'и',
        'ң' => 'н',
        'һ' => 'х',
        'ё' => 'е',
        'й' => 'й',
        'ı' => 'i',
        'ø' => 'o',
        'ł' => 'l',
        c if (c as u32) < 0xc0 => c,
        c => {
            let mut parts = std::iter::once(c).nfd().filter(|part| !is_combining_mark(*part));
            match (parts.next(), parts.next()) {
                (Some(letter), None) => letter,
                _ => c,
            }
        }
    }
}

/// Returns true if a letter of a query matches a letter of a text.
pub(crate) fn letter_matches(query: char, text: char) -> bool {
    query == text || query == to_plain_letter(text)
}

/// Returns true if a folded word of a query matches a folded word of a text, letter by letter.
pub(crate) fn word_matches(query: &str, text: &str) -> bool {
    if query == text {
        return true;
    }
    if query.is_ascii() && text.is_ascii() {
        return false;
    }
    let (mut query, mut text) = (query.chars(), text.chars());
    loop {
        match (query.next(), text.next()) {
            (None, None) => return true,
            (Some(query), Some(text)) if letter_matches(query, text) => (),
            _ => return false,
        }
    }
}

/// Pairs of a Latin letter and the Cyrillic letter that looks like it.
const LOOK_ALIKES: [(char, char); 24] = [
    ('A', 'А'),
    ('B', 'В'),
    ('C', 'С'),
    ('E', 'Е'),
    ('H', 'Н'),
    ('I', 'І'),
    ('K', 'К'),
    ('M', 'М'),
    ('O', 'О'),
    ('P', 'Р'),
    ('T', 'Т'),
    ('X', 'Х'),
    ('Y', 'У'),
    ('a', 'а'),
    ('c', 'с'),
    ('e', 'е'),
    ('h', 'һ'),
    ('i', 'і'),
    ('k', 'к'),
    ('o', 'о'),
    ('p', 'р'),
    ('x', 'х'),
    ('y', 'у'),
    ('m', 'м'),
];

/// Converts a word that mixes Latin and Cyrillic letters to one script: that of most of its letters, or the other if
/// some letters have no look-alike. Returns `None` if the word is not mixed, or if neither script works.
pub(crate) fn unify_script(word: &str) -> Option<String> {
    let cyrillic = word.chars().filter(|c| is_cyrillic(*c)).count();
    let latin = word.chars().filter(char::is_ascii_alphabetic).count();
    if cyrillic == 0 || latin == 0 {
        return None;
    }
    let in_cyrillic = |c: char| match c.is_ascii_alphabetic() {
        true => LOOK_ALIKES.iter().find(|(latin, _)| *latin == c).map(|(_, cyrillic)| *cyrillic),
        false => Some(c),
    };
    let in_latin = |c: char| match is_cyrillic(c) {
        true => LOOK_ALIKES.iter().find(|(_, cyrillic)| *cyrillic == c).map(|(latin, _)| *latin),
        false => Some(c),
    };
    let as_cyrillic = || word.chars().map(in_cyrillic).collect::<Option<String>>();
    let as_latin = || word.chars().map(in_latin).collect::<Option<String>>();
    if cyrillic >= latin { as_cyrillic().or_else(as_latin) } else { as_latin().or_else(as_cyrillic) }
}

pub(crate) fn is_cyrillic(c: char) -> bool {
    ('\u{400}'..='\u{52f}').contains(&c)
}

/// Returns true for letters that Kazakh has and Russian does not.
pub(crate) fn is_kazakh(c: char) -> bool {
    matches!(
        c,
        'ә' | 'ғ'
            | 'қ'
            | 'ң'
            | 'ө'
            | 'ұ'
            | 'ү'
            | 'һ'
            | 'і'
            | 'Ә'
            | 'Ғ'
            | 'Қ'
            | 'Ң'
            | 'Ө'
            | 'Ұ'
            | 'Ү'
            | 'Һ'
            | 'І'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_letters_of_a_query_match_special_letters_of_a_text() {
        for (query, text, expected) in [
            ("казакстан", "қазақстан", true),
            ("қазақстан", "казакстан", false),
            ("қазакстан", "қазақстан", true),
            ("елка", "елка", true),
            ("cafe", "café", true),
            ("café", "cafe", false),
            ("йод", "иод", false),
            ("иод", "йод", false),
            ("банк", "банка", false),
        ] {
            assert_eq!(word_matches(query, text), expected, "{query} {text}");
        }
    }

    #[test]
    fn folding_removes_invisible_characters() {
        assert_eq!(fold("Ёл\u{ad}КА"), "елка");
        assert_eq!(fold("и\u{306}од"), "йод");
        assert_eq!(fold("Trump’s"), "trump's");
    }

    #[test]
    fn only_mixed_words_are_unmixed() {
        assert_eq!(unify_script("Kаспи").as_deref(), Some("Каспи"));
        assert_eq!(unify_script("Каspi").as_deref(), Some("Kaspi"));
        assert_eq!(unify_script("ФасsФ"), None, "neither s nor Ф has a look-alike");
        assert_eq!(unify_script("TEHГE").as_deref(), Some("ТЕНГЕ"));
        assert_eq!(unify_script("Kaspi"), None);
        assert_eq!(unify_script("KASРI").as_deref(), Some("KASPI"));
    }
}
