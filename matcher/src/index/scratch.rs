//! Per-document state of matching.
//!
//! The buffers are reused from one document to the next. Bit sets are cleared; other entries carry an epoch, so that
//! stale ones are recognised without clearing them.

use std::cell::Cell;

use super::vocabulary::{TermId, Vocabulary};
use crate::text::Document;

/// The end of a chain of forms.
const NO_FORM: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Scratch {
    epoch: u32,
    /// By term: the last epoch in which the document had the term, and the index in `forms` of its last form.
    stamps: Vec<(u32, u32)>,
    /// Forms of terms, each with the index of the previous form of the same term.
    forms: Vec<(u32, u32)>,
    terms: Vec<TermId>,
    /// Pairs of a form and a term that finds it.
    pairs: Vec<(u32, TermId)>,
    /// One bit per term: set if the document has it. A bit set, so that most lookups hit the first-level cache.
    term_bits: Vec<u64>,
    /// Two bits per leaf: set if it was evaluated, and if it matched.
    leaf_bits: Vec<Cell<u64>>,
    /// One bit per topic that is marked.
    topic_bits: Vec<Cell<u64>>,
}

impl Scratch {
    /// Begins a document for a segment with these numbers of leaves and topics.
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
        grow(&mut self.stamps, vocabulary.len(), (0, NO_FORM));
        grow(&mut self.term_bits, vocabulary.len().div_ceil(64), 0);
        clear(&mut self.leaf_bits, leaves.div_ceil(32));
        clear(&mut self.topic_bits, topics.div_ceil(64));
        for term in self.terms.drain(..) {
            if let Some(bits) = self.term_bits.get_mut(term as usize / 64) {
                *bits = 0;
            }
        }
        self.forms.clear();
        // All pairs are collected before the stamps are read, so that the memory accesses overlap.
        self.pairs.clear();
        vocabulary.each_term(document, |number, term| self.pairs.push((number, term)));
        for (number, term) in self.pairs.iter().copied() {
            let Some(stamp) = self.stamps.get_mut(term as usize) else { continue };
            let previous = if stamp.0 == self.epoch { stamp.1 } else { NO_FORM };
            if previous == NO_FORM {
                self.terms.push(term);
                if let Some(bits) = self.term_bits.get_mut(term as usize / 64) {
                    *bits |= 1 << (term % 64);
                }
            }
            *stamp = (self.epoch, u32::try_from(self.forms.len()).unwrap_or(NO_FORM));
            self.forms.push((number, previous));
        }
    }

    /// Returns the terms that occur in the document.
    pub(super) fn terms(&self) -> &[TermId] {
        &self.terms
    }

    /// Returns true if the document has a form that this term finds.
    pub(super) fn has(&self, term: TermId) -> bool {
        self.term_bits.get(term as usize / 64).is_some_and(|bits| bits >> (term % 64) & 1 == 1)
    }

    /// Iterates over the forms of the document that a term finds.
    pub(super) fn forms_of(&self, term: TermId) -> impl Iterator<Item = u32> {
        let last = self.stamps.get(term as usize).filter(|stamp| stamp.0 == self.epoch).map(|stamp| stamp.1);
        let mut next = last.unwrap_or(NO_FORM);
        std::iter::from_fn(move || {
            let (form, previous) = *self.forms.get(next as usize)?;
            next = previous;
            Some(form)
        })
    }

    /// Returns the cached result of a leaf. Calls `evaluate` the first time.
    pub(super) fn leaf(&self, number: u32, evaluate: impl FnOnce() -> bool) -> bool {
        let Some(cell) = self.leaf_bits.get(number as usize / 32) else { return false };
        let at = number % 32 * 2;
        if cell.get() >> at & 1 == 0 {
            let bits = 1 | u64::from(evaluate()) << 1;
            cell.set(cell.get() | bits << at);
        }
        cell.get() >> at & 2 != 0
    }

    /// Marks a topic. Returns true if it was marked before.
    pub(super) fn mark(&self, topic: u32) -> bool {
        let bit = 1 << (topic % 64);
        let cell = self.topic_bits.get(topic as usize / 64);
        cell.is_none_or(|cell| cell.replace(cell.get() | bit) & bit != 0)
    }
}

fn clear(bits: &mut Vec<Cell<u64>>, length: usize) {
    bits.clear();
    bits.resize(length, Cell::new(0));
}

fn grow<T: Clone>(all: &mut Vec<T>, length: usize, with: T) {
    if all.len() < length {
        all.resize(length, with);
    }
}
