//! The leaves of topics that are more than one word. Most are phrases, which are stored contiguously in memory.

use std::ops::Range;

use super::term_map::vec_bytes;
use super::vocabulary::IndexedTerm;
use crate::query::{Expr, TermMatcher, View};

/// A leaf of the topics' trees.
#[derive(Debug)]
enum Leaf {
    /// Adjacent words in order: a range of [`Leaves::words`].
    Run(Range<u32>),
    /// An index into [`Leaves::others`].
    Other(u32),
}

/// All leaves of a segment, by number.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    all: Vec<Leaf>,
    /// The words of all runs, concatenated.
    words: Vec<IndexedTerm>,
    others: Vec<Expr<IndexedTerm>>,
}

/// A borrowed leaf.
#[derive(Clone, Copy)]
pub(super) enum LeafRef<'l> {
    Run(&'l [IndexedTerm]),
    Other(&'l Expr<IndexedTerm>),
}

impl Leaves {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn push(&mut self, leaf: Expr<IndexedTerm>) {
        self.all.push(match leaf {
            Expr::Phrase(phrase) if phrase.slop.is_none() => {
                let from = self.words_end();
                self.words.extend(phrase.words);
                Leaf::Run(from..self.words_end())
            }
            other => {
                self.others.push(other);
                Leaf::Other(u32::try_from(self.others.len() - 1).unwrap_or(u32::MAX))
            }
        });
    }

    /// Returns the number of words. A segment that fits into memory has fewer than 2^32.
    fn words_end(&self) -> u32 {
        u32::try_from(self.words.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn get(&self, number: u32) -> Option<LeafRef<'_>> {
        Some(match self.all.get(number as usize)? {
            Leaf::Run(range) => LeafRef::Run(self.words.get(range.start as usize..range.end as usize)?),
            Leaf::Other(number) => LeafRef::Other(self.others.get(*number as usize)?),
        })
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.all.shrink_to_fit();
        self.words.shrink_to_fit();
        self.others.shrink_to_fit();
    }

    /// Returns the bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let others = vec_bytes(&self.others) + self.others.iter().map(Expr::heap_bytes).sum::<usize>();
        vec_bytes(&self.all) + vec_bytes(&self.words) + others
    }
}

impl LeafRef<'_> {
    pub(super) fn matches<F: TermMatcher<Term = IndexedTerm>>(self, view: View<'_, F>) -> bool {
        match self {
            LeafRef::Run(words) => view.has_run(words),
            LeafRef::Other(expr) => view.holds(expr),
        }
    }

    /// Collects the first and last word of each occurrence.
    pub(super) fn collect<F: TermMatcher<Term = IndexedTerm>>(
        self,
        view: View<'_, F>,
        words: &mut Vec<(u32, u32)>,
    ) {
        match self {
            LeafRef::Run(run) => view.collect_run(run, words),
            LeafRef::Other(expr) => view.collect(expr, words),
        }
    }
}
