//! Import of queries in the languages of other systems, and of word lists.
//!
//! TQL is designed so that such queries can be pasted. Text that has another meaning in the other system is imported
//! with that meaning. The canonical form of the result is TQL.

use super::error::{QueryError, Warning};
use super::parser::parse;
use super::token::{MAX_CHARACTERS, SCHEMES};
use super::tree::{Expr, Near, Term};

/// The query language of another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Brandwatch: words match only themselves, not their forms; fields have Brandwatch's names.
    Brandwatch,
    /// YouScan: words match all forms, and quotes fix them, as in TQL.
    Youscan,
    /// Yandex: `~~` and `~` exclude from a page and from a sentence, `&&` and `&` require both in one, `+` keeps a stop
    /// word; fields are `host:`, `inurl:`, `domain:`, `date:`.
    Yandex,
}

/// Parses a query of another system.
pub(super) fn import(text: &str, dialect: Dialect) -> Result<(Expr, Vec<Warning>), QueryError> {
    // A text that is too long is rejected without rewriting it.
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        return parse(text);
    }
    match dialect {
        Dialect::Youscan => parse(text).and_then(without_lists),
        Dialect::Brandwatch => {
            let (expr, mut warnings) = Rewritten::new(text, rewrite_operator).parse()?;
            warnings.retain(|warning| warning.code != "W_QUOTES_FIX_FORM");
            without_lists((with_exact_words(expr), warnings))
        }
        Dialect::Yandex => Rewritten::new(text, rewrite_yandex).parse().and_then(without_lists),
    }
}

/// Replaces list references by literal values: in other systems, `author:@nike` is a name. Fails with `E_VALUE` if the
/// field does not accept that value.
fn without_lists((expr, mut warnings): (Expr, Vec<Warning>)) -> Result<(Expr, Vec<Warning>), QueryError> {
    warnings.retain(|warning| warning.code != "W_LIST");
    Ok((lists_to_names(expr)?, warnings))
}

fn lists_to_names(expr: Expr) -> Result<Expr, QueryError> {
    let all = |parts: Vec<Expr>| parts.into_iter().map(lists_to_names).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        Expr::Field(field) => {
            let field = field.without_list();
            if let Some(message) = field.validation_error() {
                return Err(QueryError::new("E_VALUE", 0, 1, message, "correct the value"));
            }
            Expr::Field(field)
        }
        Expr::And(parts) => Expr::And(all(parts)?),
        Expr::Or(parts) => Expr::Or(all(parts)?),
        Expr::Not(inner) => Expr::Not(Box::new(lists_to_names(*inner)?)),
        Expr::In(scope, inner) => Expr::In(scope, Box::new(lists_to_names(*inner)?)),
        Expr::Preferred(weight, inner) => Expr::Preferred(weight, Box::new(lists_to_names(*inner)?)),
        // Other expressions contain no fields.
        other => other,
    })
}

/// Makes words exact. Phrases keep their style.
fn with_exact_words(expr: Expr) -> Expr {
    let boxed = |inner: Box<Expr>| Box::new(with_exact_words(*inner));
    let all = |parts: Vec<Expr>| parts.into_iter().map(with_exact_words).collect();
    let map_near = |near: Box<Near>| {
        let Near { left, right, reach, ordered } = *near;
        Box::new(Near { left: with_exact_words(left), right: with_exact_words(right), reach, ordered })
    };
    match expr {
        Expr::Word(term) => Expr::Word(exact_term(term)),
        Expr::Near(near) => Expr::Near(map_near(near)),
        Expr::NotNear(near) => Expr::NotNear(map_near(near)),
        Expr::AtLeast(count, inner) => Expr::AtLeast(count, boxed(inner)),
        Expr::Preferred(weight, inner) => Expr::Preferred(weight, boxed(inner)),
        Expr::In(scope, inner) => Expr::In(scope, boxed(inner)),
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        Expr::Not(inner) => Expr::Not(boxed(inner)),
        Expr::Phrase(_) | Expr::Field(_) => expr,
    }
}

fn exact_term(term: Term) -> Term {
    match term {
        Term::Forms { form, .. } => Term::Exact(form),
        Term::Compound { whole, parts } => {
            Term::Compound { whole, parts: parts.into_iter().map(exact_term).collect() }
        }
        other => other,
    }
}

