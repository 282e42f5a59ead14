//! What a query costs, known before it runs.

use super::error::QueryError;
use super::tree::{Expr, Phrase, Term};

/// Dearer queries are refused (`E_COST`). A list of two thousand phrases is cheaper by half.
const MOST: u32 = 10_000;

/// A word is held against the few forms that it can find.
const WORD: u32 = 1;
/// What begins with letters, or sounds like something, is held against the new forms that begin so.
const BEGINNING: u32 = 5;
/// What begins with anything is held against every form that is seen for the first time.
const EVERY_FORM: u32 = 50;
/// Nothing leads to it but what is known of an item: it is looked at for each.
const EVERY_ITEM: u32 = 100;
/// Occurrences of one side are held against those of the other, and what is found may be a side again.
const PAIRS: u32 = 2;

/// In units of a plain word that is looked for.
pub(super) fn cost(expr: &Expr) -> u32 {
    let always = if expr.has_anchors() { 0 } else { EVERY_ITEM };
    cost_of(expr).saturating_add(always)
}

/// Refuses what would be ruinous. `length` is the query's, in characters.
pub(super) fn check(expr: &Expr, length: usize) -> Result<(), QueryError> {
    let units = cost(expr);
    if units <= MOST {
        return Ok(());
    }
    let dearest = expr.parts().into_iter().max_by_key(|part| cost_of(part)).unwrap_or(expr).to_string();
    let beginning: String = dearest.chars().take(60).collect();
    let message = format!(
        "the query costs {units} times what a word does, more than {MOST}; most of it is {beginning}{}",
        if beginning.len() < dearest.len() { "…" } else { "" }
    );
    let remedy =
        "nest NEAR less deeply, take words instead of leading wildcards and ~n, or split it into topics";
    Err(QueryError::new("E_COST", 0, length, message, remedy))
}

fn cost_of(expr: &Expr) -> u32 {
    let sum = |parts: &[Expr]| parts.iter().map(cost_of).fold(0, u32::saturating_add);
    match expr {
        Expr::Word(term) => term_cost(term),
        Expr::Phrase(phrase) => phrase_cost(phrase),
        Expr::Near(near) | Expr::NotNear(near) => {
            cost_of(&near.left).saturating_add(cost_of(&near.right)).saturating_mul(PAIRS)
        }
        Expr::AtLeast(_, of) => cost_of(of).saturating_mul(PAIRS),
        Expr::Preferred(_, of) | Expr::In(_, of) | Expr::Not(of) => cost_of(of),
        Expr::Field(field) => WORD.saturating_add(u32::try_from(field.values_tried()).unwrap_or(u32::MAX)),
        Expr::And(parts) | Expr::Or(parts) => sum(parts),
    }
}

fn phrase_cost(Phrase { words, slop, .. }: &Phrase) -> u32 {
    let sum = words.iter().map(term_cost).fold(0, u32::saturating_add);
    // Words in any order are assigned places.
    let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
    if slop.is_some() { sum.saturating_mul(count) } else { sum }
}

fn term_cost(term: &Term) -> u32 {
    match term {
        Term::Forms { .. } | Term::Exact(_) | Term::Case(_) | Term::Any => WORD,
        Term::Wildcard(pattern) if pattern.starts_with(['*', '?']) => EVERY_FORM,
        Term::Wildcard(_) | Term::Sound { .. } => BEGINNING,
        Term::Fuzzy { .. } => EVERY_FORM,
        Term::Compound { parts, .. } => parts.iter().map(term_cost).fold(WORD, u32::saturating_add),
    }
}
