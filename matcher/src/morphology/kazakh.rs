//! Kazakh lemmas: from an inflected word to its dictionary form.
//!
//! Endings have a fixed order, and the first sound of an ending depends on the last sound before it (алма-ны,
//! ауыл-ды, құс-ты): Krippes, *Kazakh Grammatical Sketch with Affix List*, 1993; Muhamedowa, *Kazakh: A Comprehensive
//! Grammar*, 2016. So endings are stripped from the outside in, and only where they are possible: Алматы is not
//! алма-ты, Астана is not аста-на. Vowels of endings agree with each other and with those of the stem, except in some
//! loan words (банк-тің). If several readings remain, a lexicon of stems decides.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::kazakh_verb;

/// Minimum letters of a stem that is not in the lexicon.
const MIN_STEM_LETTERS: usize = 3;
/// Upper bound on the readings of a word that has none in the lexicon.
const MAX_GUESSES: usize = 3;

/// The known stems.
pub(super) struct Lexicon {
    /// Words with nominal endings, and names.
    words: HashSet<&'static str>,
    /// Infinitives.
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
    pub(super) fn has_verb(&self, infinitive: &str) -> bool {
        self.verbs.contains(infinitive)
    }

    fn has(&self, stem: &str) -> bool {
        self.words.contains(stem) || self.verbs.contains(stem)
    }
}

/// A possible analysis of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// A noun, or a verb's infinitive.
    pub(super) lemma: String,
    /// Number of letters of the stripped endings.
    pub(super) ending_letters: usize,
    /// True if the lexicon has the lemma as this part of speech.
    pub(super) is_known: bool,
    /// True if the ending is derivational, or too short to be reliable.
    pub(super) is_doubtful: bool,
}

/// Returns true if the lexicon has the word, or the verb of which it is the bare stem.
pub(super) fn is_known(word: &str) -> bool {
    LEXICON.has(word) || kazakh_verb::known_infinitive(word, &LEXICON).is_some()
}

impl Reading {
    fn is_certain(&self) -> bool {
        self.is_known && !self.is_doubtful
    }
}

/// Returns the possible lemmas of a folded word of a text. A word that is not in the lexicon is not its own lemma.
pub(super) fn lemmas(word: &str) -> Vec<String> {
    if LEXICON.has_verb(word) {
        // The lexicon lists passives and causatives too. A query for the base verb finds them as well.
        let base_verbs = kazakh_verb::base_verbs(word, &LEXICON);
        return std::iter::once(word.to_owned()).chain(base_verbs).collect();
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
    readings.sort_by_key(|one| std::cmp::Reverse(one.ending_letters));
    let likely = readings
        .iter()
        .filter(|one| !one.is_doubtful && one.lemma.chars().count() >= MIN_STEM_LETTERS)
        .take(MAX_GUESSES);
    let mut lemmas: Vec<String> = likely.map(|one| one.lemma.clone()).collect();
    lemmas.extend(noun_readings(word, true).into_iter().filter(|one| one.is_known).map(|one| one.lemma));
    lemmas
}

/// Returns the lemmas of a word that the lexicon has.
pub(super) fn known_lemmas(word: &str) -> Vec<String> {
    lemmas(word).into_iter().filter(|lemma| LEXICON.has(lemma)).collect()
}

/// Returns the lemmas that a folded word of a query matches. A lemma or the bare stem of a verb matches only itself.
pub(super) fn query_lemmas(word: &str) -> Vec<String> {
    let verb = kazakh_verb::known_infinitive(word, &LEXICON);
    if LEXICON.has(word) || verb.is_some() {
        return std::iter::once(word.to_owned()).filter(|word| LEXICON.has(word)).chain(verb).collect();
    }
    let certain = readings(word).into_iter().filter(Reading::is_certain);
    let mut lemmas: Vec<String> = certain.map(|one| one.lemma).collect();
    lemmas.extend([word.to_owned(), kazakh_verb::infinitive(word)]);
    lemmas
}

fn readings(word: &str) -> Vec<Reading> {
    let mut readings = noun_readings(word, false);
    readings.extend(kazakh_verb::readings(word, &readings, &LEXICON));
    readings
}

/// The class of the last sound of a stem, which determines the first sound of an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FinalSound {
    Vowel,
    /// р, й, у and и.
    Liquid,
    /// л, which takes the same plural as a nasal.
    Lateral,
    Nasal,
    Sibilant,
    Voiceless,
}

