//! The canonical text of a query. Parsing it returns an equal tree.
//!
//! The text of a leaf (a word, a phrase or a condition on a field) is chosen among the notations of the language: the
//! first that parses back to the leaf. The parser replaces a leaf that has no such notation by one that has
//! ([`canonical`]), so the law holds for every parsed query. The text of a query close to the limits of length and
//! depth may exceed them.

use std::fmt;

use super::field::Field;
use super::parser::parse_leaf;
use super::tree::{Expr, MatchStyle, MaxDistance, Near, Phrase, Scope, Term};

/// Upper bound on the replacements of a leaf before it is rejected.
const CANONICAL_ROUNDS: usize = 4;

/// Returns the leaf itself if it has a notation that parses back to it. Otherwise returns the leaf that its notation
/// parses to, or `None` if there is no stable one.
pub(super) fn canonical(mut leaf: Expr) -> Option<Expr> {
    for _ in 0..CANONICAL_ROUNDS {
        let Some(notations) = leaf.notations() else { return Some(leaf) };
        let parsed: Vec<Expr> = notations.iter().filter_map(|text| parse_leaf(text)).collect();
        if parsed.contains(&leaf) {
            return Some(leaf);
        }
        leaf = parsed.into_iter().find(Expr::is_leaf)?;
    }
    None
}

impl Expr {
    fn is_leaf(&self) -> bool {
        matches!(self, Self::Word(_) | Self::Phrase(_) | Self::Field(_))
    }

    /// Returns the notations of a leaf, the preferred one first. Returns `None` for other expressions, and for leaves
    /// whose preferred notation is known to parse back.
    fn notations(&self) -> Option<Vec<String>> {
        match self {
            Self::Word(term) if !term.is_plain() => Some(term.notations()),
            Self::Phrase(phrase) if !phrase.words.iter().all(Term::is_plain) => Some(phrase.notations()),
            Self::Field(field) => Some(field.notations()),
            _ => None,
        }
    }

    /// Writes a leaf in the first notation that parses back to it.
    fn print_leaf(&self, notations: Vec<String>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = notations.iter().find(|text| parse_leaf(text).as_ref() == Some(self));
        f.write_str(exact.or(notations.first()).map_or("", String::as_str))
    }

    /// Returns the binding strength. A weaker part inside a stronger one needs parentheses.
    fn tightness(&self) -> u8 {
        match self {
            Self::Or(_) => 0,
            Self::And(_) => 1,
            Self::Not(_) => 2,
            Self::Near(_) | Self::NotNear(_) => 3,
            // A sign after the value of a field would be parsed as a part of the value.
            Self::Preferred(..) | Self::Field(_) | Self::In(..) => 4,
            _ => 5,
        }
    }

    fn above(&self, least: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tightness() <= least { write!(f, "({self})") } else { write!(f, "{self}") }
    }

    fn joined(&self, parts: &[Self], operator: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(operator)?;
            }
            part.above(self.tightness(), f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(notations) = self.notations() {
            return self.print_leaf(notations, f);
        }
        match self {
            Self::Word(term) => f.write_str(&term.notation()),
            Self::Phrase(phrase) => f.write_str(&phrase.notation()),
            Self::Near(near) => near.print("", f),
            Self::NotNear(near) => near.print("NOT ", f),
            Self::AtLeast(count, of) => write!(f, "ATLEAST/{count}({of})"),
            Self::Preferred(weight, of) => {
                of.above(4, f)?;
                write!(f, "^{weight}")
            }
            Self::In(scope, of) => {
                write!(f, "{}:", scope.name())?;
                match **of {
                    Self::Word(_) | Self::Phrase(_) => of.fmt(f),
                    _ => write!(f, "({of})"),
                }
            }
            Self::Field(field) => f.write_str(&field.notation()),
            Self::And(parts) => self.joined(parts, " AND ", f),
            Self::Or(parts) => self.joined(parts, " OR ", f),
            Self::Not(part) => {
                f.write_str("NOT ")?;
                part.above(2, f)
            }
        }
    }
}

impl Near {
    fn print(&self, negation: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.left.above(2, f)?;
        let order = if self.ordered { "O" } else { "" };
        write!(f, " {negation}{order}NEAR/{} ", self.reach)?;
        self.right.above(3, f)
    }
}

impl fmt::Display for MaxDistance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => write!(f, "{words}"),
            Self::Sentence => f.write_str("S"),
            Self::Paragraph => f.write_str("P"),
        }
    }
}

