//! Kazakh word forms: from an inflected word to what a dictionary would list.
//!
//! Endings come in a fixed order, and the first sound of each follows the last of what it is put to (алма-ны, ауыл-ды,
//! құс-ты): Krippes, *Kazakh Grammatical Sketch with Affix List*, 1993; Muhamedowa, *Kazakh: A Comprehensive Grammar*,
//! 2016. So endings are taken off from the outside in, and one that could not have been put there is left on: Алматы is
//! not алма-ты, Астана is not аста-на. Vowels of endings agree with each other, and with those of the stem except where
//! loan words break that (банк-тің). A list of stems decides where several readings are left.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::kazakh_verb;

/// Shorter stems are believed only where the list knows them.
const SHORTEST: usize = 3;
/// Readings of a word that the list does not know.
const GUESSES: usize = 3;

/// The stems that we know.
pub(super) struct Lexicon {
    words: HashSet<&'static str>,
    verbs: HashSet<&'static str>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon { words: HashSet::new(), verbs: HashSet::new() };
    let mut are_verbs = false;
    for line in include_str!("kazakh_lexicon.txt").lines().filter(|line| !line.starts_with('#')) {
        match line {
            "verbs" => are_verbs = true,
            "words" | "names" => are_verbs = false,
            _ if are_verbs => lexicon.verbs.extend(line.split(' ').filter(|word| word.ends_with(['у', 'ю']))),
            _ => lexicon.words.extend(line.split(' ')),
        }
    }
    lexicon
});

impl Lexicon {
    pub(super) fn knows_verb(&self, infinitive: &str) -> bool {
        self.verbs.contains(infinitive)
    }

    fn knows(&self, stem: &str) -> bool {
        self.words.contains(stem) || self.verbs.contains(stem)
    }
}

/// A way to read a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// A noun, or a verb's infinitive.
    pub(super) lemma: String,
    /// Letters of endings that were taken off.
    pub(super) taken: usize,
    /// Whether the list has it, as what it is read as.
    pub(super) is_known: bool,
    /// By an ending that makes a word of its own, or is too short to tell.
    pub(super) doubtful: bool,
}

/// Whether the list has the word, or the verb of which it is the bare stem.
pub(super) fn knows(word: &str) -> bool {
    LEXICON.knows(word) || kazakh_verb::known_infinitive(word, &LEXICON).is_some()
}

impl Reading {
    fn is_certain(&self) -> bool {
        self.is_known && !self.doubtful
    }
}

/// What a folded word of a text may be a form of, besides itself.
pub(super) fn lemmas(word: &str) -> Vec<String> {
    if LEXICON.knows_verb(word) {
        // Passives and causatives are listed as well; who asks for opening means what is opened.
        let plain = kazakh_verb::without_voice(word, &LEXICON);
        return std::iter::once(word.to_owned()).chain(plain).collect();
    }
    if LEXICON.words.contains(word) {
        return vec![word.to_owned()];
    }
    let mut readings = readings(word);
    let certain: Vec<String> =
        readings.iter().filter(|one| one.is_certain()).map(|one| one.lemma.clone()).collect();
    if !certain.is_empty() {
        return certain;
    }
    readings.sort_by_key(|one| std::cmp::Reverse(one.taken));
    let likely =
        readings.iter().filter(|one| !one.doubtful && one.lemma.chars().count() >= SHORTEST).take(GUESSES);
    let mut lemmas: Vec<String> = likely.map(|one| one.lemma.clone()).collect();
    lemmas.extend(nouns(word, true).into_iter().filter(|one| one.is_known).map(|one| one.lemma));
    lemmas
}

/// What a word may be a form of that the list knows.
pub(super) fn known_lemmas(word: &str) -> Vec<String> {
    lemmas(word).into_iter().filter(|lemma| LEXICON.knows(lemma)).collect()
}

