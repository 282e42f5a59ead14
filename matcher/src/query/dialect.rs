//! Queries of other systems, read as they mean there, and lists of words.
//!
//! TQL is made so that such queries can be pasted; where the same text means another thing elsewhere, it is read that
//! way here. The canonical print of what was read is TQL.

use super::error::{QueryError, Warning};
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
    match dialect {
        Dialect::Youscan => parse(text),
        Dialect::Brandwatch => {
            let (expr, mut warnings) = parse(text)?;
            warnings.retain(|warning| warning.code != "W_QUOTES_FIX_FORM");
            Ok((as_written(expr), warnings))
        }
        Dialect::Yandex => {
            let (text, places) = yandex(text);
            let place = |at: usize| places.get(at).or(places.last()).copied().unwrap_or(0);
            let (expr, mut warnings) = parse(&text).map_err(|error| QueryError {
                position: place(error.position),
                length: place(error.position + error.length).saturating_sub(place(error.position)).max(1),
                ..error
            })?;
            warnings.iter_mut().for_each(|warning| warning.position = place(warning.position));
            Ok((expr, warnings))
        }
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

/// Operators that stand alone.
const SIGNS: &[(&str, &str)] =
    &[("~~", "NOT"), ("~", "NOT NEAR/S"), ("&&", "AND"), ("&", "NEAR/S"), ("<<", "AND")];
const FIELDS: &[(&str, &str)] = &[
    ("rhost:", "site:"),
    ("host:", "site:"),
    ("domain:", "tld:"),
    ("inurl:", "url:"),
    ("intitle:", "title:"),
    ("intext:", "text:"),
    ("date:", "published:"),
];

/// The text in TQL, and the character of the original that each of its characters stands for.
fn yandex(text: &str) -> (String, Vec<usize>) {
    let characters: Vec<char> = text.chars().collect();
    let (mut out, mut places) = (String::new(), Vec::new());
    let mut write = |piece: &str, at: usize, is_original: bool| {
        for (offset, c) in piece.chars().enumerate() {
            out.push(c);
            places.push(if is_original { at + offset } else { at });
        }
    };
    let mut at = 0;
    let mut closes: Option<char> = None;
    while let Some(&c) = characters.get(at) {
        let begins =
            at == 0 || characters.get(at - 1).is_some_and(|c| c.is_whitespace() || "(|-".contains(*c));
        if closes.is_none() && begins {
            let token: String = characters
                .iter()
                .skip(at)
                .take_while(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '['))
                .collect();
            if let Some((_, ours)) = SIGNS.iter().find(|(theirs, _)| *theirs == token) {
                write(ours, at, false);
                at += token.chars().count();
                continue;
            }
            if let Some((theirs, ours)) = FIELDS.iter().find(|(theirs, _)| token.starts_with(theirs)) {
                write(ours, at, false);
                at += theirs.chars().count();
                if *theirs == "date:" {
                    let value = token.get(theirs.len()..).unwrap_or("");
                    write(&dashed(value), at, false);
                    at += value.chars().count();
                }
                continue;
            }
            if c == '+' && token.chars().nth(1).is_some_and(char::is_alphanumeric) {
                at += 1;
                continue;
            }
        }
        closes = match (closes, c) {
            (Some(end), c) if c == end => None,
            (None, '"') => Some('"'),
            (None, '«') => Some('»'),
            (None, '[') => Some(']'),
            (open, _) => open,
        };
        write(&c.to_string(), at, true);
        at += 1;
    }
    places.push(characters.len());
    (out, places)
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
) -> Result<(Expr, Vec<Warning>), (usize, QueryError)> {
    let mut entries = Vec::new();
    for (index, entry) in wanted.iter().chain(unwanted).enumerate() {
        let (expr, _) = parse(&entry_query(entry)).map_err(|error| (index, error))?;
        entries.push(expr.to_string());
    }
    let (any, none) = entries.split_at(wanted.len());
    let any = any.join(" OR ");
    let text = if none.is_empty() { any } else { format!("({any}) NOT ({})", none.join(" OR ")) };
    parse(&text).map_err(|error| (0, error))
}

/// A word in any form, or words side by side in any form; what is quoted is meant as it is written.
fn entry_query(entry: &str) -> String {
    let entry = entry.trim().to_lowercase();
    let is_quoted = entry.len() > 2 && entry.starts_with(['"', '«', '“']) && entry.ends_with(['"', '»', '”']);
    let plain: String =
        entry.chars().map(|c| if "()[]{}<>,;:|&\"«»“”„~^=".contains(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().map(|word| word.trim_start_matches('-')).collect();
    match words.as_slice() {
        _ if is_quoted => format!("\"{}\"", words.join(" ")),
        [word] => (*word).to_owned(),
        several => format!("[{}]", several.join(" ").replace('!', "")),
    }
}
