//! Kazakh verbs: from finite forms, participles and gerunds to infinitives.

use std::sync::LazyLock;

use super::kazakh::{FinalSound, Lexicon, Reading, agrees, final_sound, is_front};

/// A verbal ending.
struct Ending {
    text: String,
    preceding: Preceding,
}

/// The sounds that an ending may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Preceding {
    Voiced,
    Voiceless,
    Vowel,
    Consonant,
    Liquid,
    Anything,
}

impl Preceding {
    fn admits(self, stem: &str) -> bool {
        let last = final_sound(stem);
        match self {
            Self::Voiced => last != FinalSound::Voiceless,
            Self::Voiceless => last == FinalSound::Voiceless,
            Self::Vowel => last == FinalSound::Vowel,
            Self::Consonant => last != FinalSound::Vowel,
            Self::Liquid => matches!(last, FinalSound::Liquid | FinalSound::Lateral),
            Self::Anything => true,
        }
    }
}

/// Endings of tenses and moods, the sounds that they may follow, and the personal endings that they take.
const TENSES: &[(&[&str], Preceding, &[&str])] = &[
    (&["ды", "ді"], Preceding::Voiced, PAST),
    (&["ты", "ті"], Preceding::Voiceless, PAST),
    (&["а", "е"], Preceding::Consonant, PRESENT),
    (&["й"], Preceding::Vowel, PRESENT),
    (&["ған", "ген"], Preceding::Voiced, PERFECT),
    (&["қан", "кен"], Preceding::Voiceless, PERFECT),
    (&["ып", "іп"], Preceding::Consonant, GERUND),
    (&["п"], Preceding::Vowel, GERUND),
    (&["са", "се"], Preceding::Anything, PAST),
    (&["ар", "ер"], Preceding::Consonant, PERFECT),
    (&["р"], Preceding::Vowel, PERFECT),
    (&["мас", "мес", "бас", "бес", "пас", "пес"], Preceding::Anything, PERFECT),
    (&["атын", "етін"], Preceding::Consonant, PERFECT),
    (&["йтын", "йтін"], Preceding::Vowel, PERFECT),
    (&["ғы", "гі"], Preceding::Voiced, WISH),
    (&["қы", "кі"], Preceding::Voiceless, WISH),
    (&["мақ", "мек", "бақ", "бек", "пақ", "пек"], Preceding::Anything, &["", "шы", "ші"]),
    (
        &["сын", "сін", "ғалы", "гелі", "қалы", "келі", "ғанша", "генше", "қанша", "кенше"],
        Preceding::Anything,
        &[""],
    ),
    (&["ыңыз", "іңіз", "айық", "ейік", "айын", "ейін", "ыңдар", "іңдер"], Preceding::Consonant, &[""]),
    (&["ңыз", "ңіз", "йық", "йік", "йын", "йін", "майынша", "мейінше"], Preceding::Vowel, &[""]),
];

const PAST: &[&str] = &["", "м", "ң", "ңыз", "ңіз", "қ", "к", "ңдар", "ңдер"];
const PRESENT: &[&str] =
    &["", "м", "мын", "мін", "сың", "сің", "сыз", "сіз", "ды", "ді", "мыз", "міз", "сыңдар", "сіңдер"];
const PERFECT: &[&str] = &[
    "",
    "мын",
    "мін",
    "бын",
    "бін",
    "сың",
    "сің",
    "сыз",
    "сіз",
    "мыз",
    "міз",
    "быз",
    "біз",
    "пын",
    "пін",
    "пыз",
    "піз",
    "дық",
    "дік",
    "дықтан",
    "діктен",
    "дай",
    "дей",
];
const WISH: &[&str] = &["сы", "сі", "м", "ң", "мыз", "міз"];
const GERUND: &[&str] = &["", "ты", "ті", "пын", "пін", "сың", "сің", "сыз", "сіз", "пыз", "піз"];

static ENDINGS: LazyLock<Vec<Ending>> = LazyLock::new(|| {
    let mut endings = Vec::new();
    for (tenses, preceding, persons) in TENSES {
        for tense in *tenses {
            for person in *persons {
                let (one, other) = (is_front(tense), is_front(person));
                if one.is_none() || other.is_none() || one == other {
                    endings.push(Ending { text: format!("{tense}{person}"), preceding: *preceding });
                }
            }
        }
    }
    endings
});

/// Passive, reflexive, causative and reciprocal suffixes: айт, айт-ыл. They count only if the rest is a known verb.
const VOICES: &[(&[&str], Preceding)] = &[
    (&["ыл", "іл", "ын", "ін", "ыс", "іс", "ыр", "ір"], Preceding::Consonant),
    (&["л", "н", "с", "т"], Preceding::Vowel),
    (&["т"], Preceding::Liquid),
    (&["дыр", "дір", "ғыз", "гіз"], Preceding::Voiced),
    (&["тыр", "тір", "қыз", "кіз"], Preceding::Voiceless),
];
const NEGATIONS: &[&str] = &["ма", "ме", "ба", "бе", "па", "пе"];

/// Minimum letters of an ending that makes an unknown verb credible.
const MIN_DISTINCTIVE_LETTERS: usize = 3;

