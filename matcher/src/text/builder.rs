//! Builds a document from a text: cuts out words, assigns positions, and looks up forms.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::ops::Range;

use model::Zone;
use rustc_hash::FxHashMap;

use super::forms::{FormId, FormTable, Key};
use super::words::{self, Kind};
use super::{Document, Form, NO_WORD, Word, sentences};
use crate::morphology::LanguageHint;

/// Upper bound on the positions of a zone. Later words are ignored; no publication is longer.
const MAX_ZONE_WORDS: u32 = 200_000;
/// Positions between zones: more than any distance of a query, so that phrases and NEAR do not cross zones.
const ZONE_GAP: u32 = 1000;
/// Words of the text that belong to the lead, in addition to the title.
const LEAD_WORDS: u32 = 60;
/// Forms that are not in the cache yet.
pub(super) type NewForms = FxHashMap<(Kind, Box<str>), FormId>;

/// Analyses a title and a text. Also returns the forms that `table` does not have yet.
pub(super) fn build_document(
    table: &FormTable,
    hint: LanguageHint,
    title: &str,
    text: &str,
) -> (Document, NewForms) {
    // A Cyrillic word and its space take about 12 bytes.
    let count = (text.len() / 12).min(MAX_ZONE_WORDS as usize);
    let (words, forms) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let generation = table.generation.clone();
    let mut builder = DocumentBuilder {
        table,
        hint,
        document: Document { generation, words, forms, tags: Vec::new(), lead_end: 0 },
        indexes: FxHashMap::with_capacity_and_hasher(count, Default::default()),
        new: NewForms::default(),
        position: Position::default(),
        within_sentence: false,
        pending: Vec::with_capacity(LOOKUP_BATCH),
    };
    builder.add_zone(Zone::Title, title);
    builder.position.at += ZONE_GAP;
    builder.document.lead_end = builder.position.at + LEAD_WORDS;
    builder.add_zone(Zone::Text, text);
    (builder.document, builder.new)
}

/// The position of the next word.
#[derive(Default, Clone, Copy)]
struct Position {
    at: u32,
    sentence: u32,
    paragraph: u32,
}

/// Number of words that are looked up together, so that their cache misses overlap.
const LOOKUP_BATCH: usize = 32;

/// A word of the document whose form is not looked up yet.
struct PendingWord<'t> {
    kind: Kind,
    text: Cow<'t, str>,
    /// The key and its hash; `None` for long words.
    key: Option<(Key, u64)>,
}

/// A zone and its text.
#[derive(Clone, Copy)]
struct ZoneText<'t> {
    zone: Zone,
    text: &'t str,
}

struct DocumentBuilder<'a, 't> {
    table: &'a FormTable,
    hint: LanguageHint,
    document: Document,
    /// The index of each form in the document's list of forms.
    indexes: FxHashMap<FormId, u32>,
    /// Forms that are not in the table yet.
    new: NewForms,
    position: Position,
    /// True if the current word is not the first of its sentence.
    within_sentence: bool,
    /// The last words of the document, whose forms are not looked up yet.
    pending: Vec<PendingWord<'t>>,
}

