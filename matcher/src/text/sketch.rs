//! The sketch of an item, by which near-duplicates are detected.

use model::{Item, Sketch};

use super::fold::fold;
use super::words;

/// Computes the sketch of an item from its folded words, so that differences of case, punctuation and typography do
/// not count.
pub fn sketch(item: &Item) -> Sketch {
    let folded_words = |text: &str| words::words(text).map(|word| fold(&word.text)).collect::<Vec<String>>();
    Sketch::of(&folded_words(item.title.as_deref().unwrap_or("")), &folded_words(&item.text))
}
