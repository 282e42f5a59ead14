//! Tests of the language, as tables written by hand: a query, a text, and the words that match.

mod dialects;
mod errors;
mod examples;
mod fuzz;
mod laws;

use crate::{Analysis, Facts, Query};

fn parsed(query: &str) -> Query {
    Query::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// Returns the words of a text that a query matches; `None` if it does not match.
fn matched_words<'t>(language: Option<&str>, query: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let spans =
        parsed(query).matches(&Analysis::default().document("", text, language), &Facts::default())?;
    Some(spans.iter().map(|span| text.get(span.start..span.end).unwrap()).collect())
}

/// Checks the words of a text that a query matches. No expected words mean no match.
fn check(query: &str, text: &str, expected: &[&str]) {
    let expected = Some(expected.to_vec()).filter(|words| !words.is_empty());
    assert_eq!(matched_words(None, query, text), expected, "{query} in {text}");
}

/// Checks lines of `query => text => word; word`. Without the last part, the query must not match. Reports every
/// failure.
fn check_table(language: Option<&str>, table: &str) {
    let mut failures = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut columns = line.split("=>").map(str::trim);
        let (Some(query), Some(text)) = (columns.next(), columns.next()) else {
            panic!("{line}: expected query => text => words")
        };
        let expected: Option<Vec<&str>> = columns.next().map(|words| words.split("; ").collect());
        let actual = matched_words(language, query, text);
        if actual != expected {
            failures.push(format!("{query} in {text}: {actual:?}, expected {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
