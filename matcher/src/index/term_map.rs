//! An immutable map from strings to terms. It takes a few bytes per key, where a hash map takes about a hundred.
//!
//! Lookups are binary searches. They are rare: only forms that are not cached yet are looked up.

use std::collections::HashMap;

use super::vocabulary::TermId;

/// Sorted keys, concatenated, and the terms of each key, concatenated in the same order.
#[derive(Debug, Default)]
pub(super) struct TermMap {
    keys: String,
    /// The offsets at which each key and its terms begin, and a last pair for the end.
    offsets: Vec<(u32, u32)>,
    terms: Vec<TermId>,
}

impl TermMap {
    pub(super) fn new(map: HashMap<String, Vec<TermId>>) -> Self {
        let mut sorted: Vec<(String, Vec<TermId>)> = map.into_iter().collect();
        sorted.sort_unstable();
        let mut compact = Self::default();
        for (key, terms) in sorted {
            compact.offsets.push(compact.end());
            compact.keys.push_str(&key);
            compact.terms.extend(terms);
        }
        compact.offsets.push(compact.end());
        compact.keys.shrink_to_fit();
        compact.offsets.shrink_to_fit();
        compact.terms.shrink_to_fit();
        compact
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.keys.capacity() + vec_bytes(&self.offsets) + vec_bytes(&self.terms)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> &[TermId] {
        let (mut from, mut to) = (0, self.offsets.len().saturating_sub(1));
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

    /// Returns the current end of the keys and of the terms. The keys of a segment are far below 4 GiB.
    fn end(&self) -> (u32, u32) {
        let offset = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        (offset(self.keys.len()), offset(self.terms.len()))
    }

    fn key(&self, number: usize) -> &str {
        let offset = |number: usize| self.offsets.get(number).map(|offsets| offsets.0 as usize);
        let range = offset(number).zip(offset(number + 1));
        range.and_then(|(from, to)| self.keys.get(from..to)).unwrap_or("")
    }

    fn terms_of(&self, number: usize) -> &[TermId] {
        let offset = |number: usize| self.offsets.get(number).map(|offsets| offsets.1 as usize);
        let range = offset(number).zip(offset(number + 1));
        range.and_then(|(from, to)| self.terms.get(from..to)).unwrap_or(&[])
    }
}

/// Returns the bytes that a vector allocates, without the heap memory of its elements.
pub(super) fn vec_bytes<T>(all: &Vec<T>) -> usize {
    all.capacity() * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_returns_the_terms_of_inserted_keys_only() {
        let map: HashMap<String, Vec<TermId>> =
            (0..500).map(|number| (format!("к{number}"), (0..number % 4).collect())).collect();
        let compact = TermMap::new(map.clone());
        for (key, terms) in &map {
            assert_eq!(compact.get(key), terms);
        }
        for other in ["", "к", "к500", "я", "a"] {
            assert_eq!(compact.get(other), &[] as &[TermId], "{other}");
        }
        assert_eq!(TermMap::default().get("к"), &[] as &[TermId]);
    }
}
