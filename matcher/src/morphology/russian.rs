//! Russian word forms: by dictionary, and by guess for what no dictionary knows.
//!
//! The dictionary is ruMorph's (OpenCorpora and Wiktionary, CC BY-SA 4.0: see NOTICE). A word that it does not know is
//! guessed by its ending, and by Snowball's stem beside it.

use std::sync::LazyLock;

use rumorph::Dictionary;
use rust_stemmers::{Algorithm, Stemmer};

use crate::text::fold::fold;

/// Readings of a form that are kept, the likeliest first: more are of no use.
const READINGS: usize = 6;

static DICTIONARY: LazyLock<Option<Dictionary>> = LazyLock::new(|| Dictionary::bundled().ok());
static SNOWBALL: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::Russian));

/// Whether the dictionary has the word.
pub(super) fn is_known(word: &str) -> bool {
    DICTIONARY.as_ref().is_some_and(|dictionary| dictionary.is_known(word))
}

/// What a folded word of a text may be a form of.
pub(super) fn lemmas(word: &str) -> Vec<String> {
    let Some(dictionary) = DICTIONARY.as_ref() else { return vec![stem(word)] };
    let mut lemmas: Vec<String> =
        dictionary.analyze(word).iter().take(READINGS).map(|reading| fold(&reading.lemma)).collect();
    if !dictionary.is_known(word) {
        lemmas.push(stem(word));
    }
    lemmas
}

/// What a folded word of a query stands for. One that is a lemma itself stands for that lemma alone: `банка` finds cans
/// and not banks.
pub(super) fn asked_for(word: &str) -> Vec<String> {
    let lemmas = lemmas(word);
    if is_known(word) && lemmas.iter().any(|lemma| lemma == word) { vec![word.to_owned()] } else { lemmas }
}

/// Snowball's stem, marked so that it is no word.
pub(super) fn stem(word: &str) -> String {
    format!("{}-", SNOWBALL.stem(word))
}