impl<'t> DocumentBuilder<'_, 't> {
    fn add_zone(&mut self, zone: Zone, text: &'t str) {
        self.position.sentence += 1;
        self.position.paragraph += 1;
        let limit = self.position.at + MAX_ZONE_WORDS;
        let mut previous: Option<Range<usize>> = None;
        for word in words::words(text) {
            if self.position.at >= limit {
                break;
            }
            let sentence = self.position.sentence;
            let is_first = previous.is_none();
            if let Some(previous) = previous.replace(word.range.clone()) {
                match text.get(previous.end..word.range.start).unwrap_or("") {
                    " " => (),
                    between if between.contains('\n') => {
                        self.position.paragraph += 1;
                        self.position.sentence += 1;
                    }
                    between if between.len() > 1 => {
                        let previous = text.get(previous).unwrap_or("");
                        if sentences::ends_sentence(previous, between, word.text.chars().next()) {
                            self.position.sentence += 1;
                        }
                    }
                    _ => (),
                }
            }
            self.within_sentence = !is_first && self.position.sentence == sentence;
            self.add_with_parts(ZoneText { zone, text }, word);
        }
        self.look_up_pending();
    }

    /// Adds a word and its parts, and advances the position.
    fn add_with_parts(&mut self, zone: ZoneText<'t>, word: words::RawWord<'t>) {
        let words::RawWord { kind, range, text, parts } = word;
        let width = u16::try_from(parts.len()).unwrap_or(u16::MAX).max(1);
        self.add_word(zone, kind, text, range.clone(), 0, width);
        // The name of a tag is also a word as a whole if it has several parts.
        if kind == Kind::Tag && parts.len() > 1 {
            self.add_part(zone, range.start + 1..range.end, 0, width);
        }
        // The first part of a URL is its host. The labels of the host get no positions.
        for (offset, part) in (0..).zip(parts) {
            self.add_part(zone, part, offset, 1);
        }
        self.position.at += u32::from(width);
    }

    fn add_part(&mut self, zone: ZoneText<'t>, range: Range<usize>, offset: u32, width: u16) {
        let text = Cow::Borrowed(zone.text.get(range.clone()).unwrap_or(""));
        self.add_word(zone, Kind::Word, text, range, offset, width);
    }

    fn add_word(
        &mut self,
        zone: ZoneText<'t>,
        kind: Kind,
        text: Cow<'t, str>,
        range: Range<usize>,
        offset: u32,
        width: u16,
    ) {
        let is_name = kind == Kind::Word && self.within_sentence && is_capitalised(&text);
        let kind = if is_name { Kind::Name } else { kind };
        self.document.words.push(Word {
            form: NO_WORD,
            start: to_u32(range.start),
            end: to_u32(range.end),
            at: self.position.at + offset,
            next: NO_WORD,
            sentence: self.position.sentence,
            paragraph: self.position.paragraph,
            width,
            zone: zone.zone,
        });
        let key = match &text {
            Cow::Borrowed(_) => Key::within(self.hint, kind, zone.text, range),
            Cow::Owned(text) => Key::of(self.hint, kind, text),
        };
        self.pending.push(PendingWord { kind, text, key: key.map(|key| (key, key.hash())) });
        if self.pending.len() >= LOOKUP_BATCH {
            self.look_up_pending();
        }
    }

    fn look_up_pending(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        let mut forms = [None; LOOKUP_BATCH];
        for (form, PendingWord { kind, text, key }) in forms.iter_mut().zip(&pending) {
            *form = match key {
                Some((key, hash)) => self.table.find_short(key, *hash),
                None => self.table.find(self.hint, *kind, text),
            };
        }
        let first = self.document.words.len() - pending.len();
        for (number, (form, PendingWord { kind, text, .. })) in (first..).zip(forms.iter().zip(&pending)) {
            let form = form.unwrap_or_else(|| self.add_form(*kind, text));
            let form = self.link(to_u32(number), form, *kind);
            if let Some(word) = self.document.words.get_mut(number) {
                word.form = form;
            }
        }
        pending.clear();
        self.pending = pending;
    }

    /// Analyses a form that is not in the table, unless the document has it already.
    fn add_form(&mut self, kind: Kind, text: &str) -> FormId {
        let (hint, generation) = (self.hint, &self.document.generation);
        let form = self.new.entry((kind, Box::from(text)));
        *form.or_insert_with(|| generation.push(Form::new(kind, text, hint)))
    }

    /// Appends a word to the chain of words of its form. Returns the index of the form in the document.
    fn link(&mut self, number: u32, form: FormId, kind: Kind) -> u32 {
        match self.indexes.entry(form) {
            Entry::Occupied(entry) => {
                let index = *entry.get();
                if let Some((_, _, last)) = self.document.forms.get_mut(index as usize) {
                    let previous = std::mem::replace(last, number);
                    if let Some(previous) = self.document.words.get_mut(previous as usize) {
                        previous.next = number;
                    }
                }
                index
            }
            Entry::Vacant(entry) => {
                let index = *entry.insert(to_u32(self.document.forms.len()));
                self.document.forms.push((form, number, number));
                if kind == Kind::Tag {
                    self.document.tags.push(form);
                }
                index
            }
        }
    }
}

/// Returns true if a word begins with a capital letter. The first bytes decide for most words.
fn is_capitalised(word: &str) -> bool {
    match word.as_bytes() {
        [b'a'..=b'z', ..] | [0xd1, 0x80..=0x9f, ..] => false,
        [0xd0, second, ..] => *second <= 0xaf,
        _ => word.starts_with(char::is_uppercase),
    }
}

/// Converts a length. Documents are bounded far below 2^32.
fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_are_recognised_by_their_bytes() {
        for c in (0..0x3000).filter_map(char::from_u32) {
            assert_eq!(is_capitalised(&c.to_string()), c.is_uppercase(), "{c:?}");
        }
        assert!(!is_capitalised(""));
    }
}
