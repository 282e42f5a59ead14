//! Queries of other systems, read as they mean there, and lists of words.
//!
//! TQL is made so that such queries can be pasted; where the same text means another thing elsewhere, it is read that
//! way here. The canonical print of what was read is TQL.

use super::error::{QueryError, Warning};
use super::lexer::{MAX_CHARACTERS, SCHEMES};
use super::parser::parse;
use super::tree::{Expr, Near, Term};

/// The query language of another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A word stands for itself and not for its forms; fields have Brandwatch's names.
    Brandwatch,
    /// A word stands for its forms, quotes fix it: as in TQL.
    Youscan,
    /// `~~` and `~` exclude from a page and from a sentence, `&&` and `&` ask for both in one, `+` keeps a stop word;
    /// `host:`, `inurl:`, `domain:`, `date:`.
    Yandex,
}

pub(super) fn read(text: &str, dialect: Dialect) -> Result<(Expr, Vec<Warning>), QueryError> {
    // What is refused for its length is not written anew.
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        return parse(text);
    }
    match dialect {
        Dialect::Youscan => parse(text).map(without_lists),
        Dialect::Brandwatch => {
            let (expr, mut warnings) = Rewritten::of(text, small).read()?;
            warnings.retain(|warning| warning.code != "W_QUOTES_FIX_FORM");
            Ok(without_lists((as_written(expr), warnings)))
        }
        Dialect::Yandex => Rewritten::of(text, yandex).read().map(without_lists),
    }
}

/// The same with `author:@nike` as the name that it is elsewhere.
fn without_lists((expr, mut warnings): (Expr, Vec<Warning>)) -> (Expr, Vec<Warning>) {
    warnings.retain(|warning| warning.code != "W_LIST");
    (names_only(expr), warnings)
}

fn names_only(expr: Expr) -> Expr {
    let all = |parts: Vec<Expr>| parts.into_iter().map(names_only).collect();
    match expr {
        Expr::Field(field) => Expr::Field(field.without_list()),
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        Expr::Not(of) => Expr::Not(Box::new(names_only(*of))),
        Expr::In(scope, of) => Expr::In(scope, Box::new(names_only(*of))),
        Expr::Preferred(weight, of) => Expr::Preferred(weight, Box::new(names_only(*of))),
        places => places,
    }
}

/// The same with words that stand for themselves. Phrases say how they are meant.
fn as_written(expr: Expr) -> Expr {
    let boxed = |of: Box<Expr>| Box::new(as_written(*of));
    let all = |parts: Vec<Expr>| parts.into_iter().map(as_written).collect();
    let near = |near: Box<Near>| {
        let Near { left, right, reach, ordered } = *near;
        Box::new(Near { left: as_written(left), right: as_written(right), reach, ordered })
    };
    match expr {
        Expr::Word(term) => Expr::Word(exact(term)),
        Expr::Near(of) => Expr::Near(near(of)),
        Expr::NotNear(of) => Expr::NotNear(near(of)),
        Expr::AtLeast(count, of) => Expr::AtLeast(count, boxed(of)),
        Expr::Preferred(weight, of) => Expr::Preferred(weight, boxed(of)),
        Expr::In(scope, of) => Expr::In(scope, boxed(of)),
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        Expr::Not(of) => Expr::Not(boxed(of)),
        Expr::Phrase(_) | Expr::Field(_) => expr,
    }
}

fn exact(term: Term) -> Term {
    match term {
        Term::Forms { form, .. } => Term::Exact(form),
        Term::Compound { whole, parts } => {
            Term::Compound { whole, parts: parts.into_iter().map(exact).collect() }
        }
        other => other,
    }
}

/// Words that are operators here and words elsewhere.
const OUR_OPERATORS: &[&str] = &["И", "ИЛИ", "НЕ", "ЖӘНЕ", "НЕМЕСЕ", "ЕМЕС"];
/// Yandex has signs only.
const ENGLISH_OPERATORS: &[&str] = &["AND", "OR", "NOT", "NEAR", "ONEAR"];
/// Yandex's operators, before a space or a word.
const SIGNS: &[(&str, &str)] =
    &[("~~", "NOT "), ("~", "NOT NEAR/S "), ("&&", "AND "), ("&", "NEAR/S "), ("<<", "AND ")];
