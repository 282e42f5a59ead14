//! Lemmas of words in texts and in queries.
//!
//! A word of a query finds a word of a text if they have a lemma in common. A word of a text has the lemmas of all
//! its readings. A word of a query that is a lemma itself has only that lemma, so that `банка` does not find банк.

mod english;
mod kazakh;
mod kazakh_verb;
pub(crate) mod latin;
mod misspelt;
mod russian;

use crate::text::fold::{is_cyrillic, is_kazakh};

/// Upper bound on the bytes of a word that has lemmas. Longer strings are not words.
const MAX_WORD_BYTES: usize = 64;

/// The language of words whose letters do not determine it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum LanguageHint {
    /// Russian or English, by script.
    #[default]
    ByScript,
    /// Kazakh, mixed with Russian and English words.
    Kazakh,
}

/// Returns the possible lemmas of a folded word of a text, sorted and without duplicates.
pub(crate) fn lemmas(word: &str, hint: LanguageHint) -> Vec<String> {
    sorted_unique(literal_lemmas(word, hint))
}

/// Returns the possible lemmas of a lower-case word of a text. It is not a name, so it may be misspelt or
/// abbreviated.
pub(crate) fn lemmas_of_lowercase(word: &str, hint: LanguageHint) -> Vec<String> {
    let mut lemmas = literal_lemmas(word, hint);
    // Kazakh words must not be corrected to Russian ones.
    if hint == LanguageHint::ByScript && matches!(Script::of(word), Script::Cyrillic) {
        lemmas.extend(russian::expand_abbreviation(word));
        if with_collapsed_letters(word).all(|word| !is_known(&word)) {
            lemmas.extend(with_collapsed_letters(word).flat_map(|word| russian::corrected_lemmas(&word)));
        }
    }
    sorted_unique(lemmas)
}

/// Returns the possible lemmas of a word of a text that is probably a name. Лавровым is a form of Лавров rather than
/// лавр, and Маска of Маск rather than маска, but either is possible, so both are returned.
pub(crate) fn lemmas_of_name(word: &str, hint: LanguageHint) -> Vec<String> {
    let mut lemmas = literal_lemmas(word, hint);
    if matches!(Script::of(word), Script::Cyrillic) {
        lemmas.extend(russian::name_lemmas(word));
    }
    sorted_unique(lemmas)
}

fn sorted_unique(mut lemmas: Vec<String>) -> Vec<String> {
    lemmas.sort();
    lemmas.dedup();
    lemmas
}

fn literal_lemmas(word: &str, hint: LanguageHint) -> Vec<String> {
    with_collapsed_letters(word).flat_map(|word| readings(&word, hint)).collect()
}

/// Returns a word, and its spellings with repeated letters collapsed to one or two: поздравляяяем. A word that a
/// dictionary has is not collapsed: СССР.
fn with_collapsed_letters(word: &str) -> impl Iterator<Item = String> {
    let max_times = if is_known(word) { 0 } else { 2 };
    let collapsed = (1..=max_times).filter_map(|times| collapse_letters(word, times));
    std::iter::once(word.to_owned()).chain(collapsed)
}

/// Replaces each run of three or more equal letters by `times` letters. Returns `None` if there is no such run.
fn collapse_letters(word: &str, times: usize) -> Option<String> {
    let letters: Vec<char> = word.chars().collect();
    let runs = || letters.chunk_by(|one, other| one == other && one.is_alphabetic());
    let is_long = runs().any(|run| run.len() > 2);
    is_long.then(|| {
        runs().flat_map(|run| run.iter().take(if run.len() > 2 { times } else { run.len() })).collect()
    })
}

fn readings(word: &str, hint: LanguageHint) -> Vec<String> {
    match Script::of(word) {
        Script::Other => Vec::new(),
        Script::Kazakh => kazakh::lemmas(word),
        Script::Cyrillic if hint == LanguageHint::Kazakh => {
            let mut lemmas = kazakh::lemmas(word);
            if !kazakh::is_known(word) && (lemmas.is_empty() || russian::is_known(word)) {
                lemmas.extend(russian::lemmas(word));
            }
            lemmas
        }
        Script::Cyrillic if russian::is_known(word) => russian::lemmas(word),
        // Kazakh words without specific letters occur in Russian texts as well.
        Script::Cyrillic => [russian::lemmas(word), kazakh::known_lemmas(word)].concat(),
        Script::KazakhLatin => kazakh_latin_lemmas(word),
        Script::Latin if hint == LanguageHint::Kazakh => {
            [english::lemmas(word), kazakh_latin_lemmas(word)].concat()
        }
        Script::Latin => english::lemmas(word),
    }
}

/// Returns the lemmas that a folded word of a query matches, in any language.
pub(crate) fn query_lemmas(word: &str) -> Vec<String> {
    let lemmas = match Script::of(word) {
        Script::Other => Vec::new(),
        Script::Kazakh => kazakh::query_lemmas(word),
        Script::Cyrillic if russian::is_known(word) && !kazakh::is_known(word) => russian::query_lemmas(word),
        // The same name has Kazakh endings in some texts and Russian ones in others.
        Script::Cyrillic if kazakh::is_known(word) && !russian::is_known(word) => {
            [kazakh::query_lemmas(word), russian::name_lemmas(word)].concat()
        }
        Script::Cyrillic => [russian::query_lemmas(word), kazakh::query_lemmas(word)].concat(),
        Script::KazakhLatin => kazakh::query_lemmas(&latin::cyrillic(word)),
        Script::Latin => english::query_lemmas(word),
    };
    sorted_unique(lemmas)
}