/// What a folded word of a query stands for: itself where it is a dictionary's form, or a verb's bare stem.
pub(super) fn asked_for(word: &str) -> Vec<String> {
    let verb = kazakh_verb::known_infinitive(word, &LEXICON);
    if LEXICON.knows(word) || verb.is_some() {
        return std::iter::once(word.to_owned()).filter(|word| LEXICON.knows(word)).chain(verb).collect();
    }
    let certain = readings(word).into_iter().filter(Reading::is_certain);
    let mut asked: Vec<String> = certain.map(|one| one.lemma).collect();
    asked.extend([word.to_owned(), kazakh_verb::infinitive(word)]);
    asked
}

fn readings(word: &str) -> Vec<Reading> {
    let mut readings = nouns(word, false);
    readings.extend(kazakh_verb::readings(word, &readings, &LEXICON));
    readings
}

/// What the last sound of a stem asks of an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Vowel,
    /// р, й, у and и.
    Liquid,
    /// л, which takes the plural of a nasal.
    Lateral,
    Nasal,
    Sibilant,
    Voiceless,
}

pub(super) fn last(stem: &str) -> Last {
    match stem.chars().next_back() {
        Some('а' | 'ә' | 'е' | 'ы' | 'і' | 'о' | 'ө' | 'ү' | 'ұ' | 'э' | 'я' | 'ё') => {
            Last::Vowel
        }
        Some('р' | 'й' | 'у' | 'и' | 'ю') => Last::Liquid,
        Some('л') => Last::Lateral,
        Some('м' | 'н' | 'ң') => Last::Nasal,
        Some('з' | 'ж') => Last::Sibilant,
        _ => Last::Voiceless,
    }
}

/// Whether the vowels of an ending, or the last of a stem, are front ones; `None` where they may be either.
pub(super) fn is_front(text: &str) -> Option<bool> {
    let decides = |c: &char| {
        matches!(c, 'ә' | 'е' | 'і' | 'ө' | 'ү' | 'э' | 'ь' | 'а' | 'ы' | 'о' | 'ұ' | 'я' | 'у' | 'и' | 'ю')
    };
    match text.chars().rev().find(decides)? {
        'а' | 'ы' | 'о' | 'ұ' | 'я' => Some(false),
        'у' | 'и' | 'ю' => None,
        _ => Some(true),
    }
}

/// Whether a stem could have taken an ending with such vowels.
pub(super) fn agrees(stem: &str, ending: Option<bool>) -> bool {
    let is_loan =
        !stem.chars().any(|c| matches!(c, 'ә' | 'ғ' | 'қ' | 'ң' | 'ө' | 'ұ' | 'ү' | 'һ' | 'і' | 'ы'));
    // Surnames: Тоқаев-тың, Әлиев-тің.
    let is_either = ["ев", "ин"].iter().any(|end| stem.ends_with(end));
    match (is_front(stem), ending) {
        (Some(stem_is), Some(ending_is)) if stem_is != ending_is && !is_either => {
            is_loan && (LEXICON.knows(stem) || stem.ends_with("нк") || stem.ends_with("рк"))
        }
        _ => true,
    }
}

/// What an ending needs before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Anything,
    /// "His, its": балас-ын-да.
    Third,
    /// "My, your": балам-а.
    First,
}

use Last::{Lateral, Liquid, Nasal, Sibilant, Voiceless, Vowel};

