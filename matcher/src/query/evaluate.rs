//! Whether a document matches, and where: the meaning of the language, word by word.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::{Span, Zone};

use super::field::Facts;
use super::tree::{Expr, Near, Reach, Scope, Term};
use crate::morphology::latin::sound;
use crate::text::fold::{stands_for, word_stands_for};
use crate::text::{Document, Form, Word};

/// Spans kept of one match: enough to highlight and explain.
const MAX_SPANS: usize = 100;
/// Neighbours of a part of a query that are looked at: neighbourhoods of neighbourhoods would be without bound.
const MAX_OCCURRENCES: usize = 50_000;

pub(super) fn matches(expr: &Expr, document: &Document, facts: &Facts) -> Option<Vec<Span>> {
    let scan = Scan { document };
    let view = View::of(&scan, facts);
    if !view.holds(expr) {
        return None;
    }
    let mut found = Found::default();
    view.collect(expr, &mut found.words);
    Some(found.spans(document))
}

/// Tells which words of a document a term finds.
pub(crate) trait Finder {
    /// What stands for a word in a query.
    type Term;

    fn document(&self) -> &Document;

    /// The numbers of the words that a term finds.
    fn words(&self, term: &Self::Term) -> impl Iterator<Item = u32>;

    fn finds(&self, term: &Self::Term, word: &Word) -> bool;

    /// What a term is made of, where it may stand as several words.
    fn parts<'t>(&'t self, term: &'t Self::Term) -> &'t [Self::Term];

    fn is_any(&self, term: &Self::Term) -> bool;
}

/// Looks at every form of the document: slow, and plainly right.
pub(crate) struct Scan<'a> {
    pub(crate) document: &'a Document,
}

impl Finder for Scan<'_> {
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

/// The document as a part of a query sees it.
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

/// Where something stands: its first and last place, and the words that make it up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Occurrence {
    first: u32,
    last: u32,
    sentence: u32,
    paragraph: u32,
    /// First and last word of each of its pieces, by their number in the document.
    pieces: Vec<(u32, u32)>,
}

impl<'a, F: Finder> View<'a, F> {
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

    /// Words between the nearest occurrences of two things.
    pub(crate) fn nearest(self, one: &Expr<F::Term>, other: &Expr<F::Term>) -> Option<u32> {
        let (left, right) = (self.occurrences(one), self.occurrences(other));
        let gaps = left.iter().flat_map(|one| right.iter().map(move |other| gap(one, other)));
        gaps.flatten().map(|(gap, _)| gap).min()
    }

