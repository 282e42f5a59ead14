//! The distinct terms of a segment's queries, and the lookup of the terms that find a form.
//!
//! The terms of each form are cached, so a form that occurs again is not looked up again.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::term_map::{TermMap, vec_bytes};
use crate::morphology::latin::sound;
use crate::query::{Term, finds};
use crate::text::fold::{fold, plain, to_plain_letter};
use crate::text::forms::FormId;
use crate::text::{Document, Form};

/// Number of leading letters by which wildcard patterns are indexed.
const PREFIX_LETTERS: usize = 3;

/// The number of a term within its segment.
pub(super) type TermId = u32;

/// A word of a query in a segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum IndexedTerm {
    Single(TermId),
    /// The number of a [`Compound`].
    Compound(u32),
    Any,
}

/// A word that may also be written as several words.
#[derive(Debug)]
pub(super) struct Compound {
    pub(super) whole: TermId,
    pub(super) parts: Vec<IndexedTerm>,
}

/// Terms, and indexes from forms to terms.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    terms: Vec<Term>,
    compounds: Vec<Compound>,
    /// State that is needed only until the vocabulary is frozen.
    building: BuildState,
    /// Terms by key. Every form that such a term finds has one of its keys.
    by_key: TermMap,
    /// Wildcard patterns by their first letters, folded to plain ones.
    by_prefix: HashMap<[char; PREFIX_LETTERS], Vec<TermId>>,
    /// Script-independent terms by sound.
    by_sound: TermMap,
    /// Terms without a key, which are tested against every form.
    unindexed: Vec<TermId>,
    cache: RwLock<FormCache>,
}

#[derive(Debug, Default)]
struct BuildState {
    /// Term ids by the canonical text of the term.
    ids: HashMap<String, TermId>,
    by_key: HashMap<String, Vec<TermId>>,
    by_sound: HashMap<String, Vec<TermId>>,
}

/// The terms that find each form of one generation.
#[derive(Debug, Default)]
struct FormCache {
    generation: u64,
    /// By form: the offset of its terms, and their number.
    ranges: Vec<(u32, u32)>,
    terms: Vec<TermId>,
}

/// The number of terms of a form that is not cached.
const NOT_CACHED: u32 = u32::MAX;

impl FormCache {
    fn get(&self, form: FormId) -> Option<&[TermId]> {
        let (from, count) = *self.ranges.get(form as usize).filter(|range| range.1 != NOT_CACHED)?;
        self.terms.get(from as usize..from as usize + count as usize)
    }

    /// Caches the terms of forms. Forms of an earlier generation are ignored: few documents still use it, and these
    /// look up their forms uncached.
    fn add(&mut self, generation: u64, new: Vec<(FormId, Vec<TermId>)>) {
        if generation < self.generation {
            return;
        }
        if generation > self.generation {
            *self = Self { generation, ..Self::default() };
        }
        for (form, terms) in new {
            let form = form as usize;
            if self.ranges.len() <= form {
                self.ranges.resize(form + 1, (0, NOT_CACHED));
            }
            let (Ok(from), Ok(count)) = (u32::try_from(self.terms.len()), u32::try_from(terms.len())) else {
                return;
            };
            if let Some(range) = self.ranges.get_mut(form).filter(|range| range.1 == NOT_CACHED) {
                *range = (from, count);
                self.terms.extend(terms);
            }
        }
    }
}

impl Vocabulary {
    pub(super) fn len(&self) -> usize {
        self.terms.len()
    }

    /// Returns the indexed form of a term. Adds the term if it is new.
    pub(super) fn intern(&mut self, term: &Term) -> IndexedTerm {
        match term {
            Term::Any => IndexedTerm::Any,
            Term::Compound { whole, parts } => {
                let whole = self.intern_single(&Term::Exact(whole.clone()));
                let parts = parts.iter().map(|part| self.intern(part)).collect();
                self.compounds.push(Compound { whole, parts });
                IndexedTerm::Compound(u32::try_from(self.compounds.len() - 1).unwrap_or(u32::MAX))
            }
            single => IndexedTerm::Single(self.intern_single(single)),
        }
    }

    pub(super) fn compound(&self, number: u32) -> Option<&Compound> {
        self.compounds.get(number as usize)
    }

    /// Returns the term that finds a word of a query written as one word.
    pub(super) fn whole(&self, word: &IndexedTerm) -> Option<TermId> {
        match word {
            IndexedTerm::Single(number) => Some(*number),
            IndexedTerm::Compound(number) => Some(self.compound(*number)?.whole),
            IndexedTerm::Any => None,
        }
    }

    /// Returns the bytes on the heap, including the cache of forms.
    pub(super) fn heap_bytes(&self) -> usize {
        let words =
            |words: &Vec<String>| vec_bytes(words) + words.iter().map(String::capacity).sum::<usize>();
        let term = |term: &Term| match term {
            Term::Forms { form, asked, .. } => form.capacity() + words(asked),
            Term::Sound { form, sound } => form.capacity() + sound.capacity(),
            Term::Exact(form) | Term::Case(form) | Term::Wildcard(form) | Term::Fuzzy { form, .. } => {
                form.capacity()
            }
            Term::Compound { .. } | Term::Any => 0,
        };
        let prefixes: usize = self
            .by_prefix
            .values()
            .map(|terms| 2 * size_of::<[char; PREFIX_LETTERS]>() + vec_bytes(terms))
            .sum();
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        vec_bytes(&self.terms)
            + vec_bytes(&self.compounds)
            + self.compounds.iter().map(|compound| vec_bytes(&compound.parts)).sum::<usize>()
            + self.terms.iter().map(term).sum::<usize>()
            + self.by_key.heap_bytes()
            + self.by_sound.heap_bytes()
            + prefixes
            + vec_bytes(&cache.ranges)
            + vec_bytes(&cache.terms)
    }

