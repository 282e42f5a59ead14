//! Whether a document matches, and where.

use model::Span;

use super::tree::Expr;
use crate::analysis::{Document, Word};

/// Spans kept of one match: enough to highlight and explain.
const MAX_SPANS: usize = 100;

pub(super) fn matches(expr: &Expr, document: &Document) -> Option<Vec<Span>> {
    if !holds(expr, document) {
        return None;
    }
    let mut found = Vec::new();
    collect(expr, document, &mut found);
    found.sort_unstable();
    found.dedup();
    found.truncate(MAX_SPANS);
    Some(found.into_iter().filter_map(|(first, last)| span(document, first, last)).collect())
}

fn holds(expr: &Expr, document: &Document) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| holds(part, document)),
        Expr::Or(parts) => parts.iter().any(|part| holds(part, document)),
        Expr::Not(part) => !holds(part, document),
        Expr::Word { form, stem } => {
            document.by_stem.contains_key(stem) || document.by_form.contains_key(form)
        }
        Expr::Exact(form) => document.by_form.contains_key(form),
        leaf => !occurrences(leaf, document).is_empty(),
    }
}

/// The places of everything that made the query hold; excluded words made nothing hold.
fn collect(expr: &Expr, document: &Document, found: &mut Vec<(usize, usize)>) {
    match expr {
        Expr::And(parts) => parts.iter().for_each(|part| collect(part, document, found)),
        Expr::Or(parts) => {
            parts.iter().filter(|part| holds(part, document)).for_each(|part| collect(part, document, found))
        }
        Expr::Not(_) => (),
        leaf => found.extend(occurrences(leaf, document)),
    }
}

/// First and last word of each occurrence of a leaf.
fn occurrences(leaf: &Expr, document: &Document) -> Vec<(usize, usize)> {
    let singles =
        |places: Option<&Vec<usize>>| places.into_iter().flatten().map(|at| (*at, *at)).collect::<Vec<_>>();
    match leaf {
        Expr::Word { form, stem } => {
            let mut all = singles(document.by_stem.get(stem));
            all.extend(singles(document.by_form.get(form)));
            all
        }
        Expr::Exact(form) => singles(document.by_form.get(form)),
        Expr::Prefix(beginning) => document
            .by_form
            .iter()
            .filter(|(form, _)| form.starts_with(beginning))
            .flat_map(|(_, places)| singles(Some(places)))
            .collect(),
        Expr::Phrase(parts) => phrase(parts, document),
        Expr::And(_) | Expr::Or(_) | Expr::Not(_) => Vec::new(),
    }
}

fn phrase(parts: &[Expr], document: &Document) -> Vec<(usize, usize)> {
    let Some((first, rest)) = parts.split_first() else { return Vec::new() };
    let mut all: Vec<(usize, usize)> = occurrences(first, document)
        .into_iter()
        .filter(|(start, _)| {
            let zone = document.words.get(*start).map(|word| word.zone);
            rest.iter().enumerate().all(|(offset, part)| {
                document
                    .words
                    .get(start + 1 + offset)
                    .is_some_and(|word| Some(word.zone) == zone && is(part, word))
            })
        })
        .map(|(start, _)| (start, start + rest.len()))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn is(part: &Expr, word: &Word) -> bool {
    match part {
        Expr::Word { form, stem } => word.stem == *stem || word.form == *form,
        Expr::Exact(form) => word.form == *form,
        Expr::Prefix(beginning) => word.form.starts_with(beginning),
        _ => false,
    }
}

fn span(document: &Document, first: usize, last: usize) -> Option<Span> {
    let (first, last) = (document.words.get(first)?, document.words.get(last)?);
    Some(Span { zone: first.zone, start: first.start, end: last.end, text: String::new() })
}
