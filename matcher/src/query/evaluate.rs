//! Evaluation: decides if a document matches and finds the matched words. Defines the meaning of the language.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use model::{Span, Zone};

use super::field::Facts;
use super::occurrence::{Occurrence, are_near, assign_positions, gap, neighbours};
use super::tree::{Expr, Near, Scope, Term};
use crate::morphology::latin::sound;
use crate::text::fold::{letter_matches, word_matches};
use crate::text::{Document, Form, Word};

/// Upper bound on the spans of a match: enough to highlight and explain.
const MAX_SPANS: usize = 100;
/// Upper bound on the occurrences of an operand. Without it, nested NEAR would produce an unbounded number.
const MAX_OCCURRENCES: usize = 50_000;
pub(super) fn matches(expr: &Expr, document: &Document, facts: &Facts) -> Option<Vec<Span>> {
    let scan = Scan { document };
    let view = View::of(&scan, facts);
    if !view.holds(expr) {
        return None;
    }
    let mut matched = SpanBuffer::default();
    view.collect(expr, &mut matched.words);
    Some(matched.spans(document))
}

/// A lookup of the words of a document that a term matches.
pub(crate) trait TermMatcher {
    /// The type of a word in a query.
    type Term;

    fn document(&self) -> &Document;

    /// Returns the indices of the words that a term matches.
    fn words(&self, term: &Self::Term) -> impl Iterator<Item = u32>;

    fn finds(&self, term: &Self::Term, word: &Word) -> bool;

    /// Returns the parts of a compound, which may also occur as separate words.
    fn parts<'t>(&'t self, term: &'t Self::Term) -> &'t [Self::Term];

    fn is_any(&self, term: &Self::Term) -> bool;
}

/// A finder that compares every form of the document. It is slow, and the reference for other finders.
pub(crate) struct Scan<'a> {
    pub(crate) document: &'a Document,
}

impl TermMatcher for Scan<'_> {
    type Term = Term;

    fn document(&self) -> &Document {
        self.document
    }

    fn words(&self, term: &Term) -> impl Iterator<Item = u32> {
        let forms = (0..).zip(self.document.forms()).filter(|(_, form)| finds(term, form));
        forms.flat_map(|(number, _)| self.document.words_of(number))
    }

    fn finds(&self, term: &Term, word: &Word) -> bool {
        self.document.form(word).is_some_and(|form| finds(term, form))
    }

    fn parts<'t>(&'t self, term: &'t Term) -> &'t [Term] {
        if let Term::Compound { parts, .. } = term { parts } else { &[] }
    }

    fn is_any(&self, term: &Term) -> bool {
        matches!(term, Term::Any)
    }
}

/// A document, restricted to the scope of an expression.
pub(crate) struct View<'a, F> {
    finder: &'a F,
    facts: &'a Facts,
    scope: Option<Scope>,
}

impl<F> Clone for View<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for View<'_, F> {}

impl<'a, F: TermMatcher> View<'a, F> {
    pub(crate) fn of(finder: &'a F, facts: &'a Facts) -> Self {
        Self { finder, facts, scope: None }
    }

    pub(crate) fn within(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    pub(crate) fn scope(self) -> Option<Scope> {
        self.scope
    }

    pub(crate) fn facts(self) -> &'a Facts {
        self.facts
    }

    /// Returns the number of words between the nearest occurrences of two expressions.
    pub(crate) fn nearest(self, one: &Expr<F::Term>, other: &Expr<F::Term>) -> Option<u32> {
        let (left, right) = (self.occurrences(one), self.occurrences(other));
        let gaps = left.iter().flat_map(|one| right.iter().map(move |other| gap(one, other)));
        gaps.flatten().map(|(gap, _)| gap).min()
    }

