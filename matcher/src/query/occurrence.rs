//! Occurrences of the operands of a query in a document, and the distances between them.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::MaxDistance;
use crate::text::Word;

/// Upper bound on the length of a phrase, in words.
const MAX_PHRASE_LENGTH: u32 = 2_100;

/// An occurrence of an expression: its first and last position, and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) sentence: u32,
    pub(super) paragraph: u32,
    /// The first and last word of each piece, as indices in the document.
    pub(super) pieces: Vec<(u32, u32)>,
}

impl Occurrence {
    pub(super) fn of_word(index: u32, word: &Word) -> Self {
        Self {
            first: word.at,
            last: word.at + word.width() - 1,
            sentence: word.sentence,
            paragraph: word.paragraph,
            pieces: vec![(index, index)],
        }
    }
}

/// Assigns a distinct position to each term, or returns `None` if there are too few positions. `window` has the
/// candidate positions of each term, with the indices of the words.
///
/// Uses augmenting paths (Kuhn 1955), which take no longer than terms times positions.
pub(super) fn assign_positions(window: &[Vec<(u32, u32)>]) -> Option<Vec<(u32, u32)>> {
    let mut owners: BTreeMap<u32, usize> = BTreeMap::new();
    for term in 0..window.len() {
        if !assign_position(window, term, &mut BTreeSet::new(), &mut owners) {
            return None;
        }
    }
    let candidate = |(position, term): (&u32, &usize)| {
        window.get(*term)?.iter().find(|candidate| candidate.0 == *position).copied()
    };
    owners.iter().map(candidate).collect()
}

/// Assigns a position to a term, and moves other terms if necessary. The recursion is at most as deep as the number of
/// terms.
fn assign_position(
    window: &[Vec<(u32, u32)>],
    term: usize,
    visited: &mut BTreeSet<u32>,
    owners: &mut BTreeMap<u32, usize>,
) -> bool {
    for (position, _) in window.get(term).into_iter().flatten() {
        if !visited.insert(*position) {
            continue;
        }
        let owner = owners.get(position).copied();
        if owner.is_none_or(|other| assign_position(window, other, visited, owners)) {
            owners.insert(*position, term);
            return true;
        }
    }
    false
}

/// Returns the occurrences that may be within reach of one, from a list sorted by position.
pub(super) fn neighbours<'o>(
    all: &'o [Occurrence],
    one: &Occurrence,
    reach: MaxDistance,
) -> impl Iterator<Item = &'o Occurrence> + use<'o> {
    let (low, high) = match reach {
        // An occurrence that begins earlier may extend into the range.
        MaxDistance::Words(words) => {
            (one.first.saturating_sub(words + MAX_PHRASE_LENGTH), one.last.saturating_add(words + 1))
        }
        MaxDistance::Sentence | MaxDistance::Paragraph => (0, u32::MAX),
    };
    let from = all.partition_point(|other| other.first < low);
    all.iter().skip(from).take_while(move |other| other.first <= high)
}

/// Returns the number of words between two occurrences that do not overlap. The flag is set if the second comes after
/// the first.
pub(super) fn gap(one: &Occurrence, other: &Occurrence) -> Option<(u32, bool)> {
    if other.first > one.last {
        Some((other.first - one.last - 1, true))
    } else if one.first > other.last {
        Some((one.first - other.last - 1, false))
    } else {
        None
    }
}

/// Returns true if two occurrences are within reach and do not overlap.
pub(super) fn are_near(one: &Occurrence, other: &Occurrence, reach: MaxDistance, ordered: bool) -> bool {
    let Some((gap, is_forward)) = gap(one, other) else { return false };
    let is_within = match reach {
        MaxDistance::Words(words) => gap <= words,
        MaxDistance::Sentence => one.sentence == other.sentence,
        MaxDistance::Paragraph => one.paragraph == other.paragraph,
    };
    is_within && (is_forward || !ordered)
}
