//! The forms that were seen, each analysed once.
//!
//! A look-up touches as little memory as can be: one entry, which holds the letters of all but long words; the forms
//! themselves are looked at only when they are new. Forms are numbered densely, so that what is known of them elsewhere is
//! an array. When there are too many, a new *generation* begins; documents keep theirs.

use std::collections::HashMap;
use std::hash::Hasher;
use std::ops::Range;
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

/// A short form as it is compared: its bytes in numbers, so that no loop is needed, and none of its length decides a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    bytes: [u64; 3],
    /// Two bytes more, the length, tongue and kind.
    rest: [u8; 4],
}

/// Bytes that are read for a key, however many are of the form.
const READ: usize = 32;

impl Key {
    pub(super) fn of(tongue: Tongue, kind: Kind, text: &str) -> Option<Self> {
        let mut read = [0; READ];
        read.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Self::read(tongue, kind, &read, text.len())
    }

    /// The key of a form that stands within a text: what stands behind it is read as well, and put aside.
    pub(super) fn within(tongue: Tongue, kind: Kind, text: &str, range: Range<usize>) -> Option<Self> {
        match text.as_bytes().get(range.start..).and_then(<[u8]>::first_chunk) {
            Some(read) => Self::read(tongue, kind, read, range.len()),
            None => Self::of(tongue, kind, text.get(range)?),
        }
    }

    fn read(tongue: Tongue, kind: Kind, read: &[u8; READ], length: usize) -> Option<Self> {
        let masks = MASKS.get(length)?;
        let number = |at: usize| {
            let bytes = read.get(at * 8..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
            masks.get(at).map_or(0, |mask| u64::from_le_bytes(bytes) & mask)
        };
        let [one, other, ..] = number(3).to_le_bytes();
        let rest = [one, other, u8::try_from(length).ok()?, tongue as u8 * 16 + kind as u8];
        Some(Self { bytes: [number(0), number(1), number(2)], rest })
    }

    pub(super) fn hash(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.bytes.iter().for_each(|bytes| hasher.write_u64(*bytes));
        hasher.write_u32(u32::from_le_bytes(self.rest));
        hasher.finish()
    }
}

/// By length: which bits of what was read are the form's.
const MASKS: [[u64; 4]; SHORT + 1] = {
    let mut masks = [[0; 4]; SHORT + 1];
    let mut length = 0;
    while length <= SHORT {
        let mut byte = 0;
        while byte < length {
            masks[length][byte / 8] |= 0xff << (byte % 8 * 8);
            byte += 1;
        }
        length += 1;
    }
    masks
};

impl Table {
    pub(super) fn find(&self, tongue: Tongue, kind: Kind, text: &str) -> Option<FormId> {
        match Key::of(tongue, kind, text) {
            Some(key) => self.find_short(&key, key.hash()),
            None if text.len() > LONGEST => None,
            None => self.long.get(&(tongue, kind, Box::from(text))).copied(),
        }
    }

    /// The form of a key, whose hash is known.
    pub(super) fn find_short(&self, key: &Key, hash: u64) -> Option<FormId> {
        self.short.find(hash, |entry| entry.key == *key).map(|entry| entry.form)
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

    proptest::proptest! {
        #[test]
        fn a_key_says_the_same_whatever_stands_around(before in ".{0,9}", form in ".{0,14}", behind in ".{0,40}") {
            let text = format!("{before}{form}{behind}");
            let range = before.len()..before.len() + form.len();
            let alone = Key::of(Tongue::Usual, Kind::Word, &form);
            proptest::prop_assert_eq!(Key::within(Tongue::Usual, Kind::Word, &text, range), alone);
            proptest::prop_assert_eq!(alone.is_some(), form.len() <= SHORT);
        }
    }

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
