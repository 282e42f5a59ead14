//! Word forms: what a word of a text may be a form of, and what a word of a query stands for.
//!
//! A word of a query finds a word of a text where one of the things that the one stands for is one of those that the
//! other may be a form of. The text keeps every reading; the query prefers the word itself where it is a dictionary's
//! form, so that `банка` does not find банк.

mod english;
mod kazakh;
mod kazakh_verb;
pub(crate) mod latin;
mod misspelt;
mod russian;

use crate::text::fold::{is_cyrillic, is_kazakh};

/// Longer words have no forms: they are no words.
const LONGEST: usize = 64;

/// What the words of a text without letters of their own are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Tongue {
    /// Russian, or English by its letters.
    #[default]
    Usual,
    /// Kazakh, with Russian and English words among its own.
    Kazakh,
}

/// What a folded word of a text may be a form of. Without repetitions, in order.
pub(crate) fn lemmas(word: &str, tongue: Tongue) -> Vec<String> {
    in_order(as_written(word, tongue))
}

/// The same of what is written in small letters, which is no name: it may be misspelt, or written for short.
pub(crate) fn lemmas_of_small(word: &str, tongue: Tongue) -> Vec<String> {
    let mut lemmas = as_written(word, tongue);
    // Of what may be Kazakh nobody knows how it is spelt in Russian.
    if tongue == Tongue::Usual && matches!(Script::of(word), Script::Cyrillic) {
        lemmas.extend(russian::whole(word));
        if drawn_out(word).all(|word| !knows(&word)) {
            lemmas.extend(drawn_out(word).flat_map(|word| russian::meant(&word)));
        }
    }
    in_order(lemmas)
}

/// The same of what is probably a name: Лавровым is not of лавр, nor Маска of маска, but both may be.
pub(crate) fn lemmas_of_name(word: &str, tongue: Tongue) -> Vec<String> {
    let mut lemmas = as_written(word, tongue);
    if matches!(Script::of(word), Script::Cyrillic) {
        lemmas.extend(russian::of_name(word));
    }
    in_order(lemmas)
}

fn in_order(mut lemmas: Vec<String>) -> Vec<String> {
    lemmas.sort();
    lemmas.dedup();
    lemmas
}

fn as_written(word: &str, tongue: Tongue) -> Vec<String> {
    drawn_out(word).flat_map(|word| readings(&word, tongue)).collect()
}

/// A word, and what it is if a letter was drawn out. Поздравляяяем: nobody knows how often a letter was meant. СССР is as
/// it should be.
fn drawn_out(word: &str) -> impl Iterator<Item = String> {
    let most = if knows(word) { 0 } else { 2 };
    let shortened = (1..=most).filter_map(|times| shortened(word, times));
    std::iter::once(word.to_owned()).chain(shortened)
}

/// A word in which a letter stands three times or more in a row, with that letter so many times.
fn shortened(word: &str, times: usize) -> Option<String> {
    let letters: Vec<char> = word.chars().collect();
    let runs = || letters.chunk_by(|one, other| one == other && one.is_alphabetic());
    let is_long = runs().any(|run| run.len() > 2);
    is_long.then(|| {
        runs().flat_map(|run| run.iter().take(if run.len() > 2 { times } else { run.len() })).collect()
    })
}

fn readings(word: &str, tongue: Tongue) -> Vec<String> {
    match Script::of(word) {
        Script::Other => Vec::new(),
        Script::Kazakh => kazakh::lemmas(word),
        Script::Cyrillic if tongue == Tongue::Kazakh => {
            let mut lemmas = kazakh::lemmas(word);
            if !kazakh::knows(word) && (lemmas.is_empty() || russian::is_known(word)) {
                lemmas.extend(russian::lemmas(word));
            }
            lemmas
        }
        Script::Cyrillic if russian::is_known(word) => russian::lemmas(word),
        // Kazakh words without letters of their own come in Russian texts as well.
        Script::Cyrillic => [russian::lemmas(word), kazakh::known_lemmas(word)].concat(),
        Script::KazakhLatin => kazakh_latin(word),
        Script::Latin if tongue == Tongue::Kazakh => [english::lemmas(word), kazakh_latin(word)].concat(),
        Script::Latin => english::lemmas(word),
    }
}

