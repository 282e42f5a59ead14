//! Detection of deletions: the entries that a source's document currently shows, compared between fetches.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ItemKey, Timestamp};

/// The entries that a source's document shows, newest first, of a source whose document shows all publications back to
/// its oldest entry. An entry that is missing although the document still shows an older one was deleted.
///
/// A single document is not sufficient evidence, since caches and replicas return old documents. A missing entry counts
/// as deleted if a further document without it shows an entry newer than all before, or if it has been missing for six
/// hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageWindow {
    /// Fingerprint of the last document.
    document: String,
    /// The publication time of the newest entry ever shown.
    newest: Option<Timestamp>,
    /// The shown entries and those that are missing but not yet counted as deleted, newest first.
    places: Vec<WindowEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WindowEntry {
    key: ItemKey,
    /// The time from which the entry is missing; `None` if the last document shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing_since: Option<Timestamp>,
}

/// The entries of one fetched document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowDocument {
    /// Fingerprint of the document.
    fingerprint: String,
    /// The publication time of the newest entry.
    newest: Option<Timestamp>,
    /// The entries in document order, newest first.
    keys: Vec<ItemKey>,
    /// Further entries outside of that order: pinned ones, and those that no longer have a text.
    unordered: Vec<ItemKey>,
}

impl WindowDocument {
    /// Returns the document with these entries in document order, each with its publication time, and with further
    /// `unordered` entries.
    pub fn new(
        entries: impl IntoIterator<Item = (ItemKey, Option<Timestamp>)>,
        mut unordered: Vec<ItemKey>,
    ) -> Self {
        let (mut keys, times): (Vec<ItemKey>, Vec<Option<Timestamp>>) =
            entries.into_iter().take(PageWindow::MAX_ENTRIES).unzip();
        let newest = times.iter().flatten().max().copied();
        let time = |at: usize| times.get(at).copied().flatten();
        // A pinned entry comes first regardless of its age. It leaves that place without being deleted.
        if time(0).zip(time(1)).is_some_and(|(first, second)| first < second) {
            unordered.push(keys.remove(0));
        }
        Self { fingerprint: String::new(), newest, keys, unordered }
    }

    /// Sets the fingerprint of the document.
    pub fn of_document(self, fingerprint: String) -> Self {
        Self { fingerprint, ..self }
    }

    fn shows(&self, key: &ItemKey) -> bool {
        self.keys.contains(key) || self.unordered.contains(key)
    }
}

impl PageWindow {
    /// Upper bound on entries taken from a document: the number on the longest page of a platform.
    const MAX_ENTRIES: usize = 100;
    /// Minimum number of comparable entries for a conclusion.
    const MIN_COMPARABLE_ENTRIES: usize = 4;
    /// The period after which a missing entry counts as deleted. No cache returns a document that old.
    const MISSING_PERIOD: Duration = Duration::from_secs(6 * 3600);

    /// Returns the window after a further document, fetched at `now`, and the deleted entries.
    pub fn updated_with(&self, next: WindowDocument, now: Timestamp) -> (Self, Vec<ItemKey>) {
        let is_shown = |entry: &WindowEntry| next.shows(&entry.key);
        let is_shown_in_order = |entry: &WindowEntry| next.keys.contains(&entry.key);
        let shows_news = next.newest > self.newest;
        // Entries older than the oldest common one may have been pushed out by new entries.
        let end = self.places.iter().rposition(is_shown_in_order).map_or(0, |last| last + 1);
        let comparable = self.places.get(..end).unwrap_or_default();
        let missing = comparable.iter().filter(|entry| !is_shown(entry)).count();
        let visible_entry = |key: &ItemKey| WindowEntry { key: key.clone(), missing_since: None };
        let mut page_window = Self {
            document: next.fingerprint.clone(),
            newest: self.newest.max(next.newest),
            places: next.keys.iter().map(visible_entry).collect(),
        };
        // If most entries are missing, the source has changed its selection. It has not deleted that many at once.
        if comparable.len() < Self::MIN_COMPARABLE_ENTRIES || missing * 2 > comparable.len() {
            return (page_window, Vec::new());
        }
        let mut deleted = Vec::new();
        for (at, entry) in comparable.iter().enumerate().filter(|(_, entry)| !is_shown(entry)) {
            if entry.missing_since.is_some() && (shows_news || entry.has_missing_period_passed(now)) {
                deleted.push(entry.key.clone());
                continue;
            }
            // The missing entry keeps its position before the next older entry that is shown.
            let older =
                comparable.get(at..).unwrap_or_default().iter().find(|entry| is_shown_in_order(entry));
            let position =
                page_window.places.iter().position(|other| older.is_some_and(|older| older.key == other.key));
            let missing_since = entry.missing_since.or(Some(now));
            page_window.places.insert(
                position.unwrap_or(page_window.places.len()),
                WindowEntry { key: entry.key.clone(), missing_since },
            );
        }
        (page_window, deleted)
    }

