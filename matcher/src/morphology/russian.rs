//! Russian word forms: by dictionary, and by guess for what no dictionary knows.
//!
//! The dictionary is ruMorph's (OpenCorpora and Wiktionary, CC BY-SA 4.0: see NOTICE). A word that it does not know is
//! guessed by its ending, and by Snowball's stem beside it.

use std::sync::LazyLock;

use rumorph::Dictionary;
use rust_stemmers::{Algorithm, Stemmer};

use super::misspelt;
use crate::text::fold::fold;

/// A reading that is rarer than this among a form's is not kept: `уже` is no form of уж, and `стали` is one of сталь.
const RAREST: f64 = 0.005;
/// Shorter words of a query are abbreviations, and stand for themselves.
const SHORTEST: usize = 3;

/// What is written for short, where the dictionary does not say it (it has млн and руб), and where it is hardly ever another
/// word. In capitals they mean something else: ВС is a court, and ГА an assembly.
const ABBREVIATED: &[(&str, &str)] = &[
    ("пн", "понедельник"),
    ("вт", "вторник"),
    ("чт", "четверг"),
    ("пт", "пятница"),
    ("сб", "суббота"),
    ("вс", "воскресенье"),
    ("янв", "январь"),
    ("фев", "февраль"),
    ("февр", "февраль"),
    ("апр", "апрель"),
    ("июн", "июнь"),
    ("июл", "июль"),
    ("авг", "август"),
    ("сент", "сентябрь"),
    ("окт", "октябрь"),
    ("нояб", "ноябрь"),
    ("дек", "декабрь"),
    ("мл", "миллилитр"),
    ("га", "гектар"),
    ("обл", "область"),
    ("мкр", "микрорайон"),
    ("мкрн", "микрорайон"),
    ("акад", "академик"),
    ("доц", "доцент"),
    ("зп", "зарплата"),
];

static DICTIONARY: LazyLock<Option<Dictionary>> = LazyLock::new(|| Dictionary::bundled().ok());
static SNOWBALL: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::Russian));

/// Whether the dictionary has the word.
pub(super) fn is_known(word: &str) -> bool {
    DICTIONARY.as_ref().is_some_and(|dictionary| dictionary.is_known(word))
}

/// What a folded word of a text may be a form of.
pub(super) fn lemmas(word: &str) -> Vec<String> {
    let mut lemmas: Vec<String> = readings(word);
    if !is_known(word) {
        lemmas.extend(of_name(word));
    }
    lemmas
}

/// What a word is written short for.
pub(super) fn whole(word: &str) -> Option<String> {
    ABBREVIATED.iter().find(|(short, _)| *short == word).map(|(_, whole)| (*whole).to_owned())
}

/// What a word that the dictionary does not have may be a form of, if it was misspelt.
pub(super) fn meant(word: &str) -> Vec<String> {
    misspelt::meant(word).filter(|meant| is_known(meant)).flat_map(|meant| readings(&meant)).collect()
}

/// What a folded word of a query stands for. One that is a lemma itself stands for that lemma alone: `банка` finds cans
/// and not banks. By their stems it finds words that no dictionary knows.
pub(super) fn asked_for(word: &str) -> Vec<String> {
    if word.chars().count() < SHORTEST {
        return vec![word.to_owned()];
    }
    let mut lemmas = lemmas(word);
    if is_known(word) && lemmas.iter().any(|lemma| lemma == word) {
        // Words of texts have a stem only where no dictionary knows them.
        return [word.to_owned(), stem(word)].into_iter().chain(surname(word)).collect();
    }
    lemmas.push(stem(word));
    lemmas.extend(surname(word));
    lemmas
}

/// What a name may be a form of, though the dictionary has it as a common word's.
pub(super) fn of_name(word: &str) -> Vec<String> {
    surname(word).into_iter().chain(in_short_i(word)).chain([stem(word)]).collect()
}

/// The name of a form: Костаная, Костанаю, Костанаем and Костанае are of Костанай.
fn in_short_i(word: &str) -> Option<String> {
    const SHORTEST_NAME: usize = 3;
    let stem = ["я", "ю", "ем", "е"].iter().find_map(|ending| word.strip_suffix(ending))?;
    (stem.ends_with(['а', 'е']) && stem.chars().count() >= SHORTEST_NAME).then(|| format!("{stem}й"))
}

/// The lemmas that the dictionary has for a form, or guesses, but for the rarest.
fn readings(word: &str) -> Vec<String> {
    let Some(dictionary) = DICTIONARY.as_ref() else { return Vec::new() };
    let mut shares: Vec<(String, f64)> = Vec::new();
    for reading in dictionary.analyze(word) {
        let lemma = fold(&reading.lemma);
        match shares.iter_mut().find(|(known, _)| *known == lemma) {
            Some((_, share)) => *share += reading.prob,
            None => shares.push((lemma, reading.prob)),
        }
    }
    shares.into_iter().filter(|(_, share)| *share >= RAREST).map(|(lemma, _)| lemma).collect()
}

/// The man's name of a surname's form: Рыбникова, Рыбниковым and Рыбниковы are of Рыбников.
fn surname(word: &str) -> Option<String> {
    const ENDINGS: &[&str] = &["", "а", "у", "ым", "е", "ой", "ою", "ы", "ых", "ыми"];
    const SUFFIXES: &[&str] = &["ов", "ев", "ин", "ын"];
    const SHORTEST_SURNAME: usize = 5;
    let names = ENDINGS.iter().filter_map(|ending| word.strip_suffix(ending));
    names
        .filter(|name| SUFFIXES.iter().any(|suffix| name.ends_with(suffix)))
        .find(|name| name.chars().count() >= SHORTEST_SURNAME)
        .map(str::to_owned)
}

/// Snowball's stem, marked so that it is no word.
pub(super) fn stem(word: &str) -> String {
    format!("{}-", SNOWBALL.stem(word))
}
