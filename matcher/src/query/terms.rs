//! From the words of a query to what they are looked for as.

use super::lexer::SCHEMES;
use super::tree::{Style, Term};
use crate::morphology;
use crate::morphology::latin::sound;
use crate::text::fold::{fold, unmixed};
use crate::text::words::{Kind, is_emoji, is_mark, words as cut};

/// Letters that a wildcard needs beside it, and where it stands first.
const MIN_LITERALS: usize = 3;
const MIN_LITERALS_BEHIND: usize = 4;
/// A word shorter than this is near too many others.
const MIN_FUZZY: usize = 5;
const MAX_DISTANCE: u32 = 2;

/// A word that cannot be looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    None,
    Wide,
    WildcardAlone,
}

impl Word {
    pub(super) fn complaint(&self) -> (&'static str, String, String) {
        match self {
            Self::None => ("E_CHAR", "this is no word".to_owned(), "write letters or digits".to_owned()),
            Self::Wide => (
                "E_WILD",
                "the wildcard is too wide".to_owned(),
                format!(
                    "write at least {MIN_LITERALS} letters beside *, and {MIN_LITERALS_BEHIND} behind a leading one"
                ),
            ),
            Self::WildcardAlone => (
                "E_WILD",
                "a * stands for one word of a phrase only".to_owned(),
                "write words on both sides of it".to_owned(),
            ),
        }
    }
}

/// The words of a phrase, or the parts of a word.
pub(super) fn words(text: &str, style: Style) -> Result<Vec<Term>, Word> {
    let mut terms = Vec::new();
    // Words between wildcards are cut together: `1 000` is one.
    let mut plain = String::new();
    for chunk in text.split_whitespace() {
        let is_address = SCHEMES.iter().any(|scheme| chunk.starts_with(scheme));
        if !chunk.contains(['*', '?']) || is_address || style == Style::Case {
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
        [] => Err(Word::None),
        [Term::Any, ..] | [.., Term::Any] => Err(Word::WildcardAlone),
        _ => Ok(terms),
    }
}

fn plain_words(text: &str, style: Style) -> Vec<Term> {
    let mut terms = Vec::new();
    let is_said = |text: &str| text.chars().any(|c| c.is_alphanumeric() || is_emoji(c));
    for word in cut(text).filter(|word| is_said(&word.text)) {
        // Of an address and of a tag all belongs together; of other words the parts stand side by side.
        let is_whole =
            word.parts.len() < 2 || style == Style::Case || matches!(word.kind, Kind::Tag | Kind::Url);
        if is_whole {
            terms.push(term(&word.text, word.kind, style));
        } else {
            let parts = word.parts.iter().filter_map(|part| text.get(part.clone()));
            terms.extend(parts.map(|part| term(part, Kind::Word, style)));
        }
    }
    terms
}

/// A word folded, and each of its parts mended where letters that look alike are mixed in it.
pub(super) fn mended(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    let parts = letters.chunk_by(|one, other| one.is_alphanumeric() == other.is_alphanumeric());
    let mended = parts.map(|part| {
        let part: String = part.iter().collect();
        unmixed(&part).unwrap_or(part)
    });
    fold(&mended.collect::<String>())
}

fn term(text: &str, kind: Kind, style: Style) -> Term {
    let form = mended(text);
    match style {
        Style::Case => Term::Case(text.to_owned()),
        _ if !matches!(kind, Kind::Word | Kind::Name) => Term::Exact(form),
        // Numbers and signs have one form.
        _ if !form.chars().any(char::is_alphabetic) => Term::Exact(form),
        Style::Exact => Term::Exact(form),
        Style::Sound => Term::Sound { sound: sound(&form), form },
        Style::Forms => {
            let is_literal = morphology::is_kazakh_word(&form);
            Term::Forms { asked: morphology::asked_for(&form), is_literal, form }
        }
    }
}

fn wildcard(chunk: &str) -> Result<Term, Word> {
    let folded: Vec<char> = fold(chunk).chars().collect();
    let belongs = |c: &char| c.is_alphanumeric() || matches!(c, '*' | '?' | '_') || is_mark(*c);
    let is_kept = |(at, c): &(usize, &char)| {
        let joins = matches!(c, '-' | '\'' | '.' | '&')
            && folded.get(at + 1).is_some_and(belongs)
            && at.checked_sub(1).and_then(|before| folded.get(before)).is_some_and(|c| c.is_alphanumeric());
        let is_sign = *at == 0 && matches!(c, '#' | '@' | '$');
        belongs(c) || joins || is_sign
    };
    let pattern: String = folded.iter().enumerate().filter(is_kept).map(|(_, c)| *c).collect();
    if pattern == "*" {
        return Ok(Term::Any);
    }
    let literals = pattern.chars().filter(|c| c.is_alphanumeric()).count();
    let least = if pattern.starts_with(['*', '?']) { MIN_LITERALS_BEHIND } else { MIN_LITERALS };
    if literals < least { Err(Word::Wide) } else { Ok(Term::Wildcard(pattern)) }
}

/// `слово~1`; why not, and what to do, where it cannot be.
pub(super) fn fuzzy(form: String, distance: u32) -> Result<Term, (String, String)> {
    if !(1..=MAX_DISTANCE).contains(&distance) {
        let remedy = format!("write ~1 or ~{MAX_DISTANCE}");
        return Err((format!("a word may be 1 or {MAX_DISTANCE} letters off"), remedy));
    }
    if form.chars().count() < MIN_FUZZY || !form.chars().all(char::is_alphabetic) {
        let message = format!("{form:?} is too short to be looked for with letters off");
        return Err((message, format!("take a word of at least {MIN_FUZZY} letters")));
    }
    Ok(Term::Fuzzy { form, distance: distance as usize })
}
