//! What a source showed last, and what is gone from it.

use serde::{Deserialize, Serialize};

use crate::{ItemKey, Timestamp};

/// What the documents of a source showed, the newest first, where it shows all that is published, back to the oldest that it
/// shows. What is gone from between, while something behind it still stands there, was taken back.
///
/// Once is not enough: servers leave things out by chance. What is missing in two documents in a row is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The fingerprint of the last document.
    document: String,
    places: Vec<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    key: ItemKey,
    /// It did not stand there the last time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_missing: bool,
}

impl Shown {
    /// So many are remembered: as many as the longest page of a platform shows.
    const MOST: usize = 100;

    /// Of a document, by its fingerprint, and its entries in their order, each with when it came out.
    pub fn of(document: String, entries: impl IntoIterator<Item = (ItemKey, Option<Timestamp>)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().take(Self::MOST).collect();
        let time = |at: usize| entries.get(at).and_then(|(_, time)| *time);
        // What is pinned stands first, however old it is, and leaves that place without being taken back.
        if time(0).zip(time(1)).is_some_and(|(first, second)| first < second) {
            entries.remove(0);
        }
        let places = entries.into_iter().map(|(key, _)| Place { key, is_missing: false }).collect();
        Self { document, places }
    }

    /// Whether the last document is the one of this fingerprint.
    pub fn is_of(&self, document: &str) -> bool {
        self.document == document
    }

    /// What is remembered when a further document was read, and what is gone for good.
    pub fn followed_by(&self, next: Self) -> (Self, Vec<ItemKey>) {
        let stands = |place: &Place| next.places.iter().any(|other| other.key == place.key);
        // What is behind the last one that both show may have been pushed out.
        let both = self.places.iter().rposition(stands).map_or(0, |last| last + 1);
        let known = self.places.get(..both).unwrap_or_default();
        let missing = known.iter().filter(|place| !stands(place)).count();
        if missing * 2 > known.len() {
            return (next, Vec::new()); // another choice of what is shown, not so much taken back at once
        }
        let mut places = next.places.clone();
        let mut gone = Vec::new();
        for (at, place) in known.iter().enumerate().filter(|(_, place)| !stands(place)) {
            if place.is_missing {
                gone.push(place.key.clone());
                continue;
            }
            // It keeps its place before what stood behind it.
            let behind = known.get(at..).unwrap_or_default().iter().find(|place| stands(place));
            let here = places.iter().position(|other| behind.is_some_and(|behind| behind.key == other.key));
            places.insert(here.unwrap_or(places.len()), Place { key: place.key.clone(), is_missing: true });
        }
        (Self { document: next.document, places }, gone)
    }

    /// The same where a document stands as it stood: what was missing is gone.
    pub fn unchanged(&self) -> (Self, Vec<ItemKey>) {
        let (gone, places): (Vec<Place>, Vec<Place>) =
            self.places.iter().cloned().partition(|place| place.is_missing);
        (Self { document: self.document.clone(), places }, gone.into_iter().map(|place| place.key).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(id: &str) -> ItemKey {
        ItemKey::choose(Some(id), None, "", "")
    }

    /// Of letters, the newest first: those that are missing in capitals.
    fn shown(text: &str) -> Shown {
        let place = |letter: char| Place {
            key: key(&letter.to_ascii_lowercase().to_string()),
            is_missing: letter.is_ascii_uppercase(),
        };
        Shown { document: String::new(), places: text.chars().map(place).collect() }
    }

    fn check(before: &str, next: &str, remembered: &str, gone: &str) {
        let gone: Vec<ItemKey> = gone.chars().map(|letter| key(&letter.to_string())).collect();
        assert_eq!(shown(before).followed_by(shown(next)), (shown(remembered), gone), "{before} then {next}");
    }

    #[test]
    fn what_is_gone_from_between_was_taken_back() {
        for (before, next, remembered, gone) in [
            ("", "fedc", "fedc", ""),
            ("fedc", "fedc", "fedc", ""),
            ("fedc", "hgfe", "hgfe", ""),      // pushed out
            ("fedc", "hgfdc", "hgfEdc", ""),   // once
            ("hgfEdc", "hgfdc", "hgfdc", "e"), // twice
            ("hgfEdc", "ihgfd", "ihgfd", "e"),
            ("hgfEdc", "ihgfed", "ihgfed", ""), // it was there all the time
            ("hgfEdc", "jihgf", "jihgf", ""),   // nothing behind it is shown any more: nobody can tell
            ("fedc", "edc", "Fedc", ""),        // the newest one
            ("fedcba", "fcba", "fEDcba", ""),
            ("fedc", "xfc", "xfEDc", ""),
            ("fedc", "xc", "xc", ""), // most at once: another choice of what is shown
            ("fedc", "wxyz", "wxyz", ""),
            ("fedc", "", "", ""),
        ] {
            check(before, next, remembered, gone);
        }
    }

    #[test]
    fn a_document_that_stands_as_it_stood_confirms() {
        assert_eq!(shown("gfEdC").unchanged(), (shown("gfd"), vec![key("e"), key("c")]));
        assert_eq!(shown("gf").unchanged(), (shown("gf"), vec![]));
    }

    #[test]
    fn what_is_pinned_has_no_place() {
        let at = |second: i64| Some(Timestamp::from_second(second).unwrap());
        let of = |entries: &[(&str, i64)]| {
            Shown::of(String::new(), entries.iter().map(|(id, second)| (key(id), at(*second))))
        };
        assert_eq!(of(&[("p", 1), ("b", 9), ("a", 8)]), shown("ba"));
        assert_eq!(of(&[("b", 9), ("a", 8)]), shown("ba"));
        assert_eq!(of(&[("b", 9), ("a", 9)]), shown("ba"));
    }

    proptest! {
        /// A source that takes nothing back loses nothing, however much comes, and however many are shown.
        #[test]
        fn nothing_is_gone_from_a_source_that_takes_nothing_back(steps in proptest::collection::vec((0usize..8, 1usize..12), 1..12)) {
            let mut newest = 0;
            let mut remembered = Shown::default();
            for (fresh, size) in steps {
                newest += fresh;
                let entries = (newest.saturating_sub(size)..newest).rev().map(|id| (key(&id.to_string()), None));
                let (next, gone) = remembered.followed_by(Shown::of(String::new(), entries));
                prop_assert_eq!(gone, vec![]);
                prop_assert!(next.places.iter().all(|place| !place.is_missing));
                remembered = next;
            }
        }

        #[test]
        fn what_is_remembered_is_bounded(counts in proptest::collection::vec(0usize..400, 1..6)) {
            let mut remembered = Shown::default();
            for (round, count) in counts.into_iter().enumerate() {
                let entries = (0..count).filter(|id| (id + round) % 3 != 0).map(|id| (key(&id.to_string()), None));
                remembered = remembered.followed_by(Shown::of(String::new(), entries)).0;
                prop_assert!(remembered.places.len() <= 2 * Shown::MOST);
            }
        }
    }
}
