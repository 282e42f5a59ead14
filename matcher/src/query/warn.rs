//! Warnings: constructs that are legal in a query but probably unintended.

use super::error::Warning;
use super::field::Field;
use super::references::{QueryReference, reference_of};
use super::token::Token;
use super::tree::{Expr, MatchStyle, Term};
use crate::text::fold::is_cyrillic;

/// Words too common to select items.
const STOP_WORDS: &[&str] = &[
    "в", "на", "с", "по", "из", "за", "от", "до", "для", "о", "об", "к", "у", "а", "но", "что", "как", "это",
    "не", "же", "бы", "мен", "және", "бұл", "ол", "үшін", "да", "де", "бір", "the", "a", "an", "of", "to",
    "in", "on", "for", "is", "it", "by", "at",
];
/// Operators in lower case, as other systems accept them.
const LOWERCASE_OPERATORS: &[&str] = &["and", "or", "not", "near", "или", "немесе", "және", "емес"];
/// Fields that no source provides yet.
const UNSUPPORTED_FIELDS: &[&str] = &["ocr", "transcript", "list", "tag"];

fn warning(code: &'static str, position: usize, message: String) -> Warning {
    Warning { code, position, message }
}

/// Warns that AND and OR are mixed without parentheses.
pub(super) fn mixed_operators(position: usize, expr: &Expr) -> Warning {
    warning("W_MIXED", position, format!("AND and OR are mixed without parentheses; parsed as {expr}"))
}

/// Warns that NOT drops the whole item, which is rarely intended for a word.
pub(super) fn excluded_word(position: usize, excluded: &Expr) -> Option<Warning> {
    excluded.has_positions().then(|| {
        let message = format!(
            "NOT drops every item that contains {excluded}; to exclude only nearby occurrences, write NOT NEAR/5 \
             {excluded}"
        );
        warning("W_NOT_PAGE", position, message)
    })
}

/// Warns that a list or topic is not resolved: it is declared outside the query.
pub(super) fn unresolved_reference(position: usize, field: &Field) -> Option<Warning> {
    match reference_of(field)? {
        QueryReference::List(name) => {
            let message = format!("list {name:?} is not available here and matches nothing");
            Some(warning("W_LIST", position, message))
        }
        QueryReference::Topic(name) => {
            let message = format!("topic {name:?} is not available here and matches nothing");
            Some(warning("W_TOPIC", position, message))
        }
    }
}

/// Warns that no source provides a field.
pub(super) fn unsupported_by_sources(position: usize, field: &str) -> Option<Warning> {
    UNSUPPORTED_FIELDS.contains(&field).then(|| {
        let message = format!("no source provides {field}: yet; it matches nothing");
        warning("W_UNSUPPORTED_BY_SOURCE", position, message)
    })
}

/// Warns that quotes fix the forms of inflected words, unless an enclosing function sets the style.
pub(super) fn quotes_fix_forms(
    token: &Token,
    text: &str,
    style: MatchStyle,
    in_function: bool,
) -> Option<Warning> {
    let is_inflected = text.chars().any(is_cyrillic) && text.split_whitespace().count() > 1;
    (style == MatchStyle::Exact && !in_function && is_inflected).then(|| {
        let message = format!("quotes match only these word forms; write [{text}] to match all forms");
        warning("W_QUOTES_FIX_FORM", token.position, message)
    })
}

/// Warns that characters outside of words are ignored, although the query requires exact characters.
pub(super) fn ignored_characters(token: &Token, text: &str, words: &[Term]) -> Option<Warning> {
    let length = |word: &Term| if let Term::Case(characters) = word { characters.chars().count() } else { 0 };
    let matched: usize = words.iter().map(length).sum();
    let written = text.chars().filter(|c| !c.is_whitespace()).count();
    (matched < written).then(|| {
        let message = format!("some characters of {text:?} are not part of a word and are ignored");
        warning("W_SIGNS", token.position, message)
    })
}

/// Returns the warnings about a single word.
pub(super) fn word_warnings(position: usize, word: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if word.chars().any(|c| c.is_ascii_alphabetic()) && word.chars().any(is_cyrillic) {
        let message = format!("{word:?} mixes Latin and Cyrillic letters, which may look alike");
        warnings.push(warning("W_LATIN_IN_CYRILLIC", position, message));
    }
    if LOWERCASE_OPERATORS.contains(&word) {
        let message = format!("{word:?} is searched for as a word; write operators in capitals");
        warnings.push(warning("W_CASE", position, message));
    } else if STOP_WORDS.contains(&word.to_lowercase().as_str()) {
        warnings.push(warning("W_STOPWORD", position, format!("{word:?} occurs in nearly every text")));
    }
    warnings
}