    /// Returns the window and the deleted entries after a fetch at `now` that found the document unchanged. If
    /// `fingerprint` is not that of the window's last document, nothing is deleted.
    pub fn still(&self, fingerprint: &str, now: Timestamp) -> (Self, Vec<ItemKey>) {
        let is_deleted =
            |entry: &WindowEntry| self.document == fingerprint && entry.has_missing_period_passed(now);
        let (deleted, places): (Vec<WindowEntry>, Vec<WindowEntry>) =
            self.places.iter().cloned().partition(is_deleted);
        (
            Self { document: self.document.clone(), newest: self.newest, places },
            deleted.into_iter().map(|entry| entry.key).collect(),
        )
    }
}

impl WindowEntry {
    fn has_missing_period_passed(&self, now: Timestamp) -> bool {
        self.missing_since.is_some_and(|since| {
            Duration::try_from(now.duration_since(since))
                .is_ok_and(|missing| missing >= PageWindow::MISSING_PERIOD)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(id: &str) -> ItemKey {
        ItemKey::new(Some(id), None, "", "")
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn keys(letters: &str) -> Vec<ItemKey> {
        letters.chars().map(|letter| key(&letter.to_ascii_lowercase().to_string())).collect()
    }

    /// A window of entries named by letters, newest first. Capitals are missing since minute 0.
    fn page_window(text: &str) -> PageWindow {
        let missing = |letter: char| letter.is_ascii_uppercase().then_some(at(0));
        let places = keys(text).into_iter().zip(text.chars().map(missing));
        let places = places.map(|(key, missing_since)| WindowEntry { key, missing_since }).collect();
        PageWindow { document: String::new(), newest: newest(text), places }
    }

    /// The publication minute of an entry is the code of its letter.
    fn newest(text: &str) -> Option<Timestamp> {
        text.bytes().map(|letter| at(i64::from(letter.to_ascii_lowercase()))).max()
    }

    fn document(text: &str) -> WindowDocument {
        WindowDocument { keys: keys(text), newest: newest(text), ..WindowDocument::default() }
    }

    fn check(previous: &str, next: &str, minute: i64, expected: &str, expected_deleted: &str) {
        let (window, deleted) = page_window(previous).updated_with(document(next), at(minute));
        let letters = |page_window: &PageWindow| -> String {
            let letter = |entry: &WindowEntry| {
                let text = entry.key.as_str();
                let letter = text.chars().next_back().unwrap();
                if entry.missing_since.is_some() { letter.to_ascii_uppercase() } else { letter }
            };
            page_window.places.iter().map(letter).collect()
        };
        assert_eq!(
            (letters(&window).as_str(), deleted),
            (expected, keys(expected_deleted)),
            "{previous} then {next}"
        );
    }

    #[test]
    fn missing_entries_are_deleted_after_confirmation() {
        for (previous, next, minute, expected, deleted) in [
            ("", "fedc", 1, "fedc", ""),
            ("fedc", "fedc", 1, "fedc", ""),
            ("fedc", "hgfe", 1, "hgfe", ""),        // pushed out by new entries
            ("fedc", "hgfdc", 1, "hgfEdc", ""),     // missing in one document
            ("hgfEdc", "ihgfdc", 1, "ihgfdc", "e"), // missing in a second, newer document
            ("hgfEdc", "hgfdc", 359, "hgfEdc", ""), // the second document may be a cached copy
            ("hgfEdc", "hgfdc", 360, "hgfdc", "e"), // no cached copy is that old
            ("hgfEdc", "ihgfed", 1, "ihgfed", ""),  // the entry reappears
            ("hgfEdc", "jihgf", 1, "jihgf", ""),    // no older entry is shown: inconclusive
            ("fedc", "edc", 1, "Fedc", ""),         // the newest entry is missing
            ("Fedc", "edcb", 1, "Fedcb", ""),       // an old copy does not show it yet
            ("Fedc", "gfedc", 1, "gfedc", ""),      // the next document shows it
            ("Fedc", "gedc", 1, "gedc", "f"),       // the next document confirms the deletion
            ("Gedc", "fedcb", 1, "fGedcb", ""),     // an old copy from before the newest entry
            ("fedcba", "fcba", 1, "fEDcba", ""),
            ("fedc", "xc", 1, "xc", ""), // most entries are missing: another selection
            ("fed", "fd", 1, "fd", ""),  // too few entries
            ("fedc", "wxyz", 1, "wxyz", ""),
            ("fedc", "", 1, "", ""),
        ] {
            check(previous, next, minute, expected, deleted);
        }
    }

    #[test]
    fn an_unchanged_document_confirms_deletions_after_six_hours() {
        assert_eq!(page_window("gfEdC").still("", at(359)), (page_window("gfEdC"), vec![]));
        assert_eq!(page_window("gfEdC").still("", at(360)), (page_window("gfd"), keys("ec")));
        assert_eq!(page_window("gfEdC").still("another", at(360)), (page_window("gfEdC"), vec![]));
    }

    #[test]
    fn pinned_unpinned_and_emptied_entries_are_not_deleted() {
        let document = |entries: &[(&str, i64)], unordered: &str| {
            let entries = entries.iter().map(|(id, minute)| (key(id), Some(at(*minute))));
            WindowDocument::new(entries, keys(unordered))
        };
        let documents = [
            document(&[("e", 5), ("d", 4), ("c", 3), ("b", 2), ("a", 1)], ""),
            document(&[("c", 3), ("e", 5), ("d", 4), ("b", 2), ("a", 1)], ""), // c is pinned
            document(&[("c", 3), ("f", 6), ("e", 5), ("d", 4), ("b", 2)], ""),
            document(&[("c", 3), ("g", 7), ("f", 6), ("e", 5), ("b", 2)], "d"), // d loses its text
            document(&[("h", 8), ("g", 7), ("f", 6), ("e", 5), ("b", 2)], "d"), // c is unpinned and so pushed out
            document(&[("i", 9), ("h", 8), ("g", 7), ("f", 6), ("e", 5)], ""),
        ];
        let mut window = PageWindow::default();
        for (index, document) in documents.into_iter().enumerate() {
            let deleted;
            (window, deleted) = window.updated_with(document, at(1000 * index as i64));
            assert_eq!(deleted, vec![], "document {index}");
        }
    }

    proptest! {
        /// No deletion is reported for a source that deletes nothing, regardless of the number of new and shown entries
        /// and of the age of cached copies.
        #[test]
        fn a_source_without_deletions_reports_none(
            steps in proptest::collection::vec((0usize..8, 1usize..12, 0usize..4), 1..16)
        ) {
            let mut newest = 0;
            let mut window = PageWindow::default();
            for (step, (fresh, size, stale)) in steps.into_iter().enumerate() {
                newest += fresh;
                let end = newest.saturating_sub(stale);
                let entries = (end.saturating_sub(size)..end).rev().map(|id| (key(&id.to_string()), Some(at(id as i64))));
                let document = WindowDocument::new(entries, Vec::new());
                let deleted;
                (window, deleted) = window.updated_with(document, at(step as i64));
                prop_assert_eq!(deleted, vec![]);
            }
        }

        #[test]
        fn the_window_is_bounded(counts in proptest::collection::vec(0usize..400, 1..6)) {
            let mut window = PageWindow::default();
            for (round, count) in counts.into_iter().enumerate() {
                let entries = (0..count).filter(|id| (id + round) % 3 != 0).map(|id| (key(&id.to_string()), None));
                let document = WindowDocument::new(entries, Vec::new());
                window = window.updated_with(document, at(round as i64)).0;
                prop_assert!(window.places.len() <= 2 * PageWindow::MAX_ENTRIES);
            }
        }
    }
}