    pub(crate) fn document(self) -> &'a Document {
        self.finder.document()
    }

    pub(crate) fn holds(self, expr: &Expr<F::Term>) -> bool {
        match expr {
            Expr::And(parts) => parts.iter().all(|part| self.holds(part)),
            Expr::Or(parts) => parts.iter().any(|part| self.holds(part)),
            Expr::Not(part) => !self.holds(part),
            Expr::Field(field) => field.holds(self.facts),
            Expr::In(scope, of) => self.within(*scope).holds(of),
            Expr::Preferred(_, of) => self.holds(of),
            Expr::AtLeast(count, of) => self.count(of) >= *count as usize,
            Expr::Word(term) => {
                self.words_like(term).next().is_some() || self.has_run(self.finder.parts(term))
            }
            Expr::Phrase(phrase) if phrase.slop.is_none() => self.has_run(&phrase.words),
            Expr::Near(near) => {
                self.holds(&near.left) && self.holds(&near.right) && !self.near(near).is_empty()
            }
            Expr::NotNear(near) => self.holds(&near.left) && !self.not_near(near).is_empty(),
            Expr::Phrase(_) => !self.occurrences(expr).is_empty(),
        }
    }

    /// How often something occurs: what stands at the same places is one.
    pub(crate) fn count(self, expr: &Expr<F::Term>) -> usize {
        let places: BTreeSet<u32> = self.occurrences(expr).iter().map(|one| one.first).collect();
        places.len()
    }

    /// The words of everything that made the query hold; what is excluded made nothing hold.
    pub(crate) fn collect(self, expr: &Expr<F::Term>, words: &mut Vec<(u32, u32)>) {
        match expr {
            Expr::And(parts) => parts.iter().for_each(|part| self.collect(part, words)),
            Expr::Or(parts) => {
                parts.iter().filter(|part| self.holds(part)).for_each(|part| self.collect(part, words));
            }
            Expr::Not(_) | Expr::Field(_) => (),
            Expr::In(scope, of) => self.within(*scope).collect(of, words),
            Expr::AtLeast(_, of) | Expr::Preferred(_, of) => self.collect(of, words),
            Expr::Word(_) | Expr::Phrase(_) | Expr::Near(_) | Expr::NotNear(_) => {
                words.extend(self.occurrences(expr).into_iter().flat_map(|one| one.pieces));
            }
        }
    }

    /// Where something stands, in the order of places.
    fn occurrences(self, expr: &Expr<F::Term>) -> Vec<Occurrence> {
        let mut found = match expr {
            Expr::Word(term) => self.term(term),
            Expr::Phrase(phrase) => match phrase.slop {
                Some(slop) => self.loose(&phrase.words, slop),
                None => self.run_of(&phrase.words).collect(),
            },
            Expr::Near(near) => self.near(near),
            Expr::NotNear(near) => self.not_near(near),
            Expr::Or(parts) => parts.iter().flat_map(|part| self.occurrences(part)).collect(),
            Expr::Preferred(_, of) | Expr::AtLeast(_, of) => self.occurrences(of),
            Expr::In(scope, of) => self.within(*scope).occurrences(of),
            Expr::Field(_) | Expr::And(_) | Expr::Not(_) => Vec::new(),
        };
        found.sort_by_key(|one| (one.first, one.last));
        found.dedup();
        found
    }

    fn sees(self, word: &Word) -> bool {
        match self.scope {
            None => true,
            Some(Scope::Title) => word.zone == Zone::Title,
            Some(Scope::Text) => word.zone == Zone::Text,
            Some(Scope::Lead) => word.at < self.document().lead_end,
            Some(Scope::Pictures | Scope::Speech) => false,
        }
    }

    /// The words that a term finds, wherever they stand, by their numbers.
    fn words_like<'t>(self, term: &'t F::Term) -> impl Iterator<Item = (u32, &'a Word)> + use<'a, 't, F> {
        let words = self.finder.words(term);
        let words =
            words.filter_map(move |number| Some((number, self.document().words.get(number as usize)?)));
        words.filter(move |(_, word)| self.sees(word))
    }

    /// Where a term stands: a word, or the parts of one side by side.
    fn term(self, term: &F::Term) -> Vec<Occurrence> {
        let whole = self.words_like(term).map(|(number, word)| occurrence(number, word));
        whole.chain(self.run_of(self.finder.parts(term))).collect()
    }

    /// Whether terms stand side by side, in order, anywhere.
    pub(crate) fn has_run(self, terms: &[F::Term]) -> bool {
        self.runs_of(terms).next().is_some()
    }

    /// The words of terms wherever they stand side by side, in order.
    pub(crate) fn collect_run(self, terms: &[F::Term], words: &mut Vec<(u32, u32)>) {
        words.extend(self.runs_of(terms));
    }

    /// Where terms stand side by side, in order.
    fn run_of<'t>(self, terms: &'t [F::Term]) -> impl Iterator<Item = Occurrence> + use<'a, 't, F> {
        self.runs_of(terms).filter_map(move |(first, last)| self.between(first, last))
    }

    /// Their first and last words.
    fn runs_of<'t>(self, terms: &'t [F::Term]) -> impl Iterator<Item = (u32, u32)> + use<'a, 't, F> {
        let begins = terms.first().into_iter().flat_map(move |first| self.words_like(first));
        begins.filter_map(move |(first, word)| Some((first, self.run(terms, word.at)?)))
    }

    /// The last word of a run of terms that begins at a place. Words and their parts stand at the same places, so there
    /// may be several ways; a text has few, and the first will do.
    fn run(self, terms: &[F::Term], at: u32) -> Option<u32> {
        let (term, rest) = terms.split_first()?;
        let first = self.document().words.partition_point(|word| word.at < at);
        for (index, word) in (first..).zip(self.document().words_at(at)) {
            if !self.sees(word) || !self.finder.finds(term, word) {
                continue;
            }
            if rest.is_empty() {
                return u32::try_from(index).ok();
            }
            if let Some(last) = self.run(rest, at + word.width()) {
                return Some(last);
            }
        }
        None
    }

    fn between(self, first: u32, last: u32) -> Option<Occurrence> {
        let words = &self.document().words;
        let (from, to) = (words.get(first as usize)?, words.get(last as usize)?);
        Some(Occurrence {
            last: to.at + to.width() - 1,
            pieces: vec![(first, last)],
            ..occurrence(first, from)
        })
    }

    /// All of the words in any order, with at most so many others among them.
    fn loose(self, terms: &[F::Term], slop: u32) -> Vec<Occurrence> {
        let places: Vec<Vec<(u32, u32)>> = terms
            .iter()
            .filter(|term| !self.finder.is_any(term))
            .map(|term| {
                let mut places: Vec<(u32, u32)> =
                    self.words_like(term).map(|(index, word)| (word.at, index)).collect();
                places.sort_unstable();
                places
            })
            .collect();
        if places.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let length = u32::try_from(terms.len()).unwrap_or(u32::MAX).saturating_add(slop);
        let starts: BTreeSet<u32> = places.iter().flatten().map(|(at, _)| *at).collect();
        let mut found = Vec::new();
        for start in starts.into_iter().take(MAX_OCCURRENCES) {
            let window: Vec<Vec<(u32, u32)>> = places
                .iter()
                .map(|places| {
                    let from = places.partition_point(|(at, _)| *at < start);
                    let within = places.iter().skip(from).take_while(|(at, _)| *at - start < length);
                    within.copied().collect()
                })
                .collect();
            // Whatever begins here is found from here.
            if let Some(taken) = assigned(&window).filter(|taken| taken.iter().any(|(at, _)| *at == start)) {
                found.extend(self.scattered(&taken));
            }
        }
        found
    }

    /// One occurrence of words that stand apart.
    fn scattered(self, taken: &[(u32, u32)]) -> Option<Occurrence> {
        let (first, last) = (taken.iter().min()?, taken.iter().max()?);
        let whole = self.between(first.1, last.1)?;
        Some(Occurrence { pieces: taken.iter().map(|(_, index)| (*index, *index)).collect(), ..whole })
    }

    fn near(self, near: &Near<F::Term>) -> Vec<Occurrence> {
        let (left, right) = (self.occurrences(&near.left), self.occurrences(&near.right));
        let mut found = Vec::new();
        for one in &left {
            for other in around(&right, one, near.reach) {
                if are_near(one, other, near.reach, near.ordered) {
                    found.push(Occurrence {
                        first: one.first.min(other.first),
                        last: one.last.max(other.last),
                        pieces: one.pieces.iter().chain(&other.pieces).copied().collect(),
                        ..if one.first <= other.first { one.clone() } else { other.clone() }
                    });
                }
                if found.len() >= MAX_OCCURRENCES {
                    return found;
                }
            }
        }
        found
    }

    fn not_near(self, near: &Near<F::Term>) -> Vec<Occurrence> {
        let right = self.occurrences(&near.right);
        let overlaps = |one: &Occurrence, other: &Occurrence| {
            one.first <= other.last
                && other.first <= one.last
                && (one.first, one.last) != (other.first, other.last)
        };
        let is_alone = |one: &Occurrence| {
            !around(&right, one, near.reach)
                .any(|other| are_near(one, other, near.reach, near.ordered) || overlaps(one, other))
        };
        self.occurrences(&near.left).into_iter().filter(is_alone).collect()
    }
}

