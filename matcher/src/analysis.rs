//! A text taken apart into words, with the byte range of each.

use std::collections::HashMap;

use model::{Item, Zone};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use crate::stem::Stems;

/// Words of a zone beyond this are not looked at: no publication is longer.
const MAX_WORDS: usize = 200_000;

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) zone: Zone,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) form: String,
    pub(crate) stem: String,
}

/// Takes texts apart. Holds the stemmers, so make one and keep it.
#[derive(Default)]
pub struct Analysis {
    stems: Stems,
}

impl std::fmt::Debug for Analysis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Analysis")
    }
}

/// A text taken apart, with an index of its words.
#[derive(Debug, Clone, Default)]
pub struct Document {
    pub(crate) words: Vec<Word>,
    pub(crate) by_form: HashMap<String, Vec<usize>>,
    pub(crate) by_stem: HashMap<String, Vec<usize>>,
}

impl Analysis {
    /// The words of an item, title and text kept apart.
    pub fn item(&self, item: &Item) -> Document {
        self.document(item.title.as_deref().unwrap_or(""), &item.text)
    }

    /// The words of a title and a text.
    pub fn document(&self, title: &str, text: &str) -> Document {
        let mut document = Document::default();
        let mut stems: HashMap<String, String> = HashMap::new();
        for (zone, text) in [(Zone::Title, title), (Zone::Text, text)] {
            for (start, word) in text.unicode_word_indices().take(MAX_WORDS) {
                let form = fold(word);
                let stem = match stems.get(&form) {
                    Some(stem) => stem.clone(),
                    None => {
                        let stem = self.stems.stem(&form);
                        stems.insert(form.clone(), stem.clone());
                        stem
                    }
                };
                let index = document.words.len();
                document.by_form.entry(form.clone()).or_default().push(index);
                document.by_stem.entry(stem.clone()).or_default().push(index);
                document.words.push(Word { zone, start, end: start + word.len(), form, stem });
            }
        }
        document
    }

    /// The stem of a word of a query.
    pub(crate) fn stem(&self, form: &str) -> String {
        self.stems.stem(form)
    }

    /// What a word of a search is looked up as in [`Document::search_tokens`].
    pub fn search_terms(&self, words: &str) -> Vec<String> {
        words.unicode_words().map(|word| format!("~{}", self.stem(&fold(word)))).collect()
    }
}

impl Document {
    /// The document as search sees it: each word's form, and its stem marked with `~`.
    pub fn search_tokens(&self) -> String {
        let mut tokens = String::new();
        for word in &self.words {
            for part in [&word.form, " ~", &word.stem, " "] {
                tokens.push_str(part);
            }
        }
        tokens
    }
}

/// A word as it is compared: NFC, lower case, ё as е, invisible characters removed.
pub(crate) fn fold(word: &str) -> String {
    word.nfc()
        .flat_map(char::to_lowercase)
        .filter(|c| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{feff}'))
        .map(|c| match c {
            'ё' => 'е',
            '’' => '\'',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_point_at_the_words() {
        let text = "Ёлки — «Халық банкі», AT&T's 25%";
        let document = Analysis::default().document("", text);
        let seen: Vec<(&str, &str)> =
            document.words.iter().map(|w| (text.get(w.start..w.end).unwrap(), w.form.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("Ёлки", "елки"),
                ("Халық", "халық"),
                ("банкі", "банкі"),
                ("AT", "at"),
                ("T's", "t's"),
                ("25", "25")
            ]
        );
    }

    #[test]
    fn inflections_share_a_stem() {
        let analysis = Analysis::default();
        for (one, other) in [
            ("банка", "банками"),
            ("ставками", "ставка"),
            ("rates", "rate"),
            ("казахстан", "казахстана"),
            ("казахстане", "казахстану"),
            ("узбекистаном", "узбекистан"),
        ] {
            assert_eq!(analysis.stem(one), analysis.stem(other), "{one} {other}");
        }
        assert_ne!(analysis.stem("алма"), analysis.stem("алматы"));
        assert_eq!(analysis.stem("қаланың"), "қаланың");
    }
}
