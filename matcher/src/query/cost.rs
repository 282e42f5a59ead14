//! The cost of a query, known before it runs.

use super::error::QueryError;
use super::tree::{Expr, Phrase, Term};

/// Upper bound on the cost of a query (`E_COST`). A list of two thousand phrases costs half of it.
const MAX_COST: u32 = 10_000;

/// A plain word: compared with the few forms that it can match.
const WORD_COST: u32 = 1;
/// A prefix or a sound: compared with the new forms that begin with it.
const PREFIX_COST: u32 = 5;
/// A leading wildcard or fuzzy word: compared with every new form.
const EVERY_FORM_COST: u32 = 50;
/// A query without anchors: evaluated for every item.
const EVERY_ITEM_COST: u32 = 100;
/// The factor of a proximity operator: the occurrences of one operand are compared with those of the other, and the
/// result may be an operand again.
const PROXIMITY_FACTOR: u32 = 2;

/// Returns the cost in units of a plain word.
pub(super) fn cost(expr: &Expr) -> u32 {
    let base = if expr.has_anchors() { 0 } else { EVERY_ITEM_COST };
    cost_of(expr).saturating_add(base)
}

/// Fails with `E_COST` if the cost is above the bound. `length` is the length of the query in characters.
pub(super) fn check(expr: &Expr, length: usize) -> Result<(), QueryError> {
    let cost = cost(expr);
    if cost <= MAX_COST {
        return Ok(());
    }
    let dearest = expr.children().into_iter().max_by_key(|child| cost_of(child)).unwrap_or(expr).to_string();
    let excerpt: String = dearest.chars().take(60).collect();
    let message = format!(
        "the query costs {cost} units, more than {MAX_COST}; the most expensive part is {excerpt}{}",
        if excerpt.len() < dearest.len() { "…" } else { "" }
    );
    let remedy = "nest NEAR less deeply, replace leading wildcards and ~n by words, or split it into topics";
    Err(QueryError::new("E_COST", 0, length, message, remedy))
}

fn cost_of(expr: &Expr) -> u32 {
    let sum = |parts: &[Expr]| parts.iter().map(cost_of).fold(0, u32::saturating_add);
    match expr {
        Expr::Word(term) => term_cost(term),
        Expr::Phrase(phrase) => phrase_cost(phrase),
        Expr::Near(near) | Expr::NotNear(near) => {
            cost_of(&near.left).saturating_add(cost_of(&near.right)).saturating_mul(PROXIMITY_FACTOR)
        }
        Expr::AtLeast(_, inner) => cost_of(inner).saturating_mul(PROXIMITY_FACTOR),
        Expr::Preferred(_, inner) | Expr::In(_, inner) | Expr::Not(inner) => cost_of(inner),
        Expr::Field(field) => {
            WORD_COST.saturating_add(u32::try_from(field.max_comparisons()).unwrap_or(u32::MAX))
        }
        Expr::And(parts) | Expr::Or(parts) => sum(parts),
    }
}

fn phrase_cost(Phrase { words, slop, .. }: &Phrase) -> u32 {
    let sum = words.iter().map(term_cost).fold(0, u32::saturating_add);
    // Words in any order are assigned to positions, which takes time for each word.
    let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
    if slop.is_some() { sum.saturating_mul(count) } else { sum }
}

fn term_cost(term: &Term) -> u32 {
    match term {
        Term::Forms { .. } | Term::Exact(_) | Term::Case(_) | Term::Any => WORD_COST,
        Term::Wildcard(pattern) if pattern.starts_with(['*', '?']) => EVERY_FORM_COST,
        Term::Wildcard(_) | Term::Sound { .. } => PREFIX_COST,
        Term::Fuzzy { .. } => EVERY_FORM_COST,
        Term::Compound { parts, .. } => parts.iter().map(term_cost).fold(WORD_COST, u32::saturating_add),
    }
}
