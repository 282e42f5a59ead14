//! Conversion of the words of a query to terms.

use super::token::SCHEMES;
use super::tree::{MatchStyle, Term};
use crate::morphology;
use crate::morphology::latin::sound;
use crate::text::fold::{fold, unify_script};
use crate::text::words::{Kind, is_emoji, is_mark, words};

/// Minimum letters of a word with a wildcard.
const MIN_LETTERS: usize = 3;
/// Minimum letters of a word with a leading wildcard.
const MIN_LETTERS_LEADING: usize = 4;
/// Minimum letters of a fuzzy word. Shorter words are similar to too many others.
const MIN_FUZZY_LETTERS: usize = 5;
/// Upper bound on the edit distance of a fuzzy word.
const MAX_EDIT_DISTANCE: u32 = 2;

/// A word that cannot be searched for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TermError {
    NoWord,
    BroadWildcard,
    SeparateWildcard,
}

impl TermError {
    /// Returns the error code, the message and the remedy.
    pub(super) fn describe(&self) -> (&'static str, String, String) {
        match self {
            Self::NoWord => ("E_CHAR", "expected a word".to_owned(), "write letters or digits".to_owned()),
            Self::BroadWildcard => (
                "E_WILD",
                "the wildcard is too broad".to_owned(),
                format!(
                    "write at least {MIN_LETTERS} letters beside *, or {MIN_LETTERS_LEADING} after a leading *"
                ),
            ),
            Self::SeparateWildcard => (
                "E_WILD",
                "a separate * is allowed only inside a phrase".to_owned(),
                "write words on both sides of it".to_owned(),
            ),
        }
    }
}

/// Parses the words of a phrase, or the parts of a word.
pub(super) fn parse_terms(text: &str, style: MatchStyle) -> Result<Vec<Term>, TermError> {
    let mut terms = Vec::new();
    // Words between wildcards are split together, because `1 000` is one word.
    let mut plain = String::new();
    for chunk in text.split_whitespace() {
        let is_address = SCHEMES.iter().any(|scheme| chunk.starts_with(scheme));
        if !chunk.contains(['*', '?']) || is_address || style == MatchStyle::Case {
            plain.push_str(chunk);
            plain.push(' ');
            continue;
        }
        terms.extend(plain_words(&plain, style));
        plain.clear();
        terms.push(wildcard(chunk)?);
    }
    terms.extend(plain_words(&plain, style));
    match terms.as_slice() {
        [] => Err(TermError::NoWord),
        [Term::Any, ..] | [.., Term::Any] => Err(TermError::SeparateWildcard),
        _ => Ok(terms),
    }
}

fn plain_words(text: &str, style: MatchStyle) -> Vec<Term> {
    let mut terms = Vec::new();
    let is_word = |text: &str| text.chars().any(|c| c.is_alphanumeric() || is_emoji(c));
    // A combining mark alone folds to nothing.
    for word in words(text).filter(|word| is_word(&word.text) && !normalize(&word.text).is_empty()) {
        // Web addresses and tags are whole words. Other words are split into adjacent parts.
        let is_whole =
            word.parts.len() < 2 || style == MatchStyle::Case || matches!(word.kind, Kind::Tag | Kind::Url);
        if is_whole {
            terms.push(term(&word.text, word.kind, style));
        } else {
            let parts = word.parts.iter().filter_map(|part| text.get(part.clone()));
            terms.extend(parts.map(|part| term(part, Kind::Word, style)));
        }
    }
    terms
}

/// Folds a word, and unifies the script of each part that mixes look-alike Latin and Cyrillic letters.
pub(super) fn normalize(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    let parts = letters.chunk_by(|one, other| one.is_alphanumeric() == other.is_alphanumeric());
    let unified = parts.map(|part| {
        let part: String = part.iter().collect();
        unify_script(&part).unwrap_or(part)
    });
    fold(&unified.collect::<String>())
}

fn term(text: &str, kind: Kind, style: MatchStyle) -> Term {
    let form = normalize(text);
    match style {
        MatchStyle::Case => Term::Case(text.to_owned()),
        _ if !matches!(kind, Kind::Word | Kind::Name) => Term::Exact(form),
        // Numbers and symbols have a single form.
        _ if !form.chars().any(char::is_alphabetic) => Term::Exact(form),
        MatchStyle::Exact => Term::Exact(form),
        MatchStyle::Sound => Term::Sound { sound: sound(&form), form },
        MatchStyle::Forms => {
            let is_literal = morphology::is_in_kazakh_lexicon(&form);
            Term::Forms { asked: morphology::query_lemmas(&form), is_literal, form }
        }
    }
}

/// Parses a word with wildcards. A separate `*` is any word of a phrase.
fn wildcard(chunk: &str) -> Result<Term, TermError> {
    let folded: Vec<char> = fold(chunk).chars().collect();
    let is_part = |c: &char| c.is_alphanumeric() || matches!(c, '*' | '?' | '_') || is_mark(*c);
    let belongs = |(index, c): &(usize, &char)| {
        let is_joiner = matches!(c, '-' | '\'' | '.' | '&')
            && folded.get(index + 1).is_some_and(is_part)
            && index.checked_sub(1).and_then(|index| folded.get(index)).is_some_and(|c| c.is_alphanumeric());
        let is_tag_sign = *index == 0 && matches!(c, '#' | '@' | '$');
        is_part(c) || is_joiner || is_tag_sign
    };
    let pattern: String = folded.iter().enumerate().filter(belongs).map(|(_, c)| *c).collect();
    if pattern == "*" {
        return Ok(Term::Any);
    }
    let letters = pattern.chars().filter(|c| c.is_alphanumeric()).count();
    let min_letters = if pattern.starts_with(['*', '?']) { MIN_LETTERS_LEADING } else { MIN_LETTERS };
    if letters < min_letters { Err(TermError::BroadWildcard) } else { Ok(Term::Wildcard(pattern)) }
}

/// Parses a fuzzy word: `слово~1`. Fails with a message and a remedy.
pub(super) fn fuzzy(form: String, distance: u32) -> Result<Term, (String, String)> {
    if !(1..=MAX_EDIT_DISTANCE).contains(&distance) {
        let message = format!("the edit distance of a word must be 1 or {MAX_EDIT_DISTANCE}");
        return Err((message, format!("write ~1 or ~{MAX_EDIT_DISTANCE}")));
    }
    if form.chars().count() < MIN_FUZZY_LETTERS || !form.chars().all(char::is_alphabetic) {
        let message = format!("{form:?} is not a word of at least {MIN_FUZZY_LETTERS} letters");
        return Err((message, "remove ~, or use a longer word of letters only".to_owned()));
    }
    Ok(Term::Fuzzy { form, distance: distance as usize })
}