/// Endings of cases, what they may follow, and what they need.
const CASES: &[(&[&str], &[Last], Needs)] = &[
    (&["ның", "нің"], &[Vowel, Nasal], Needs::Anything),
    (&["дың", "дің"], &[Liquid, Lateral, Sibilant], Needs::Anything),
    (&["тың", "тің"], &[Voiceless], Needs::Anything),
    (&["ны", "ні"], &[Vowel], Needs::Anything),
    (&["ды", "ді"], &[Liquid, Lateral, Nasal, Sibilant], Needs::Anything),
    (&["ты", "ті"], &[Voiceless], Needs::Anything),
    (&["ға", "ге"], &[Vowel, Liquid, Lateral, Nasal, Sibilant], Needs::Anything),
    (&["қа", "ке"], &[Voiceless], Needs::Anything),
    (&["да", "де"], &[Vowel, Liquid, Lateral, Nasal, Sibilant], Needs::Anything),
    (&["та", "те"], &[Voiceless], Needs::Anything),
    (&["дан", "ден"], &[Vowel, Liquid, Lateral, Sibilant], Needs::Anything),
    (&["нан", "нен"], &[Nasal], Needs::Anything),
    (&["тан", "тен"], &[Voiceless], Needs::Anything),
    (&["мен"], &[Vowel, Liquid, Lateral, Nasal], Needs::Anything),
    (&["бен"], &[Sibilant], Needs::Anything),
    (&["пен"], &[Voiceless], Needs::Anything),
    (&["н"], &[Vowel], Needs::Third),
    (&["на", "не"], &[Vowel], Needs::Third),
    (&["нда", "нде"], &[Vowel], Needs::Third),
    (&["нан", "нен"], &[Vowel], Needs::Third),
    (&["а", "е"], &[Nasal], Needs::First),
];

const POSSESSIVES: &[(&[&str], &[Last], Needs)] = &[
    (&["сы", "сі"], &[Vowel], Needs::Third),
    (&["ы", "і"], &[Liquid, Lateral, Nasal, Sibilant, Voiceless], Needs::Third),
    (&["м", "ң"], &[Vowel], Needs::First),
    (&["ым", "ім", "ың", "ің"], &[Liquid, Lateral, Nasal, Sibilant, Voiceless], Needs::First),
    (&["мыз", "міз", "ңыз", "ңіз"], &[Vowel], Needs::Anything),
    (&["ымыз", "іміз", "ыңыз", "іңіз"], &[Liquid, Lateral, Nasal, Sibilant, Voiceless], Needs::Anything),
];

const PLURALS: &[(&[&str], &[Last])] = &[
    (&["лар", "лер"], &[Vowel, Liquid]),
    (&["дар", "дер"], &[Lateral, Nasal, Sibilant]),
    (&["тар", "тер"], &[Voiceless]),
];

/// "Who is in": ауыл-да-ғы.
const ATTRIBUTIVES: &[&str] = &["ғы", "гі", "қы", "кі"];

/// "I am, you are", "like", "without", "more": believed where the stem is known.
const DOUBTFUL: &[&str] = &[
    "мын", "мін", "бын", "бін", "пын", "пін", "сың", "сің", "сыз", "сіз", "мыз", "міз", "быз", "біз", "пыз",
    "піз", "дай", "дей", "тай", "тей", "рақ", "рек", "ырақ", "ірек", "лау", "леу", "ша", "ше", "дікі",
    "нікі", "тікі", "лы", "лі", "дық", "дік", "лық", "лік", "тық", "тік",
];

/// The ways to read a word as a noun: by endings that all take, or by doubtful ones.
fn nouns(word: &str, doubtful: bool) -> Vec<Reading> {
    let mut peeling = Peeling { length: word.chars().count(), doubtful, readings: Vec::new() };
    if doubtful {
        for ending in DOUBTFUL {
            if let Some(rest) = word.strip_suffix(ending).filter(|rest| agrees(rest, is_front(ending))) {
                peeling.case(rest, false);
            }
        }
    } else {
        peeling.case(word, true);
    }
    peeling.readings.retain(|one| one.lemma != word);
    peeling.readings
}

struct Peeling {
    length: usize,
    doubtful: bool,
    readings: Vec<Reading>,
}

impl Peeling {
    fn case(&mut self, word: &str, may_be_attributive: bool) {
        self.possessive(word, None, Needs::Anything);
        for (endings, after, needs) in CASES {
            for ending in *endings {
                let Some(rest) = word.strip_suffix(ending).filter(|rest| after.contains(&last(rest))) else {
                    continue;
                };
                // "With" has one form for both.
                let front = is_front(ending).filter(|_| !["мен", "бен", "пен"].contains(ending));
                self.possessive(rest, front, *needs);
            }
        }
        if may_be_attributive {
            for ending in ATTRIBUTIVES {
                let rest = word.strip_suffix(ending).filter(|rest| rest.ends_with(['а', 'е']));
                if let Some(rest) = rest.filter(|rest| is_front(ending) == is_front(rest)) {
                    self.case(rest, false);
                }
            }
        }
    }