pub(super) fn final_sound(stem: &str) -> FinalSound {
    match stem.chars().next_back() {
        Some('а' | 'ә' | 'е' | 'ы' | 'і' | 'о' | 'ө' | 'ү' | 'ұ' | 'э' | 'я' | 'ё') => {
            FinalSound::Vowel
        }
        Some('р' | 'й' | 'у' | 'и' | 'ю') => FinalSound::Liquid,
        Some('л') => FinalSound::Lateral,
        Some('м' | 'н' | 'ң') => FinalSound::Nasal,
        Some('з' | 'ж') => FinalSound::Sibilant,
        _ => FinalSound::Voiceless,
    }
}

/// Returns true if the last decisive vowel of a stem or an ending is a front vowel. Returns `None` if it may be
/// either.
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

/// Returns true if a stem can take an ending with front (`true`) or back vowels.
pub(super) fn agrees(stem: &str, is_ending_front: Option<bool>) -> bool {
    let is_loan =
        !stem.chars().any(|c| matches!(c, 'ә' | 'ғ' | 'қ' | 'ң' | 'ө' | 'ұ' | 'ү' | 'һ' | 'і' | 'ы'));
    // Surnames take either: Тоқаев-тың, Әлиев-тің.
    let is_either = ["ев", "ин"].iter().any(|end| stem.ends_with(end));
    match (is_front(stem), is_ending_front) {
        (Some(stem_front), Some(ending_front)) if stem_front != ending_front && !is_either => {
            is_loan && (LEXICON.has(stem) || stem.ends_with("нк") || stem.ends_with("рк"))
        }
        _ => true,
    }
}

/// The possessor that a case ending requires before it, or that a possessive ending expresses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Possessor {
    Any,
    /// Third person ("his, its"): балас-ын-да.
    Third,
    /// First or second person singular ("my, your"): балам-а.
    First,
}

use FinalSound::{Lateral, Liquid, Nasal, Sibilant, Voiceless, Vowel};

/// Case endings, the sounds that they may follow, and the possessor that they require.
const CASES: &[(&[&str], &[FinalSound], Possessor)] = &[
    (&["ның", "нің"], &[Vowel, Nasal], Possessor::Any),
    (&["дың", "дің"], &[Liquid, Lateral, Sibilant], Possessor::Any),
    (&["тың", "тің"], &[Voiceless], Possessor::Any),
    (&["ны", "ні"], &[Vowel], Possessor::Any),
    (&["ды", "ді"], &[Liquid, Lateral, Nasal, Sibilant], Possessor::Any),
    (&["ты", "ті"], &[Voiceless], Possessor::Any),
    (&["ға", "ге"], &[Vowel, Liquid, Lateral, Nasal, Sibilant], Possessor::Any),
    (&["қа", "ке"], &[Voiceless], Possessor::Any),
    (&["да", "де"], &[Vowel, Liquid, Lateral, Nasal, Sibilant], Possessor::Any),
    (&["та", "те"], &[Voiceless], Possessor::Any),
    (&["дан", "ден"], &[Vowel, Liquid, Lateral, Sibilant], Possessor::Any),
    (&["нан", "нен"], &[Nasal], Possessor::Any),
    (&["тан", "тен"], &[Voiceless], Possessor::Any),
    (&["мен"], &[Vowel, Liquid, Lateral, Nasal], Possessor::Any),
    (&["бен"], &[Sibilant], Possessor::Any),
    (&["пен"], &[Voiceless], Possessor::Any),
    (&["н"], &[Vowel], Possessor::Third),
    (&["на", "не"], &[Vowel], Possessor::Third),
    (&["нда", "нде"], &[Vowel], Possessor::Third),
    (&["нан", "нен"], &[Vowel], Possessor::Third),
    (&["а", "е"], &[Nasal], Possessor::First),
];

