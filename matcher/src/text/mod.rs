//! A text taken apart into words, with the byte range of each.
//!
//! Live matching, search in the archive and highlights share this analysis, so that they agree.

pub(crate) mod fold;
pub(crate) mod forms;
mod reading;
mod sentences;
mod sketch;
pub(crate) mod words;

pub use sketch::sketch;

use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use model::{Item, Zone};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::morphology::{self, Tongue};
use fold::{fold, is_cyrillic, is_kazakh, plain, unmixed};
use forms::{FormId, Generation, Table};
use words::Kind;

/// One in so many Cyrillic words with Kazakh letters makes a text without a language Kazakh.
const KAZAKH_SHARE: usize = 8;

/// No word.
const NONE: u32 = u32::MAX;

/// A word as it is written, and all that it may be found by. Shared by all places where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) kind: Kind,
    /// As it stands there, in NFC.
    pub(crate) surface: String,
    /// Folded.
    pub(crate) exact: String,
    /// What it may be a form of.
    pub(crate) lemmas: Vec<String>,
    /// The same in plain letters, and the form itself: what leads to the topics that may be meant.
    keys: Vec<String>,
}

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Which of the document's forms it has.
    pub(crate) form: u32,
    /// In bytes of its zone.
    start: u32,
    end: u32,
    /// Which word it is, counted through all zones.
    pub(crate) at: u32,
    /// The next word of the same form.
    next: u32,
    pub(crate) sentence: u32,
    pub(crate) paragraph: u32,
    width: u16,
    pub(crate) zone: Zone,
}

impl Word {
    /// In bytes of its zone.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// How many places it takes: a word and the parts that it is made of stand at the same ones.
    pub(crate) fn width(&self) -> u32 {
        u32::from(self.width)
    }
}

/// Takes texts apart, and remembers the words that it has seen. Make one and keep it; copies share the memory.
#[derive(Clone, Default)]
pub struct Analysis {
    forms: Arc<RwLock<Table>>,
}

impl std::fmt::Debug for Analysis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Analysis")
    }
}

/// A text taken apart, with an index of its words.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// In the order of their places.
    pub(crate) words: Vec<Word>,
    generation: Arc<Generation>,
    /// Each form once, and its first and last word.
    forms: Vec<(FormId, u32, u32)>,
    /// Forms of hashtags, mentions and cashtags.
    tags: Vec<FormId>,
    /// The first place after the lead.
    pub(crate) lead_end: u32,
}

impl Analysis {
    /// The words of an item, title and text kept apart.
    pub fn item(&self, item: &Item) -> Document {
        self.document(item.title.as_deref().unwrap_or(""), &item.text, item.language.as_deref())
    }

    /// The words of a title and a text in a language (ISO 639-1), where it is known.
    pub fn document(&self, title: &str, text: &str, language: Option<&str>) -> Document {
        let tongue = match language {
            Some("kk") => Tongue::Kazakh,
            Some(_) => Tongue::Usual,
            None => tongue(title, text),
        };
        let known = self.forms.read().unwrap_or_else(PoisonError::into_inner);
        let (document, new) = reading::read(&known, tongue, title, text);
        drop(known);
        self.remember(&document.generation, tongue, &new);
        document
    }

    /// What each word of a search is looked up as in [`Document::search_tokens`]: any of these will do.
    pub fn search_terms(&self, text: &str) -> Vec<Vec<String>> {
        let terms = |form: String| {
            let asked = morphology::asked_for(&form);
            let lemmas = asked.iter().map(|lemma| search_lemma(lemma));
            // What was stored before there was a dictionary is found by its stem.
            let stem = morphology::stem(&form).map(|stem| search_lemma(&stem));
            lemmas.chain(stem).chain([form]).collect()
        };
        words::words(text).map(|cut| fold(&cut.text)).filter(|form| is_searchable(form)).map(terms).collect()
    }

