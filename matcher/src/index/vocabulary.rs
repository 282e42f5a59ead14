//! The terms of a segment's queries, each once, and which of them a form is found by.
//!
//! A form that comes again is not looked at again: what it is found by is remembered.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::keys::{Keys, bytes_of};
use crate::morphology::latin::sound;
use crate::query::{Term, finds};
use crate::text::fold::{fold, plain, plain_letter};
use crate::text::forms::FormId;
use crate::text::{Document, Form};

/// Patterns are told apart by so many of their first letters.
const STEM: usize = 3;

/// A term's number.
pub(super) type TermId = u32;

/// A word of a query, by number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Indexed {
    One(TermId),
    /// By the number of the compound.
    Compound(u32),
    Any,
}

/// A word that may stand as several.
#[derive(Debug)]
pub(super) struct Compound {
    pub(super) whole: TermId,
    pub(super) parts: Vec<Indexed>,
}

/// Terms, and how forms lead to them.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    terms: Vec<Term>,
    compounds: Vec<Compound>,
    /// What is needed until it is closed.
    open: Open,
    /// By the keys of which every form that a term finds has one.
    by_key: Keys,
    /// Patterns by the letters that they begin with, in plain ones.
    by_beginning: HashMap<[char; STEM], Vec<TermId>>,
    /// Words in any script, by how they sound.
    by_sound: Keys,
    /// Those that every form must be held against.
    others: Vec<TermId>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Open {
    /// Terms by their print.
    numbers: HashMap<String, TermId>,
    by_key: HashMap<String, Vec<TermId>>,
    by_sound: HashMap<String, Vec<TermId>>,
}

/// Which terms find the forms of a generation.
#[derive(Debug, Default)]
struct Known {
    generation: u64,
    /// By form: where its terms begin, and how many they are.
    places: Vec<(u32, u32)>,
    terms: Vec<TermId>,
}

/// How many terms find a form that was not looked at.
const UNKNOWN: u32 = u32::MAX;

impl Known {
    fn get(&self, form: FormId) -> Option<&[TermId]> {
        let (from, count) = *self.places.get(form as usize).filter(|place| place.1 != UNKNOWN)?;
        self.terms.get(from as usize..from as usize + count as usize)
    }

    /// Documents of an earlier generation are few, and look for themselves.
    fn add(&mut self, generation: u64, new: Vec<(FormId, Vec<TermId>)>) {
        if generation < self.generation {
            return;
        }
        if generation > self.generation {
            *self = Self { generation, ..Self::default() };
        }
        for (form, terms) in new {
            let form = form as usize;
            if self.places.len() <= form {
                self.places.resize(form + 1, (0, UNKNOWN));
            }
            let (Ok(from), Ok(count)) = (u32::try_from(self.terms.len()), u32::try_from(terms.len())) else {
                return;
            };
            if let Some(place) = self.places.get_mut(form).filter(|place| place.1 == UNKNOWN) {
                *place = (from, count);
                self.terms.extend(terms);
            }
        }
    }
}

impl Vocabulary {
    pub(super) fn len(&self) -> usize {
        self.terms.len()
    }

    /// The term as the index knows it; new ones are taken in.
    pub(super) fn indexed(&mut self, term: &Term) -> Indexed {
        match term {
            Term::Any => Indexed::Any,
            Term::Compound { whole, parts } => {
                let whole = self.number(&Term::Exact(whole.clone()));
                let parts = parts.iter().map(|part| self.indexed(part)).collect();
                self.compounds.push(Compound { whole, parts });
                Indexed::Compound(u32::try_from(self.compounds.len() - 1).unwrap_or(u32::MAX))
            }
            one => Indexed::One(self.number(one)),
        }
    }

    pub(super) fn compound(&self, number: u32) -> Option<&Compound> {
        self.compounds.get(number as usize)
    }

    /// The term that finds a word of a query as one word.
    pub(super) fn whole(&self, word: &Indexed) -> Option<TermId> {
        match word {
            Indexed::One(number) => Some(*number),
            Indexed::Compound(number) => Some(self.compound(*number)?.whole),
            Indexed::Any => None,
        }
    }

    /// What it takes beside its own size, with what is remembered of forms.
    pub(super) fn heap_bytes(&self) -> usize {
        let words = |words: &Vec<String>| bytes_of(words) + words.iter().map(String::capacity).sum::<usize>();
        let term = |term: &Term| match term {
            Term::Forms { form, asked, .. } => form.capacity() + words(asked),
            Term::Sound { form, sound } => form.capacity() + sound.capacity(),
            Term::Exact(form) | Term::Case(form) | Term::Wildcard(form) | Term::Fuzzy { form, .. } => {
                form.capacity()
            }
            Term::Compound { .. } | Term::Any => 0,
        };
        let beginnings: usize =
            self.by_beginning.values().map(|terms| 2 * size_of::<[char; STEM]>() + bytes_of(terms)).sum();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        bytes_of(&self.terms)
            + bytes_of(&self.compounds)
            + self.compounds.iter().map(|compound| bytes_of(&compound.parts)).sum::<usize>()
            + self.terms.iter().map(term).sum::<usize>()
            + self.by_key.heap_bytes()
            + self.by_sound.heap_bytes()
            + beginnings
            + bytes_of(&known.places)
            + bytes_of(&known.terms)
    }

