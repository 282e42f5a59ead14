//! Where sentences end.

/// What is written with a full stop within a sentence, folded.
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

/// Whether a sentence ends in what stands between two words; `next` begins the word after.
pub(super) fn ends(before: &str, between: &str, next: Option<char>) -> bool {
    let between = between.trim_start_matches(['"', '»', '”', ')', '\'', '’', ']']);
    let Some(mark) = between.chars().find(|c| !c.is_whitespace()) else { return false };
    match mark {
        '!' | '?' | '…' => next.is_none_or(|next| !next.is_lowercase()),
        '.' if between.starts_with("...") => next.is_none_or(|next| !next.is_lowercase()),
        '.' => {
            let is_apart = between.chars().nth(1).is_none_or(|c| !c.is_alphanumeric());
            let before = &before.to_lowercase();
            let is_initial = before.chars().count() == 1 && before.chars().all(char::is_alphabetic);
            is_apart
                && !is_initial
                && !ABBREVIATIONS.contains(&before.as_str())
                && next.is_none_or(|next| !next.is_lowercase())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_stops_of_abbreviations_and_initials_end_nothing() {
        for (before, between, next, expected) in [
            ("вырос", ". ", 'Б', true),
            ("вырос", ".» ", 'Б', true),
            ("вырос", "! ", 'Б', true),
            ("г", ". ", 'А', false),
            ("к", ". ", 'Т', false),
            ("млн", ". ", 'Т', false),
            ("вырос", ". ", 'а', false),
            ("вырос", ", ", 'А', false),
            ("вырос", "… ", 'А', true),
        ] {
            assert_eq!(ends(before, between, Some(next)), expected, "{before}{between}{next}");
        }
    }
}
