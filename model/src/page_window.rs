//! What a source showed last, and what is gone from it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ItemKey, Timestamp};

/// What the documents of a source showed, the newest first, where it shows all that is published, back to the oldest that it
/// shows. What is missing in between, while something behind it still stands there, was taken back.
///
/// A first look proves nothing: caches and replicas show what was there a while ago. What is missing is gone once a further
/// document misses it that shows something newer than all before, or once it was missing for six hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageWindow {
    /// The fingerprint of the last document.
    document: String,
    /// When the newest of all that was ever shown came out.
    newest: Option<Timestamp>,
    places: Vec<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    key: ItemKey,
    /// Since when it does not stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing_since: Option<Timestamp>,
}

/// What one document shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowDocument {
    /// Its fingerprint.
    fingerprint: String,
    /// When the newest in it came out.
    newest: Option<Timestamp>,
    /// In their order, the newest first.
    keys: Vec<ItemKey>,
    /// What stands there as well, without a place in that order: what is pinned, or has no words any more.
    unordered: Vec<ItemKey>,
}

impl WindowDocument {
    /// Of entries in their order, each with when it came out, and of what stands there besides.
    pub fn new(
        entries: impl IntoIterator<Item = (ItemKey, Option<Timestamp>)>,
        mut unordered: Vec<ItemKey>,
    ) -> Self {
        let (mut keys, times): (Vec<ItemKey>, Vec<Option<Timestamp>>) =
            entries.into_iter().take(PageWindow::MOST).unzip();
        let newest = times.iter().flatten().max().copied();
        let time = |at: usize| times.get(at).copied().flatten();
        // What is pinned stands first, however old it is, and leaves that place without being taken back.
        if time(0).zip(time(1)).is_some_and(|(first, second)| first < second) {
            unordered.push(keys.remove(0));
        }
        Self { fingerprint: String::new(), newest, keys, unordered }
    }

    /// The same, of the document of a fingerprint.
    pub fn of_document(self, fingerprint: String) -> Self {
        Self { fingerprint, ..self }
    }

    fn shows(&self, key: &ItemKey) -> bool {
        self.keys.contains(key) || self.unordered.contains(key)
    }
}

impl PageWindow {
    /// So many are remembered: as many as the longest page of a platform shows.
    const MOST: usize = 100;
    /// Of fewer that stood there nothing is concluded.
    const LEAST: usize = 4;
    /// No cache shows what was there so long ago.
    const LONG: Duration = Duration::from_secs(6 * 3600);

    /// What is remembered when a further document was read at `now`, and what is gone.
    pub fn followed_by(&self, next: WindowDocument, now: Timestamp) -> (Self, Vec<ItemKey>) {
        let stands = |place: &Place| next.shows(&place.key);
        let has_place = |place: &Place| next.keys.contains(&place.key);
        let shows_news = next.newest > self.newest;
        // What is behind the last one that both show may have been pushed out.
        let end = self.places.iter().rposition(has_place).map_or(0, |last| last + 1);
        let known = self.places.get(..end).unwrap_or_default();
        let missing = known.iter().filter(|place| !stands(place)).count();
        let mut page_window = Self {
            document: next.fingerprint.clone(),
            newest: self.newest.max(next.newest),
            places: next.keys.iter().map(|key| Place { key: key.clone(), missing_since: None }).collect(),
        };
        if known.len() < Self::LEAST || missing * 2 > known.len() {
            return (page_window, Vec::new()); // too few to tell; or another choice of what is shown, not so much taken back at once
        }
        let mut gone = Vec::new();
        for (at, place) in known.iter().enumerate().filter(|(_, place)| !stands(place)) {
            if place.missing_since.is_some() && (shows_news || place.is_long_missing(now)) {
                gone.push(place.key.clone());
                continue;
            }
            // It keeps its place before what stood behind it.
            let behind = known.get(at..).unwrap_or_default().iter().find(|place| has_place(place));
            let here = page_window
                .places
                .iter()
                .position(|other| behind.is_some_and(|behind| behind.key == other.key));
            let missing_since = place.missing_since.or(Some(now));
            page_window.places.insert(
                here.unwrap_or(page_window.places.len()),
                Place { key: place.key.clone(), missing_since },
            );
        }
        (page_window, gone)
    }

