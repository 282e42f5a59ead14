//! A map from letters to terms that does not change: in a few bytes a key, where a hash map takes a hundred.
//!
//! It is asked only for forms that are seen for the first time.

use std::collections::HashMap;

use super::vocabulary::TermId;

/// Keys in their order, one behind the other, and the terms of each likewise.
#[derive(Debug, Default)]
pub(super) struct Keys {
    letters: String,
    /// By key: where its letters begin, and its terms. One more stands at the end.
    places: Vec<(u32, u32)>,
    terms: Vec<TermId>,
}

impl Keys {
    pub(super) fn of(map: HashMap<String, Vec<TermId>>) -> Self {
        let mut sorted: Vec<(String, Vec<TermId>)> = map.into_iter().collect();
        sorted.sort_unstable();
        let mut keys = Self::default();
        for (key, terms) in sorted {
            keys.places.push(keys.end());
            keys.letters.push_str(&key);
            keys.terms.extend(terms);
        }
        keys.places.push(keys.end());
        keys.letters.shrink_to_fit();
        keys.places.shrink_to_fit();
        keys.terms.shrink_to_fit();
        keys
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.letters.capacity() + bytes_of(&self.places) + bytes_of(&self.terms)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> &[TermId] {
        let (mut from, mut to) = (0, self.places.len().saturating_sub(1));
        while from < to {
            let middle = from.midpoint(to);
            match self.key(middle).cmp(key) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
                std::cmp::Ordering::Equal => return self.terms_of(middle),
            }
        }
        &[]
    }

    /// Segments are bounded far below 4 GiB of letters.
    fn end(&self) -> (u32, u32) {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        (number(self.letters.len()), number(self.terms.len()))
    }

    fn key(&self, number: usize) -> &str {
        let place = |number: usize| self.places.get(number).map(|place| place.0 as usize);
        let range = place(number).zip(place(number + 1));
        range.and_then(|(from, to)| self.letters.get(from..to)).unwrap_or("")
    }

    fn terms_of(&self, number: usize) -> &[TermId] {
        let place = |number: usize| self.places.get(number).map(|place| place.1 as usize);
        let range = place(number).zip(place(number + 1));
        range.and_then(|(from, to)| self.terms.get(from..to)).unwrap_or(&[])
    }
}

/// What a vector takes, but for what its parts have elsewhere.
pub(super) fn bytes_of<T>(all: &Vec<T>) -> usize {
    all.capacity() * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let map: HashMap<String, Vec<TermId>> =
            (0..500).map(|number| (format!("к{number}"), (0..number % 4).collect())).collect();
        let keys = Keys::of(map.clone());
        for (key, terms) in &map {
            assert_eq!(keys.get(key), terms);
        }
        for other in ["", "к", "к500", "я", "a"] {
            assert_eq!(keys.get(other), &[] as &[TermId], "{other}");
        }
        assert_eq!(Keys::default().get("к"), &[] as &[TermId]);
    }
}
