//! What topics look for, where it is more than a word: most are phrases, which lie side by side in memory.

use std::ops::Range;

use super::keys::bytes_of;
use super::vocabulary::Indexed;
use crate::query::{Expr, Finder, View};

/// A leaf of topics' trees.
#[derive(Debug)]
enum Leaf {
    /// Words side by side, in order.
    Run(Range<u32>),
    /// By its number among the others.
    Other(u32),
}

/// All leaves of a segment, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    all: Vec<Leaf>,
    /// The words of runs, one behind the other.
    words: Vec<Indexed>,
    others: Vec<Expr<Indexed>>,
}

/// A leaf as it is looked at.
#[derive(Clone, Copy)]
pub(super) enum Look<'l> {
    Run(&'l [Indexed]),
    Other(&'l Expr<Indexed>),
}

impl Leaves {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn push(&mut self, leaf: Expr<Indexed>) {
        self.all.push(match leaf {
            Expr::Phrase(phrase) if phrase.slop.is_none() => {
                let from = self.end();
                self.words.extend(phrase.words);
                Leaf::Run(from..self.end())
            }
            other => {
                self.others.push(other);
                Leaf::Other(u32::try_from(self.others.len() - 1).unwrap_or(u32::MAX))
            }
        });
    }

    /// A segment has no more words than memory has room for.
    fn end(&self) -> u32 {
        u32::try_from(self.words.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn get(&self, number: u32) -> Option<Look<'_>> {
        Some(match self.all.get(number as usize)? {
            Leaf::Run(range) => Look::Run(self.words.get(range.start as usize..range.end as usize)?),
            Leaf::Other(number) => Look::Other(self.others.get(*number as usize)?),
        })
    }

    pub(super) fn close(&mut self) {
        self.all.shrink_to_fit();
        self.words.shrink_to_fit();
        self.others.shrink_to_fit();
    }

    /// What they take beside their own size.
    pub(super) fn heap_bytes(&self) -> usize {
        let others = bytes_of(&self.others) + self.others.iter().map(Expr::heap_bytes).sum::<usize>();
        bytes_of(&self.all) + bytes_of(&self.words) + others
    }
}

impl Look<'_> {
    pub(super) fn holds<F: Finder<Term = Indexed>>(self, view: View<'_, F>) -> bool {
        match self {
            Look::Run(words) => view.has_run(words),
            Look::Other(expr) => view.holds(expr),
        }
    }

    /// The words of everything that makes it hold.
    pub(super) fn collect<F: Finder<Term = Indexed>>(self, view: View<'_, F>, words: &mut Vec<(u32, u32)>) {
        match self {
            Look::Run(run) => view.collect_run(run, words),
            Look::Other(expr) => view.collect(expr, words),
        }
    }
}
