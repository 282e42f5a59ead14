//! Kazakh verbs: from a finite form, a participle or a gerund to the infinitive.

use std::sync::LazyLock;

use super::kazakh::{Last, Lexicon, Reading, agrees, is_front, last};

/// An ending of a verb.
struct Ending {
    text: String,
    after: After,
}

/// What an ending may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Voiced,
    Voiceless,
    Vowel,
    Consonant,
    Liquid,
    Anything,
}

impl After {
    fn admits(self, stem: &str) -> bool {
        let last = last(stem);
        match self {
            Self::Voiced => last != Last::Voiceless,
            Self::Voiceless => last == Last::Voiceless,
            Self::Vowel => last == Last::Vowel,
            Self::Consonant => last != Last::Vowel,
            Self::Liquid => matches!(last, Last::Liquid | Last::Lateral),
            Self::Anything => true,
        }
    }
}

/// Endings of tenses and moods, with what they follow, and the endings of persons that they take.
const TENSES: &[(&[&str], After, &[&str])] = &[
    (&["ды", "ді"], After::Voiced, PAST),
    (&["ты", "ті"], After::Voiceless, PAST),
    (&["а", "е"], After::Consonant, PRESENT),
    (&["й"], After::Vowel, PRESENT),
    (&["ған", "ген"], After::Voiced, PERFECT),
    (&["қан", "кен"], After::Voiceless, PERFECT),
    (&["ып", "іп"], After::Consonant, GERUND),
    (&["п"], After::Vowel, GERUND),
    (&["са", "се"], After::Anything, PAST),
    (&["ар", "ер"], After::Consonant, PERFECT),
    (&["р"], After::Vowel, PERFECT),
    (&["мас", "мес", "бас", "бес", "пас", "пес"], After::Anything, PERFECT),
    (&["атын", "етін"], After::Consonant, PERFECT),
    (&["йтын", "йтін"], After::Vowel, PERFECT),
    (&["ғы", "гі"], After::Voiced, WISH),
    (&["қы", "кі"], After::Voiceless, WISH),
    (&["мақ", "мек", "бақ", "бек", "пақ", "пек"], After::Anything, &["", "шы", "ші"]),
    (
        &["сын", "сін", "ғалы", "гелі", "қалы", "келі", "ғанша", "генше", "қанша", "кенше"],
        After::Anything,
        &[""],
    ),
    (&["ыңыз", "іңіз", "айық", "ейік", "айын", "ейін", "ыңдар", "іңдер"], After::Consonant, &[""]),
    (&["ңыз", "ңіз", "йық", "йік", "йын", "йін", "майынша", "мейінше"], After::Vowel, &[""]),
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
    for (tenses, after, persons) in TENSES {
        for tense in *tenses {
            for person in *persons {
                let (one, other) = (is_front(tense), is_front(person));
                if one.is_none() || other.is_none() || one == other {
                    endings.push(Ending { text: format!("{tense}{person}"), after: *after });
                }
            }
        }
    }
    endings
});

/// Passive, reflexive, causative, reciprocal: айт, айт-ыл; believed where what is left is known.
const VOICES: &[(&[&str], After)] = &[
    (&["ыл", "іл", "ын", "ін", "ыс", "іс", "ыр", "ір"], After::Consonant),
    (&["л", "н", "с", "т"], After::Vowel),
    (&["т"], After::Liquid),
    (&["дыр", "дір", "ғыз", "гіз"], After::Voiced),
    (&["тыр", "тір", "қыз", "кіз"], After::Voiceless),
];
const NEGATIONS: &[&str] = &["ма", "ме", "ба", "бе", "па", "пе"];

/// An unknown verb is believed where its ending is as long as this.
const TELLING: usize = 3;

/// The ways to read a word as a verb. Participles take the endings of nouns, so the word's readings as a noun are
/// looked at as well.
pub(super) fn readings(word: &str, nouns: &[Reading], lexicon: &Lexicon) -> Vec<Reading> {
    let mut readings = Vec::new();
    finite(word, 0, lexicon, &mut readings);
    // A known noun is no participle: жер-ге is of жер, and not of же-р.
    for noun in nouns.iter().filter(|noun| !noun.doubtful && !noun.is_known) {
        let is_participle = [
            "ған", "ген", "қан", "кен", "атын", "етін", "йтын", "йтін", "ар", "ер", "мақ", "мек", "мас",
            "мес",
        ]
        .iter()
        .any(|ending| noun.lemma.ends_with(ending));
        if is_participle {
            finite(&noun.lemma, noun.taken, lexicon, &mut readings);
        }
        // A nominalised verb: бар-у-ға; and of a passive or causative, айт-ыл-у-ға.
        if let Some(stem) = noun.lemma.strip_suffix('у') {
            stems(stem, noun.taken, true, lexicon, &mut readings);
        }
    }
    readings
}

