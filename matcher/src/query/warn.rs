//! What is legal in a query but probably not meant.

use super::error::Warning;
use super::field::Field;
use super::lexer::Token;
use super::named::{self, Named};
use super::tree::{Expr, Style, Term};
use crate::text::fold::is_cyrillic;

/// Words so common that they tell nothing.
const STOP_WORDS: &[&str] = &[
    "в", "на", "с", "по", "из", "за", "от", "до", "для", "о", "об", "к", "у", "а", "но", "что", "как", "это",
    "не", "же", "бы", "мен", "және", "бұл", "ол", "үшін", "да", "де", "бір", "the", "a", "an", "of", "to",
    "in", "on", "for", "is", "it", "by", "at",
];
/// Operators of other systems, or ours in small letters.
const SMALL_OPERATORS: &[&str] = &["and", "or", "not", "near", "или", "немесе", "және", "емес"];

fn warning(code: &'static str, position: usize, message: String) -> Warning {
    Warning { code, position, message }
}

pub(super) fn mixed(position: usize, read: &Expr) -> Warning {
    warning("W_MIXED", position, format!("AND and OR are mixed without brackets; read as: {read}"))
}

/// NOT takes away the whole item, which is rarely meant of a word.
pub(super) fn whole_item_excluded(position: usize, excluded: &Expr) -> Option<Warning> {
    excluded.has_places().then(|| {
        let message = format!("an item with {excluded} anywhere is dropped whole; to leave out only what stands near it, write NOT NEAR/5 {excluded}");
        warning("W_NOT_PAGE", position, message)
    })
}

/// What is named elsewhere is not known where a query alone is read.
pub(super) fn names_what_is_not_here(position: usize, field: &Field) -> Option<Warning> {
    match named::named(field)? {
        Named::List(name) => {
            let message = format!("no list {name:?} is known here: nothing matches it");
            Some(warning("W_LIST", position, message))
        }
        Named::Topic(name) => {
            let message = format!("no topic {name:?} is known here: nothing matches it");
            Some(warning("W_TOPIC", position, message))
        }
    }
}

/// Nothing gives some fields yet.
pub(super) fn not_given(position: usize, field: &str) -> Option<Warning> {
    const NOT_GIVEN: &[&str] = &["ocr", "transcript", "list", "tag"];
    NOT_GIVEN.contains(&field).then(|| {
        warning(
            "W_UNSUPPORTED_BY_SOURCE",
            position,
            format!("no source gives {field}: yet: nothing matches it"),
        )
    })
}

/// Quotes fix the forms of words that have several.
pub(super) fn quotes_fix_forms(token: &Token, text: &str, style: Style, is_written: bool) -> Option<Warning> {
    let is_inflected = text.chars().any(is_cyrillic) && text.split_whitespace().count() > 1;
    (style == Style::Exact && is_written && is_inflected).then(|| {
        let message = format!("quotes look for these forms only; [{text}] finds the others as well");
        warning("W_QUOTES_FIX_FORM", token.at, message)
    })
}

/// Signs that are no part of a word are not looked for, though exact characters were asked for.
pub(super) fn signs_dropped(token: &Token, text: &str, words: &[Term]) -> Option<Warning> {
    let kept: usize =
        words.iter().map(|word| if let Term::Case(kept) = word { kept.chars().count() } else { 0 }).sum();
    let written = text.chars().filter(|c| !c.is_whitespace()).count();
    (kept < written).then(|| {
        let message = format!("some signs of {text:?} are no part of a word, and are not looked for");
        warning("W_SIGNS", token.at, message)
    })
}

pub(super) fn about_word(position: usize, word: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if word.chars().any(|c| c.is_ascii_alphabetic()) && word.chars().any(is_cyrillic) {
        let message = format!("{word:?} mixes Latin and Cyrillic letters that look alike");
        warnings.push(warning("W_LATIN_IN_CYRILLIC", position, message));
    }
    if SMALL_OPERATORS.contains(&word) {
        let message = format!("{word:?} is looked for as a word; operators are written in capitals");
        warnings.push(warning("W_CASE", position, message));
    } else if STOP_WORDS.contains(&word.to_lowercase().as_str()) {
        warnings.push(warning("W_STOPWORD", position, format!("{word:?} is in nearly every text")));
    }
    warnings
}
