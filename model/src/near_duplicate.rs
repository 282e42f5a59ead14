//! What tells that two texts are one: reprints are found by it, however they were cut and framed.
//!
//! MinHash of 64 values over shingles of three words (Broder, "On the resemblance and containment of documents", 1997), of
//! which 16 bits each are kept (b-bit minwise hashing: Li and König, WWW 2010). Bands of four values (Leskovec, Rajaraman and
//! Ullman, "Mining of Massive Datasets", §3.4) are the keys under which likely pairs are looked up: of pairs with half of
//! their shingles in common two thirds share a band, of those with four fifths 99.98 %.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Timestamp;

/// Values of a sketch.
const VALUES: usize = 64;
/// Values of a band.
const BAND: usize = 4;
/// Words of a shingle.
const SHINGLE: usize = 3;
/// Texts of fewer words say too little to be called alike; they may be the same.
const FEWEST: usize = 30;
/// Texts of fewer words than this are like too many others even where they are the same.
const FEWEST_SAME: usize = 8;
/// Titles of fewer words are nobody's own.
const FEWEST_TITLE: usize = 6;

/// Whether an item was there before all that are like it: what `dup:` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Originality {
    /// The first of its story, or the only one.
    Original,
    /// Another was there before it.
    Reprint,
}

impl Originality {
    /// As it is written in queries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Reprint => "reprint",
        }
    }

    /// That of an item which is like an earlier one, or like none.
    pub fn of(similarity: Option<Similarity>) -> Self {
        similarity.map_or(Self::Original, |_| Self::Reprint)
    }
}

/// How an item came to us: what topics may ask for beside what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// When it was first seen: ages are counted from here.
    pub at: Timestamp,
    /// `None` where it was not looked at beside others yet.
    pub originality: Option<Originality>,
}

impl Sight {
    /// Of what is seen now for the first time.
    pub fn first(at: Timestamp) -> Self {
        Self { at, originality: None }
    }
}

/// What a text is known by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Hash of all its words.
    pub exact: Option<i64>,
    /// Hash of its title's words.
    pub title: Option<i64>,
    /// Sixteen bits of each value, low byte first; empty where the text is short.
    pub sketch: Vec<u8>,
    /// Under these it is looked up: it shares one with whatever it is likely to be like.
    pub keys: Vec<i64>,
}

/// How one text is another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// In which way.
    pub how: SimilarityKind,
    /// The share of shingles that they have in common, 0 to 1, as the sketches tell (standard deviation .06 at one half).
    pub share: f64,
}

/// In which way texts are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimilarityKind {
    /// The same words.
    Same,
    /// Most of the words, in the same order.
    Near,
    /// The same title, of a text that is not to be had whole.
    Title,
}

impl SimilarityKind {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::Same, Self::Near, Self::Title];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Near => "near",
            Self::Title => "title",
        }
    }

    /// Reads it back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|how| how.as_str() == text)
    }
}

impl Sketch {
    /// So much of two texts in common makes them reprints of one.
    pub const ENOUGH: f64 = 0.5;

    /// Of a text, by its words as they are compared.
    pub fn of(title: &[String], text: &[String]) -> Self {
        let whole = |words: &[String], seed| fingerprint(words, seed).cast_signed();
        let exact = (text.len() >= FEWEST_SAME).then(|| whole(text, 1));
        let title = (title.len() >= FEWEST_TITLE).then(|| whole(title, 2));
        let values = if text.len() >= FEWEST { values(text) } else { Vec::new() };
        let mut keys: Vec<i64> = values
            .chunks(BAND)
            .enumerate()
            .map(|(number, band)| {
                let bytes: Vec<u8> = band.iter().flat_map(|value| value.to_le_bytes()).collect();
                xxh3_64_with_seed(&bytes, 3 + number as u64).cast_signed()
            })
            .chain(exact)
            .chain(title)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let sketch = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(2)).collect();
        Self { exact, title, sketch, keys }
    }

    /// How it is another text of the same publisher, or of another one. What a publisher prints each day in the same form (the
    /// weather, the rates) is news each day: of one publisher only the same words are one text.
    pub fn similarity(&self, other: &Self, same_publisher: bool) -> Option<Similarity> {
        if self.exact.is_some() && self.exact == other.exact {
            return Some(Similarity { how: SimilarityKind::Same, share: 1.0 });
        }
        if same_publisher {
            return None;
        }
        let share = self.share(other);
        if share >= Self::ENOUGH {
            return Some(Similarity { how: SimilarityKind::Near, share });
        }
        let is_short = self.sketch.is_empty() || other.sketch.is_empty();
        let has_title = self.title.is_some() && self.title == other.title;
        (is_short && has_title).then_some(Similarity { how: SimilarityKind::Title, share: 0.0 })
    }

    fn share(&self, other: &Self) -> f64 {
        if self.sketch.len() != other.sketch.len() || self.sketch.is_empty() {
            return 0.0;
        }
        let pairs = self.sketch.chunks(2).zip(other.sketch.chunks(2));
        pairs.filter(|(one, other)| one == other).count() as f64 / (self.sketch.len() / 2) as f64
    }
}