    /// Ends the building: compacts the indexes and frees the state that only building needs.
    pub(super) fn freeze(&mut self) {
        let BuildState { ids: _, by_key, by_sound } = std::mem::take(&mut self.building);
        (self.by_key, self.by_sound) = (TermMap::new(by_key), TermMap::new(by_sound));
        self.terms.shrink_to_fit();
    }

    fn intern_single(&mut self, term: &Term) -> TermId {
        // The text identifies a term. It leaves out the lemmas of a form, which follow from the form.
        let text = term.notation();
        if let Some(number) = self.building.ids.get(&text) {
            return *number;
        }
        let number = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
        match index_key(term) {
            IndexKey::Keys(keys) => {
                for key in keys {
                    self.building.by_key.entry(key).or_default().push(number);
                }
            }
            IndexKey::Prefix(letters) => self.by_prefix.entry(letters).or_default().push(number),
            IndexKey::Sound(sound) => self.building.by_sound.entry(sound).or_default().push(number),
            IndexKey::None => self.unindexed.push(number),
        }
        self.building.ids.insert(text, number);
        self.terms.push(term.clone());
        number
    }

    /// Calls `visit` with each form of a document, by its index in the document, and each term that finds it.
    pub(super) fn each_term(&self, document: &Document, mut visit: impl FnMut(u32, TermId)) {
        let generation = document.generation();
        let mut new: Vec<(FormId, Vec<TermId>)> = Vec::new();
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let is_current = cache.generation == generation.number;
        let entries: Vec<(FormId, Option<&[TermId]>)> =
            document.form_ids().map(|id| (id, cache.get(id).filter(|_| is_current))).collect();
        for (index, (id, terms)) in (0..).zip(entries) {
            if let Some(terms) = terms {
                terms.iter().for_each(|term| visit(index, *term));
                continue;
            }
            let terms = generation.get(id).map(|form| self.find_terms(form)).unwrap_or_default();
            terms.iter().for_each(|term| visit(index, *term));
            new.push((id, terms));
        }
        drop(cache);
        if !new.is_empty() {
            let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
            cache.add(generation.number, new);
        }
    }

    /// Returns the terms that find a form, without the cache.
    fn find_terms(&self, form: &Form) -> Vec<TermId> {
        let by_key = form.keys().iter().flat_map(|key| self.by_key.get(key));
        let by_prefix = literal_prefix(&form.exact).and_then(|letters| self.by_prefix.get(&letters));
        let sounds = self.sounds(form);
        let by_sound = sounds.iter().flat_map(|sound| self.by_sound.get(sound));
        let candidates = by_key.chain(by_sound).chain(by_prefix.into_iter().flatten()).chain(&self.unindexed);
        let mut terms: Vec<TermId> = candidates
            .copied()
            .filter(|number| self.terms.get(*number as usize).is_some_and(|term| finds(term, form)))
            .collect();
        terms.sort_unstable();
        terms.dedup();
        terms
    }

    /// Returns the sounds of a form and its lemmas, or nothing if no term needs them.
    fn sounds(&self, form: &Form) -> Vec<String> {
        if self.by_sound.is_empty() {
            return Vec::new();
        }
        std::iter::once(&form.exact).chain(&form.lemmas).map(|word| sound(word)).collect()
    }

    /// Estimates the relative frequency of a term: shorter words are more frequent. Of a pattern only the letters
    /// count.
    pub(super) fn cost(&self, number: TermId) -> f64 {
        const ALWAYS: f64 = 1e3;
        let letters = match self.terms.get(number as usize) {
            Some(
                Term::Forms { form, .. } | Term::Exact(form) | Term::Case(form) | Term::Fuzzy { form, .. },
            ) => form.chars().count() as f64,
            Some(Term::Wildcard(pattern)) => {
                pattern.chars().filter(|c| c.is_alphanumeric()).count() as f64 * 0.75
            }
            Some(Term::Sound { sound, .. }) => sound.chars().count() as f64,
            _ => return ALWAYS,
        };
        letters.max(1.0).powi(-2)
    }
}

/// The index entry under which a term is found.
enum IndexKey {
    Keys(Vec<String>),
    Prefix([char; PREFIX_LETTERS]),
    Sound(String),
    None,
}

fn index_key(term: &Term) -> IndexKey {
    match term {
        Term::Forms { form, asked, .. } => {
            IndexKey::Keys(unique(asked.iter().chain([form]).map(|word| plain(word))))
        }
        Term::Exact(form) => IndexKey::Keys(vec![plain(form)]),
        Term::Case(characters) => IndexKey::Keys(vec![plain(&fold(characters))]),
        Term::Wildcard(pattern) => literal_prefix(pattern).map_or(IndexKey::None, IndexKey::Prefix),
        Term::Sound { sound, .. } => IndexKey::Sound(sound.clone()),
        Term::Fuzzy { .. } | Term::Compound { .. } | Term::Any => IndexKey::None,
    }
}

fn unique(keys: impl Iterator<Item = String>) -> Vec<String> {
    let mut keys: Vec<String> = keys.collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Returns the first letters of a form or a pattern, folded to plain ones. Returns `None` if it is shorter, or if a
/// wildcard is among them.
fn literal_prefix(word: &str) -> Option<[char; PREFIX_LETTERS]> {
    let mut letters = word.chars().take(PREFIX_LETTERS).map(to_plain_letter);
    let first = [letters.next()?, letters.next()?, letters.next()?];
    first.iter().all(|c| !matches!(c, '*' | '?')).then_some(first)
}