/// Operators of TQL that are ordinary words elsewhere.
const TQL_OPERATORS: &[&str] = &["И", "ИЛИ", "НЕ", "ЖӘНЕ", "НЕМЕСЕ", "ЕМЕС"];
/// English operators. In Yandex, which has symbols only, they are ordinary words.
const ENGLISH_OPERATORS: &[&str] = &["AND", "OR", "NOT", "NEAR", "ONEAR"];
/// Operators of Yandex before a space or a word, and their equivalents. Longer ones come first.
const YANDEX_OPERATORS: &[(&str, &str)] =
    &[("~~", "NOT "), ("~", "NOT NEAR/S "), ("&&", "AND "), ("&", "NEAR/S "), ("<<", "AND ")];
/// Fields of Yandex, and their equivalents.
const YANDEX_FIELDS: &[(&str, &str)] = &[
    ("rhost:", "site:"),
    ("host:", "site:"),
    ("domain:", "tld:"),
    ("inurl:", "url:"),
    ("intitle:", "title:"),
    ("intext:", "text:"),
    ("date:", "published:"),
];
const ENCLOSURES: &[(char, char)] =
    &[('"', '"'), ('«', '»'), ('[', ']'), ('{', '}'), ('“', '”'), ('„', '“'), ('”', '”')];

/// Upper bound on the characters of a word that are examined. No operator, field or host is longer.
const MAX_EXAMINED_CHARACTERS: usize = 300;

/// A rewritten text, and the position in the original of each of its characters.
struct Rewritten {
    text: String,
    positions: Vec<usize>,
}

impl Rewritten {
    /// Rewrites each word outside of quotes. For a word, `rewrite` returns the replacement of its beginning and the
    /// length of that beginning in characters, or `None` to keep the word.
    fn new(text: &str, rewrite: impl Fn(&str) -> Option<(String, usize)>) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut rewritten = Self { text: String::new(), positions: Vec::new() };
        let (mut position, mut closing) = (0, None);
        while let Some(&c) = characters.get(position) {
            if closing.is_none() && characters.get(position..position + 3) == Some(&['<'; 3]) {
                let length = comment_length(&characters, position);
                for index in position..position + length {
                    let piece = characters.get(index).map(char::to_string).unwrap_or_default();
                    rewritten.push(&piece, index);
                }
                position += length;
                continue;
            }
            let previous = position.checked_sub(1).and_then(|index| characters.get(index));
            let is_start = previous.is_none_or(|c| c.is_whitespace() || "(|-,~&".contains(*c));
            if closing.is_none() && is_start {
                let is_end = |c: &char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '[');
                let rest = characters.iter().skip(position).take(MAX_EXAMINED_CHARACTERS);
                let word: String = rest.take_while(|c| !is_end(c)).collect();
                if let Some((replacement, length)) = rewrite(&word) {
                    rewritten.push(&replacement, position);
                    position += length;
                    continue;
                }
            }
            closing = match closing {
                Some(end) => Some(end).filter(|end| *end != c),
                None => ENCLOSURES.iter().find(|(opening, _)| *opening == c).map(|(_, end)| *end),
            };
            rewritten.push(&c.to_string(), position);
            position += 1;
        }
        rewritten.positions.push(characters.len());
        rewritten
    }

    fn push(&mut self, piece: &str, position: usize) {
        self.text.push_str(piece);
        self.positions.extend(piece.chars().map(|_| position));
    }

    /// Parses the rewritten text. Errors and warnings refer to the original.
    fn parse(&self) -> Result<(Expr, Vec<Warning>), QueryError> {
        let original =
            |index: usize| self.positions.get(index).or(self.positions.last()).copied().unwrap_or(0);
        let (expr, mut warnings) = parse(&self.text).map_err(|error| {
            let (start, end) = (original(error.position), original(error.position + error.length));
            QueryError { position: start, length: end.saturating_sub(start).max(1), ..error }
        })?;
        warnings.iter_mut().for_each(|warning| warning.position = original(warning.position));
        Ok((expr, warnings))
    }
}