    /// What a word of a query stands for in [`Document::places`], for an engine that is measured beside this one: the form
    /// and what may be meant by it.
    pub fn place_terms(&self, word: &str) -> (String, Vec<String>) {
        let form = fold(&unmixed(word).unwrap_or_else(|| word.to_owned()));
        let lemmas = morphology::asked_for(&form);
        (plain(&form), lemmas.iter().map(|lemma| marked(lemma)).collect())
    }

    /// Whether a dictionary has this word of any language.
    pub fn knows(&self, word: &str) -> bool {
        morphology::knows(&fold(word))
    }

    /// Lets forms that were met for the first time be found.
    fn remember(&self, generation: &Arc<Generation>, tongue: Tongue, new: &reading::New) {
        if new.is_empty() {
            return;
        }
        let mut known = self.forms.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&known.generation, generation) {
            return; // another document began a new one
        }
        for ((kind, surface), form) in new {
            known.add(tongue, *kind, surface, *form);
        }
        if known.is_full() {
            *known = Table::default();
        }
    }
}

impl Form {
    fn new(kind: Kind, text: &str, tongue: Tongue) -> Self {
        let surface: String = if is_nfc(text) { text.to_owned() } else { text.nfc().collect() };
        let folded = match unmixed(&surface) {
            Some(mended) if kind != Kind::Url => fold(&mended),
            _ => fold(&surface),
        };
        let lemmas = match kind {
            Kind::Word if !text.contains(char::is_uppercase) => morphology::lemmas_of_small(&folded, tongue),
            Kind::Word => morphology::lemmas(&folded, tongue),
            Kind::Name => morphology::lemmas_of_name(&folded, tongue),
            Kind::Number | Kind::Tag | Kind::Url | Kind::Emoji => Vec::new(),
        };
        let mut keys: Vec<String> =
            lemmas.iter().map(|lemma| plain(lemma)).chain([plain(&folded), plain(&fold(&surface))]).collect();
        keys.sort();
        keys.dedup();
        Self { kind, exact: folded, surface, lemmas, keys }
    }

    /// Whether it is made of letters.
    pub(crate) fn is_word(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Name)
    }

    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }
}

/// A text without a language: Kazakh where enough of its words can be nothing else.
fn tongue(title: &str, text: &str) -> Tongue {
    let words = || title.split_whitespace().chain(text.split_whitespace()).take(400);
    let cyrillic = words().filter(|word| word.chars().any(is_cyrillic)).count();
    let kazakh = words().filter(|word| word.chars().any(is_kazakh)).count();
    let latin = words().filter(|word| morphology::latin::looks_kazakh(&fold(word))).count();
    let is_kazakh =
        kazakh * KAZAKH_SHARE > cyrillic || (cyrillic == 0 && latin * KAZAKH_SHARE > words().count());
    if is_kazakh { Tongue::Kazakh } else { Tongue::Usual }
}

impl Document {
    /// Whether it holds no word.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The form of a word.
    pub(crate) fn form(&self, word: &Word) -> Option<&Form> {
        self.generation.get(self.forms.get(word.form as usize)?.0)
    }

