//! The syntax tree of a query.

use super::field::Field;

/// A query as a tree. `And` and `Or` have at least two parts, none of the same variant as the node. `T` is a word: a
/// [`Term`] of the query, or its number in an index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr<T = Term> {
    Word(T),
    Phrase(Phrase<T>),
    /// Two operands within a distance.
    Near(Box<Near<T>>),
    /// Occurrences of the left operand without the right operand near them.
    NotNear(Box<Near<T>>),
    /// A minimum number of occurrences.
    AtLeast(u32, Box<Self>),
    /// An expression where excerpts are preferably cut, with its weight. Matches as the inner expression does.
    Preferred(u32, Box<Self>),
    /// An expression restricted to one part of the item.
    In(Scope, Box<Self>),
    Field(Field),
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
}

/// A word of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Term {
    /// A word in any form.
    Forms {
        /// The word as written, folded.
        form: String,
        /// The lemmas that the word searches for.
        asked: Vec<String>,
        /// Set if plain letters match no special ones: `болу` does not match бөлу.
        is_literal: bool,
    },
    /// A word in exactly this form, folded.
    Exact(String),
    /// A word with exactly these characters.
    Case(String),
    /// A pattern: `*` matches any number of letters, `?` matches one.
    Wildcard(String),
    /// A word and the maximum edit distance from it.
    Fuzzy { form: String, distance: usize },
    /// A word that sounds like this one, in any script.
    Sound { form: String, sound: String },
    /// Several joined words: `интернет-магазин`.
    Compound { whole: String, parts: Vec<Self> },
    /// Any single word of a phrase.
    Any,
}

/// Adjacent words, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phrase<T = Term> {
    pub(crate) style: MatchStyle,
    /// The words, at least two.
    pub(crate) words: Vec<T>,
    /// Upper bound on other words within the phrase. If set, the order of the words is free.
    pub(crate) slop: Option<u32>,
}

/// The way in which words are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MatchStyle {
    Forms,
    Exact,
    Case,
    Sound,
}

/// The operands of a proximity operator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Near<T = Term> {
    pub(crate) left: Expr<T>,
    pub(crate) right: Expr<T>,
    pub(crate) reach: MaxDistance,
    /// Set if the left operand must come first.
    pub(crate) ordered: bool,
}

/// The maximum distance of a proximity operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MaxDistance {
    /// Upper bound on the words between the operands.
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
    /// Words in pictures. No source provides them yet.
    Pictures,
    /// Spoken words. No source provides them yet.
    Speech,
}

impl<T> Expr<T> {
    /// Returns the tree with `map` applied to each word.
    pub(crate) fn with_terms<U>(&self, map: &mut impl FnMut(&T) -> U) -> Expr<U> {
        let map_near = |near: &Near<T>, map: &mut _| {
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
            Self::Near(near) => Expr::Near(map_near(near, map)),
            Self::NotNear(near) => Expr::NotNear(map_near(near, map)),
            Self::AtLeast(count, inner) => Expr::AtLeast(*count, Box::new(inner.with_terms(map))),
            Self::Preferred(weight, inner) => Expr::Preferred(*weight, Box::new(inner.with_terms(map))),
            Self::In(scope, inner) => Expr::In(*scope, Box::new(inner.with_terms(map))),
            Self::Field(field) => Expr::Field(field.clone()),
            Self::And(parts) => Expr::And(parts.iter().map(|part| part.with_terms(map)).collect()),
            Self::Or(parts) => Expr::Or(parts.iter().map(|part| part.with_terms(map)).collect()),
            Self::Not(inner) => Expr::Not(Box::new(inner.with_terms(map))),
        }
    }

    /// Returns true if the matches of the expression have positions, so that distances from them can be measured.
    pub(crate) fn has_positions(&self) -> bool {
        match self {
            Self::Word(_) | Self::Phrase(_) | Self::Near(_) | Self::NotNear(_) => true,
            Self::Preferred(_, inner) => inner.has_positions(),
            Self::Or(parts) => parts.iter().all(Self::has_positions),
            Self::AtLeast(..) | Self::In(..) | Self::Field(_) | Self::And(_) | Self::Not(_) => false,
        }
    }