    pub(crate) fn document(self) -> &'a Document {
        self.finder.document()
    }

    /// Returns true if the document satisfies the expression.
    pub(crate) fn holds(self, expr: &Expr<F::Term>) -> bool {
        match expr {
            Expr::And(parts) => parts.iter().all(|part| self.holds(part)),
            Expr::Or(parts) => parts.iter().any(|part| self.holds(part)),
            Expr::Not(part) => !self.holds(part),
            Expr::Field(field) => field.holds(self.facts),
            Expr::In(scope, inner) => self.within(*scope).holds(inner),
            Expr::Preferred(_, inner) => self.holds(inner),
            Expr::AtLeast(count, inner) => self.count(inner) >= *count as usize,
            Expr::Word(term) => {
                self.matching_words(term).next().is_some() || self.has_run(self.finder.parts(term))
            }
            Expr::Phrase(phrase) if phrase.slop.is_none() => self.has_run(&phrase.words),
            Expr::Near(near) => {
                self.holds(&near.left) && self.holds(&near.right) && !self.near_occurrences(near).is_empty()
            }
            Expr::NotNear(near) => self.holds(&near.left) && !self.not_near_occurrences(near).is_empty(),
            Expr::Phrase(_) => !self.occurrences(expr).is_empty(),
        }
    }

    /// Returns the number of occurrences. Occurrences that begin at the same position count as one.
    pub(crate) fn count(self, expr: &Expr<F::Term>) -> usize {
        let positions: BTreeSet<u32> =
            self.occurrences(expr).iter().map(|occurrence| occurrence.first).collect();
        positions.len()
    }

    /// Appends the words that satisfy the expression. Excluded parts contribute none.
    pub(crate) fn collect(self, expr: &Expr<F::Term>, words: &mut Vec<(u32, u32)>) {
        match expr {
            Expr::And(parts) => parts.iter().for_each(|part| self.collect(part, words)),
            Expr::Or(parts) => {
                parts.iter().filter(|part| self.holds(part)).for_each(|part| self.collect(part, words));
            }
            Expr::Not(_) | Expr::Field(_) => (),
            Expr::In(scope, inner) => self.within(*scope).collect(inner, words),
            Expr::AtLeast(_, inner) | Expr::Preferred(_, inner) => self.collect(inner, words),
            Expr::Word(_) | Expr::Phrase(_) | Expr::Near(_) | Expr::NotNear(_) => {
                words.extend(self.occurrences(expr).into_iter().flat_map(|occurrence| occurrence.pieces));
            }
        }
    }

    /// Returns the occurrences of an expression, sorted by position.
    fn occurrences(self, expr: &Expr<F::Term>) -> Vec<Occurrence> {
        let mut occurrences = match expr {
            Expr::Word(term) => self.term_occurrences(term),
            Expr::Phrase(phrase) => match phrase.slop {
                Some(slop) => self.unordered_occurrences(&phrase.words, slop),
                None => self.run_occurrences(&phrase.words).collect(),
            },
            Expr::Near(near) => self.near_occurrences(near),
            Expr::NotNear(near) => self.not_near_occurrences(near),
            Expr::Or(parts) => parts.iter().flat_map(|part| self.occurrences(part)).collect(),
            Expr::Preferred(_, inner) | Expr::AtLeast(_, inner) => self.occurrences(inner),
            Expr::In(scope, inner) => self.within(*scope).occurrences(inner),
            Expr::Field(_) | Expr::And(_) | Expr::Not(_) => Vec::new(),
        };
        occurrences.sort_by_key(|occurrence| (occurrence.first, occurrence.last));
        occurrences.dedup();
        occurrences
    }

    fn is_in_scope(self, word: &Word) -> bool {
        match self.scope {
            None => true,
            Some(Scope::Title) => word.zone == Zone::Title,
            Some(Scope::Text) => word.zone == Zone::Text,
            Some(Scope::Lead) => word.at < self.document().lead_end,
            Some(Scope::Pictures | Scope::Speech) => false,
        }
    }

    /// Returns the words in scope that a term matches, with their indices.
    fn matching_words<'t>(self, term: &'t F::Term) -> impl Iterator<Item = (u32, &'a Word)> + use<'a, 't, F> {
        let words = self.finder.words(term);
        let words = words.filter_map(move |index| Some((index, self.document().words.get(index as usize)?)));
        words.filter(move |(_, word)| self.is_in_scope(word))
    }

    /// Returns the occurrences of a term: single words, or the parts of a compound side by side.
    fn term_occurrences(self, term: &F::Term) -> Vec<Occurrence> {
        let whole = self.matching_words(term).map(|(index, word)| Occurrence::of_word(index, word));
        whole.chain(self.run_occurrences(self.finder.parts(term))).collect()
    }

    /// Returns true if the terms occur side by side, in order.
    pub(crate) fn has_run(self, terms: &[F::Term]) -> bool {
        self.runs(terms).next().is_some()
    }

    /// Appends the words of all occurrences of the terms side by side, in order.
    pub(crate) fn collect_run(self, terms: &[F::Term], words: &mut Vec<(u32, u32)>) {
        words.extend(self.runs(terms));
    }

    /// Returns the occurrences of the terms side by side, in order.
    fn run_occurrences<'t>(self, terms: &'t [F::Term]) -> impl Iterator<Item = Occurrence> + use<'a, 't, F> {
        self.runs(terms).filter_map(move |(first, last)| self.occurrence_between(first, last))
    }

    /// Returns the first and last word of each run of the terms.
    fn runs<'t>(self, terms: &'t [F::Term]) -> impl Iterator<Item = (u32, u32)> + use<'a, 't, F> {
        let starts = terms.first().into_iter().flat_map(move |first| self.matching_words(first));
        starts.filter_map(move |(first, word)| Some((first, self.run_end(terms, word.at)?)))
    }

    /// Returns the last word of a run of terms that begins at a position.
    ///
    /// Words and their parts share positions, so several runs may begin there. The end of the first one is returned.
    fn run_end(self, terms: &[F::Term], position: u32) -> Option<u32> {
        let (term, rest) = terms.split_first()?;
        let first = self.document().words.partition_point(|word| word.at < position);
        for (index, word) in (first..).zip(self.document().words_at_position(position)) {
            if !self.is_in_scope(word) || !self.finder.finds(term, word) {
                continue;
            }
            if rest.is_empty() {
                return u32::try_from(index).ok();
            }
            if let Some(last) = self.run_end(rest, position + word.width()) {
                return Some(last);
            }
        }
        None
    }

    /// Returns the occurrence from one word to another.
    fn occurrence_between(self, first: u32, last: u32) -> Option<Occurrence> {
        let words = &self.document().words;
        let (from, to) = (words.get(first as usize)?, words.get(last as usize)?);
        Some(Occurrence {
            last: to.at + to.width() - 1,
            pieces: vec![(first, last)],
            ..Occurrence::of_word(first, from)
        })
    }

    /// Returns the occurrences of all terms in any order, with at most `slop` other words among them.
    fn unordered_occurrences(self, terms: &[F::Term], slop: u32) -> Vec<Occurrence> {
        let positions: Vec<Vec<(u32, u32)>> = terms
            .iter()
            .filter(|term| !self.finder.is_any(term))
            .map(|term| {
                let mut positions: Vec<(u32, u32)> =
                    self.matching_words(term).map(|(index, word)| (word.at, index)).collect();
                positions.sort_unstable();
                positions
            })
            .collect();
        if positions.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let length = u32::try_from(terms.len()).unwrap_or(u32::MAX).saturating_add(slop);
        let starts: BTreeSet<u32> = positions.iter().flatten().map(|(position, _)| *position).collect();
        let mut occurrences = Vec::new();
        for start in starts.into_iter().take(MAX_OCCURRENCES) {
            let window: Vec<Vec<(u32, u32)>> = positions
                .iter()
                .map(|positions| {
                    let from = positions.partition_point(|(position, _)| *position < start);
                    let rest = positions.iter().skip(from);
                    rest.take_while(|(position, _)| *position - start < length).copied().collect()
                })
                .collect();
            // An assignment that does not use the start is found in a later window.
            let uses_start =
                |assignment: &Vec<(u32, u32)>| assignment.iter().any(|(position, _)| *position == start);
            if let Some(assignment) = assign_positions(&window).filter(uses_start) {
                occurrences.extend(self.scattered_occurrence(&assignment));
            }
        }
        occurrences
    }

    /// Returns the occurrence of words that are not adjacent, given as pairs of position and index.
    fn scattered_occurrence(self, words: &[(u32, u32)]) -> Option<Occurrence> {
        let (first, last) = (words.iter().min()?, words.iter().max()?);
        let whole = self.occurrence_between(first.1, last.1)?;
        Some(Occurrence { pieces: words.iter().map(|(_, index)| (*index, *index)).collect(), ..whole })
    }

    fn near_occurrences(self, near: &Near<F::Term>) -> Vec<Occurrence> {
        let (left, right) = (self.occurrences(&near.left), self.occurrences(&near.right));
        let mut occurrences = Vec::new();
        for one in &left {
            for other in neighbours(&right, one, near.reach) {
                if are_near(one, other, near.reach, near.ordered) {
                    occurrences.push(Occurrence {
                        first: one.first.min(other.first),
                        last: one.last.max(other.last),
                        pieces: one.pieces.iter().chain(&other.pieces).copied().collect(),
                        ..if one.first <= other.first { one.clone() } else { other.clone() }
                    });
                }
                if occurrences.len() >= MAX_OCCURRENCES {
                    return occurrences;
                }
            }
        }
        occurrences
    }

    fn not_near_occurrences(self, near: &Near<F::Term>) -> Vec<Occurrence> {
        let right = self.occurrences(&near.right);
        let overlaps = |one: &Occurrence, other: &Occurrence| {
            one.first <= other.last
                && other.first <= one.last
                && (one.first, one.last) != (other.first, other.last)
        };
        let is_alone = |one: &Occurrence| {
            !neighbours(&right, one, near.reach)
                .any(|other| are_near(one, other, near.reach, near.ordered) || overlaps(one, other))
        };
        self.occurrences(&near.left).into_iter().filter(is_alone).collect()
    }
}

