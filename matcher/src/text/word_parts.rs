//! The parts of words: around hyphens and dots, numbers and units, and hashtags.

use std::ops::Range;

use super::words::is_mark;

/// Splits a word into parts at hyphens, dots and the like, and between a number and its unit (`100тг`). Returns no
/// parts if it cannot be split.
pub(super) fn split_parts(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let is_joint = |c: char| matches!(c, '-' | '‑' | '.' | ':' | '_');
    let word = text.get(range.clone()).unwrap_or("");
    let parts = if word.contains(is_joint) {
        runs(text, range.clone(), |c| !is_joint(c))
    } else {
        vec![range.clone()]
    };
    let parts: Vec<Range<usize>> = parts.into_iter().flat_map(|part| number_and_unit(text, part)).collect();
    if parts == [range] { Vec::new() } else { parts }
}

/// Splits a number and its unit (`100тг`). Returns any other part whole, without leading signs and accents that
/// follow no letter.
fn number_and_unit(text: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let written = text.get(part.clone()).unwrap_or("");
    let trimmed = written.trim_start_matches(|c| is_mark(c) || !c.is_alphanumeric());
    let start = part.start + written.len() - trimmed.len();
    let word = text.get(start..part.end).unwrap_or("");
    let unit = word.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 1);
    match unit {
        _ if word.is_empty() => Vec::new(),
        Some(at) if word.chars().skip(at).all(char::is_alphabetic) => {
            vec![start..start + at, start + at..part.end]
        }
        _ => std::iter::once(start..part.end).collect(),
    }
}

/// Returns the ranges of consecutive characters that satisfy `belongs`.
pub(super) fn runs(text: &str, range: Range<usize>, belongs: impl Fn(char) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, c) in text.get(range.clone()).unwrap_or("").char_indices() {
        let (start, end) = (range.start + at, range.start + at + c.len_utf8());
        match runs.last_mut() {
            _ if !belongs(c) => (),
            Some(run) if run.end == start => run.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}

/// Splits the name of a hashtag at inner capitals and underscores: `СтопКоррупция` has two parts.
pub(super) fn camel_case_parts(name: &str, offset: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut previous = ' ';
    for (at, c) in name.char_indices() {
        let (start, end) = (offset + at, offset + at + c.len_utf8());
        let begins = c.is_uppercase() && previous.is_lowercase() || (previous == '_' && c != '_');
        match parts.last_mut() {
            _ if c == '_' => (),
            Some(part) if part.end == start && !begins => part.end = end,
            _ => parts.push(start..end),
        }
        previous = c;
    }
    parts
}
