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
        waiting: Vec::with_capacity(TOGETHER + 2),
        forms: Vec::with_capacity(TOGETHER + 2),
        keys: Vec::with_capacity(TOGETHER + 2),
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

/// Words that are looked up together.
const TOGETHER: usize = 32;

/// A word that was cut out, and is not looked up yet.
struct Written<'t> {
    kind: Kind,
    text: Cow<'t, str>,
    zone: Zone,
    range: Range<usize>,
    place: Place,
    width: u32,
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
    waiting: Vec<Written<'t>>,
    forms: Vec<Option<FormId>>,
    keys: Vec<(u64, Option<Key>)>,
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
            self.cut(zone, text, cut);
            if self.waiting.len() >= TOGETHER {
                self.look_up();
            }
        }
        self.look_up();
    }

    /// A word, and the words that it is made of.
    fn cut(&mut self, zone: Zone, text: &'t str, cut: words::Cut<'t>) {
        let words::Cut { kind, range, text: written, parts } = cut;
        let width = u32::try_from(parts.len()).unwrap_or(u32::MAX).max(1);
        self.word(zone, kind, written, range.clone(), 0, width);
        // A tag's name is a word whole, and in parts where there are several.
        if kind == Kind::Tag && parts.len() > 1 {
            let name = range.start + 1..range.end;
            let written = Cow::Borrowed(text.get(name.clone()).unwrap_or(""));
            self.word(zone, Kind::Word, written, name, 0, width);
        }
        for (offset, part) in (0..).zip(parts) {
            let written = Cow::Borrowed(text.get(part.clone()).unwrap_or(""));
            self.word(zone, Kind::Word, written, part, offset, 1);
            // An address begins with its host, which has parts of its own; they take no places.
        }
        self.place.at += width;
    }

    fn word(
        &mut self,
        zone: Zone,
        kind: Kind,
        text: Cow<'t, str>,
        range: Range<usize>,
        offset: u32,
        width: u32,
    ) {
        let is_name = kind == Kind::Word && self.within_sentence && is_capital(&text);
        let kind = if is_name { Kind::Name } else { kind };
        let place = Place { at: self.place.at + offset, ..self.place };
        self.waiting.push(Written { kind, text, zone, range, place, width });
    }

    /// Looks up the words that wait, and adds them to the document.
    fn look_up(&mut self) {
        let words = self.waiting.iter().map(|word| (word.kind, &*word.text));
        self.known.find_all(self.tongue, words, &mut self.forms, &mut self.keys);
        for number in 0..self.waiting.len() {
            let found = self.forms.get(number).copied().flatten();
            let Some(written) = self.waiting.get(number) else { continue };
            let Written { kind, zone, ref range, place: Place { at, sentence, paragraph }, width, .. } =
                *written;
            let range = range.clone();
            let form = found.unwrap_or_else(|| {
                let (tongue, generation) = (self.tongue, &self.document.generation);
                let form = self.new.entry((kind, Box::from(&*written.text)));
                *form.or_insert_with(|| generation.push(Form::new(kind, &written.text, tongue)))
            });
            let form = self.number_of(form, kind);
            self.document.words.push(Word { form, zone, range, at, next: NONE, width, sentence, paragraph });
        }
        self.waiting.clear();
    }

    /// Which of the document's forms it is, of which the next word will be one.
    fn number_of(&mut self, form: FormId, kind: Kind) -> u32 {
        let index = number(self.document.words.len());
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