/// Returns the length in characters of a comment that begins at a position.
fn comment_length(characters: &[char], position: usize) -> usize {
    let rest = characters.get(position..).unwrap_or(&[]);
    rest.windows(3).position(|window| window == ['>'; 3]).map_or(rest.len(), |end| end + 3)
}

/// Rewrites a Russian or Kazakh operator of TQL, which is an ordinary word elsewhere, to lower case.
fn rewrite_operator(word: &str) -> Option<(String, usize)> {
    TQL_OPERATORS.contains(&word).then(|| (word.to_lowercase(), word.chars().count()))
}

/// Rewrites the beginning of a word of Yandex.
fn rewrite_yandex(word: &str) -> Option<(String, usize)> {
    if let Some((operator, replacement)) =
        YANDEX_OPERATORS.iter().find(|(operator, _)| word.starts_with(operator))
    {
        return Some(((*replacement).to_owned(), operator.len()));
    }
    if let Some((field, replacement)) = YANDEX_FIELDS.iter().find(|(field, _)| word.starts_with(field)) {
        let value = word.get(field.len()..).unwrap_or("");
        let value = match *field {
            "date:" => hyphenate_dates(value),
            "rhost:" => reverse_host(value),
            _ => return Some(((*replacement).to_owned(), field.len())),
        };
        return Some((format!("{replacement}{value}"), word.chars().count()));
    }
    if word.strip_prefix('+').is_some_and(|rest| rest.starts_with(char::is_alphanumeric)) {
        return Some((String::new(), 1));
    }
    if ENGLISH_OPERATORS.contains(&word) {
        return Some((word.to_lowercase(), word.len()));
    }
    rewrite_operator(word)
}

/// Converts a reversed host to a host: `kz.nur.*` to `nur.kz`, which includes subdomains.
fn reverse_host(host: &str) -> String {
    host.trim_end_matches(".*").split('.').rev().collect::<Vec<_>>().join(".")
}

/// Converts each date in a value from `20260131` to `2026-01-31`.
fn hyphenate_dates(value: &str) -> String {
    let mut result = String::new();
    let characters: Vec<char> = value.chars().collect();
    for run in characters.chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit()) {
        match run {
            [y @ .., m1, m2, d1, d2] if run.len() == 8 && m1.is_ascii_digit() => {
                let year: String = y.iter().collect();
                result.push_str(&format!("{year}-{m1}{m2}-{d1}{d2}"));
            }
            other => result.extend(other),
        }
    }
    result
}

/// Builds a query for any of the included words and phrases and none of the excluded ones. An error carries the index
/// of the invalid entry, included entries first.
pub(super) fn from_word_lists(
    included: &[String],
    excluded: &[String],
) -> Result<(Expr, Vec<Warning>), (Option<usize>, QueryError)> {
    let mut entries = Vec::new();
    for (index, entry) in included.iter().chain(excluded).enumerate() {
        let (expr, _) = parse(&entry_query(entry)).map_err(|error| (Some(index), error))?;
        entries.push(expr.to_string());
    }
    let (any, none) = entries.split_at(included.len());
    let any = any.join(" OR ");
    let text = if none.is_empty() { any } else { format!("({any}) NOT ({})", none.join(" OR ")) };
    parse(&text).map_err(|error| (None, error))
}

/// Returns the query for an entry: a word in any form, or adjacent words in any form. A quoted entry is a phrase of
/// exact words.
fn entry_query(entry: &str) -> String {
    let entry = entry.trim().to_lowercase();
    if SCHEMES.iter().any(|scheme| entry.starts_with(scheme)) && !entry.contains(char::is_whitespace) {
        return entry;
    }
    let is_quoted = entry.len() > 2 && entry.starts_with(['"', '«', '“']) && entry.ends_with(['"', '»', '”']);
    let plain: String =
        entry.chars().map(|c| if "()[]{}<>,;:|&\"«»“”„~^=?".contains(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().map(|word| word.trim_start_matches('-')).collect();
    match words.as_slice() {
        _ if is_quoted => format!("\"{}\"", words.join(" ")),
        [word] => (*word).to_owned(),
        several => format!("[{}]", several.join(" ").replace('!', "")),
    }
}