fn occurrence(index: u32, word: &Word) -> Occurrence {
    Occurrence {
        first: word.at,
        last: word.at + word.width() - 1,
        sentence: word.sentence,
        paragraph: word.paragraph,
        pieces: vec![(index, index)],
    }
}

/// A place of its own for each term; `None` where there are not enough. By augmenting paths (Kuhn 1955), which take no
/// longer than terms times places.
fn assigned(window: &[Vec<(u32, u32)>]) -> Option<Vec<(u32, u32)>> {
    let mut owners: BTreeMap<u32, usize> = BTreeMap::new();
    for term in 0..window.len() {
        if !settled(window, term, &mut BTreeSet::new(), &mut owners) {
            return None;
        }
    }
    let place = |(at, term): (&u32, &usize)| window.get(*term)?.iter().find(|place| place.0 == *at).copied();
    owners.iter().map(place).collect()
}

/// Finds a place for a term, moving others where that helps. As deep as there are terms.
fn settled(
    window: &[Vec<(u32, u32)>],
    term: usize,
    tried: &mut BTreeSet<u32>,
    owners: &mut BTreeMap<u32, usize>,
) -> bool {
    for (at, _) in window.get(term).into_iter().flatten() {
        if !tried.insert(*at) {
            continue;
        }
        let owner = owners.get(at).copied();
        if owner.is_none_or(|other| settled(window, other, tried, owners)) {
            owners.insert(*at, term);
            return true;
        }
    }
    false
}