fn finite(word: &str, taken: usize, lexicon: &Lexicon, readings: &mut Vec<Reading>) {
    for ending in ENDINGS.iter() {
        let Some(rest) = word.strip_suffix(ending.text.as_str()) else { continue };
        if ending.after.admits(rest) && agrees(rest, is_front(&ending.text)) {
            let letters = ending.text.chars().count();
            stems(rest, taken + letters, letters < TELLING, lexicon, readings);
        }
    }
    // й and а are written я: қой, қояды.
    for (at, _) in word.match_indices('я') {
        let (Some(rest), Some(ending)) = (word.get(..at), word.get(at + 'я'.len_utf8()..)) else { continue };
        if PRESENT.contains(&ending) || ["тын", "тін"].contains(&ending) {
            stems(&format!("{rest}й"), taken + ending.chars().count() + 1, true, lexicon, readings);
        }
    }
    // ы and і before й are written и: оқы, оқиды.
    for (at, _) in word.match_indices('и') {
        let (Some(rest), Some(ending)) = (word.get(..at), word.get(at + 'и'.len_utf8()..)) else { continue };
        if PRESENT.contains(&ending) || ["тын", "тін"].contains(&ending) {
            stems(&format!("{rest}ы"), taken + ending.chars().count() + 1, true, lexicon, readings);
        }
    }
    // Between vowels п becomes у: тап, тауып.
    for (ending, sound) in [("ауып", "аб"), ("еуіп", "еб")] {
        if let Some(rest) = word.strip_suffix(ending) {
            stems(&format!("{rest}{sound}"), taken + 2, true, lexicon, readings);
        }
    }
}

/// A stem, the same without its negation, and without its voice where the list knows what is left.
fn stems(stem: &str, taken: usize, doubtful: bool, lexicon: &Lexicon, readings: &mut Vec<Reading>) {
    let affirmative = NEGATIONS.iter().find_map(|negation| stem.strip_suffix(negation));
    for stem in [Some(stem), affirmative].into_iter().flatten() {
        match known_infinitive(stem, lexicon) {
            Some(lemma) => readings.push(Reading { lemma, taken, is_known: true, doubtful: false }),
            None if stem.chars().count() > 1 => {
                readings.push(Reading { lemma: infinitive(stem), taken, is_known: false, doubtful });
            }
            None => (),
        }
        let plain = voiceless(stem, lexicon);
        readings.extend(plain.map(|lemma| Reading { lemma, taken, is_known: true, doubtful: false }));
    }
}

/// The known verbs of which a stem is a passive, a causative and so on.
fn voiceless<'a>(stem: &'a str, lexicon: &'a Lexicon) -> impl Iterator<Item = String> + 'a {
    let rests = VOICES.iter().flat_map(move |(voices, after)| {
        voices.iter().filter_map(move |voice| stem.strip_suffix(voice)).filter(|rest| after.admits(rest))
    });
    rests.filter_map(|rest| known_infinitive(rest, lexicon))
}

/// The known verbs of which an infinitive is a passive, a causative and so on.
pub(super) fn without_voice(verb: &str, lexicon: &Lexicon) -> Vec<String> {
    verb.strip_suffix('у').map(|stem| voiceless(stem, lexicon).collect()).unwrap_or_default()
}

/// The infinitive of a stem, where the list has it: of қорық it is қорқу.
pub(super) fn known_infinitive(stem: &str, lexicon: &Lexicon) -> Option<String> {
    let regular = infinitive(stem);
    if lexicon.knows_verb(&regular) {
        return Some(regular);
    }
    let mut letters: Vec<char> = stem.chars().collect();
    let before_last =
        letters.len().checked_sub(2).filter(|at| matches!(letters.get(*at), Some('ы' | 'і')))?;
    letters.remove(before_last);
    let short: String = letters.into_iter().chain(['у']).collect();
    lexicon.knows_verb(&short).then_some(short)
}

/// The infinitive of a stem: бар, бару; оқы, оқу; тап, табу; қой, қою.
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
