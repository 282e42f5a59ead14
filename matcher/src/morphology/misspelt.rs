//! Russian words as they are misspelt by ear, where the ear does not tell the letter.
//!
//! One letter is put right at a time, where schoolbooks say that letters are mistaken: vowels (which are hard to tell without
//! stress, and where it is no dictionary here says), vowels after sibilants, double consonants, voiced and voiceless ones
//! before others, soft and hard signs, `тся`. Whoever writes what no dictionary has, and one slip away from what a dictionary
//! has, is taken to have meant that.

use std::ops::RangeInclusive;

/// Letters of words that are put right: shorter ones are a letter away from too many others, and longer ones are no words.
const LENGTHS: RangeInclusive<usize> = 7..=24;
/// What sounds the same without stress.
const VOWELS: &[(char, char)] = &[('о', 'а'), ('е', 'и'), ('я', 'е'), ('э', 'е')];
/// What sounds the same after a sibilant.
const VOWELS_AFTER_SIBILANTS: &[(char, char)] = &[('о', 'е'), ('ы', 'и'), ('я', 'а'), ('ю', 'у')];
const SIBILANTS: &[char] = &['ж', 'ш', 'ч', 'щ', 'ц'];
/// What sounds the same before a consonant that is not voiced always, and at the end of a word.
const CONSONANTS: &[(char, char)] = &[('б', 'п'), ('в', 'ф'), ('г', 'к'), ('д', 'т'), ('ж', 'ш'), ('з', 'с')];
const ALWAYS_VOICED: &[char] = &['л', 'м', 'н', 'р', 'й', 'в'];
const VOWEL_LETTERS: &[char] = &['а', 'е', 'и', 'о', 'у', 'ы', 'э', 'ю', 'я'];
const NEVER_DOUBLE: &[char] = &['а', 'е', 'и', 'о', 'у', 'ы', 'э', 'ю', 'я', 'й', 'ь', 'ъ'];
/// What sounds the same wherever it stands, or nearly.
const ALIKE: &[(char, char)] = &[('ь', 'ъ'), ('щ', 'ш')];

/// The words that a folded one may have been meant as, of all that differ by one slip; in no order.
pub(super) fn meant(word: &str) -> impl Iterator<Item = String> {
    let letters: Vec<char> = word.chars().collect();
    let places = if LENGTHS.contains(&letters.len()) { 0..letters.len() } else { 0..0 };
    places.flat_map(move |at| slips(&letters, at))
}

/// The word with what stands at a place put right.
fn slips(letters: &[char], at: usize) -> Vec<String> {
    let Some((before, [letter, behind @ ..])) = letters.split_at_checked(at) else { return Vec::new() };
    let with = |put: &[char]| before.iter().chain(put).chain(behind).collect::<String>();
    let mut meant: Vec<String> =
        others(before.last(), *letter, behind.first()).map(|other| with(&[other])).collect();
    match before.last() {
        Some(same) if same == letter => meant.push(with(&[])),
        _ if !NEVER_DOUBLE.contains(letter) => meant.push(with(&[*letter, *letter])),
        _ => (),
    }
    match (letter, behind) {
        ('ь' | 'ъ', _) => meant.push(with(&[])),
        ('т', ['с', 'я']) => meant.push(with(&['т', 'ь'])),
        _ => (),
    }
    meant
}

/// The letters that sound like one between these.
fn others(before: Option<&char>, letter: char, behind: Option<&char>) -> impl Iterator<Item = char> {
    let is_among =
        |letter: Option<&char>, among: &[char]| letter.is_some_and(|letter| among.contains(letter));
    let is_after_sibilant = is_among(before, SIBILANTS);
    let is_before_sound = is_among(behind, VOWEL_LETTERS) || is_among(behind, ALWAYS_VOICED);
    let pairs = [
        (VOWELS, true),
        (VOWELS_AFTER_SIBILANTS, is_after_sibilant),
        (CONSONANTS, !is_before_sound),
        (ALIKE, true),
    ];
    let pairs = pairs.into_iter().filter(|(_, holds)| *holds).flat_map(|(pairs, _)| pairs);
    pairs.filter_map(move |(one, other)| match letter {
        letter if letter == *one => Some(*other),
        letter if letter == *other => Some(*one),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn slips_of_the_ear_are_put_right() {
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
            assert!(meant(written).any(|meant| meant == word), "{written}");
        }
    }

    #[test]
    fn other_letters_and_short_words_stand_for_themselves() {
        for (written, word) in [
            ("каспийск", "каспийски"),
            ("коллега", "коллеге"),
            ("аллея", "алея"),
            ("карова", "корова"),
            ("вобще", "вообще"),
        ] {
            assert!(!meant(written).any(|meant| meant == word), "{written}");
        }
    }
}
