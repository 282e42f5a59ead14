//! Near-duplicate detection: recognises reprints of one text, even if they are shortened or framed by other text.
//!
//! A [`Sketch`] holds MinHash values of 64 hash functions over shingles of three words (Broder, "On the resemblance
//! and containment of documents", 1997). It stores 16 bits of each value (b-bit minwise hashing: Li and König,
//! WWW 2010). Bands of four values (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", §3.4) form the keys
//! by which candidate pairs are looked up. Of the pairs that share half of their shingles, two thirds share a band;
//! of the pairs that share four fifths, 99.98 % do.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Timestamp;

/// MinHash values of a sketch.
const MINHASH_VALUES: usize = 64;
/// MinHash values of a band.
const BAND_VALUES: usize = 4;
/// Words of a shingle.
const SHINGLE_WORDS: usize = 3;
/// Minimum words of a text for a similarity estimate. A shorter text can only be identical to another one.
const MIN_SKETCH_WORDS: usize = 30;
/// Minimum words of a text for an exact comparison. Shorter texts are too common for equality to mean anything.
const MIN_EXACT_WORDS: usize = 8;
/// Minimum words of a title for a comparison. Different publications share shorter titles.
const MIN_TITLE_WORDS: usize = 6;

/// The result of near-duplicate detection for an item, as the query field `dup:` filters it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Originality {
    /// The first item of its story, or the only one.
    Original,
    /// A near-duplicate of an earlier item.
    Reprint,
}

impl Originality {
    /// Returns the value as queries write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Reprint => "reprint",
        }
    }

    /// Returns the originality of an item. `similarity` is its similarity to an earlier item, if there is one.
    pub fn of(similarity: Option<Similarity>) -> Self {
        similarity.map_or(Self::Original, |_| Self::Reprint)
    }
}

/// Properties of an item that queries can filter by and that are not part of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemContext {
    /// The time the item was first seen. Queries count its age from here.
    pub at: Timestamp,
    /// The item's originality; `None` until it has been compared with other items.
    pub originality: Option<Originality>,
}

impl ItemContext {
    /// Returns the properties of an item that is first seen at `at`.
    pub fn first_seen(at: Timestamp) -> Self {
        Self { at, originality: None }
    }
}

/// Hashes of a text that allow it to be compared with other texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Hash of all words; `None` for very short texts.
    pub exact: Option<i64>,
    /// Hash of the title's words; `None` for very short titles.
    pub title: Option<i64>,
    /// The low 16 bits of each MinHash value, low byte first; empty for short texts.
    pub sketch: Vec<u8>,
    /// Lookup keys. Texts that are likely to be near-duplicates share at least one key.
    pub keys: Vec<i64>,
}

/// The similarity of two texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// The kind of similarity.
    pub how: SimilarityKind,
    /// The share of shingles that the texts have in common, 0 to 1, estimated from the sketches. The standard
    /// deviation is 0.06 at a share of one half.
    pub share: f64,
}

/// The kind of similarity between two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimilarityKind {
    /// The same words.
    Same,
    /// Mostly the same words in the same order.
    Near,
    /// The same title, where at least one of the texts is too short for a sketch.
    Title,
}

impl SimilarityKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Same, Self::Near, Self::Title];

    /// Returns the kind's identifier.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Near => "near",
            Self::Title => "title",
        }
    }

    /// Parses a kind's identifier.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Sketch {
    /// The share of common shingles from which two texts are reprints of one text.
    pub const MIN_NEAR_SHARE: f64 = 0.5;

    /// Returns the sketch of a publication. `title` and `text` are its words in the normal form in which words are
    /// compared.
    pub fn of(title: &[String], text: &[String]) -> Self {
        let signed_hash = |words: &[String], seed| hash_words(words, seed).cast_signed();
        let exact = (text.len() >= MIN_EXACT_WORDS).then(|| signed_hash(text, 1));
        let title = (title.len() >= MIN_TITLE_WORDS).then(|| signed_hash(title, 2));
        let values = if text.len() >= MIN_SKETCH_WORDS { minhash(text) } else { Vec::new() };
        let mut keys: Vec<i64> = values
            .chunks(BAND_VALUES)
            .enumerate()
            .map(|(index, band)| {
                let bytes: Vec<u8> = band.iter().flat_map(|value| value.to_le_bytes()).collect();
                xxh3_64_with_seed(&bytes, 3 + index as u64).cast_signed()
            })
            .chain(exact)
            .chain(title)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let sketch = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(2)).collect();
        Self { exact, title, sketch, keys }
    }

    /// Compares the sketch with another one; `None` if the texts are not similar.
    ///
    /// Texts of one publisher are similar only if their words are the same. A publisher prints some news every day in
    /// the same form (weather, exchange rates), and each of these is a publication in its own right.
    pub fn similarity(&self, other: &Self, same_publisher: bool) -> Option<Similarity> {
        if self.exact.is_some() && self.exact == other.exact {
            return Some(Similarity { how: SimilarityKind::Same, share: 1.0 });
        }
        if same_publisher {
            return None;
        }
        let share = self.common_share(other);
        if share >= Self::MIN_NEAR_SHARE {
            return Some(Similarity { how: SimilarityKind::Near, share });
        }
        let is_short = self.sketch.is_empty() || other.sketch.is_empty();
        let has_title = self.title.is_some() && self.title == other.title;
        (is_short && has_title).then_some(Similarity { how: SimilarityKind::Title, share: 0.0 })
    }

    /// Estimates the share of shingles that two texts have in common.
    fn common_share(&self, other: &Self) -> f64 {
        if self.sketch.len() != other.sketch.len() || self.sketch.is_empty() {
            return 0.0;
        }
        let pairs = self.sketch.chunks(2).zip(other.sketch.chunks(2));
        pairs.filter(|(one, other)| one == other).count() as f64 / (self.sketch.len() / 2) as f64
    }
}

