//! Topics and documents of `bench match`.
//!
//! They are made of the words of a text, by its own frequencies, so the text decides the language. What is made follows
//! from a seed. One word in a hundred is a name, made of a word and an ending. Of the topics 30 % are lists of names and
//! phrases, 25 % names with a context, 20 % names without a noise word, 10 % words near each other, 5 % a beginning with a
//! context, 5 % two common words, 3 % lists of 50 to 110 phrases, and 2 % ask for a field (the mix of a prototype, which
//! took it from public query collections).

use std::collections::HashMap;
use std::fmt;

use model::{Item, Name, Topic};

use crate::laboratory::item_of;

/// Words of a document.
pub(super) const LENGTH: usize = 500;
/// One in so many of them is a name that topics may ask for.
const NAME_EVERY: usize = 100;

/// The words of a text; of CoNLL-U the forms.
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

/// Makes topics and documents.
pub(super) struct Making {
    /// As they follow each other: one taken at random is as frequent as it is in the text.
    words: Vec<String>,
    /// Each once, the commonest first.
    vocabulary: Vec<String>,
    state: u64,
}

impl Making {
    pub(super) fn of(words: Vec<String>, seed: u64) -> Self {
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

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or_default()
    }

    pub(super) fn document(&mut self) -> anyhow::Result<Item> {
        let mut text = String::new();
        for number in 0..LENGTH {
            let word = self.below(self.words.len());
            let word = if number % NAME_EVERY == 0 {
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
        item_of(&text, "ru")
    }

    /// A word of a part of the vocabulary, in thousandths: 0 is the commonest, 1000 the rarest.
    fn word(&mut self, from: usize, to: usize) -> String {
        let length = self.vocabulary.len();
        let (from, to) = (length * from / 1000, (length * to / 1000).max(length * from / 1000 + 1));
        let at = from + self.below(to - from);
        self.vocabulary.get(at).cloned().unwrap_or_default()
    }

    /// One of as many names as there are words with these endings.
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

    fn context(&mut self) -> Asked {
        Asked::Word(self.context_word())
    }

    fn named(&mut self) -> Asked {
        Asked::Word(self.name())
    }

    fn any(&mut self, count: usize, mut one: impl FnMut(&mut Self) -> Asked) -> Asked {
        Asked::Any((0..count).map(|_| one(self)).collect())
    }

    fn phrase(&mut self) -> Asked {
        Asked::Phrase([self.name(), self.name()])
    }

    pub(super) fn asked(&mut self) -> Asked {
        let some = 1 + self.below(3);
        match self.below(100) {
            0..30 => {
                let phrases = 1 + self.below(4);
                Asked::Any(vec![self.any(phrases, Self::phrase), self.named()])
            }
            30..55 => Asked::Both(self.any(some, Self::named).into(), self.any(3, Self::context).into()),
            55..75 => Asked::Without(self.any(some, Self::named).into(), self.context().into()),
            75..85 => Asked::Near([self.name(), self.context_word()], 3 + some),
            85..90 => {
                let beginning: String = self.name().chars().take(5).collect();
                let beginning = if beginning.chars().count() < 4 { "гора".to_owned() } else { beginning };
                Asked::Both(Asked::Beginning(beginning).into(), self.context().into())
            }
            90..95 => {
                let common = |making: &mut Self| Asked::Word(making.word(15, 80)).into();
                Asked::Both(common(self), common(self))
            }
            95..98 => {
                let phrases = 50 + self.below(61);
                self.any(phrases, Self::phrase)
            }
            _ => Asked::InRussian(self.named().into()),
        }
    }
}

/// What a topic asks for: written as TQL, or as another engine wants it.
pub(super) enum Asked {
    Word(String),
    /// Any form of two words side by side.
    Phrase([String; 2]),
    Beginning(String),
    Any(Vec<Asked>),
    Both(Box<Asked>, Box<Asked>),
    Without(Box<Asked>, Box<Asked>),
    /// With so many words between at most.
    Near([String; 2], usize),
    /// In publications in Russian, which all of these are.
    InRussian(Box<Asked>),
}

impl Asked {
    pub(super) fn topic(&self, number: usize) -> anyhow::Result<Topic> {
        let name = Name::new(&format!("t{number}")).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Topic::new(name, self.to_string()))
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Phrase([one, other]) => write!(f, "[{one} {other}]"),
            Self::Beginning(letters) => write!(f, "{letters}*"),
            Self::Any(all) => {
                let all: Vec<String> = all.iter().map(Self::to_string).collect();
                write!(f, "({})", all.join(" OR "))
            }
            Self::Both(one, other) => write!(f, "{one} AND {other}"),
            Self::Without(one, other) => write!(f, "{one} NOT {other}"),
            Self::Near([one, other], words) => write!(f, "{one} NEAR/{words} {other}"),
            Self::InRussian(asked) => write!(f, "{asked} lang:ru"),
        }
    }
}
