//! A cache of analysed forms, so that each form is analysed once.
//!
//! A lookup touches little memory: a single table entry, which holds the bytes of all but long words. The forms
//! themselves are not read. Form ids are dense, so that other modules can index arrays by them. When the cache is
//! full, a new *generation* begins; documents keep the generation that they were analysed with.

use std::collections::HashMap;
use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::Form;
use super::words::Kind;
use crate::morphology::LanguageHint;

/// Upper bound on the forms of a generation. A month of news in one language has a vocabulary of this order.
const MAX_FORMS: usize = 300_000;
/// Upper bound on the bytes of a cached form. Longer forms rarely recur.
const MAX_CACHED_BYTES: usize = 64;
/// Upper bound on the bytes of a form that is stored in its table entry: 13 Cyrillic letters. An entry has 32 bytes.
const MAX_SHORT_BYTES: usize = 26;

/// The number of a form within its generation.
pub(crate) type FormId = u32;

static NEXT_GENERATION: AtomicU64 = AtomicU64::new(0);

/// Forms by id. Append-only, and read without a lock.
#[derive(Debug)]
pub(crate) struct Generation {
    /// A unique number that increases with each generation.
    pub(crate) number: u64,
    forms: boxcar::Vec<Form>,
}

impl Default for Generation {
    fn default() -> Self {
        Self { number: NEXT_GENERATION.fetch_add(1, Ordering::Relaxed), forms: boxcar::Vec::new() }
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

/// Lookup tables from written words to forms.
#[derive(Debug, Default)]
pub(super) struct FormTable {
    pub(super) generation: Arc<Generation>,
    short: HashTable<Entry>,
    long: HashMap<(LanguageHint, Kind, Box<str>), FormId>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    form: FormId,
}

/// The lookup key of a short form. The bytes are packed into integers, so that a comparison needs no loop and no
/// branch on the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    bytes: [u64; 3],
    /// The last two bytes, the length, and the language hint and kind.
    rest: [u8; 4],
}

/// Number of bytes that are read to build a key, regardless of the length of the form.
const KEY_WINDOW_BYTES: usize = 32;

impl Key {
    /// Builds the key of a form. Returns `None` if the form is longer than [`MAX_SHORT_BYTES`].
    pub(super) fn of(hint: LanguageHint, kind: Kind, text: &str) -> Option<Self> {
        let mut window = [0; KEY_WINDOW_BYTES];
        window.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Self::from_window(hint, kind, &window, text.len())
    }

    /// Builds the key of a form within a text. Reads past the end of the form and masks those bytes.
    pub(super) fn within(hint: LanguageHint, kind: Kind, text: &str, range: Range<usize>) -> Option<Self> {
        match text.as_bytes().get(range.start..).and_then(<[u8]>::first_chunk) {
            Some(window) => Self::from_window(hint, kind, window, range.len()),
            None => Self::of(hint, kind, text.get(range)?),
        }
    }

    fn from_window(
        hint: LanguageHint,
        kind: Kind,
        window: &[u8; KEY_WINDOW_BYTES],
        length: usize,
    ) -> Option<Self> {
        let masks = MASKS.get(length)?;
        let packed = |at: usize| {
            let bytes = window.get(at * 8..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
            masks.get(at).map_or(0, |mask| u64::from_le_bytes(bytes) & mask)
        };
        let [one, other, ..] = packed(3).to_le_bytes();
        let rest = [one, other, u8::try_from(length).ok()?, hint as u8 * 16 + kind as u8];
        Some(Self { bytes: [packed(0), packed(1), packed(2)], rest })
    }

    pub(super) fn hash(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.bytes.iter().for_each(|bytes| hasher.write_u64(*bytes));
        hasher.write_u32(u32::from_le_bytes(self.rest));
        hasher.finish()
    }
}

/// By length: the mask of the bytes that belong to the form.
const MASKS: [[u64; 4]; MAX_SHORT_BYTES + 1] = {
    let mut masks = [[0; 4]; MAX_SHORT_BYTES + 1];
    let mut length = 0;
    while length <= MAX_SHORT_BYTES {
        let mut byte = 0;
        while byte < length {
            masks[length][byte / 8] |= 0xff << (byte % 8 * 8);
            byte += 1;
        }
        length += 1;
    }
    masks
};

impl FormTable {
    pub(super) fn find(&self, hint: LanguageHint, kind: Kind, text: &str) -> Option<FormId> {
        match Key::of(hint, kind, text) {
            Some(key) => self.find_short(&key, key.hash()),
            None if text.len() > MAX_CACHED_BYTES => None,
            None => self.long.get(&(hint, kind, Box::from(text))).copied(),
        }
    }

    /// Returns the form of a key with this hash.
    pub(super) fn find_short(&self, key: &Key, hash: u64) -> Option<FormId> {
        self.short.find(hash, |entry| entry.key == *key).map(|entry| entry.form)
    }

    /// Adds a form of this generation. Ignores forms longer than [`MAX_CACHED_BYTES`].
    pub(super) fn add(&mut self, hint: LanguageHint, kind: Kind, text: &str, form: FormId) {
        if text.len() > MAX_CACHED_BYTES || self.find(hint, kind, text).is_some() {
            return;
        }
        match Key::of(hint, kind, text) {
            Some(key) => {
                self.short.insert_unique(key.hash(), Entry { key, form }, |entry| entry.key.hash());
            }
            None => {
                self.long.insert((hint, kind, Box::from(text)), form);
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
        fn a_key_does_not_depend_on_the_surrounding_text(prefix in ".{0,9}", form in ".{0,14}", suffix in ".{0,40}") {
            let text = format!("{prefix}{form}{suffix}");
            let range = prefix.len()..prefix.len() + form.len();
            let alone = Key::of(LanguageHint::ByScript, Kind::Word, &form);
            proptest::prop_assert_eq!(Key::within(LanguageHint::ByScript, Kind::Word, &text, range), alone);
            proptest::prop_assert_eq!(alone.is_some(), form.len() <= MAX_SHORT_BYTES);
        }
    }

    #[test]
    fn find_returns_added_forms_only() {
        let mut table = FormTable::default();
        for number in 0..2_000_u32 {
            table.add(LanguageHint::ByScript, Kind::Word, &format!("слово{number}"), number);
        }
        for number in 0..2_000_u32 {
            assert_eq!(
                table.find(LanguageHint::ByScript, Kind::Word, &format!("слово{number}")),
                Some(number)
            );
        }
        assert_eq!(table.find(LanguageHint::Kazakh, Kind::Word, "слово1"), None);
        assert_eq!(table.find(LanguageHint::ByScript, Kind::Tag, "слово1"), None);
        assert_eq!(table.find(LanguageHint::ByScript, Kind::Word, "слово"), None);
        table.add(LanguageHint::ByScript, Kind::Word, &"о".repeat(40), 9);
        assert_eq!(
            table.find(LanguageHint::ByScript, Kind::Word, &"о".repeat(40)),
            None,
            "longer than MAX_CACHED_BYTES"
        );
    }
}