impl Scope {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Text => "text",
            Self::Lead => "lead",
            Self::Pictures => "ocr",
            Self::Speech => "transcript",
        }
    }
}

impl Term {
    /// Returns true for a word of small letters of one script, which every notation parses back to.
    fn is_plain(&self) -> bool {
        let is_plain = |form: &str| {
            let all = |is_letter: fn(char) -> bool| form.chars().all(is_letter);
            !form.is_empty() && (all(|c| c.is_ascii_lowercase()) || all(|c| ('а'..='я').contains(&c)))
        };
        matches!(self, Self::Forms { form, .. } | Self::Exact(form) if is_plain(form))
    }

    /// Returns the preferred notation.
    pub(crate) fn notation(&self) -> String {
        match self {
            Self::Case(characters) => format!("{{{characters}}}"),
            Self::Fuzzy { form, distance } => format!("{form}~{distance}"),
            Self::Sound { form, .. } => format!("translit({form})"),
            Self::Compound { whole, parts }
                if parts.iter().any(|part| matches!(part, Self::Sound { .. })) =>
            {
                format!("translit({whole})")
            }
            // A tag has a single form and needs no sign.
            Self::Exact(form) if form.starts_with(char::is_alphanumeric) => format!("!{form}"),
            Self::Compound { whole, parts } if parts.iter().all(|part| matches!(part, Self::Exact(_))) => {
                format!("!{whole}")
            }
            other => other.in_phrase().to_owned(),
        }
    }

    fn notations(&self) -> Vec<String> {
        let text = self.in_phrase();
        let mut notations = vec![self.notation()];
        notations.extend(match self {
            Self::Forms { .. } => {
                vec![format!("[{text}]"), format!("forms(\"{text}\")"), format!("forms(«{text}»)")]
            }
            Self::Exact(_) => {
                vec![text.to_owned(), format!("\"{text}\""), format!("«{text}»"), format!("exact([{text}])")]
            }
            Self::Case(_) => {
                vec![format!("raw:\"{text}\""), format!("raw:«{text}»"), format!("case([{text}])")]
            }
            Self::Wildcard(_) => vec![format!("[{text}]"), format!("\"{text}\""), format!("«{text}»")],
            Self::Fuzzy { form, distance } => {
                vec![format!("!{form}~{distance}"), format!("[{form}]~{distance}")]
            }
            Self::Sound { .. } => vec![format!("translit(\"{text}\")"), format!("translit(«{text}»)")],
            Self::Compound { .. } => vec![text.to_owned(), format!("!{text}")],
            Self::Any => Vec::new(),
        });
        notations
    }

    /// Returns the text of the word within a phrase.
    fn in_phrase(&self) -> &str {
        match self {
            Self::Forms { form, .. }
            | Self::Exact(form)
            | Self::Fuzzy { form, .. }
            | Self::Sound { form, .. } => form,
            Self::Case(characters) => characters,
            Self::Wildcard(pattern) => pattern,
            Self::Compound { whole, .. } => whole,
            Self::Any => "*",
        }
    }
}

impl Phrase {
    fn notation(&self) -> String {
        let (words, slop) = (self.text(), self.slop_suffix());
        match self.style {
            MatchStyle::Forms => format!("[{words}]{slop}"),
            MatchStyle::Exact => format!("\"{words}\"{slop}"),
            MatchStyle::Case => format!("{{{words}}}{slop}"),
            MatchStyle::Sound => format!("translit(\"{words}\"){slop}"),
        }
    }

    fn notations(&self) -> Vec<String> {
        let (words, slop) = (self.text(), self.slop_suffix());
        let function = match self.style {
            MatchStyle::Forms => "forms",
            MatchStyle::Exact => "exact",
            MatchStyle::Case => "case",
            MatchStyle::Sound => "translit",
        };
        let mut notations = vec![self.notation()];
        notations.extend(
            [("\"", "\""), ("«", "»"), ("[", "]")]
                .map(|(open, close)| format!("{function}({open}{words}{close}){slop}")),
        );
        notations
    }

    fn text(&self) -> String {
        self.words.iter().map(Term::in_phrase).collect::<Vec<_>>().join(" ")
    }

    fn slop_suffix(&self) -> String {
        self.slop.map_or_else(String::new, |slop| format!("~{slop}"))
    }
}

impl Field {
    /// Returns the preferred notation.
    fn notation(&self) -> String {
        self.notations().swap_remove(0)
    }
}
