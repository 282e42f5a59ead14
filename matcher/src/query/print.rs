//! The canonical print: parsing it gives the same query.

use std::fmt;

use super::tree::{Expr, MatchStyle, MaxDistance, Near, Phrase, Scope, Term};

impl Expr {
    /// How tightly it binds; a looser part inside of a tighter one needs brackets.
    fn tightness(&self) -> u8 {
        match self {
            Self::Or(_) => 0,
            Self::And(_) => 1,
            Self::Not(_) => 2,
            Self::Near(_) | Self::NotNear(_) => 3,
            // A mark behind a field's value would be read as a part of that.
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
        match self {
            Self::Word(term) => term.fmt(f),
            Self::Phrase(phrase) => phrase.fmt(f),
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
            Self::Field(field) => field.fmt(f),
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

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case(characters) => write!(f, "{{{characters}}}"),
            Self::Fuzzy { form, distance } => write!(f, "{form}~{distance}"),
            Self::Sound { form, .. } => write!(f, "translit({form})"),
            Self::Compound { whole, parts }
                if parts.iter().any(|part| matches!(part, Self::Sound { .. })) =>
            {
                write!(f, "translit({whole})")
            }
            // A tag is looked for as it is anyway.
            Self::Exact(form) if form.starts_with(char::is_alphanumeric) => write!(f, "!{form}"),
            Self::Compound { whole, parts } if parts.iter().all(|part| matches!(part, Self::Exact(_))) => {
                write!(f, "!{whole}")
            }
            other => f.write_str(&other.bare()),
        }
    }
}

impl Term {
    /// As it is written within a phrase.
    fn bare(&self) -> String {
        match self {
            Self::Forms { form, .. }
            | Self::Exact(form)
            | Self::Fuzzy { form, .. }
            | Self::Sound { form, .. } => form.clone(),
            Self::Case(characters) => characters.clone(),
            Self::Wildcard(pattern) => pattern.clone(),
            Self::Compound { whole, .. } => whole.clone(),
            Self::Any => "*".to_owned(),
        }
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.words.iter().map(Term::bare).collect();
        let words = words.join(" ");
        match self.style {
            MatchStyle::Forms => write!(f, "[{words}]")?,
            MatchStyle::Exact => write!(f, "\"{words}\"")?,
            MatchStyle::Case => write!(f, "{{{words}}}")?,
            MatchStyle::Sound => write!(f, "translit(\"{words}\")")?,
        }
        self.slop.map_or(Ok(()), |slop| write!(f, "~{slop}"))
    }
}
