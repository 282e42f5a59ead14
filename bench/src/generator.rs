//! Generated topics and documents of `bench match`.
//!
//! They consist of the words of a text, with the frequencies of that text, and follow from a seed. One word in a
//! hundred is a name, which consists of a word and an ending.
//!
//! The kinds of topics have the shares of a prototype, which took them from public collections of queries:
//!
//! * 30 %: lists of names and phrases
//! * 25 %: names with context words
//! * 20 %: names without a context word
//! * 10 %: a name near a context word
//! * 5 %: a prefix with a context word
//! * 5 %: two common words
//! * 3 %: lists of 50 to 110 phrases
//! * 2 %: names in a language

use std::collections::HashMap;
use std::fmt;

use model::{Item, Name, Topic};

use crate::laboratory::text_item;

/// The number of words of a document.
pub(super) const WORDS_PER_DOCUMENT: usize = 500;
/// The number of words of a document per name.
const WORDS_PER_NAME: usize = 100;

/// Returns the words of a text. For text in CoNLL-U, these are the forms.
pub(super) fn words_of(text: &str) -> Vec<String> {
    let is_word = |word: &&str| word.chars().any(char::is_alphabetic) && word.len() <= 40;
    let from_line = |line: &str| -> Vec<String> {
        let columns: Vec<&str> = line.split('\t').collect();
        let words = match columns.as_slice() {
            [_, form, _, _, ..] => vec![*form],
            _ if line.starts_with('#') => Vec::new(),
            _ => line.split_whitespace().collect(),
        };
        let trimmed = words.into_iter().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        trimmed.filter(is_word).map(str::to_owned).collect()
    };
    text.lines().flat_map(from_line).collect()
}

/// A generator of topics and documents.
pub(super) struct Generator {
    /// All words of the text in their order, so a random one has the frequency of the text.
    words: Vec<String>,
    /// The distinct words, most frequent first.
    vocabulary: Vec<String>,
    state: u64,
}

impl Generator {
    pub(super) fn new(words: Vec<String>, seed: u64) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for word in &words {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
        let mut counted: Vec<(usize, String)> =
            counts.into_iter().map(|(word, count)| (count, word)).collect();
        counted.retain(|(_, word)| word.chars().count() > 2 && word.chars().all(char::is_alphabetic));
        counted.sort_by(|one, other| other.cmp(one));
        Self { words, vocabulary: counted.into_iter().map(|(_, word)| word).collect(), state: seed }
    }

    /// Returns the next random number of SplitMix64 (Steele, Lea and Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a random number below a limit.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or_default()
    }

    /// Returns a random document.
    pub(super) fn document(&mut self) -> anyhow::Result<Item> {
        let mut text = String::new();
        for number in 0..WORDS_PER_DOCUMENT {
            let word = self.below(self.words.len());
            let word = if number % WORDS_PER_NAME == 0 {
                self.name()
            } else {
                self.words.get(word).cloned().unwrap_or_default()
            };
            text.push_str(&word);
            text.push_str(match number % 97 {
                96 => ".\n",
                n if n % 12 == 11 => ". ",
                n if n % 7 == 6 => ", ",
                _ => " ",
            });
        }
        text_item(&text, "ru")
    }

    /// Returns a random word of a part of the vocabulary. The bounds are thousandths: 0 is the most frequent word, 1000
    /// the rarest.
    fn word(&mut self, from: usize, to: usize) -> String {
        let length = self.vocabulary.len();
        let (from, to) = (length * from / 1000, (length * to / 1000).max(length * from / 1000 + 1));
        let at = from + self.below(to - from);
        self.vocabulary.get(at).cloned().unwrap_or_default()
    }

    /// Returns a random name: a word of the vocabulary with an ending.
    fn name(&mut self) -> String {
        const ENDINGS: &[&str] = &["ов", "ева", "ин", "ский", "бай", "стан", "пром", "банк"];
        let word = self.word(0, 1000);
        let ending = self.below(ENDINGS.len());
        let stem: String = word.chars().take(7).collect();
        format!("{stem}{}", ENDINGS.get(ending).copied().unwrap_or_default())
    }

    fn context_word(&mut self) -> String {
        self.word(20, 150)
    }

    fn context_query(&mut self) -> Query {
        Query::Word(self.context_word())
    }

    fn name_query(&mut self) -> Query {
        Query::Word(self.name())
    }

    fn phrase_query(&mut self) -> Query {
        Query::Phrase([self.name(), self.name()])
    }

    /// Returns a disjunction of random queries.
    fn any_of(&mut self, count: usize, mut query: impl FnMut(&mut Self) -> Query) -> Query {
        Query::Any((0..count).map(|_| query(self)).collect())
    }

    /// Returns the random query of a topic.
    pub(super) fn query(&mut self) -> Query {
        let count = 1 + self.below(3);
        match self.below(100) {
            0..30 => {
                let phrases = 1 + self.below(4);
                Query::Any(vec![self.any_of(phrases, Self::phrase_query), self.name_query()])
            }
            30..55 => {
                let names = self.any_of(count, Self::name_query);
                Query::Both(names.into(), self.any_of(3, Self::context_query).into())
            }
            55..75 => {
                let names = self.any_of(count, Self::name_query);
                Query::Without(names.into(), self.context_query().into())
            }
            75..85 => Query::Near([self.name(), self.context_word()], 3 + count),
            85..90 => {
                let prefix: String = self.name().chars().take(5).collect();
                let prefix = if prefix.chars().count() < 4 { "гора".to_owned() } else { prefix };
                Query::Both(Query::Prefix(prefix).into(), self.context_query().into())
            }
            90..95 => {
                let common_word = |generator: &mut Self| Query::Word(generator.word(15, 80)).into();
                Query::Both(common_word(self), common_word(self))
            }
            95..98 => {
                let phrases = 50 + self.below(61);
                self.any_of(phrases, Self::phrase_query)
            }
            _ => Query::InRussian(self.name_query().into()),
        }
    }
}

/// The query of a topic, independent of the notation of an engine.
pub(super) enum Query {
    Word(String),
    /// Any forms of two adjacent words.
    Phrase([String; 2]),
    Prefix(String),
    Any(Vec<Query>),
    Both(Box<Query>, Box<Query>),
    Without(Box<Query>, Box<Query>),
    /// Two words with at most this number of words between them.
    Near([String; 2], usize),
    /// A query for documents in Russian. All generated documents are.
    InRussian(Box<Query>),
}

impl Query {
    /// Returns a topic with this query.
    pub(super) fn topic(&self, number: usize) -> anyhow::Result<Topic> {
        let name = Name::new(&format!("t{number}")).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Topic::new(name, self.to_string()))
    }
}

/// Writes the query in TQL.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Phrase([one, other]) => write!(f, "[{one} {other}]"),
            Self::Prefix(letters) => write!(f, "{letters}*"),
            Self::Any(queries) => {
                let queries: Vec<String> = queries.iter().map(Self::to_string).collect();
                write!(f, "({})", queries.join(" OR "))
            }
            Self::Both(one, other) => write!(f, "{one} AND {other}"),
            Self::Without(one, other) => write!(f, "{one} NOT {other}"),
            Self::Near([one, other], words) => write!(f, "{one} NEAR/{words} {other}"),
            Self::InRussian(query) => write!(f, "{query} lang:ru"),
        }
    }
}
