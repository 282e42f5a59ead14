//! Word forms: what a word and its inflections have in common.
//!
//! Snowball for Russian (Cyrillic words) and English (Latin words). Words with Kazakh letters keep
//! their form: a Russian stemmer would cut them at random.

use rust_stemmers::{Algorithm, Stemmer};

/// Stems words; holds the tables, so make one and keep it.
pub(crate) struct Stems {
    russian: Stemmer,
    english: Stemmer,
}

impl Default for Stems {
    fn default() -> Self {
        Self { russian: Stemmer::create(Algorithm::Russian), english: Stemmer::create(Algorithm::English) }
    }
}

impl Stems {
    /// The stem of a folded word.
    pub(crate) fn stem(&self, word: &str) -> String {
        if word.chars().any(is_kazakh) {
            word.to_owned()
        } else if word.chars().all(|c| ('а'..='я').contains(&c)) {
            country(word).map_or_else(|| self.russian.stem(word).into_owned(), str::to_owned)
        } else if word.chars().all(|c| c.is_ascii_lowercase() || c == '\'') {
            self.english.stem(word.trim_end_matches("'s")).into_owned()
        } else {
            word.to_owned()
        }
    }
}

/// Countries and regions in -стан: Snowball takes the endings of some of their cases for a verb's, and
/// would part Казахстана from Казахстане.
fn country(word: &str) -> Option<&str> {
    let at = word.rfind("стан").filter(|at| *at > 0)? + "стан".len();
    let (name, ending) = word.split_at_checked(at)?;
    matches!(ending, "" | "а" | "у" | "ом" | "е" | "ы" | "ов" | "ам" | "ами" | "ах").then_some(name)
}

fn is_kazakh(c: char) -> bool {
    "әғқңөұүһі".contains(c)
}
