//! Russian lemmas, by dictionary, and by guesses for unknown words.
//!
//! The dictionary is that of ruMorph (OpenCorpora and Wiktionary, CC BY-SA 4.0: see NOTICE). An unknown word gets the
//! lemmas that its ending suggests, and its Snowball stem.

use std::sync::LazyLock;

use rumorph::Dictionary;
use rust_stemmers::{Algorithm, Stemmer};

use super::misspelt;
use crate::text::fold::fold;

/// Minimum probability of a reading of a form. It excludes уж as a lemma of `уже`, but keeps сталь for `стали`.
const MIN_READING_SHARE: f64 = 0.005;
/// Minimum letters of a word of a query that is analysed. Shorter words are abbreviations and match only themselves.
const MIN_QUERY_LETTERS: usize = 3;

/// Abbreviations and their words. Lists those that the dictionary does not have (it has млн and руб) and that are
/// rarely another word. They apply to lower-case words only: in capitals, ВС is a court and ГА an assembly.
const ABBREVIATIONS: &[(&str, &str)] = &[
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

/// Returns true if the dictionary has the word.
pub(super) fn is_known(word: &str) -> bool {
    DICTIONARY.as_ref().is_some_and(|dictionary| dictionary.is_known(word))
}

/// Returns the possible lemmas of a folded word of a text.
pub(super) fn lemmas(word: &str) -> Vec<String> {
    let mut lemmas: Vec<String> = readings(word);
    if !is_known(word) {
        lemmas.extend(name_lemmas(word));
    }
    lemmas
}

/// Returns the expansion of an abbreviation.
pub(super) fn expand_abbreviation(word: &str) -> Option<String> {
    ABBREVIATIONS.iter().find(|(short, _)| *short == word).map(|(_, word)| (*word).to_owned())
}

/// Returns the lemmas of the dictionary words that a misspelt word may have been meant as.
pub(super) fn corrected_lemmas(word: &str) -> Vec<String> {
    misspelt::corrections(word).filter(|word| is_known(word)).flat_map(|word| readings(&word)).collect()
}

/// Returns the lemmas that a folded word of a query matches. A word that is a lemma itself matches only that lemma:
/// `банка` finds cans and not banks. The stem is included to find words that the dictionary does not have.
pub(super) fn query_lemmas(word: &str) -> Vec<String> {
    if word.chars().count() < MIN_QUERY_LETTERS {
        return vec![word.to_owned()];
    }
    let mut lemmas = lemmas(word);
    if is_known(word) && lemmas.iter().any(|lemma| lemma == word) {
        // Words of texts have a stem only if the dictionary does not have them.
        return [word.to_owned(), stem(word)].into_iter().chain(surname(word)).collect();
    }
    lemmas.push(stem(word));
    lemmas.extend(surname(word));
    lemmas
}

/// Returns the possible lemmas of a word as a name, even if the dictionary has it as a form of a common word.
pub(super) fn name_lemmas(word: &str) -> Vec<String> {
    surname(word).into_iter().chain(name_in_short_i(word)).chain([stem(word)]).collect()
}

/// Returns the name in `й` of an inflected form: Костанай for Костаная, Костанаю, Костанаем and Костанае.
fn name_in_short_i(word: &str) -> Option<String> {
    const MIN_NAME_LETTERS: usize = 3;
    let stem = ["я", "ю", "ем", "е"].iter().find_map(|ending| word.strip_suffix(ending))?;
    (stem.ends_with(['а', 'е']) && stem.chars().count() >= MIN_NAME_LETTERS).then(|| format!("{stem}й"))
}

/// Returns the lemmas that the dictionary has or guesses for a form, without the rarest.
fn readings(word: &str) -> Vec<String> {
    let Some(dictionary) = DICTIONARY.as_ref() else { return Vec::new() };
    let mut shares: Vec<(String, f64)> = Vec::new();
    for reading in dictionary.analyze(word) {
        let lemma = fold(&reading.lemma);
        match shares.iter_mut().find(|(other, _)| *other == lemma) {
            Some((_, share)) => *share += reading.prob,
            None => shares.push((lemma, reading.prob)),
        }
    }
    shares.into_iter().filter(|(_, share)| *share >= MIN_READING_SHARE).map(|(lemma, _)| lemma).collect()
}

/// Returns the masculine base form of a surname: Рыбников for Рыбникова, Рыбниковым and Рыбниковы.
fn surname(word: &str) -> Option<String> {
    const ENDINGS: &[&str] = &["", "а", "у", "ым", "е", "ой", "ою", "ы", "ых", "ыми"];
    const SUFFIXES: &[&str] = &["ов", "ев", "ин", "ын"];
    const MIN_SURNAME_LETTERS: usize = 5;
    let names = ENDINGS.iter().filter_map(|ending| word.strip_suffix(ending));
    names
        .filter(|name| SUFFIXES.iter().any(|suffix| name.ends_with(suffix)))
        .find(|name| name.chars().count() >= MIN_SURNAME_LETTERS)
        .map(str::to_owned)
}

/// Returns the Snowball stem, with a hyphen that distinguishes it from a word.
pub(super) fn stem(word: &str) -> String {
    format!("{}-", SNOWBALL.stem(word))
}