/// What a folded word of a query stands for, in whatever language it may be.
pub(crate) fn asked_for(word: &str) -> Vec<String> {
    let asked = match Script::of(word) {
        Script::Other => Vec::new(),
        Script::Kazakh => kazakh::asked_for(word),
        Script::Cyrillic if russian::is_known(word) && !kazakh::knows(word) => russian::asked_for(word),
        // Names are Kazakh in one text and Russian in the next.
        Script::Cyrillic if kazakh::knows(word) && !russian::is_known(word) => {
            [kazakh::asked_for(word), russian::of_name(word)].concat()
        }
        Script::Cyrillic => [russian::asked_for(word), kazakh::asked_for(word)].concat(),
        Script::KazakhLatin => kazakh::asked_for(&latin::cyrillic(word)),
        Script::Latin => english::asked_for(word),
    };
    in_order(asked)
}

/// Whether a dictionary has the word; of Kazakh, whether the list of stems has it or one that it is a form of.
pub(crate) fn knows(word: &str) -> bool {
    match Script::of(word) {
        Script::Kazakh => kazakh::lemmas(word).iter().any(|lemma| kazakh::knows(lemma)),
        Script::Cyrillic => {
            russian::is_known(word) || kazakh::lemmas(word).iter().any(|lemma| kazakh::knows(lemma))
        }
        Script::KazakhLatin | Script::Latin | Script::Other => false,
    }
}

/// Whether a folded word of a query is Kazakh as it stands, so that its letters mean no others.
pub(crate) fn is_kazakh_word(word: &str) -> bool {
    kazakh::knows(word)
}

/// Snowball's stem of a Russian or English word.
pub(crate) fn stem(word: &str) -> Option<String> {
    match Script::of(word) {
        Script::Cyrillic => Some(russian::stem(word)),
        Script::Latin => Some(english::stem(word)),
        _ => None,
    }
}

fn kazakh_latin(word: &str) -> Vec<String> {
    let word = latin::cyrillic(word);
    let mut lemmas = kazakh::lemmas(&word);
    lemmas.push(word);
    lemmas
}

enum Script {
    /// With letters that Russian has not.
    Kazakh,
    Cyrillic,
    /// With letters that English has not.
    KazakhLatin,
    Latin,
    Other,
}

impl Script {
    fn of(word: &str) -> Self {
        if word.len() > LONGEST {
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
        let lemmas = lemmas(text, Tongue::Kazakh);
        query == text || asked_for(query).iter().any(|asked| lemmas.contains(asked))
    }

    #[test]
    fn kazakh_pairs_that_were_checked_by_hand() {
        let (mut pairs, mut wrong) = (0, Vec::new());
        for line in include_str!("kazakh_pairs.txt").lines().filter(|line| !line.starts_with('#')) {
            let (query, forms) = line.split_once(": ").unwrap();
            let (its, others) = forms.split_once(" — ").unwrap_or((forms, ""));
            let expected = its.split_whitespace().map(|form| (form, true));
            for (form, expected) in expected.chain(others.split_whitespace().map(|form| (form, false))) {
                pairs += 1;
                if finds(query, form) != expected {
                    wrong.push(format!(
                        "{query}: {form} is {expected}, of {:?}",
                        lemmas(form, Tongue::Kazakh)
                    ));
                }
            }
        }
        assert!(pairs >= 300, "{pairs} pairs");
        assert!(wrong.is_empty(), "{} of {pairs}: {wrong:#?}", wrong.len());
    }

    #[test]
    fn letters_that_are_drawn_out_are_shortened() {
        assert!(lemmas("поздравляяяем", Tongue::Usual).contains(&"поздравлять".to_owned()));
        assert!(lemmas("клааасс", Tongue::Usual).contains(&"класс".to_owned()));
        assert!(
            lemmas_of_small("програааама", Tongue::Usual).contains(&"программа".to_owned()),
            "with a slip beside"
        );
        assert_eq!(shortened("класс", 1), None);
        assert!(!lemmas("ссср", Tongue::Usual).contains(&"среда".to_owned()), "it is a word");
    }

    #[test]
    fn misspelt_words_are_found_where_they_are_neither_names_nor_kazakh() {
        let has = |lemmas: Vec<String>, lemma: &str| lemmas.contains(&lemma.to_owned());
        assert!(has(lemmas_of_small("програмы", Tongue::Usual), "программа"));
        assert!(!has(lemmas("програмы", Tongue::Usual), "программа"));
        assert!(!has(lemmas_of_small("програмы", Tongue::Kazakh), "программа"));
        assert!(!has(asked_for("програмы"), "программа"), "a query is taken at its word");
        assert!(has(lemmas_of_small("зп", Tongue::Usual), "зарплата"));
        assert!(!has(asked_for("обл"), "область"));
        for (word, other) in
            [("каспи", "каспий"), ("кавер", "ковер"), ("зумер", "зуммер"), ("кооошка", "кашка")]
        {
            assert!(!has(lemmas_of_small(word, Tongue::Usual), other), "{word}");
        }
    }
}
