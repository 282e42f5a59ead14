//! The tree of a query.

use super::field::Field;

/// A query's tree. `And` and `Or` hold at least two parts, none of them of the same kind. `T` is what stands for a word:
/// as it was written, or its number in an index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr<T = Term> {
    Word(T),
    Phrase(Phrase<T>),
    /// One near the other.
    Near(Box<Near<T>>),
    /// An occurrence of the left without the right one near it.
    NotNear(Box<Near<T>>),
    /// So many occurrences.
    AtLeast(u32, Box<Self>),
    /// Where excerpts are cut rather than elsewhere; matches as what it holds.
    Preferred(u32, Box<Self>),
    /// Looked for in one part of the item only.
    In(Scope, Box<Self>),
    Field(Field),
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Term {
    /// In any form.
    Forms {
        form: String,
        /// What it stands for.
        asked: Vec<String>,
        /// Its plain letters mean no special ones: `болу` is not бөлу.
        is_literal: bool,
    },
    /// In exactly this form, folded.
    Exact(String),
    /// With exactly these characters.
    Case(String),
    /// `*` is any number of letters, `?` is one.
    Wildcard(String),
    /// So many letters off.
    Fuzzy { form: String, distance: usize },
    /// Whatever it is written in.
    Sound { form: String, sound: String },
    /// Several words joined: `интернет-магазин`.
    Compound { whole: String, parts: Vec<Self> },
    /// Any one word of a phrase.
    Any,
}

/// Words side by side, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phrase<T = Term> {
    pub(crate) style: Style,
    /// At least two.
    pub(crate) words: Vec<T>,
    /// In any order, with so many other words among them.
    pub(crate) slop: Option<u32>,
}

/// How words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Forms,
    Exact,
    Case,
    Sound,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Near<T = Term> {
    pub(crate) left: Expr<T>,
    pub(crate) right: Expr<T>,
    pub(crate) reach: Reach,
    /// The left one comes first.
    pub(crate) ordered: bool,
}

/// How near is near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// So many words between them at most.
    Words(u32),
    Sentence,
    Paragraph,
}

/// A part of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Title,
    Text,
    /// The title and the first words of the text.
    Lead,
    /// Words of pictures and of speech, which no source gives yet.
    Pictures,
    Speech,
}

impl<T> Expr<T> {
    /// The same with another thing for each word.
    pub(crate) fn with_terms<U>(&self, map: &mut impl FnMut(&T) -> U) -> Expr<U> {
        let near = |near: &Near<T>, map: &mut _| {
            let (left, right) = (near.left.with_terms(map), near.right.with_terms(map));
            Box::new(Near { left, right, reach: near.reach, ordered: near.ordered })
        };
        match self {
            Self::Word(term) => Expr::Word(map(term)),
            Self::Phrase(phrase) => Expr::Phrase(Phrase {
                style: phrase.style,
                words: phrase.words.iter().map(map).collect(),
                slop: phrase.slop,
            }),
            Self::Near(one) => Expr::Near(near(one, map)),
            Self::NotNear(one) => Expr::NotNear(near(one, map)),
            Self::AtLeast(count, of) => Expr::AtLeast(*count, Box::new(of.with_terms(map))),
            Self::Preferred(weight, of) => Expr::Preferred(*weight, Box::new(of.with_terms(map))),
            Self::In(scope, of) => Expr::In(*scope, Box::new(of.with_terms(map))),
            Self::Field(field) => Expr::Field(field.clone()),
            Self::And(parts) => Expr::And(parts.iter().map(|part| part.with_terms(map)).collect()),
            Self::Or(parts) => Expr::Or(parts.iter().map(|part| part.with_terms(map)).collect()),
            Self::Not(of) => Expr::Not(Box::new(of.with_terms(map))),
        }
    }

