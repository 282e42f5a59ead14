//! From a text to a document: words are cut out, given their places, and looked up.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::ops::Range;

use model::Zone;
use rustc_hash::FxHashMap;

use super::forms::{FormId, Key, Table};
use super::words::{self, Kind};
use super::{Document, Form, NONE, Word, sentences};
use crate::morphology::Tongue;

/// Words of a zone beyond this are not looked at: no publication is longer.
const MAX_WORDS: u32 = 200_000;
/// Between zones no phrase and no neighbourhood reaches: further than any distance that a query may name.
const GAP: u32 = 1000;
/// Words of the text that belong to the lead, beside the title.
const LEAD: u32 = 60;
/// Forms that were met for the first time.
pub(super) type New = FxHashMap<(Kind, Box<str>), FormId>;

/// Takes a title and a text apart, with the forms that are known; tells those that are not as well.
pub(super) fn read(known: &Table, tongue: Tongue, title: &str, text: &str) -> (Document, New) {
    // A word and its space take about a dozen bytes of Cyrillic.
    let count = (text.len() / 12).min(MAX_WORDS as usize);
    let (words, forms) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let generation = known.generation.clone();
    let mut reading = Reading {
        known,
        tongue,
        document: Document { generation, words, forms, tags: Vec::new(), lead_end: 0 },
        seen: FxHashMap::with_capacity_and_hasher(count, Default::default()),
        new: New::default(),
        place: Place::default(),
        within_sentence: false,
        waiting: Vec::with_capacity(TOGETHER),
    };
    reading.zone(Zone::Title, title);
    reading.place.at += GAP;
    reading.document.lead_end = reading.place.at + LEAD;
    reading.zone(Zone::Text, text);
    (reading.document, reading.new)
}

/// Where the next word stands.
#[derive(Default, Clone, Copy)]
struct Place {
    at: u32,
    sentence: u32,
    paragraph: u32,
}

/// Words that are looked up together: each waits for memory, and they wait together.
const TOGETHER: usize = 32;

/// A word of the document whose form is not looked up yet.
struct Waiting<'t> {
    kind: Kind,
    text: Cow<'t, str>,
    /// With its hash; none for long words.
    key: Option<(Key, u64)>,
}

/// Which zone it is, and its text.
#[derive(Clone, Copy)]
struct Zoned<'t> {
    zone: Zone,
    text: &'t str,
}

struct Reading<'a, 't> {
    known: &'a Table,
    tongue: Tongue,
    document: Document,
    /// Where each form is in the document's list.
    seen: FxHashMap<FormId, u32>,
    /// Forms that are not known yet.
    new: New,
    place: Place,
    /// Whether the word at hand does not begin a sentence.
    within_sentence: bool,
    /// The document's last words.
    waiting: Vec<Waiting<'t>>,
}

