//! Sentence boundaries.

/// Abbreviations that are written with a full stop within a sentence, folded.
const ABBREVIATIONS: &[&str] = &[
    "г",
    "гг",
    "ул",
    "тг",
    "тыс",
    "млн",
    "млрд",
    "трлн",
    "им",
    "обл",
    "р",
    "руб",
    "стр",
    "рис",
    "см",
    "др",
    "пр",
    "т",
    "е",
    "д",
    "п",
    "с",
    "тов",
    "проф",
    "акад",
    "доц",
    "чел",
    "кв",
    "корп",
    "просп",
    "пос",
    "ж",
    "жж",
    "т.б",
    "т.с.с",
    "mr",
    "mrs",
    "ms",
    "dr",
    "st",
    "vs",
    "inc",
    "ltd",
    "co",
    "corp",
    "no",
    "prof",
    "gen",
    "sen",
    "jr",
    "sr",
    "etc",
    "e.g",
    "i.e",
];

/// Returns true if a sentence ends in the text between two words. `before` is the first word, and `next` the first
/// character of the second.
pub(super) fn ends_sentence(before: &str, between: &str, next: Option<char>) -> bool {
    let Some(at) = between.find(['.', '!', '?', '…']) else { return false };
    let mark = between.get(at..).unwrap_or("");
    // A mark without white space before the next word does not end a sentence.
    if !mark.contains(char::is_whitespace) && next.is_some() {
        return false;
    }
    if !mark.starts_with('.') || mark.starts_with("..") {
        return !mark.starts_with(['.', '…']) || next.is_none_or(|next| !next.is_lowercase());
    }
    // The full stop belongs to an abbreviation only if it follows the word directly.
    at > 0 || !is_abbreviated(&before.to_lowercase())
}

/// Returns true for initials and abbreviations: г., т.е., К.К.
fn is_abbreviated(word: &str) -> bool {
    let is_short = |part: &str| part.chars().count() <= 2 && part.chars().all(char::is_alphabetic);
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    is_initial || ABBREVIATIONS.contains(&word) || (word.contains('.') && word.split('.').all(is_short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_and_initials_do_not_end_sentences() {
        for (before, between, next, expected) in [
            ("вырос", ". ", 'Б', true),
            ("вырос", ".» ", 'Б', true),
            ("вырос", "! ", 'Б', true),
            ("г", ". ", 'А', false),
            ("к", ". ", 'Т', false),
            ("млн", ". ", 'Т', false),
            ("вырос", ". ", 'а', true),
            ("вырос", "!!! ", 'а', true),
            ("14,25", "%. ", 'Б', true),
            ("т.е", ". ", 'Б', false),
            ("К.К", ". ", 'Т', false),
            ("вырос", "... ", 'а', false),
            ("вырос", ", ", 'А', false),
            ("вырос", "… ", 'А', true),
        ] {
            assert_eq!(ends_sentence(before, between, Some(next)), expected, "{before}{between}{next}");
        }
    }
}
