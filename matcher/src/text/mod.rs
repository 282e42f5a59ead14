//! Text analysis: splits a text into words with their byte ranges.
//!
//! Live matching, archive search and highlights share this analysis, so that they agree.

mod builder;
pub(crate) mod fold;
pub(crate) mod forms;
mod sentences;
mod sketch;
mod word_parts;
pub(crate) mod words;

pub use sketch::sketch;

use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use model::{Item, Zone};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::morphology::{self, LanguageHint};
use fold::{fold, is_cyrillic, is_kazakh, plain, unify_script};
use forms::{FormId, FormTable, Generation};
use words::Kind;

/// Inverse threshold for the detection of Kazakh: more than one word in this many must have Kazakh letters.
const KAZAKH_WORD_RATIO: usize = 8;

/// The end of a chain of words.
const NO_WORD: u32 = u32::MAX;

/// A distinct spelling of a word, and the strings that it is found by. Shared by all its occurrences.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) kind: Kind,
    /// The word as written, in NFC.
    pub(crate) surface: String,
    /// The folded word.
    pub(crate) exact: String,
    /// The words that it may be a form of.
    pub(crate) lemmas: Vec<String>,
    /// The lemmas and the form itself in plain letters. Topics are looked up by these.
    keys: Vec<String>,
}

/// One occurrence of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// The index of its form in the document.
    pub(crate) form: u32,
    /// The start of its byte range within its zone.
    start: u32,
    end: u32,
    /// Its position, counted through all zones.
    pub(crate) at: u32,
    /// The number of the next word of the same form.
    next: u32,
    pub(crate) sentence: u32,
    pub(crate) paragraph: u32,
    width: u16,
    pub(crate) zone: Zone,
}

impl Word {
    /// Returns its byte range within its zone.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Returns the number of positions that it covers. A word and its parts cover the same positions.
    pub(crate) fn width(&self) -> u32 {
        u32::from(self.width)
    }
}

/// The text analysis. It caches the forms of words, so create it once and reuse it; clones share the cache.
#[derive(Clone, Default)]
pub struct Analysis {
    forms: Arc<RwLock<FormTable>>,
}

impl std::fmt::Debug for Analysis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Analysis")
    }
}

/// An analysed text, with an index of its words.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// Words, sorted by position.
    pub(crate) words: Vec<Word>,
    generation: Arc<Generation>,
    /// The distinct forms, each with the numbers of its first and last word.
    forms: Vec<(FormId, u32, u32)>,
    /// The forms of hashtags, mentions and cashtags.
    tags: Vec<FormId>,
    /// The first position after the lead.
    pub(crate) lead_end: u32,
}

impl Analysis {
    /// Analyses an item. Title and text are separate zones.
    pub fn item(&self, item: &Item) -> Document {
        self.document(item.title.as_deref().unwrap_or(""), &item.text, item.language.as_deref())
    }

    /// Analyses a title and a text in a language (ISO 639-1). If `language` is `None`, it is detected.
    pub fn document(&self, title: &str, text: &str, language: Option<&str>) -> Document {
        let hint = match language {
            Some("kk") => LanguageHint::Kazakh,
            Some(_) => LanguageHint::ByScript,
            None => detect_language(title, text),
        };
        let table = self.forms.read().unwrap_or_else(PoisonError::into_inner);
        let (document, new) = builder::build_document(&table, hint, title, text);
        drop(table);
        self.cache_forms(&document.generation, hint, &new);
        document
    }

    /// Returns the alternative tokens of each word of a search. A document has the word if
    /// [`Document::search_tokens`] contains any of them.
    pub fn search_terms(&self, text: &str) -> Vec<Vec<String>> {
        let terms = |form: String| {
            let lemmas = morphology::query_lemmas(&form);
            let lemmas = lemmas.iter().map(|lemma| search_lemma_token(lemma));
            // Items stored before dictionaries were introduced have only stems.
            let stem = morphology::stem(&form).map(|stem| search_lemma_token(&stem));
            lemmas.chain(stem).chain([form]).collect()
        };
        words::words(text)
            .map(|word| fold(&word.text))
            .filter(|form| is_searchable(form))
            .map(terms)
            .collect()
    }