fn fingerprint(words: &[String], seed: u64) -> u64 {
    xxh3_64_with_seed(words.join(" ").as_bytes(), seed)
}

/// The least value of each of 64 hash functions over the shingles.
fn values(words: &[String]) -> Vec<u64> {
    let mut least = vec![u64::MAX; VALUES];
    for shingle in words.windows(SHINGLE) {
        let hash = fingerprint(shingle, 0);
        for (number, least) in least.iter_mut().enumerate() {
            // One good hash, mixed again with each number, is as good as 64.
            *least = (*least).min(mixed(hash, number as u64));
        }
    }
    least
}

/// SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014), begun at another place for each number.
fn mixed(hash: u64, number: u64) -> u64 {
    let mut z = hash.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
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

    /// So many words that are in no other text of another name.
    fn text(name: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{name}{n}")).collect()
    }

    fn of(text: &[String]) -> Sketch {
        Sketch::of(&[], text)
    }

    #[test]
    fn reprints_are_told_from_other_texts() {
        let original = text("a", 300);
        let cut = original[..200].to_vec();
        let framed = [text("intro", 20), original.clone(), text("more", 30)].concat();
        let half = [original[..150].to_vec(), text("b", 150)].concat();
        let mut edited = original.clone();
        for at in [20, 90, 160, 230] {
            edited[at] = "edited".to_owned();
        }
        for (what, other, expected) in [
            ("itself", original.clone(), Some(SimilarityKind::Same)),
            ("cut", cut, Some(SimilarityKind::Near)),
            ("framed", framed, Some(SimilarityKind::Near)),
            ("edited", edited, Some(SimilarityKind::Near)),
            ("half of another", half, None),
            ("another", text("b", 300), None),
            ("its words in another order", original.iter().rev().cloned().collect(), None),
        ] {
            let (one, other) = (of(&original), of(&other));
            let similarity = one.similarity(&other, false);
            assert_eq!(similarity.map(|similarity| similarity.how), expected, "{what}: {similarity:?}");
            let shared = one.keys.iter().filter(|key| other.keys.contains(key)).count();
            assert!(shared > 0 || expected.is_none(), "{what}: it would not be looked up");
            let of_one_publisher = one.similarity(&other, true).map(|similarity| similarity.how);
            assert_eq!(
                of_one_publisher,
                expected.filter(|how| *how == SimilarityKind::Same),
                "{what}, by one publisher"
            );
        }
    }

    #[test]
    fn short_texts_are_the_same_or_nothing() {
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
            let of = |(title, text): (&str, &str)| Sketch::of(&words(title), &words(text));
            let how = of(one).similarity(&of(other), false).map(|similarity| similarity.how);
            assert_eq!(how, expected, "{one:?} {other:?}");
        }
        // Two whole texts under one title are two texts.
        let title = words("Нацбанк сохранил базовую ставку без изменений");
        let of = |name| Sketch::of(&title, &text(name, 100));
        assert_eq!(of("a").similarity(&of("b"), false), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// The sketch tells what counting all shingles tells, within four standard deviations.
        #[test]
        fn the_sketch_estimates_the_share(common in 0usize..200, own in 30usize..200, other in 30usize..200) {
            let one = [text("c", common), text("a", own)].concat();
            let two = [text("c", common), text("b", other)].concat();
            let shingles = |words: &[String]| words.windows(SHINGLE).map(|shingle| shingle.join(" ")).collect::<BTreeSet<_>>();
            let (all, both) = (shingles(&one), shingles(&two));
            let truth = all.intersection(&both).count() as f64 / all.union(&both).count() as f64;
            let share = of(&one).share(&of(&two));
            let deviation = (truth * (1.0 - truth) / VALUES as f64).sqrt();
            prop_assert!((share - truth).abs() <= 4.0 * deviation + 0.03, "{} {}", share, truth);
        }
    }
}