    /// The same when the last document, by its fingerprint, still stands as it stood.
    pub fn still(&self, fingerprint: &str, now: Timestamp) -> (Self, Vec<ItemKey>) {
        let is_gone = |place: &Place| self.document == fingerprint && place.is_long_missing(now);
        let (gone, places): (Vec<Place>, Vec<Place>) = self.places.iter().cloned().partition(is_gone);
        (
            Self { document: self.document.clone(), newest: self.newest, places },
            gone.into_iter().map(|place| place.key).collect(),
        )
    }
}

impl Place {
    fn is_long_missing(&self, now: Timestamp) -> bool {
        self.missing_since.is_some_and(|since| {
            Duration::try_from(now.duration_since(since)).is_ok_and(|missing| missing >= PageWindow::LONG)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(id: &str) -> ItemKey {
        ItemKey::choose(Some(id), None, "", "")
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn keys(letters: &str) -> Vec<ItemKey> {
        letters.chars().map(|letter| key(&letter.to_ascii_lowercase().to_string())).collect()
    }

    /// Of letters, the newest first: those that are missing, since minute 0, in capitals.
    fn page_window(text: &str) -> PageWindow {
        let missing = |letter: char| letter.is_ascii_uppercase().then_some(at(0));
        let places = keys(text).into_iter().zip(text.chars().map(missing));
        let places = places.map(|(key, missing_since)| Place { key, missing_since }).collect();
        PageWindow { document: String::new(), newest: newest(text), places }
    }

    /// A letter comes out in its minute.
    fn newest(text: &str) -> Option<Timestamp> {
        text.bytes().map(|letter| at(i64::from(letter.to_ascii_lowercase()))).max()
    }

    fn document(text: &str) -> WindowDocument {
        WindowDocument { keys: keys(text), newest: newest(text), ..WindowDocument::default() }
    }

    fn check(before: &str, next: &str, minute: i64, remembered: &str, gone: &str) {
        let (found, missing) = page_window(before).followed_by(document(next), at(minute));
        let letters = |page_window: &PageWindow| -> String {
            let letter = |place: &Place| {
                let text = place.key.as_str();
                let letter = text.chars().next_back().unwrap();
                if place.missing_since.is_some() { letter.to_ascii_uppercase() } else { letter }
            };
            page_window.places.iter().map(letter).collect()
        };
        assert_eq!((letters(&found).as_str(), missing), (remembered, keys(gone)), "{before} then {next}");
    }

    #[test]
    fn what_is_gone_from_between_was_taken_back() {
        for (before, next, minute, remembered, gone) in [
            ("", "fedc", 1, "fedc", ""),
            ("fedc", "fedc", 1, "fedc", ""),
            ("fedc", "hgfe", 1, "hgfe", ""),        // pushed out
            ("fedc", "hgfdc", 1, "hgfEdc", ""),     // a first look
            ("hgfEdc", "ihgfdc", 1, "ihgfdc", "e"), // and a second, at something newer
            ("hgfEdc", "hgfdc", 359, "hgfEdc", ""), // which may be a copy of what was there
            ("hgfEdc", "hgfdc", 360, "hgfdc", "e"), // no copy is that old
            ("hgfEdc", "ihgfed", 1, "ihgfed", ""),  // it was there all the time
            ("hgfEdc", "jihgf", 1, "jihgf", ""),    // nothing behind it is shown any more: nobody can tell
            ("fedc", "edc", 1, "Fedc", ""),         // the newest one
            ("Fedc", "edcb", 1, "Fedcb", ""),       // an old copy shows it not yet
            ("Fedc", "gfedc", 1, "gfedc", ""),      // as the next one tells
            ("Fedc", "gedc", 1, "gedc", "f"),
            ("Gedc", "fedcb", 1, "fGedcb", ""), // a copy from before, of what was taken back since
            ("fedcba", "fcba", 1, "fEDcba", ""),
            ("fedc", "xc", 1, "xc", ""), // most at once: another choice of what is shown
            ("fed", "fd", 1, "fd", ""),  // too few to tell
            ("fedc", "wxyz", 1, "wxyz", ""),
            ("fedc", "", 1, "", ""),
        ] {
            check(before, next, minute, remembered, gone);
        }
    }

    #[test]
    fn a_document_that_stands_as_it_stood_confirms_after_hours() {
        assert_eq!(page_window("gfEdC").still("", at(359)), (page_window("gfEdC"), vec![]));
        assert_eq!(page_window("gfEdC").still("", at(360)), (page_window("gfd"), keys("ec")));
        assert_eq!(page_window("gfEdC").still("another", at(360)), (page_window("gfEdC"), vec![]));
    }

    /// What is pinned, early or late, what is unpinned, and what has no words any more is not gone.
    #[test]
    fn what_stands_besides_is_there() {
        let of = |entries: &[(&str, i64)], unordered: &str| {
            let entries = entries.iter().map(|(id, minute)| (key(id), Some(at(*minute))));
            WindowDocument::new(entries, keys(unordered))
        };
        let documents = [
            of(&[("e", 5), ("d", 4), ("c", 3), ("b", 2), ("a", 1)], ""),
            of(&[("c", 3), ("e", 5), ("d", 4), ("b", 2), ("a", 1)], ""), // one of them is pinned
            of(&[("c", 3), ("f", 6), ("e", 5), ("d", 4), ("b", 2)], ""),
            of(&[("c", 3), ("g", 7), ("f", 6), ("e", 5), ("b", 2)], "d"), // one lost its words
            of(&[("h", 8), ("g", 7), ("f", 6), ("e", 5), ("b", 2)], "d"), // the pin is taken away, and was pushed out
            of(&[("i", 9), ("h", 8), ("g", 7), ("f", 6), ("e", 5)], ""),
        ];
        let mut remembered = PageWindow::default();
        for (minute, document) in documents.into_iter().enumerate() {
            let gone;
            (remembered, gone) = remembered.followed_by(document, at(1000 * minute as i64));
            assert_eq!(gone, vec![], "at {minute}");
        }
    }

    proptest! {
        /// A source that takes nothing back loses nothing, however much comes, however many are shown, and however old the
        /// copies are that caches show.
        #[test]
        fn nothing_is_gone_from_a_source_that_takes_nothing_back(
            steps in proptest::collection::vec((0usize..8, 1usize..12, 0usize..4), 1..16)
        ) {
            let mut newest = 0;
            let mut remembered = PageWindow::default();
            for (step, (fresh, size, stale)) in steps.into_iter().enumerate() {
                newest += fresh;
                let end = newest.saturating_sub(stale);
                let entries = (end.saturating_sub(size)..end).rev().map(|id| (key(&id.to_string()), Some(at(id as i64))));
                let document = WindowDocument::new(entries, Vec::new());
                let gone;
                (remembered, gone) = remembered.followed_by(document, at(step as i64));
                prop_assert_eq!(gone, vec![]);
            }
        }

        #[test]
        fn what_is_remembered_is_bounded(counts in proptest::collection::vec(0usize..400, 1..6)) {
            let mut remembered = PageWindow::default();
            for (round, count) in counts.into_iter().enumerate() {
                let entries = (0..count).filter(|id| (id + round) % 3 != 0).map(|id| (key(&id.to_string()), None));
                let document = WindowDocument::new(entries, Vec::new());
                remembered = remembered.followed_by(document, at(round as i64)).0;
                prop_assert!(remembered.places.len() <= 2 * PageWindow::MOST);
            }
        }
    }
}
