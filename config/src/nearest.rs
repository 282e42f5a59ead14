//! Suggestions for mistyped words ("did you mean …?").

use strsim::osa_distance;

/// Returns the candidate with the smallest edit distance to `word`, ignoring case; `None` if no candidate is close
/// enough. The maximum distance is a third of the word's length, but at least 1 and at most 3.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let max_distance = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= max_distance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typos_are_corrected_and_unrelated_words_are_not() {
        let candidates = ["url", "category", "selectors", "timezone"];
        for (typo, expected) in [
            ("catgory", Some("category")),
            ("timeZone", Some("timezone")),
            ("ulr", Some("url")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typo, candidates), expected, "{typo}");
        }
    }
}