    /// Returns true if every match contains a word of the query or satisfies a selective field.
    pub(super) fn is_bounded(&self) -> bool {
        match self {
            Self::Word(_) | Self::Phrase(_) | Self::Near(_) | Self::NotNear(_) | Self::AtLeast(..) => true,
            Self::Preferred(_, inner) | Self::In(_, inner) => inner.is_bounded(),
            Self::Field(field) => field.is_selective(),
            Self::Not(_) => false,
            Self::And(parts) => parts.iter().any(Self::is_bounded),
            Self::Or(parts) => parts.iter().all(Self::is_bounded),
        }
    }

    /// Returns true if every match contains a word of the query, so that an index of words can find it.
    pub(super) fn has_anchors(&self) -> bool {
        match self {
            Self::Word(_) | Self::Phrase(_) | Self::Near(_) | Self::NotNear(_) | Self::AtLeast(..) => true,
            Self::Preferred(_, inner) | Self::In(_, inner) => inner.has_anchors(),
            Self::Field(_) | Self::Not(_) => false,
            Self::And(parts) => parts.iter().any(Self::has_anchors),
            Self::Or(parts) => parts.iter().all(Self::has_anchors),
        }
    }

    /// Returns the direct children.
    pub(super) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Word(_) | Self::Phrase(_) | Self::Field(_) => Vec::new(),
            Self::Near(near) | Self::NotNear(near) => vec![&near.left, &near.right],
            Self::AtLeast(_, inner) | Self::Preferred(_, inner) | Self::In(_, inner) | Self::Not(inner) => {
                vec![inner]
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().collect(),
        }
    }

    /// Returns the heap size in bytes, without the size of the value itself. Fields, and heap memory owned by words,
    /// are not counted.
    pub(crate) fn heap_bytes(&self) -> usize {
        let own = match self {
            Self::Phrase(phrase) => phrase.words.capacity() * size_of::<T>(),
            Self::Near(_) | Self::NotNear(_) => size_of::<Near<T>>(),
            Self::AtLeast(..) | Self::Preferred(..) | Self::In(..) | Self::Not(_) => size_of::<Self>(),
            Self::And(parts) | Self::Or(parts) => parts.capacity() * size_of::<Self>(),
            Self::Word(_) | Self::Field(_) => 0,
        };
        own + self.children().into_iter().map(Self::heap_bytes).sum::<usize>()
    }

    /// Returns true if a field of the tree satisfies the predicate.
    pub(super) fn any_field(&self, predicate: &dyn Fn(&Field) -> bool) -> bool {
        matches!(self, Self::Field(field) if predicate(field))
            || self.children().into_iter().any(|child| child.any_field(predicate))
    }
}

impl Expr {
    /// Appends the leaves that are not excluded, each restricted to its scope.
    pub(super) fn collect_included_leaves(&self, scope: Option<Scope>, leaves: &mut Vec<Self>) {
        match self {
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.collect_included_leaves(scope, leaves));
            }
            Self::Not(_) => (),
            Self::In(scope, inner) => inner.collect_included_leaves(Some(*scope), leaves),
            Self::Preferred(_, inner) => inner.collect_included_leaves(scope, leaves),
            leaf => leaves.push(match scope {
                Some(scope) => Self::In(scope, Box::new(leaf.clone())),
                None => leaf.clone(),
            }),
        }
    }
}

/// Combines parts with AND or OR. A single part is returned as is; parts of the same variant are flattened.
pub(super) fn combine(mut parts: Vec<Expr>, variant: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let discriminant = std::mem::discriminant(&variant(Vec::new()));
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        let is_same = std::mem::discriminant(&part) == discriminant;
        match part {
            Expr::And(inner) | Expr::Or(inner) if is_same => flat.extend(inner),
            other => flat.push(other),
        }
    }
    variant(flat)
}