    /// Returns the form and the lemma tokens of a word of a query, as they occur in [`Document::places`]. Benchmarks
    /// use them to run the same query on another engine.
    pub fn position_terms(&self, word: &str) -> (String, Vec<String>) {
        let form = fold(&unify_script(word).unwrap_or_else(|| word.to_owned()));
        let lemmas = morphology::query_lemmas(&form);
        (plain(&form), lemmas.iter().map(|lemma| lemma_token(lemma)).collect())
    }

    /// Returns true if the dictionary of any language has this word.
    pub fn knows(&self, word: &str) -> bool {
        morphology::is_known(&fold(word))
    }

    /// Adds new forms to the cache. Starts a new generation if the cache is full.
    fn cache_forms(&self, generation: &Arc<Generation>, hint: LanguageHint, new: &builder::NewForms) {
        if new.is_empty() {
            return;
        }
        let mut table = self.forms.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&table.generation, generation) {
            return; // Another document has started a new generation.
        }
        for ((kind, surface), form) in new {
            table.add(hint, *kind, surface, *form);
        }
        if table.is_full() {
            *table = FormTable::default();
        }
    }
}

impl Form {
    fn new(kind: Kind, text: &str, hint: LanguageHint) -> Self {
        let surface: String = if is_nfc(text) { text.to_owned() } else { text.nfc().collect() };
        let folded = match unify_script(&surface) {
            Some(unify_script) if kind != Kind::Url => fold(&unify_script),
            _ => fold(&surface),
        };
        let lemmas = match kind {
            Kind::Word if !text.contains(char::is_uppercase) => {
                morphology::lemmas_of_lowercase(&folded, hint)
            }
            Kind::Word => morphology::lemmas(&folded, hint),
            Kind::Name => morphology::lemmas_of_name(&folded, hint),
            Kind::Number | Kind::Tag | Kind::Url | Kind::Emoji => Vec::new(),
        };
        let mut keys: Vec<String> =
            lemmas.iter().map(|lemma| plain(lemma)).chain([plain(&folded), plain(&fold(&surface))]).collect();
        keys.sort();
        keys.dedup();
        Self { kind, exact: folded, surface, lemmas, keys }
    }

    /// Returns true for words and names.
    pub(crate) fn is_word(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Name)
    }

    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }
}

/// Detects the language of a text: Kazakh if enough of its words have letters that only Kazakh uses.
/// Reads at most 400 words.
fn detect_language(title: &str, text: &str) -> LanguageHint {
    let words = || title.split_whitespace().chain(text.split_whitespace()).take(400);
    let cyrillic = words().filter(|word| word.chars().any(is_cyrillic)).count();
    let kazakh = words().filter(|word| word.chars().any(is_kazakh)).count();
    let latin = words().filter(|word| morphology::latin::looks_kazakh(&fold(word))).count();
    let is_kazakh = kazakh * KAZAKH_WORD_RATIO > cyrillic
        || (cyrillic == 0 && latin * KAZAKH_WORD_RATIO > words().count());
    if is_kazakh { LanguageHint::Kazakh } else { LanguageHint::ByScript }
}

impl Document {
    /// Returns true if it has no words.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Returns the form of a word.
    pub(crate) fn form(&self, word: &Word) -> Option<&Form> {
        self.generation.get(self.forms.get(word.form as usize)?.0)
    }