    /// Takes in no more terms: what is needed only for that is given back.
    pub(super) fn close(&mut self) {
        let Open { numbers: _, by_key, by_sound } = std::mem::take(&mut self.open);
        (self.by_key, self.by_sound) = (Keys::of(by_key), Keys::of(by_sound));
        self.terms.shrink_to_fit();
    }

    fn number(&mut self, term: &Term) -> TermId {
        // The print tells terms apart, but for a form's own reading.
        let name = term.to_string();
        if let Some(number) = self.open.numbers.get(&name) {
            return *number;
        }
        let number = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
        match lead(term) {
            Lead::Keys(keys) => {
                for key in keys {
                    self.open.by_key.entry(key).or_default().push(number);
                }
            }
            Lead::Beginning(letters) => self.by_beginning.entry(letters).or_default().push(number),
            Lead::Sound(sound) => self.open.by_sound.entry(sound).or_default().push(number),
            Lead::None => self.others.push(number),
        }
        self.open.numbers.insert(name, number);
        self.terms.push(term.clone());
        number
    }

    /// Tells the terms that find each of a document's forms, with the form's place among them.
    pub(super) fn each_term(&self, document: &Document, mut tell: impl FnMut(u32, TermId)) {
        let generation = document.generation();
        let mut new: Vec<(FormId, Vec<TermId>)> = Vec::new();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let is_current = known.generation == generation.number;
        let places: Vec<(FormId, Option<&[TermId]>)> =
            document.form_ids().map(|id| (id, known.get(id).filter(|_| is_current))).collect();
        for (place, (id, terms)) in (0..).zip(places) {
            if let Some(terms) = terms {
                terms.iter().for_each(|term| tell(place, *term));
                continue;
            }
            let terms = generation.get(id).map(|form| self.looked_up(form)).unwrap_or_default();
            terms.iter().for_each(|term| tell(place, *term));
            new.push((id, terms));
        }
        drop(known);
        if !new.is_empty() {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.add(generation.number, new);
        }
    }

    fn looked_up(&self, form: &Form) -> Vec<TermId> {
        let by_key = form.keys().iter().flat_map(|key| self.by_key.get(key));
        let beginning = beginning(&form.exact).and_then(|letters| self.by_beginning.get(&letters));
        let sounds = self.sounds(form);
        let by_sound = sounds.iter().flat_map(|sound| self.by_sound.get(sound));
        let candidates = by_key.chain(by_sound).chain(beginning.into_iter().flatten()).chain(&self.others);
        let mut found: Vec<TermId> = candidates
            .copied()
            .filter(|number| self.terms.get(*number as usize).is_some_and(|term| finds(term, form)))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// How a form and what it may be a form of sound, where anybody asks.
    fn sounds(&self, form: &Form) -> Vec<String> {
        if self.by_sound.is_empty() {
            return Vec::new();
        }
        std::iter::once(&form.exact).chain(&form.lemmas).map(|word| sound(word)).collect()
    }

    /// How often a term may be expected: the shorter, the oftener. Words of patterns have their letters alone.
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

/// What leads to a term.
enum Lead {
    Keys(Vec<String>),
    Beginning([char; STEM]),
    Sound(String),
    None,
}

fn lead(term: &Term) -> Lead {
    match term {
        Term::Forms { form, asked, .. } => {
            Lead::Keys(unique(asked.iter().chain([form]).map(|word| plain(word))))
        }
        Term::Exact(form) => Lead::Keys(vec![plain(form)]),
        Term::Case(characters) => Lead::Keys(vec![plain(&fold(characters))]),
        Term::Wildcard(pattern) => beginning(pattern).map_or(Lead::None, Lead::Beginning),
        Term::Sound { sound, .. } => Lead::Sound(sound.clone()),
        Term::Fuzzy { .. } | Term::Compound { .. } | Term::Any => Lead::None,
    }
}

fn unique(keys: impl Iterator<Item = String>) -> Vec<String> {
    let mut keys: Vec<String> = keys.collect();
    keys.sort();
    keys.dedup();
    keys
}

/// The first letters of a form, or of a pattern that begins with as many, in plain ones.
fn beginning(word: &str) -> Option<[char; STEM]> {
    let mut letters = word.chars().take(STEM).map(plain_letter);
    let first = [letters.next()?, letters.next()?, letters.next()?];
    first.iter().all(|c| !matches!(c, '*' | '?')).then_some(first)
}