    fn possessive(&mut self, word: &str, front: Option<bool>, needs: Needs) {
        if needs == Needs::Anything {
            self.plural(word, front, false);
        }
        for (endings, after, gives) in POSSESSIVES {
            if needs != Needs::Anything && needs != *gives {
                continue;
            }
            for ending in *endings {
                let Some(rest) = word.strip_suffix(ending).filter(|rest| after.contains(&last(rest))) else {
                    continue;
                };
                let own = is_front(ending);
                if front.is_none() || own.is_none() || front == own {
                    self.plural(rest, own.or(front), ending.starts_with(['ы', 'і']));
                }
            }
        }
    }

    fn plural(&mut self, word: &str, front: Option<bool>, before_vowel: bool) {
        self.stem(word, front, before_vowel);
        for (endings, after) in PLURALS {
            for ending in *endings {
                let Some(rest) = word.strip_suffix(ending).filter(|rest| after.contains(&last(rest))) else {
                    continue;
                };
                if front.is_none() || front == is_front(ending) {
                    self.stem(rest, is_front(ending), false);
                }
            }
        }
    }

    fn stem(&mut self, word: &str, front: Option<bool>, before_vowel: bool) {
        if word.chars().count() < 2 || has_no_vowel(word) {
            return;
        }
        if agrees(word, front) {
            let restored = before_vowel.then(|| hardened(word)).flatten();
            // No stem of our own ends in ғ or г; a loan may end in г, and any in б.
            if restored.is_none() || !word.ends_with('ғ') {
                self.reading(word);
            }
            if let Some(restored) = restored {
                self.reading(&restored);
            }
        }
        if before_vowel
            && let Some(full) = with_lost_vowel(word, front)
            && LEXICON.knows(&full)
        {
            self.reading(&full);
        }
        // Loans lose their soft sign before a vowel (модель, модел-і), and take і where they end in кт (факті-лер).
        if before_vowel && front == Some(true) && word.ends_with(['л', 'н']) {
            self.reading(&format!("{word}ь"));
        }
        // Of two т one is written: журналист, журналис-тер.
        if word.ends_with("ис") {
            self.reading(&format!("{word}т"));
        }
        if let Some(loan) = word.strip_suffix('і').filter(|loan| loan.ends_with("кт")) {
            self.reading(loan);
        }
    }

    fn reading(&mut self, lemma: &str) {
        let taken = self.length.saturating_sub(lemma.chars().count());
        let is_known = LEXICON.knows(lemma);
        let reading = Reading { lemma: lemma.to_owned(), taken, is_known, doubtful: self.doubtful };
        if !self.readings.iter().any(|one| one.lemma == reading.lemma) {
            self.readings.push(reading);
        }
    }
}

fn has_no_vowel(stem: &str) -> bool {
    !stem.chars().any(|c| {
        matches!(c, 'а' | 'ә' | 'е' | 'ы' | 'і' | 'о' | 'ө' | 'ү' | 'ұ' | 'э' | 'я' | 'ё' | 'у' | 'и' | 'ю')
    })
}

/// Between vowels к, қ and п are voiced: кітап, кітаб-ы.
pub(super) fn hardened(stem: &str) -> Option<String> {
    let (at, soft) = stem.char_indices().next_back()?;
    let hard = match soft {
        'ғ' => 'қ',
        'г' => 'к',
        'б' => 'п',
        _ => return None,
    };
    Some(format!("{}{hard}", stem.get(..at)?))
}

/// Before an ending with a vowel some stems lose theirs: халық, халқ-ы; орын, орн-ы.
fn with_lost_vowel(stem: &str, front: Option<bool>) -> Option<String> {
    let (at, _) = stem.char_indices().next_back()?;
    let vowel = if front? { 'і' } else { 'ы' };
    Some(format!("{}{vowel}{}", stem.get(..at)?, stem.get(at..)?))
}
