//! What the language means, in tables written by hand: a query, a text, and the words that are found in it.

mod dialects;
mod errors;
mod examples;
mod fuzz;
mod laws;

use crate::{Analysis, Facts, Query};

fn parsed(query: &str) -> Query {
    Query::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// What a query finds in a text; `None` where it does not match.
fn found<'t>(language: Option<&str>, query: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let spans =
        parsed(query).matches(&Analysis::default().document("", text, language), &Facts::default())?;
    Some(spans.iter().map(|span| text.get(span.start..span.end).unwrap()).collect())
}

/// Query, text, the words that are expected to be found (none: no match).
fn check(query: &str, text: &str, expected: &[&str]) {
    let expected = Some(expected.to_vec()).filter(|words| !words.is_empty());
    assert_eq!(found(None, query, text), expected, "{query} in {text}");
}

/// Lines of `query => text => found; found`, without the last part where nothing matches. All that is otherwise is told.
fn check_table(language: Option<&str>, table: &str) {
    let mut wrong = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut columns = line.split("=>").map(str::trim);
        let (Some(query), Some(text)) = (columns.next(), columns.next()) else {
            panic!("{line}: query => text => found")
        };
        let expected: Option<Vec<&str>> = columns.next().map(|words| words.split("; ").collect());
        let found = found(language, query, text);
        if found != expected {
            wrong.push(format!("{query} in {text}: {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
