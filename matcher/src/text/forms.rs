//! The forms that were seen, each analysed once.
//!
//! A look-up touches as little memory as can be: one entry, which holds the letters of all but long words; the forms
//! themselves are looked at only when they are new. Forms are numbered densely, so that what is known of them elsewhere is
//! an array. When there are too many, a new *generation* begins; documents keep theirs.

use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::Form;
use super::words::Kind;
use crate::morphology::Tongue;

/// Forms of a generation. The vocabulary of a language's news in a month is of this order.
const MAX_FORMS: usize = 300_000;
/// Bytes of a form that is found again; longer ones do not come again.
const LONGEST: usize = 64;
/// Bytes of a form whose letters stand in its entry: thirteen letters of Cyrillic. An entry has 32 bytes.
const SHORT: usize = 26;

/// A form's number within its generation.
pub(crate) type FormId = u32;

static GENERATIONS: AtomicU64 = AtomicU64::new(0);

/// Forms by their numbers. It only grows, and is read without a lock.
#[derive(Debug)]
pub(crate) struct Generation {
    /// No two have the same; later ones have higher ones.
    pub(crate) number: u64,
    forms: boxcar::Vec<Form>,
}

impl Default for Generation {
    fn default() -> Self {
        Self { number: GENERATIONS.fetch_add(1, Ordering::Relaxed), forms: boxcar::Vec::new() }
    }
}

impl Generation {
    pub(crate) fn get(&self, id: FormId) -> Option<&Form> {
        self.forms.get(id as usize)
    }

    pub(super) fn push(&self, form: Form) -> FormId {
        FormId::try_from(self.forms.push(form)).unwrap_or(FormId::MAX)
    }
}

/// How forms are found.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) generation: Arc<Generation>,
    short: HashTable<Entry>,
    long: HashMap<(Tongue, Kind, Box<str>), FormId>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    form: FormId,
}

/// A short form as it is compared: of one length, so that no loop is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    letters: [u8; SHORT],
    length: u8,
    /// Tongue and kind.
    sort: u8,
}

impl Key {
    fn of(tongue: Tongue, kind: Kind, text: &str) -> Option<Self> {
        let mut letters = [0; SHORT];
        letters.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).ok()?;
        Some(Self { letters, length, sort: tongue as u8 * 16 + kind as u8 })
    }

    fn hash(&self) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write(&self.letters);
        hasher.write_u16(u16::from(self.length) << 8 | u16::from(self.sort));
        hasher.finish()
    }
}

impl Table {
    /// The forms of words, as far as they are known, in their order. Several at a time: each waits for memory, and they
    /// wait together.
    pub(super) fn find_all<'t>(
        &self,
        tongue: Tongue,
        words: impl Iterator<Item = (Kind, &'t str)> + Clone,
        forms: &mut Vec<Option<FormId>>,
        keys: &mut Vec<(u64, Option<Key>)>,
    ) {
        keys.clear();
        keys.extend(words.clone().map(|(kind, text)| {
            let key = Key::of(tongue, kind, text);
            (key.map_or(0, |key| key.hash()), key)
        }));
        forms.clear();
        forms.extend(keys.iter().map(|(hash, key)| {
            let key = key.as_ref()?;
            self.short.find(*hash, |entry| entry.key == *key).map(|entry| entry.form)
        }));
        for (form, ((kind, text), (_, key))) in forms.iter_mut().zip(words.zip(keys.iter())) {
            if key.is_none() && text.len() <= LONGEST {
                *form = self.long.get(&(tongue, kind, Box::from(text))).copied();
            }
        }
    }

    pub(super) fn find(&self, tongue: Tongue, kind: Kind, text: &str) -> Option<FormId> {
        match Key::of(tongue, kind, text) {
            Some(key) => self.short.find(key.hash(), |entry| entry.key == key).map(|entry| entry.form),
            None if text.len() > LONGEST => None,
            None => self.long.get(&(tongue, kind, Box::from(text))).copied(),
        }
    }

    /// Lets a form of this generation be found; very long ones are not.
    pub(super) fn add(&mut self, tongue: Tongue, kind: Kind, text: &str, form: FormId) {
        if text.len() > LONGEST || self.find(tongue, kind, text).is_some() {
            return;
        }
        match Key::of(tongue, kind, text) {
            Some(key) => {
                self.short.insert_unique(key.hash(), Entry { key, form }, |entry| entry.key.hash());
            }
            None => {
                self.long.insert((tongue, kind, Box::from(text)), form);
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.generation.forms.count() >= MAX_FORMS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_and_nothing_else() {
        let mut table = Table::default();
        for number in 0..2_000_u32 {
            table.add(Tongue::Usual, Kind::Word, &format!("слово{number}"), number);
        }
        for number in 0..2_000_u32 {
            assert_eq!(table.find(Tongue::Usual, Kind::Word, &format!("слово{number}")), Some(number));
        }
        assert_eq!(table.find(Tongue::Kazakh, Kind::Word, "слово1"), None);
        assert_eq!(table.find(Tongue::Usual, Kind::Tag, "слово1"), None);
        assert_eq!(table.find(Tongue::Usual, Kind::Word, "слово"), None);
        table.add(Tongue::Usual, Kind::Word, &"о".repeat(40), 9);
        assert_eq!(table.find(Tongue::Usual, Kind::Word, &"о".repeat(40)), None, "it is too long");
    }
}