/// Returns the readings of a word as a verb. Participles take nominal endings, so the readings of the word as a noun
/// are analysed as well.
pub(super) fn readings(word: &str, nouns: &[Reading], lexicon: &Lexicon) -> Vec<Reading> {
    let mut readings = Vec::new();
    add_finite(word, 0, lexicon, &mut readings);
    // A known noun is not a participle: жер-ге is a form of жер, not of же-р.
    for noun in nouns.iter().filter(|noun| !noun.is_doubtful && !noun.is_known) {
        let is_participle = [
            "ған", "ген", "қан", "кен", "атын", "етін", "йтын", "йтін", "ар", "ер", "мақ", "мек", "мас",
            "мес",
        ]
        .iter()
        .any(|ending| noun.lemma.ends_with(ending));
        if is_participle {
            add_finite(&noun.lemma, noun.ending_letters, lexicon, &mut readings);
        }
        // A nominalised verb: бар-у-ға. It may be a passive or causative: айт-ыл-у-ға.
        if let Some(stem) = noun.lemma.strip_suffix('у') {
            add_stems(stem, noun.ending_letters, true, lexicon, &mut readings);
        }
    }
    readings
}

/// Adds the readings of a word as a finite form, a participle or a gerund.
fn add_finite(word: &str, ending_letters: usize, lexicon: &Lexicon, readings: &mut Vec<Reading>) {
    for ending in ENDINGS.iter() {
        let Some(rest) = word.strip_suffix(ending.text.as_str()) else { continue };
        if ending.preceding.admits(rest) && agrees(rest, is_front(&ending.text)) {
            let letters = ending.text.chars().count();
            add_stems(rest, ending_letters + letters, letters < MIN_DISTINCTIVE_LETTERS, lexicon, readings);
        }
    }
    // й and а together are written я: қой, қояды.
    for (at, _) in word.match_indices('я') {
        let (Some(rest), Some(ending)) = (word.get(..at), word.get(at + 'я'.len_utf8()..)) else { continue };
        if PRESENT.contains(&ending) || ["тын", "тін"].contains(&ending) {
            add_stems(
                &format!("{rest}й"),
                ending_letters + ending.chars().count() + 1,
                true,
                lexicon,
                readings,
            );
        }
    }
    // ы and і before й are written и: оқы, оқиды.
    for (at, _) in word.match_indices('и') {
        let (Some(rest), Some(ending)) = (word.get(..at), word.get(at + 'и'.len_utf8()..)) else { continue };
        if PRESENT.contains(&ending) || ["тын", "тін"].contains(&ending) {
            add_stems(
                &format!("{rest}ы"),
                ending_letters + ending.chars().count() + 1,
                true,
                lexicon,
                readings,
            );
        }
    }
    // Between vowels п becomes у: тап, тауып.
    for (ending, sound) in [("ауып", "аб"), ("еуіп", "еб")] {
        if let Some(rest) = word.strip_suffix(ending) {
            add_stems(&format!("{rest}{sound}"), ending_letters + 2, true, lexicon, readings);
        }
    }
}

/// Adds the readings of a stem: with and without its negation, and without a voice suffix if the rest is a known
/// verb.
fn add_stems(
    stem: &str,
    ending_letters: usize,
    is_doubtful: bool,
    lexicon: &Lexicon,
    readings: &mut Vec<Reading>,
) {
    let affirmative = NEGATIONS.iter().find_map(|negation| stem.strip_suffix(negation));
    for stem in [Some(stem), affirmative].into_iter().flatten() {
        match known_infinitive(stem, lexicon) {
            Some(lemma) => {
                readings.push(Reading { lemma, ending_letters, is_known: true, is_doubtful: false })
            }
            None if stem.chars().count() > 1 => {
                readings.push(Reading {
                    lemma: infinitive(stem),
                    ending_letters,
                    is_known: false,
                    is_doubtful,
                });
            }
            None => (),
        }
        let base_verbs = base_verbs_of_stem(stem, lexicon);
        readings.extend(base_verbs.map(|lemma| Reading {
            lemma,
            ending_letters,
            is_known: true,
            is_doubtful: false,
        }));
    }
}

/// Returns the known verbs of which a stem is a passive, a causative or another voice.
fn base_verbs_of_stem<'a>(stem: &'a str, lexicon: &'a Lexicon) -> impl Iterator<Item = String> + 'a {
    let rests = VOICES.iter().flat_map(move |(voices, preceding)| {
        voices.iter().filter_map(move |voice| stem.strip_suffix(voice)).filter(|rest| preceding.admits(rest))
    });
    rests.filter_map(|rest| known_infinitive(rest, lexicon))
}

/// Returns the known verbs of which an infinitive is a passive, a causative or another voice.
pub(super) fn base_verbs(verb: &str, lexicon: &Lexicon) -> Vec<String> {
    verb.strip_suffix('у').map(|stem| base_verbs_of_stem(stem, lexicon).collect()).unwrap_or_default()
}

/// Returns the infinitive of a stem if the lexicon has it, possibly without the last vowel of the stem: қорқу for
/// қорық.
pub(super) fn known_infinitive(stem: &str, lexicon: &Lexicon) -> Option<String> {
    let regular = infinitive(stem);
    if lexicon.has_verb(&regular) {
        return Some(regular);
    }
    let mut letters: Vec<char> = stem.chars().collect();
    let before_last =
        letters.len().checked_sub(2).filter(|at| matches!(letters.get(*at), Some('ы' | 'і')))?;
    letters.remove(before_last);
    let short: String = letters.into_iter().chain(['у']).collect();
    lexicon.has_verb(&short).then_some(short)
}

/// Returns the regular infinitive of a stem: бар, бару; оқы, оқу; тап, табу; қой, қою.
pub(super) fn infinitive(stem: &str) -> String {
    let mut letters: Vec<char> = stem.chars().collect();
    match letters.pop() {
        Some('ы' | 'і') => letters.push('у'),
        Some('й') => letters.push('ю'),
        Some('п') => letters.extend(['б', 'у']),
        Some('к') => letters.extend(['г', 'у']),
        Some('қ') => letters.extend(['ғ', 'у']),
        Some(other) => letters.extend([other, 'у']),
        None => (),
    }
    letters.into_iter().collect()
}
