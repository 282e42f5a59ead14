//! "Did you mean": the known word nearest to a mistyped one.

use strsim::osa_distance;

/// The candidate within two edits (a third of the word for short ones) of `word`, if there is one.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_typo_and_leaves_strangers_alone() {
        let known = ["url", "category", "selectors", "timezone"];
        for (typo, expected) in [
            ("catgory", Some("category")),
            ("timeZone", Some("timezone")),
            ("ulr", Some("url")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typo, known), expected, "{typo}");
        }
    }
}
