//! Corrections of Russian words that are misspelt by ear, where letters sound alike.
//!
//! One letter is corrected at a time, in the typical places of spelling textbooks: unstressed vowels (our dictionary
//! has no stress, so any vowel may be one), vowels after sibilants, double consonants, voiced and voiceless
//! consonants before other consonants, soft and hard signs, `тся`. A word that is in no dictionary is read as the
//! dictionary words that are one correction away.

use std::ops::RangeInclusive;

/// Numbers of letters of words that are corrected. Shorter words are one letter away from too many others, and longer
/// strings are not words.
const CORRECTED_LENGTHS: RangeInclusive<usize> = 7..=24;
/// Vowels that sound the same without stress.
const UNSTRESSED_VOWELS: &[(char, char)] = &[('о', 'а'), ('е', 'и'), ('я', 'е'), ('э', 'е')];
/// Vowels that sound the same after a sibilant.
const VOWELS_AFTER_SIBILANTS: &[(char, char)] = &[('о', 'е'), ('ы', 'и'), ('я', 'а'), ('ю', 'у')];
const SIBILANTS: &[char] = &['ж', 'ш', 'ч', 'щ', 'ц'];
/// Voiced and voiceless consonants, which sound the same at the end of a word and before most consonants.
const VOICED_PAIRS: &[(char, char)] =
    &[('б', 'п'), ('в', 'ф'), ('г', 'к'), ('д', 'т'), ('ж', 'ш'), ('з', 'с')];
/// Consonants before which voiced and voiceless consonants sound different.
const ALWAYS_VOICED: &[char] = &['л', 'м', 'н', 'р', 'й', 'в'];
const VOWEL_LETTERS: &[char] = &['а', 'е', 'и', 'о', 'у', 'ы', 'э', 'ю', 'я'];
const NEVER_DOUBLE: &[char] = &['а', 'е', 'и', 'о', 'у', 'ы', 'э', 'ю', 'я', 'й', 'ь', 'ъ'];
/// Letters that sound nearly the same everywhere.
const OTHER_SOUND_ALIKES: &[(char, char)] = &[('ь', 'ъ'), ('щ', 'ш')];

/// Returns all strings that are one correction away from a folded word, in no particular order.
pub(super) fn corrections(word: &str) -> impl Iterator<Item = String> {
    let letters: Vec<char> = word.chars().collect();
    let places = if CORRECTED_LENGTHS.contains(&letters.len()) { 0..letters.len() } else { 0..0 };
    places.flat_map(move |at| corrections_at(&letters, at))
}

/// Returns the word with the possible corrections at one letter.
fn corrections_at(letters: &[char], at: usize) -> Vec<String> {
    let Some((head, [letter, tail @ ..])) = letters.split_at_checked(at) else { return Vec::new() };
    let with = |replacement: &[char]| head.iter().chain(replacement).chain(tail).collect::<String>();
    let mut corrections: Vec<String> =
        sound_alikes(head.last(), *letter, tail.first()).map(|other| with(&[other])).collect();
    match head.last() {
        Some(previous) if previous == letter => corrections.push(with(&[])),
        _ if !NEVER_DOUBLE.contains(letter) => corrections.push(with(&[*letter, *letter])),
        _ => (),
    }
    match (letter, tail) {
        ('ь' | 'ъ', _) => corrections.push(with(&[])),
        ('т', ['с', 'я']) => corrections.push(with(&['т', 'ь'])),
        _ => (),
    }
    corrections
}

/// Returns the letters that sound like `letter` between these neighbours.
fn sound_alikes(previous: Option<&char>, letter: char, next: Option<&char>) -> impl Iterator<Item = char> {
    let is_among =
        |letter: Option<&char>, letters: &[char]| letter.is_some_and(|letter| letters.contains(letter));
    let is_after_sibilant = is_among(previous, SIBILANTS);
    let is_before_voiced = is_among(next, VOWEL_LETTERS) || is_among(next, ALWAYS_VOICED);
    let pairs = [
        (UNSTRESSED_VOWELS, true),
        (VOWELS_AFTER_SIBILANTS, is_after_sibilant),
        (VOICED_PAIRS, !is_before_voiced),
        (OTHER_SOUND_ALIKES, true),
    ];
    let pairs = pairs.into_iter().filter(|(_, applies)| *applies).flat_map(|(pairs, _)| pairs);
    pairs.filter_map(move |(one, other)| match letter {
        letter if letter == *one => Some(*other),
        letter if letter == *other => Some(*one),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::corrections;

    #[test]
    fn spelling_mistakes_by_ear_are_corrected() {
        for (written, word) in [
            ("каровами", "коровами"),
            ("времинами", "временами"),
            ("памеркнуть", "померкнуть"),
            ("жолтенький", "желтенький"),
            ("цыркуль", "циркуль"),
            ("площать", "площадь"),
            ("зделать", "сделать"),
            ("програма", "программа"),
            ("троллейбусс", "троллейбус"),
            ("обьявление", "объявление"),
            ("учаться", "учатся"),
            ("учиться", "учится"),
            ("помошник", "помощник"),
        ] {
            assert!(corrections(written).any(|correction| correction == word), "{written}");
        }
    }

    #[test]
    fn other_letters_and_short_words_are_not_corrected() {
        for (written, word) in [
            ("каспийск", "каспийски"),
            ("коллега", "коллеге"),
            ("аллея", "алея"),
            ("карова", "корова"),
            ("вобще", "вообще"),
        ] {
            assert!(!corrections(written).any(|correction| correction == word), "{written}");
        }
    }
}