const FIELDS: &[(&str, &str)] = &[
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

/// Characters of a word that are looked at: no operator, field or host is longer.
const LONGEST: usize = 300;

/// A text that is written anew, and the character of the original that each of its characters stands for.
struct Rewritten {
    text: String,
    places: Vec<usize>,
}

impl Rewritten {
    /// Each word outside of quotes is given to `rewrite`, which says what stands for its beginning, and how long that
    /// is.
    fn of(text: &str, rewrite: impl Fn(&str) -> Option<(String, usize)>) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut rewritten = Self { text: String::new(), places: Vec::new() };
        let (mut at, mut closes) = (0, None);
        while let Some(&c) = characters.get(at) {
            if closes.is_none() && characters.get(at..at + 3) == Some(&['<'; 3]) {
                let length = comment(&characters, at);
                for at in at..at + length {
                    rewritten.write(&characters.get(at).map(char::to_string).unwrap_or_default(), at);
                }
                at += length;
                continue;
            }
            let before = at.checked_sub(1).and_then(|before| characters.get(before));
            let begins = before.is_none_or(|c| c.is_whitespace() || "(|-,~&".contains(*c));
            if closes.is_none() && begins {
                let ends = |c: &char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '[');
                let word = characters.iter().skip(at).take(LONGEST).take_while(|c| !ends(c));
                let word: String = word.collect();
                if let Some((ours, length)) = rewrite(&word) {
                    rewritten.write(&ours, at);
                    at += length;
                    continue;
                }
            }
            closes = match closes {
                Some(end) => Some(end).filter(|end| *end != c),
                None => ENCLOSURES.iter().find(|(begin, _)| *begin == c).map(|(_, end)| *end),
            };
            rewritten.write(&c.to_string(), at);
            at += 1;
        }
        rewritten.places.push(characters.len());
        rewritten
    }

    fn write(&mut self, piece: &str, at: usize) {
        self.text.push_str(piece);
        self.places.extend(piece.chars().map(|_| at));
    }

    fn read(&self) -> Result<(Expr, Vec<Warning>), QueryError> {
        let place = |at: usize| self.places.get(at).or(self.places.last()).copied().unwrap_or(0);
        let (expr, mut warnings) = parse(&self.text).map_err(|error| QueryError {
            position: place(error.position),
            length: place(error.position + error.length).saturating_sub(place(error.position)).max(1),
            ..error
        })?;
        warnings.iter_mut().for_each(|warning| warning.position = place(warning.position));
        Ok((expr, warnings))
    }
}

/// How long a comment is that begins here.
fn comment(characters: &[char], at: usize) -> usize {
    let rest = characters.get(at..).unwrap_or(&[]);
    rest.windows(3).position(|three| three == ['>'; 3]).map_or(rest.len(), |end| end + 3)
}

/// Russian and Kazakh words are no operators elsewhere.
fn small(word: &str) -> Option<(String, usize)> {
    OUR_OPERATORS.contains(&word).then(|| (word.to_lowercase(), word.chars().count()))
}

/// What stands for the beginning of a word of Yandex's.
fn yandex(word: &str) -> Option<(String, usize)> {
    if let Some((theirs, ours)) = SIGNS.iter().find(|(theirs, _)| word.starts_with(theirs)) {
        return Some(((*ours).to_owned(), theirs.len()));
    }
    if let Some((theirs, ours)) = FIELDS.iter().find(|(theirs, _)| word.starts_with(theirs)) {
        let value = word.get(theirs.len()..).unwrap_or("");
        let value = match *theirs {
            "date:" => dashed(value),
            "rhost:" => turned(value),
            _ => return Some(((*ours).to_owned(), theirs.len())),
        };
        return Some((format!("{ours}{value}"), word.chars().count()));
    }
    if word.strip_prefix('+').is_some_and(|rest| rest.starts_with(char::is_alphanumeric)) {
        return Some((String::new(), 1));
    }
    if ENGLISH_OPERATORS.contains(&word) {
        return Some((word.to_lowercase(), word.len()));
    }
    small(word)
}

/// `kz.nur.*` is nur.kz and what is below it.
fn turned(host: &str) -> String {
    host.trim_end_matches(".*").split('.').rev().collect::<Vec<_>>().join(".")
}

/// `20260131` is 2026-01-31.
fn dashed(value: &str) -> String {
    let mut dashed = String::new();
    let runs: Vec<char> = value.chars().collect();
    for run in runs.chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit()) {
        match run {
            [y @ .., m1, m2, d1, d2] if run.len() == 8 && m1.is_ascii_digit() => {
                let year: String = y.iter().collect();
                dashed.push_str(&format!("{year}-{m1}{m2}-{d1}{d2}"));
            }
            other => dashed.extend(other),
        }
    }
    dashed
}

/// A query for any of these words and phrases and none of those. Of an entry that cannot be looked for: which one, the
/// wanted ones first.
pub(super) fn of_lists(
    wanted: &[String],
    unwanted: &[String],
) -> Result<(Expr, Vec<Warning>), (Option<usize>, QueryError)> {
    let mut entries = Vec::new();
    for (index, entry) in wanted.iter().chain(unwanted).enumerate() {
        let (expr, _) = parse(&entry_query(entry)).map_err(|error| (Some(index), error))?;
        entries.push(expr.to_string());
    }
    let (any, none) = entries.split_at(wanted.len());
    let any = any.join(" OR ");
    let text = if none.is_empty() { any } else { format!("({any}) NOT ({})", none.join(" OR ")) };
    parse(&text).map_err(|error| (None, error))
}

/// A word in any form, or words side by side in any form; what is quoted is meant as it is written.
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