/// Those that may be within reach: all of them, or those around.
fn around<'o>(
    all: &'o [Occurrence],
    one: &Occurrence,
    reach: Reach,
) -> impl Iterator<Item = &'o Occurrence> + use<'o> {
    let (low, high) = match reach {
        // What begins earlier may be long; phrases are not that long.
        Reach::Words(words) => (one.first.saturating_sub(words + 2_100), one.last.saturating_add(words + 1)),
        Reach::Sentence | Reach::Paragraph => (0, u32::MAX),
    };
    let from = all.partition_point(|other| other.first < low);
    all.iter().skip(from).take_while(move |other| other.first <= high)
}

/// Words between two that do not overlap, and whether the second comes behind.
fn gap(one: &Occurrence, other: &Occurrence) -> Option<(u32, bool)> {
    if other.first > one.last {
        Some((other.first - one.last - 1, true))
    } else if one.first > other.last {
        Some((one.first - other.last - 1, false))
    } else {
        None
    }
}

/// Whether two that do not overlap are near each other.
fn are_near(one: &Occurrence, other: &Occurrence, reach: Reach, ordered: bool) -> bool {
    let Some((gap, is_forward)) = gap(one, other) else { return false };
    let is_within = match reach {
        Reach::Words(words) => gap <= words,
        Reach::Sentence => one.sentence == other.sentence,
        Reach::Paragraph => one.paragraph == other.paragraph,
    };
    is_within && (is_forward || !ordered)
}

/// Whether a term finds words of a form.
pub(crate) fn finds(term: &Term, form: &Form) -> bool {
    match term {
        Term::Forms { form: asked, asked: lemmas, is_literal: true } => {
            *asked == form.exact || lemmas.iter().any(|asked| form.lemmas.contains(asked))
        }
        Term::Forms { form: asked, asked: lemmas, .. } => {
            word_stands_for(asked, &form.exact)
                || lemmas.iter().any(|asked| form.lemmas.iter().any(|lemma| word_stands_for(asked, lemma)))
        }
        Term::Exact(asked) => word_stands_for(asked, &form.exact),
        Term::Case(asked) => *asked == form.surface,
        Term::Wildcard(pattern) => fits(pattern, &form.exact),
        Term::Fuzzy { form: asked, distance } => {
            let is_near = |word: &str| {
                word.chars().count().abs_diff(asked.chars().count()) <= *distance
                    && strsim::osa_distance(asked, word) <= *distance
            };
            form.is_word() && (is_near(&form.exact) || form.lemmas.iter().any(|lemma| is_near(lemma)))
        }
        Term::Sound { sound: asked, .. } => {
            form.is_word()
                && (sound(&form.exact) == *asked || form.lemmas.iter().any(|lemma| sound(lemma) == *asked))
        }
        Term::Compound { whole, .. } => word_stands_for(whole, &form.exact),
        Term::Any => true,
    }
}

/// Whether a word has the shape of a pattern: `*` is any number of letters, `?` one. Goes back to the last `*` only, so
/// it takes no longer than the product of both lengths.
pub(crate) fn fits(pattern: &str, word: &str) -> bool {
    let (pattern, word): (Vec<char>, Vec<char>) = (pattern.chars().collect(), word.chars().collect());
    let (mut p, mut w) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&letter) = word.get(w) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, w));
                p += 1;
            }
            Some(&asked) if asked == '?' || stands_for(asked, letter) => {
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

/// What spans are made of: words, kept from one match to the next so that no memory is asked for.
#[derive(Default)]
pub(crate) struct Found {
    /// First and last word of each piece, by their numbers in the document.
    pub(crate) words: Vec<(u32, u32)>,
    ranges: Vec<(Zone, usize, usize)>,
}

impl Found {
    /// The byte ranges of the words, without those that lie within others. They are gone then.
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