    /// Each form once.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &Form> {
        self.forms.iter().filter_map(|(form, ..)| self.generation.get(*form))
    }

    /// Each form once, by its number in the generation.
    pub(crate) fn form_ids(&self) -> impl Iterator<Item = FormId> + use<'_> {
        self.forms.iter().map(|(form, ..)| *form)
    }

    pub(crate) fn generation(&self) -> &Generation {
        &self.generation
    }

    /// The numbers of the words of a form.
    pub(crate) fn words_of(&self, form: u32) -> impl Iterator<Item = u32> + use<'_> {
        let mut next = self.forms.get(form as usize).map_or(NONE, |(_, first, _)| *first);
        std::iter::from_fn(move || {
            let number = next;
            next = self.words.get(number as usize)?.next;
            Some(number)
        })
    }

    /// The document as search sees it: each word's form, and what it may be a form of marked with `~`.
    pub fn search_tokens(&self) -> String {
        let mut tokens = String::new();
        let forms = self.words.iter().filter_map(|word| self.form(word));
        for form in forms.filter(|form| is_searchable(&form.exact)) {
            tokens.push_str(&form.exact);
            tokens.push(' ');
            for lemma in &form.lemmas {
                tokens.push_str(&search_lemma(lemma));
                tokens.push(' ');
            }
        }
        tokens
    }

    /// What stands at each place of the text: the forms, in plain letters, and behind each what it may be a form of.
    pub fn places(&self) -> impl Iterator<Item = Vec<String>> {
        self.words.chunk_by(|one, other| one.at == other.at).map(|words| {
            let forms = words.iter().filter_map(|word| self.form(word));
            let terms = |form: &Form| {
                std::iter::once(plain(&form.exact))
                    .chain(form.lemmas.iter().map(|lemma| marked(lemma)))
                    .collect::<Vec<_>>()
            };
            forms.flat_map(terms).collect()
        })
    }

    /// Hashtags and mentions, folded, with their signs.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let tags = self.tags.iter().filter_map(|form| self.generation.get(*form));
        tags.map(|form| form.exact.as_str()).filter(|tag| tag.starts_with(['#', '@']))
    }

    /// The words from a place on.
    pub(crate) fn words_at(&self, at: u32) -> impl Iterator<Item = &Word> {
        let first = self.words.partition_point(|word| word.at < at);
        // A part follows the whole that it belongs to, whose place is smaller or the same.
        self.words.get(first..).unwrap_or(&[]).iter().take_while(move |word| word.at == at)
    }
}

fn is_searchable(form: &str) -> bool {
    form.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '\''))
}

/// Snowball's stems are marked by a hyphen, which search would take for a space.
fn search_lemma(lemma: &str) -> String {
    format!("~{}", lemma.trim_end_matches('-'))
}

/// A lemma in plain letters, told from a form.
fn marked(lemma: &str) -> String {
    format!("~{}", plain(lemma))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(title: &str, text: &str) -> Vec<(String, u32, u32)> {
        let document = Analysis::default().document(title, text, None);
        document
            .words
            .iter()
            .map(|word| (document.form(word).unwrap().exact.clone(), word.at, word.width()))
            .collect()
    }

    #[test]
    fn a_word_stands_where_its_parts_do() {
        let expected =
            [("интернет-магазин", 1000, 2), ("интернет", 1000, 1), ("магазин", 1001, 1), ("рядом", 1002, 1)];
        let expected: Vec<_> =
            expected.iter().map(|(word, at, width)| ((*word).to_owned(), *at, *width)).collect();
        assert_eq!(places("", "Интернет-магазин рядом"), expected);
    }

    #[test]
    fn sentences_and_paragraphs_are_counted() {
        let text = "Вырос на 5 млн. тенге. Упал.\nА. Б. Иванов";
        let document = Analysis::default().document("", text, Some("ru"));
        let sentences: Vec<u32> = document.words.iter().map(|word| word.sentence).collect();
        assert_eq!(sentences, [2, 2, 2, 2, 2, 3, 4, 4, 4]);
        let paragraphs: Vec<u32> = document.words.iter().map(|word| word.paragraph).collect();
        assert_eq!(paragraphs, [2, 2, 2, 2, 2, 2, 3, 3, 3]);
    }

    #[test]
    fn every_place_leads_to_its_words() {
        let document = Analysis::default().document("Каспи", "Kaspi.kz вырос", None);
        let at = |place| {
            document
                .words_at(place)
                .map(|word| document.form(word).unwrap().exact.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(at(0), ["каспи"]);
        assert_eq!(at(1001), ["kaspi.kz", "kaspi"]);
        assert_eq!(at(1002), ["kz"]);
        assert_eq!(at(1003), ["вырос"]);
        assert_eq!(at(1004), Vec::<&str>::new());
    }

    #[test]
    fn languages_are_told_by_their_letters() {
        let tongue = |text| super::tongue("", text);
        assert_eq!(tongue("Алматы қаласында жаңа мектеп ашылды"), Tongue::Kazakh);
        assert_eq!(
            tongue("В Алматы открыли школу имени Қожамқұлова, сообщает акимат города сегодня"),
            Tongue::Usual
        );
        assert_eq!(tongue("Schools were opened"), Tongue::Usual);
    }
}