/// Returns true if a dictionary has the word. For Kazakh, returns true if the lexicon has the word or one of its
/// lemmas.
pub(crate) fn is_known(word: &str) -> bool {
    match Script::of(word) {
        Script::Kazakh => kazakh::lemmas(word).iter().any(|lemma| kazakh::is_known(lemma)),
        Script::Cyrillic => {
            russian::is_known(word) || kazakh::lemmas(word).iter().any(|lemma| kazakh::is_known(lemma))
        }
        Script::KazakhLatin | Script::Latin | Script::Other => false,
    }
}

/// Returns true if a folded word of a query is in the Kazakh lexicon. Its plain letters then match no special
/// letters.
pub(crate) fn is_in_kazakh_lexicon(word: &str) -> bool {
    kazakh::is_known(word)
}

/// Returns the Snowball stem of a Russian or English word.
pub(crate) fn stem(word: &str) -> Option<String> {
    match Script::of(word) {
        Script::Cyrillic => Some(russian::stem(word)),
        Script::Latin => Some(english::stem(word)),
        _ => None,
    }
}

fn kazakh_latin_lemmas(word: &str) -> Vec<String> {
    let word = latin::cyrillic(word);
    let mut lemmas = kazakh::lemmas(&word);
    lemmas.push(word);
    lemmas
}

enum Script {
    /// Cyrillic with letters that Russian does not have.
    Kazakh,
    Cyrillic,
    /// Latin with letters that English does not have.
    KazakhLatin,
    Latin,
    Other,
}

impl Script {
    fn of(word: &str) -> Self {
        if word.len() > MAX_WORD_BYTES {
            Self::Other
        } else if word.chars().all(|c| c.is_ascii_lowercase() || c == '\'') {
            Self::Latin
        } else if word.chars().all(is_cyrillic) {
            if word.chars().any(is_kazakh) { Self::Kazakh } else { Self::Cyrillic }
        } else if latin::looks_kazakh(word) && word.chars().all(|c| c.is_alphabetic() || c == '\'') {
            Self::KazakhLatin
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(query: &str, text: &str) -> bool {
        let lemmas = lemmas(text, LanguageHint::Kazakh);
        query == text || query_lemmas(query).iter().any(|lemma| lemmas.contains(lemma))
    }

    #[test]
    fn kazakh_pairs_match_as_checked_by_hand() {
        let (mut pairs, mut failures) = (0, Vec::new());
        for line in include_str!("kazakh_pairs.txt").lines().filter(|line| !line.starts_with('#')) {
            let (query, forms) = line.split_once(": ").unwrap();
            let (matching, other_forms) = forms.split_once(" — ").unwrap_or((forms, ""));
            let expected = matching.split_whitespace().map(|form| (form, true));
            for (form, expected) in expected.chain(other_forms.split_whitespace().map(|form| (form, false))) {
                pairs += 1;
                if finds(query, form) != expected {
                    failures.push(format!(
                        "{query}: {form} should match: {expected}, but its lemmas are {:?}",
                        lemmas(form, LanguageHint::Kazakh)
                    ));
                }
            }
        }
        assert!(pairs >= 300, "{pairs} pairs");
        assert!(failures.is_empty(), "{} of {pairs}: {failures:#?}", failures.len());
    }

    #[test]
    fn repeated_letters_are_collapsed() {
        assert!(lemmas("поздравляяяем", LanguageHint::ByScript).contains(&"поздравлять".to_owned()));
        assert!(lemmas("клааасс", LanguageHint::ByScript).contains(&"класс".to_owned()));
        assert!(
            lemmas_of_lowercase("програааама", LanguageHint::ByScript).contains(&"программа".to_owned()),
            "and the spelling is corrected as well"
        );
        assert_eq!(collapse_letters("класс", 1), None);
        assert!(
            !lemmas("ссср", LanguageHint::ByScript).contains(&"среда".to_owned()),
            "a known word is not collapsed"
        );
    }

    #[test]
    fn misspelt_words_are_corrected_except_names_and_kazakh() {
        let has = |lemmas: Vec<String>, lemma: &str| lemmas.contains(&lemma.to_owned());
        assert!(has(lemmas_of_lowercase("програмы", LanguageHint::ByScript), "программа"));
        assert!(!has(lemmas("програмы", LanguageHint::ByScript), "программа"));
        assert!(!has(lemmas_of_lowercase("програмы", LanguageHint::Kazakh), "программа"));
        assert!(!has(query_lemmas("програмы"), "программа"), "words of queries are not corrected");
        assert!(has(lemmas_of_lowercase("зп", LanguageHint::ByScript), "зарплата"));
        assert!(!has(query_lemmas("обл"), "область"));
        for (word, other) in
            [("каспи", "каспий"), ("кавер", "ковер"), ("зумер", "зуммер"), ("кооошка", "кашка")]
        {
            assert!(!has(lemmas_of_lowercase(word, LanguageHint::ByScript), other), "{word}");
        }
    }
}