/// Returns true if a term matches the words of a form.
pub(crate) fn finds(term: &Term, form: &Form) -> bool {
    match term {
        Term::Forms { form: exact, asked: lemmas, is_literal: true } => {
            *exact == form.exact || lemmas.iter().any(|lemma| form.lemmas.contains(lemma))
        }
        Term::Forms { form: exact, asked: lemmas, .. } => {
            let matches_lemma = |lemma: &String| form.lemmas.iter().any(|one| word_matches(lemma, one));
            word_matches(exact, &form.exact) || lemmas.iter().any(matches_lemma)
        }
        Term::Exact(exact) => word_matches(exact, &form.exact),
        Term::Case(surface) => *surface == form.surface,
        Term::Wildcard(pattern) => matches_wildcard(pattern, &form.exact),
        Term::Fuzzy { form: exact, distance } => {
            let is_similar = |word: &str| {
                word.chars().count().abs_diff(exact.chars().count()) <= *distance
                    && strsim::osa_distance(exact, word) <= *distance
            };
            form.is_word() && (is_similar(&form.exact) || form.lemmas.iter().any(|lemma| is_similar(lemma)))
        }
        Term::Sound { sound: expected, .. } => {
            form.is_word()
                && (sound(&form.exact) == *expected
                    || form.lemmas.iter().any(|lemma| sound(lemma) == *expected))
        }
        Term::Compound { whole, .. } => word_matches(whole, &form.exact),
        Term::Any => true,
    }
}

