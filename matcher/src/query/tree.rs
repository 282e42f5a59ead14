//! The tree of a query and its canonical print.

use std::fmt;

/// A query's tree. `And` and `Or` hold at least two parts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// A word in any form.
    Word {
        form: String,
        stem: String,
    },
    /// A word in exactly this form.
    Exact(String),
    /// Words beginning so.
    Prefix(String),
    /// Words side by side, in order; each part is a word of one of the kinds above.
    Phrase(Vec<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
}

impl Expr {
    /// How tightly it binds; a looser part inside of a tighter one needs brackets.
    fn tightness(&self) -> u8 {
        match self {
            Self::Or(_) => 0,
            Self::And(_) => 1,
            Self::Not(_) => 2,
            _ => 3,
        }
    }

    fn inside(&self, outer: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tightness() <= outer.tightness() { write!(f, "({self})") } else { write!(f, "{self}") }
    }

    fn joined(&self, parts: &[Self], operator: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(operator)?;
            }
            part.inside(self, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word { form, .. } => f.write_str(form),
            Self::Exact(form) => write!(f, "!{form}"),
            Self::Prefix(beginning) => write!(f, "{beginning}*"),
            Self::Phrase(parts) => {
                // A phrase of words in any form is what a hyphenated word becomes.
                let loose = parts.iter().any(|part| matches!(part, Self::Word { .. }));
                let words: Vec<String> =
                    parts.iter().map(|part| part.to_string().trim_start_matches('!').to_owned()).collect();
                if loose { f.write_str(&words.join("-")) } else { write!(f, "\"{}\"", words.join(" ")) }
            }
            Self::And(parts) => self.joined(parts, " AND ", f),
            Self::Or(parts) => self.joined(parts, " OR ", f),
            Self::Not(part) => {
                f.write_str("NOT ")?;
                part.inside(self, f)
            }
        }
    }
}