impl<'t> Reading<'_, 't> {
    fn zone(&mut self, zone: Zone, text: &'t str) {
        self.place.sentence += 1;
        self.place.paragraph += 1;
        let limit = self.place.at + MAX_WORDS;
        let mut before: Option<Range<usize>> = None;
        for cut in words::words(text) {
            if self.place.at >= limit {
                break;
            }
            let sentence = self.place.sentence;
            let is_first = before.is_none();
            if let Some(before) = before.replace(cut.range.clone()) {
                match text.get(before.end..cut.range.start).unwrap_or("") {
                    " " => (),
                    between if between.contains('\n') => {
                        self.place.paragraph += 1;
                        self.place.sentence += 1;
                    }
                    between if between.len() > 1 => {
                        let before = text.get(before).unwrap_or("");
                        if sentences::ends(before, between, cut.text.chars().next()) {
                            self.place.sentence += 1;
                        }
                    }
                    _ => (),
                }
            }
            self.within_sentence = !is_first && self.place.sentence == sentence;
            self.cut(Zoned { zone, text }, cut);
        }
        self.look_up();
    }

    /// A word, and the words that it is made of.
    fn cut(&mut self, of: Zoned<'t>, cut: words::Cut<'t>) {
        let words::Cut { kind, range, text, parts } = cut;
        let width = u16::try_from(parts.len()).unwrap_or(u16::MAX).max(1);
        self.word(of, kind, text, range.clone(), 0, width);
        // A tag's name is a word whole, and in parts where there are several.
        if kind == Kind::Tag && parts.len() > 1 {
            self.part(of, range.start + 1..range.end, 0, width);
        }
        // An address begins with its host, which has parts of its own; they take no places.
        for (offset, part) in (0..).zip(parts) {
            self.part(of, part, offset, 1);
        }
        self.place.at += u32::from(width);
    }

    fn part(&mut self, of: Zoned<'t>, range: Range<usize>, offset: u32, width: u16) {
        let text = Cow::Borrowed(of.text.get(range.clone()).unwrap_or(""));
        self.word(of, Kind::Word, text, range, offset, width);
    }

    fn word(
        &mut self,
        of: Zoned<'t>,
        kind: Kind,
        text: Cow<'t, str>,
        range: Range<usize>,
        offset: u32,
        width: u16,
    ) {
        let is_name = kind == Kind::Word && self.within_sentence && is_capital(&text);
        let kind = if is_name { Kind::Name } else { kind };
        self.document.words.push(Word {
            form: NONE,
            start: number(range.start),
            end: number(range.end),
            at: self.place.at + offset,
            next: NONE,
            sentence: self.place.sentence,
            paragraph: self.place.paragraph,
            width,
            zone: of.zone,
        });
        let key = match &text {
            Cow::Borrowed(_) => Key::within(self.tongue, kind, of.text, range),
            Cow::Owned(read) => Key::of(self.tongue, kind, read),
        };
        self.waiting.push(Waiting { kind, text, key: key.map(|key| (key, key.hash())) });
        if self.waiting.len() >= TOGETHER {
            self.look_up();
        }
    }

    fn look_up(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut found = [None; TOGETHER];
        for (found, Waiting { kind, text, key }) in found.iter_mut().zip(&waiting) {
            *found = match key {
                Some((key, hash)) => self.known.find_short(key, *hash),
                None => self.known.find(self.tongue, *kind, text),
            };
        }
        let first = self.document.words.len() - waiting.len();
        for (index, (found, Waiting { kind, text, .. })) in (first..).zip(found.iter().zip(&waiting)) {
            let form = found.unwrap_or_else(|| self.first_met(*kind, text));
            let form = self.number_of(number(index), form, *kind);
            if let Some(word) = self.document.words.get_mut(index) {
                word.form = form;
            }
        }
        waiting.clear();
        self.waiting = waiting;
    }

    fn first_met(&mut self, kind: Kind, text: &str) -> FormId {
        let (tongue, generation) = (self.tongue, &self.document.generation);
        let form = self.new.entry((kind, Box::from(text)));
        *form.or_insert_with(|| generation.push(Form::new(kind, text, tongue)))
    }

    /// Which of the document's forms it is, of which this word is one.
    fn number_of(&mut self, index: u32, form: FormId, kind: Kind) -> u32 {
        match self.seen.entry(form) {
            Entry::Occupied(known) => {
                let known = *known.get();
                if let Some((_, _, last)) = self.document.forms.get_mut(known as usize) {
                    let before = std::mem::replace(last, index);
                    if let Some(before) = self.document.words.get_mut(before as usize) {
                        before.next = index;
                    }
                }
                known
            }
            Entry::Vacant(new) => {
                let number = *new.insert(number(self.document.forms.len()));
                self.document.forms.push((form, index, index));
                if kind == Kind::Tag {
                    self.document.tags.push(form);
                }
                number
            }
        }
    }
}

/// Whether a word begins with a capital letter; that of most words is told by its bytes.
fn is_capital(word: &str) -> bool {
    match word.as_bytes() {
        [b'a'..=b'z', ..] | [0xd1, 0x80..=0x9f, ..] => false,
        [0xd0, second, ..] => *second <= 0xaf,
        _ => word.starts_with(char::is_uppercase),
    }
}

/// Documents are bounded, far below this.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_are_told_by_their_bytes_as_by_themselves() {
        for c in (0..0x3000).filter_map(char::from_u32) {
            assert_eq!(is_capital(&c.to_string()), c.is_uppercase(), "{c:?}");
        }
        assert!(!is_capital(""));
    }
}