/// Returns true if a word matches a pattern: `*` matches any number of letters, `?` matches one.
///
/// Backtracks only to the last `*`, so the time is at most the product of both lengths.
pub(crate) fn matches_wildcard(pattern: &str, word: &str) -> bool {
    let (pattern, word): (Vec<char>, Vec<char>) = (pattern.chars().collect(), word.chars().collect());
    let (mut p, mut w) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&letter) = word.get(w) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, w));
                p += 1;
            }
            Some(&expected) if expected == '?' || letter_matches(expected, letter) => {
                p += 1;
                w += 1;
            }
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, w) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// The matched words of which spans are made. The buffers are reused between matches to avoid allocations.
#[derive(Default)]
pub(crate) struct SpanBuffer {
    /// The first and last word of each piece, as indices in the document.
    pub(crate) words: Vec<(u32, u32)>,
    ranges: Vec<(Zone, usize, usize)>,
}

impl SpanBuffer {
    /// Returns the byte ranges of the words, without ranges inside others, and clears the words.
    pub(crate) fn spans(&mut self, document: &Document) -> Vec<Span> {
        let range = |(first, last): (u32, u32)| {
            let (from, to) = (document.words.get(first as usize)?, document.words.get(last as usize)?);
            Some((from.zone, from.range().start, to.range().end.max(from.range().end)))
        };
        self.ranges.clear();
        self.ranges.extend(self.words.drain(..).filter_map(range));
        self.ranges.sort_unstable_by_key(|(zone, start, end)| (*zone, *start, Reverse(*end)));
        let mut spans: Vec<Span> = Vec::with_capacity(self.ranges.len().min(MAX_SPANS));
        for (zone, start, end) in self.ranges.iter().copied() {
            let is_inside = spans.last().is_some_and(|last| last.zone == zone && end <= last.end);
            if !is_inside && spans.len() < MAX_SPANS {
                spans.push(Span { zone, start, end, text: String::new() });
            }
        }
        spans
    }
}
