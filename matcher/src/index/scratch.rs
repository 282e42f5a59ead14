//! What is known of the document at hand.
//!
//! Kept from one document to the next; what is not bits is told apart by an epoch, so that it need not be cleared.

use std::cell::Cell;

use super::vocabulary::{TermId, Vocabulary};
use crate::text::Document;

const NONE: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Scratch {
    epoch: u32,
    /// By term: the epoch in which it was found last, and the last of its forms.
    stamps: Vec<(u32, u32)>,
    /// Forms of a term, each with the one before.
    forms: Vec<(u32, u32)>,
    terms: Vec<TermId>,
    /// Forms and the terms that find them.
    pairs: Vec<(u32, TermId)>,
    /// A bit for each term, so that most of what is asked for fits into the nearest cache.
    found: Vec<u64>,
    /// Two bits for each leaf: whether it was looked at, and whether it held.
    leaves: Vec<Cell<u64>>,
    /// A bit for each topic that was looked at.
    topics: Vec<Cell<u64>>,
}

impl Scratch {
    /// Begins a document, seen by a segment that has so many leaves and topics.
    pub(super) fn begin(
        &mut self,
        document: &Document,
        vocabulary: &Vocabulary,
        leaves: usize,
        topics: usize,
    ) {
        if self.epoch == u32::MAX {
            *self = Self::default();
        }
        self.epoch += 1;
        lengthen(&mut self.stamps, vocabulary.len(), (0, NONE));
        lengthen(&mut self.found, vocabulary.len().div_ceil(64), 0);
        clear(&mut self.leaves, leaves.div_ceil(32));
        clear(&mut self.topics, topics.div_ceil(64));
        for term in self.terms.drain(..) {
            if let Some(bits) = self.found.get_mut(term as usize / 64) {
                *bits = 0;
            }
        }
        self.forms.clear();
        // What waits for memory waits together: all terms are known before what is known of them is looked for.
        self.pairs.clear();
        vocabulary.each_term(document, |number, term| self.pairs.push((number, term)));
        for (number, term) in self.pairs.iter().copied() {
            let Some(stamp) = self.stamps.get_mut(term as usize) else { continue };
            let before = if stamp.0 == self.epoch { stamp.1 } else { NONE };
            if before == NONE {
                self.terms.push(term);
                if let Some(bits) = self.found.get_mut(term as usize / 64) {
                    *bits |= 1 << (term % 64);
                }
            }
            *stamp = (self.epoch, u32::try_from(self.forms.len()).unwrap_or(NONE));
            self.forms.push((number, before));
        }
    }

    /// The terms that were found.
    pub(super) fn terms(&self) -> &[TermId] {
        &self.terms
    }

    /// Whether a term finds anything.
    pub(super) fn has(&self, term: TermId) -> bool {
        self.found.get(term as usize / 64).is_some_and(|bits| bits >> (term % 64) & 1 == 1)
    }

    /// The document's forms that a term finds.
    pub(super) fn forms_of(&self, term: TermId) -> impl Iterator<Item = u32> {
        let last = self.stamps.get(term as usize).filter(|stamp| stamp.0 == self.epoch).map(|stamp| stamp.1);
        let mut next = last.unwrap_or(NONE);
        std::iter::from_fn(move || {
            let (form, before) = *self.forms.get(next as usize)?;
            next = before;
            Some(form)
        })
    }

    /// What a leaf is known to be; looked at once.
    pub(super) fn leaf(&self, number: u32, look: impl FnOnce() -> bool) -> bool {
        let Some(memory) = self.leaves.get(number as usize / 32) else { return false };
        let at = number % 32 * 2;
        if memory.get() >> at & 1 == 0 {
            let bits = 1 | u64::from(look()) << 1;
            memory.set(memory.get() | bits << at);
        }
        memory.get() >> at & 2 != 0
    }

    /// Whether a topic was looked at already.
    pub(super) fn mark(&self, topic: u32) -> bool {
        let bit = 1 << (topic % 64);
        let memory = self.topics.get(topic as usize / 64);
        memory.is_none_or(|memory| memory.replace(memory.get() | bit) & bit != 0)
    }
}

fn clear(bits: &mut Vec<Cell<u64>>, length: usize) {
    bits.clear();
    bits.resize(length, Cell::new(0));
}

fn lengthen<T: Clone>(all: &mut Vec<T>, length: usize, with: T) {
    if all.len() < length {
        all.resize(length, with);
    }
}