/// Possessive endings, the sounds that they may follow, and the possessor that they express.
const POSSESSIVES: &[(&[&str], &[FinalSound], Possessor)] = &[
    (&["сы", "сі"], &[Vowel], Possessor::Third),
    (&["ы", "і"], &[Liquid, Lateral, Nasal, Sibilant, Voiceless], Possessor::Third),
    (&["м", "ң"], &[Vowel], Possessor::First),
    (&["ым", "ім", "ың", "ің"], &[Liquid, Lateral, Nasal, Sibilant, Voiceless], Possessor::First),
    (&["мыз", "міз", "ңыз", "ңіз"], &[Vowel], Possessor::Any),
    (&["ымыз", "іміз", "ыңыз", "іңіз"], &[Liquid, Lateral, Nasal, Sibilant, Voiceless], Possessor::Any),
];

/// Plural endings, and the sounds that they may follow.
const PLURALS: &[(&[&str], &[FinalSound])] = &[
    (&["лар", "лер"], &[Vowel, Liquid]),
    (&["дар", "дер"], &[Lateral, Nasal, Sibilant]),
    (&["тар", "тер"], &[Voiceless]),
];

/// Attributive endings ("that is in"), which follow a locative: ауыл-да-ғы.
const ATTRIBUTIVES: &[&str] = &["ғы", "гі", "қы", "кі"];

/// Personal endings ("I am, you are"), and endings for "like", "without", "more" and others. They count only if the
/// stem is in the lexicon.
const DOUBTFUL: &[&str] = &[
    "мын", "мін", "бын", "бін", "пын", "пін", "сың", "сің", "сыз", "сіз", "мыз", "міз", "быз", "біз", "пыз",
    "піз", "дай", "дей", "тай", "тей", "рақ", "рек", "ырақ", "ірек", "лау", "леу", "ша", "ше", "дікі",
    "нікі", "тікі", "лы", "лі", "дық", "дік", "лық", "лік", "тық", "тік",
];

/// Returns the readings of a word as a noun, by regular endings or by [`DOUBTFUL`] ones.
fn noun_readings(word: &str, is_doubtful: bool) -> Vec<Reading> {
    let mut stripper = SuffixStripper { letters: word.chars().count(), is_doubtful, readings: Vec::new() };
    if is_doubtful {
        for ending in DOUBTFUL {
            if let Some(rest) = word.strip_suffix(ending).filter(|rest| agrees(rest, is_front(ending))) {
                stripper.strip_case(rest, false);
            }
        }
    } else {
        stripper.strip_case(word, true);
    }
    stripper.readings.retain(|one| one.lemma != word);
    stripper.readings
}

/// Collects the readings of a word by stripping its endings.
struct SuffixStripper {
    /// Letters of the word.
    letters: usize,
    is_doubtful: bool,
    readings: Vec<Reading>,
}

impl SuffixStripper {
    fn strip_case(&mut self, word: &str, may_be_attributive: bool) {
        self.strip_possessive(word, None, Possessor::Any);
        for (endings, preceding, possessor) in CASES {
            for ending in *endings {
                let Some(rest) =
                    word.strip_suffix(ending).filter(|rest| preceding.contains(&final_sound(rest)))
                else {
                    continue;
                };
                // The instrumental ("with") has one form for front and back vowels.
                let front = is_front(ending).filter(|_| !["мен", "бен", "пен"].contains(ending));
                self.strip_possessive(rest, front, *possessor);
            }
        }
        if may_be_attributive {
            for ending in ATTRIBUTIVES {
                let rest = word.strip_suffix(ending).filter(|rest| rest.ends_with(['а', 'е']));
                if let Some(rest) = rest.filter(|rest| is_front(ending) == is_front(rest)) {
                    self.strip_case(rest, false);
                }
            }
        }
    }