fn hash_words(words: &[String], seed: u64) -> u64 {
    xxh3_64_with_seed(words.join(" ").as_bytes(), seed)
}

/// Returns the minimum of each of 64 hash functions over the shingles.
fn minhash(words: &[String]) -> Vec<u64> {
    let mut minima = vec![u64::MAX; MINHASH_VALUES];
    for shingle in words.windows(SHINGLE_WORDS) {
        let hash = hash_words(shingle, 0);
        for (index, minimum) in minima.iter_mut().enumerate() {
            // One good hash that is mixed again with each index replaces 64 independent hash functions.
            *minimum = (*minimum).min(mix(hash, index as u64));
        }
    }
    minima
}

/// The output function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), with a different start for each index.
fn mix(hash: u64, index: u64) -> u64 {
    let mut z = hash.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// A text of `count` words that do not occur in a text of another name.
    fn text(name: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{name}{n}")).collect()
    }

    fn sketch(text: &[String]) -> Sketch {
        Sketch::of(&[], text)
    }

    #[test]
    fn reprints_are_distinguished_from_other_texts() {
        let original = text("a", 300);
        let shortened = original[..200].to_vec();
        let framed = [text("intro", 20), original.clone(), text("more", 30)].concat();
        let half = [original[..150].to_vec(), text("b", 150)].concat();
        let mut edited = original.clone();
        for at in [20, 90, 160, 230] {
            edited[at] = "edited".to_owned();
        }
        for (case, other, expected) in [
            ("the same text", original.clone(), Some(SimilarityKind::Same)),
            ("shortened", shortened, Some(SimilarityKind::Near)),
            ("framed", framed, Some(SimilarityKind::Near)),
            ("edited", edited, Some(SimilarityKind::Near)),
            ("half of the text is different", half, None),
            ("a different text", text("b", 300), None),
            ("the same words in reverse order", original.iter().rev().cloned().collect(), None),
        ] {
            let (one, other) = (sketch(&original), sketch(&other));
            let similarity = one.similarity(&other, false);
            assert_eq!(similarity.map(|similarity| similarity.how), expected, "{case}: {similarity:?}");
            let shared = one.keys.iter().filter(|key| other.keys.contains(key)).count();
            assert!(shared > 0 || expected.is_none(), "{case}: no key in common");
            let with_same_publisher = one.similarity(&other, true).map(|similarity| similarity.how);
            assert_eq!(
                with_same_publisher,
                expected.filter(|kind| *kind == SimilarityKind::Same),
                "{case}, same publisher"
            );
        }
    }

    #[test]
    fn short_texts_are_similar_only_if_text_or_title_is_equal() {
        let long = "Нацбанк сохранил базовую ставку на уровне восемнадцати процентов";
        for (one, other, expected) in [
            (("", long), ("", long), Some(SimilarityKind::Same)),
            (("", "Подробности позже"), ("", "Подробности позже"), None),
            (
                ("Нацбанк сохранил базовую ставку без изменений", "Коротко"),
                ("Нацбанк сохранил базовую ставку без изменений", "Иначе"),
                Some(SimilarityKind::Title),
            ),
            (("Главное за день", "Коротко"), ("Главное за день", "Иначе"), None),
            (("", ""), ("", ""), None),
        ] {
            let sketch = |(title, text): (&str, &str)| Sketch::of(&words(title), &words(text));
            let kind = sketch(one).similarity(&sketch(other), false).map(|similarity| similarity.how);
            assert_eq!(kind, expected, "{one:?} {other:?}");
        }
        // Two long texts with the same title are different texts.
        let title = words("Нацбанк сохранил базовую ставку без изменений");
        let sketch = |name| Sketch::of(&title, &text(name, 100));
        assert_eq!(sketch("a").similarity(&sketch("b"), false), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// The sketch estimates the exact share of common shingles within four standard deviations.
        #[test]
        fn the_sketch_estimates_the_share_of_common_shingles(
            common in 0usize..200,
            own in 30usize..200,
            other in 30usize..200,
        ) {
            let one = [text("c", common), text("a", own)].concat();
            let two = [text("c", common), text("b", other)].concat();
            let shingles = |words: &[String]| {
                words.windows(SHINGLE_WORDS).map(|shingle| shingle.join(" ")).collect::<BTreeSet<_>>()
            };
            let (first, second) = (shingles(&one), shingles(&two));
            let exact = first.intersection(&second).count() as f64 / first.union(&second).count() as f64;
            let estimate = sketch(&one).common_share(&sketch(&two));
            let deviation = (exact * (1.0 - exact) / MINHASH_VALUES as f64).sqrt();
            prop_assert!((estimate - exact).abs() <= 4.0 * deviation + 0.03, "{} {}", estimate, exact);
        }
    }
}
