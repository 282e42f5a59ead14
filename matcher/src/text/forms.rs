//! The forms that were seen, each analysed once.
//!
//! A look-up touches as little memory as can be: an entry of a few bytes, and the letters, which lie one behind the other; the forms themselves are looked at only when they are new. Forms are numbered densely, so that what is
//! known of them elsewhere is an array. When there are too many, a new *generation* begins; documents keep theirs.

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
    entries: HashTable<Entry>,
    letters: String,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    from: u32,
    length: u16,
    tongue: Tongue,
    kind: Kind,
    form: FormId,
}

impl Entry {
    fn letters<'l>(&self, all: &'l str) -> &'l str {
        all.get(self.from as usize..self.from as usize + usize::from(self.length)).unwrap_or("")
    }
}

impl Table {
    pub(super) fn find(&self, tongue: Tongue, kind: Kind, text: &str) -> Option<FormId> {
        let is_it = |entry: &Entry| {
            (entry.tongue, entry.kind) == (tongue, kind) && entry.letters(&self.letters) == text
        };
        self.entries.find(hash(tongue, kind, text), is_it).map(|entry| entry.form)
    }

    /// Lets a form of this generation be found; long ones are not.
    pub(super) fn add(&mut self, tongue: Tongue, kind: Kind, text: &str, form: FormId) {
        if text.len() > LONGEST || self.find(tongue, kind, text).is_some() {
            return;
        }
        let (Ok(from), Ok(length)) = (u32::try_from(self.letters.len()), u16::try_from(text.len())) else {
            return;
        };
        self.letters.push_str(text);
        let Self { entries, letters, .. } = self;
        let again = |entry: &Entry| hash(entry.tongue, entry.kind, entry.letters(letters));
        let entry = Entry { from, length, tongue, kind, form };
        entries.insert_unique(hash(tongue, kind, text), entry, again);
    }

    pub(super) fn is_full(&self) -> bool {
        self.generation.forms.count() >= MAX_FORMS
    }
}

fn hash(tongue: Tongue, kind: Kind, text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.write_u8(tongue as u8 * 16 + kind as u8);
    hasher.finish()
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