    /// Whether it stands at places, so that distances from it can be measured.
    pub(crate) fn has_places(&self) -> bool {
        match self {
            Self::Word(_) | Self::Phrase(_) | Self::Near(_) | Self::NotNear(_) => true,
            Self::Preferred(_, of) => of.has_places(),
            Self::Or(parts) => parts.iter().all(Self::has_places),
            Self::AtLeast(..) | Self::In(..) | Self::Field(_) | Self::And(_) | Self::Not(_) => false,
        }
    }

    /// Whether every match holds something that is looked for.
    pub(super) fn is_bounded(&self) -> bool {
        match self {
            Self::Word(_) | Self::Phrase(_) | Self::Near(_) | Self::NotNear(_) | Self::AtLeast(..) => true,
            Self::Preferred(_, of) | Self::In(_, of) => of.is_bounded(),
            Self::Field(field) => field.is_narrow(),
            Self::Not(_) => false,
            Self::And(parts) => parts.iter().any(Self::is_bounded),
            Self::Or(parts) => parts.iter().all(Self::is_bounded),
        }
    }

    /// Whether every match holds a word that is looked for, so that words lead to it.
    pub(super) fn has_anchors(&self) -> bool {
        match self {
            Self::Word(_) | Self::Phrase(_) | Self::Near(_) | Self::NotNear(_) | Self::AtLeast(..) => true,
            Self::Preferred(_, of) | Self::In(_, of) => of.has_anchors(),
            Self::Field(_) | Self::Not(_) => false,
            Self::And(parts) => parts.iter().any(Self::has_anchors),
            Self::Or(parts) => parts.iter().all(Self::has_anchors),
        }
    }

    /// The parts of it.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Word(_) | Self::Phrase(_) | Self::Field(_) => Vec::new(),
            Self::Near(near) | Self::NotNear(near) => vec![&near.left, &near.right],
            Self::AtLeast(_, of) | Self::Preferred(_, of) | Self::In(_, of) | Self::Not(of) => vec![of],
            Self::And(parts) | Self::Or(parts) => parts.iter().collect(),
        }
    }

    /// What a tree of words alone takes beside its own size, where its words take nothing.
    pub(crate) fn heap_bytes(&self) -> usize {
        let own = match self {
            Self::Phrase(phrase) => phrase.words.capacity() * size_of::<T>(),
            Self::Near(_) | Self::NotNear(_) => size_of::<Near<T>>(),
            Self::AtLeast(..) | Self::Preferred(..) | Self::In(..) | Self::Not(_) => size_of::<Self>(),
            Self::And(parts) | Self::Or(parts) => parts.capacity() * size_of::<Self>(),
            Self::Word(_) | Self::Field(_) => 0,
        };
        own + self.parts().into_iter().map(Self::heap_bytes).sum::<usize>()
    }

    /// Whether such a field of the item is asked for.
    pub(super) fn has_field(&self, is_such: &dyn Fn(&Field) -> bool) -> bool {
        matches!(self, Self::Field(field) if is_such(field))
            || self.parts().into_iter().any(|part| part.has_field(is_such))
    }
}

impl Expr {
    /// The parts that stand for themselves, but for what is excluded.
    pub(super) fn wanted_leaves(&self, scope: Option<Scope>, leaves: &mut Vec<Self>) {
        match self {
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.wanted_leaves(scope, leaves));
            }
            Self::Not(_) => (),
            Self::In(scope, of) => of.wanted_leaves(Some(*scope), leaves),
            Self::Preferred(_, of) => of.wanted_leaves(scope, leaves),
            leaf => leaves.push(match scope {
                Some(scope) => Self::In(scope, Box::new(leaf.clone())),
                None => leaf.clone(),
            }),
        }
    }
}

/// One part stands for itself; parts of the same kind are one level.
pub(super) fn joined(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let kind = std::mem::discriminant(&join(Vec::new()));
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        let same = std::mem::discriminant(&part) == kind;
        match part {
            Expr::And(inner) | Expr::Or(inner) if same => flat.extend(inner),
            other => flat.push(other),
        }
    }
    join(flat)
}