    fn strip_possessive(&mut self, word: &str, front: Option<bool>, possessor: Possessor) {
        if possessor == Possessor::Any {
            self.strip_plural(word, front, false);
        }
        for (endings, preceding, expressed) in POSSESSIVES {
            if possessor != Possessor::Any && possessor != *expressed {
                continue;
            }
            for ending in *endings {
                let Some(rest) =
                    word.strip_suffix(ending).filter(|rest| preceding.contains(&final_sound(rest)))
                else {
                    continue;
                };
                let own_front = is_front(ending);
                if front.is_none() || own_front.is_none() || front == own_front {
                    self.strip_plural(rest, own_front.or(front), ending.starts_with(['ы', 'і']));
                }
            }
        }
    }

    fn strip_plural(&mut self, word: &str, front: Option<bool>, before_vowel: bool) {
        self.add_stem(word, front, before_vowel);
        for (endings, preceding) in PLURALS {
            for ending in *endings {
                let Some(rest) =
                    word.strip_suffix(ending).filter(|rest| preceding.contains(&final_sound(rest)))
                else {
                    continue;
                };
                if front.is_none() || front == is_front(ending) {
                    self.add_stem(rest, is_front(ending), false);
                }
            }
        }
    }

    fn add_stem(&mut self, word: &str, front: Option<bool>, before_vowel: bool) {
        if word.chars().count() < 2 || has_no_vowel(word) {
            return;
        }
        if agrees(word, front) {
            let restored = before_vowel.then(|| with_hard_consonant(word)).flatten();
            // No stem ends in ғ. Native stems do not end in г either, but loans may; any stem may end in б.
            if restored.is_none() || !word.ends_with('ғ') {
                self.add_reading(word);
            }
            if let Some(restored) = restored {
                self.add_reading(&restored);
            }
        }
        if before_vowel
            && let Some(full) = with_lost_vowel(word, front)
            && LEXICON.has(&full)
        {
            self.add_reading(&full);
        }
        // Loans lose their soft sign before a vowel: модель, модел-і.
        if before_vowel && front == Some(true) && word.ends_with(['л', 'н']) {
            self.add_reading(&format!("{word}ь"));
        }
        // Of two adjacent т only one is written: журналист, журналис-тер.
        if word.ends_with("ис") {
            self.add_reading(&format!("{word}т"));
        }
        // Loans in кт take і before endings: факт, факті-лер.
        if let Some(loan) = word.strip_suffix('і').filter(|loan| loan.ends_with("кт")) {
            self.add_reading(loan);
        }
    }

    fn add_reading(&mut self, lemma: &str) {
        let ending_letters = self.letters.saturating_sub(lemma.chars().count());
        let is_known = LEXICON.has(lemma);
        let reading =
            Reading { lemma: lemma.to_owned(), ending_letters, is_known, is_doubtful: self.is_doubtful };
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

/// Restores a final consonant that is voiced between vowels: қ, к or п (кітап, кітаб-ы). Returns `None` if there is
/// none.
pub(super) fn with_hard_consonant(stem: &str) -> Option<String> {
    let (at, voiced) = stem.char_indices().next_back()?;
    let voiceless = match voiced {
        'ғ' => 'қ',
        'г' => 'к',
        'б' => 'п',
        _ => return None,
    };
    Some(format!("{}{voiceless}", stem.get(..at)?))
}

/// Restores the last vowel of a stem. Some stems lose it before an ending with a vowel: халық, халқ-ы; орын, орн-ы.
fn with_lost_vowel(stem: &str, front: Option<bool>) -> Option<String> {
    let (at, _) = stem.char_indices().next_back()?;
    let vowel = if front? { 'і' } else { 'ы' };
    Some(format!("{}{vowel}{}", stem.get(..at)?, stem.get(at..)?))
}