    /// Iterates over the distinct forms.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &Form> {
        self.forms.iter().filter_map(|(form, ..)| self.generation.get(*form))
    }

    /// Iterates over the ids of the distinct forms within the generation.
    pub(crate) fn form_ids(&self) -> impl Iterator<Item = FormId> + use<'_> {
        self.forms.iter().map(|(form, ..)| *form)
    }

    pub(crate) fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Iterates over the numbers of the words of a form.
    pub(crate) fn words_of(&self, form: u32) -> impl Iterator<Item = u32> + use<'_> {
        let mut next = self.forms.get(form as usize).map_or(NO_WORD, |(_, first, _)| *first);
        std::iter::from_fn(move || {
            let number = next;
            next = self.words.get(number as usize)?.next;
            Some(number)
        })
    }

    /// Returns the tokens of the document for the archive search: the form of each word, and its lemmas prefixed with
    /// `~`.
    pub fn search_tokens(&self) -> String {
        let mut tokens = String::new();
        let forms = self.words.iter().filter_map(|word| self.form(word));
        for form in forms.filter(|form| is_searchable(&form.exact)) {
            tokens.push_str(&form.exact);
            tokens.push(' ');
            for lemma in &form.lemmas {
                tokens.push_str(&search_lemma_token(lemma));
                tokens.push(' ');
            }
        }
        tokens
    }

    /// Iterates over the positions of the text. Yields the forms at each position in plain letters, each followed by
    /// its lemma tokens.
    pub fn places(&self) -> impl Iterator<Item = Vec<String>> {
        self.words.chunk_by(|one, other| one.at == other.at).map(|words| {
            let forms = words.iter().filter_map(|word| self.form(word));
            let terms = |form: &Form| {
                std::iter::once(plain(&form.exact))
                    .chain(form.lemmas.iter().map(|lemma| lemma_token(lemma)))
                    .collect::<Vec<_>>()
            };
            forms.flat_map(terms).collect()
        })
    }

    /// Iterates over the hashtags and mentions, folded, with their signs.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let tags = self.tags.iter().filter_map(|form| self.generation.get(*form));
        tags.map(|form| form.exact.as_str()).filter(|tag| tag.starts_with(['#', '@']))
    }

    /// Iterates over the words at a position.
    pub(crate) fn words_at_position(&self, at: u32) -> impl Iterator<Item = &Word> {
        let first = self.words.partition_point(|word| word.at < at);
        // A part follows the whole word that contains it, whose position is lower or equal, so words are sorted.
        self.words.get(first..).unwrap_or(&[]).iter().take_while(move |word| word.at == at)
    }
}

fn is_searchable(form: &str) -> bool {
    form.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '\''))
}

/// Returns the search token of a lemma. Drops the hyphen that marks Snowball stems, because search treats it as a
/// space.
fn search_lemma_token(lemma: &str) -> String {
    format!("~{}", lemma.trim_end_matches('-'))
}

/// Returns a lemma in plain letters, with a prefix that distinguishes it from a form.
fn lemma_token(lemma: &str) -> String {
    format!("~{}", plain(lemma))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(title: &str, text: &str) -> Vec<(String, u32, u32)> {
        let document = Analysis::default().document(title, text, None);
        document
            .words
            .iter()
            .map(|word| (document.form(word).unwrap().exact.clone(), word.at, word.width()))
            .collect()
    }

    #[test]
    fn a_word_shares_the_positions_of_its_parts() {
        let expected =
            [("интернет-магазин", 1000, 2), ("интернет", 1000, 1), ("магазин", 1001, 1), ("рядом", 1002, 1)];
        let expected: Vec<_> =
            expected.iter().map(|(word, at, width)| ((*word).to_owned(), *at, *width)).collect();
        assert_eq!(positions("", "Интернет-магазин рядом"), expected);
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
    fn words_at_returns_the_words_of_each_position() {
        let document = Analysis::default().document("Каспи", "Kaspi.kz вырос", None);
        let at = |position| {
            document
                .words_at_position(position)
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
    fn kazakh_is_detected_by_its_letters() {
        let detect = |text| detect_language("", text);
        assert_eq!(detect("Алматы қаласында жаңа мектеп ашылды"), LanguageHint::Kazakh);
        assert_eq!(
            detect("В Алматы открыли школу имени Қожамқұлова, сообщает акимат города сегодня"),
            LanguageHint::ByScript
        );
        assert_eq!(detect("Schools were opened"), LanguageHint::ByScript);
    }
}
