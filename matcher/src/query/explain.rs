//! Explanations: why an item matches a query, or which condition fails.

use model::Span;
use serde::Serialize;

use super::evaluate::{Scan, SpanBuffer, TermMatcher, View};
use super::field::Facts;
use super::tree::{Expr, MaxDistance, Near};
use crate::text::Document;

/// The result of a query on an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// True if the item matches.
    pub matched: bool,
    /// The first condition that fails; `None` if the item matches.
    pub because: Option<String>,
    /// The result of each leaf of the query.
    pub leaves: Vec<LeafResult>,
}

/// The result of a leaf of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeafResult {
    /// The leaf in canonical form.
    pub leaf: String,
    /// True if the leaf matches by itself.
    pub holds: bool,
    /// True if the query excludes the leaf.
    pub excluded: bool,
    /// The matched words of the leaf.
    pub spans: Vec<Span>,
}

pub(super) fn explain(expr: &Expr, document: &Document, facts: &Facts) -> Explanation {
    let scan = Scan { document };
    let view = View::of(&scan, facts);
    let mut leaves = Vec::new();
    collect_leaves(view, expr, false, &mut leaves);
    let matched = view.holds(expr);
    Explanation { matched, because: (!matched).then(|| failure(view, expr)), leaves }
}

type ScanView<'a> = View<'a, Scan<'a>>;

fn collect_leaves(view: ScanView<'_>, expr: &Expr, excluded: bool, leaves: &mut Vec<LeafResult>) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => {
            parts.iter().for_each(|part| collect_leaves(view, part, excluded, leaves))
        }
        Expr::Not(inner) => collect_leaves(view, inner, !excluded, leaves),
        Expr::In(scope, inner) => collect_leaves(view.within(*scope), inner, excluded, leaves),
        Expr::Preferred(_, inner) => collect_leaves(view, inner, excluded, leaves),
        leaf => {
            let mut matched = SpanBuffer::default();
            view.collect(leaf, &mut matched.words);
            let spans = matched.spans(view.document());
            leaves.push(LeafResult { leaf: view.print(leaf), holds: view.holds(leaf), excluded, spans });
        }
    }
}

/// Describes the first condition that fails.
fn failure(view: ScanView<'_>, expr: &Expr) -> String {
    let text = view.print(expr);
    match expr {
        Expr::And(parts) => match parts.iter().find(|part| !view.holds(part)) {
            Some(part) => failure(view, part),
            None => format!("{text} does not match"),
        },
        Expr::Or(parts) => {
            const MAX_LISTED: usize = 5;
            let names: Vec<String> = parts.iter().take(MAX_LISTED).map(|part| view.print(part)).collect();
            let more = if parts.len() > MAX_LISTED {
                format!(" and {} more", parts.len() - MAX_LISTED)
            } else {
                String::new()
            };
            format!("none of these match: {}{more}", names.join(", "))
        }
        Expr::Not(inner) => format!("{} matches and is excluded", view.print(inner)),
        Expr::In(scope, inner) => failure(view.within(*scope), inner),
        Expr::Preferred(_, inner) => failure(view, inner),
        Expr::Field(field) => match field.values_in(view.facts()) {
            [] => format!("{text}: the item has no value for {}", field.name()),
            values => format!("{text}: the item's {} is {}", field.name(), values.join(", ")),
        },
        Expr::AtLeast(count, inner) => {
            format!("{} occurs {} times, expected at least {count}", view.print(inner), view.count(inner))
        }
        Expr::Near(near) => near_failure(view, near, &text),
        Expr::NotNear(near) if !view.holds(&near.left) => failure(view, &near.left),
        Expr::NotNear(near) => {
            let (left, right) = (view.print(&near.left), view.print(&near.right));
            format!("every {left} has {right} near it, and at least one must not")
        }
        Expr::Word(_) | Expr::Phrase(_) => format!("{text} does not occur"),
    }
}

fn near_failure(view: ScanView<'_>, near: &Near, text: &str) -> String {
    for side in [&near.left, &near.right] {
        if !view.holds(side) {
            return failure(view, side);
        }
    }
    let order = if near.ordered { "in this order and " } else { "" };
    let reach = match near.reach {
        MaxDistance::Words(words) => {
            let nearest = view.nearest(&near.left, &near.right);
            let distance = nearest
                .map_or(String::new(), |words| format!(" (the nearest have {words} words between them)"));
            return format!("{text}: both occur, but not {order}within {words} words{distance}");
        }
        MaxDistance::Sentence => "sentence",
        MaxDistance::Paragraph => "paragraph",
    };
    format!("{text}: both occur, but not {order}in the same {reach}")
}

impl<F: TermMatcher> View<'_, F> {
    /// Prints an expression in canonical form, with the scope of the view.
    fn print(self, expr: &Expr) -> String {
        match self.scope() {
            Some(scope) => Expr::In(scope, Box::new(expr.clone())).to_string(),
            None => expr.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Analysis, Facts, Query};

    fn check(query: &str, text: &str, expected: &str) {
        let mut facts = Facts::default();
        facts.add("site", "a.kz");
        let document = Analysis::default().document("Заголовок", text, Some("ru"));
        let explanation = Query::parse(query).unwrap().explain(&document, &facts);
        assert_eq!(explanation.because.as_deref().unwrap_or("it matches"), expected, "{query}");
        assert_eq!(explanation.matched, expected == "it matches");
    }

    #[test]
    fn explanations_give_the_first_failing_condition() {
        check("банк AND ставка", "банк закрыт", "ставка does not occur");
        check("банк AND (рост OR спад)", "банк закрыт", "none of these match: рост, спад");
        check("банк NOT реклама", "реклама банка", "реклама matches and is excluded");
        check(
            "банк NEAR/1 ставка",
            "банк сегодня снизил ставку",
            "банк NEAR/1 ставка: both occur, but not within 1 words (the nearest have 2 words between them)",
        );
        check(
            "банк NEAR/S ставка",
            "Банк. Ставка.",
            "банк NEAR/S ставка: both occur, but not in the same sentence",
        );
        check("банк NEAR/1 курс", "банк", "курс does not occur");
        check(
            "Каспий NOT NEAR/2 море",
            "Каспий это море",
            "every каспий has море near it, and at least one must not",
        );
        check("ATLEAST/2(банк)", "банк", "банк occurs 1 times, expected at least 2");
        check("банк site:b.kz", "банк", "site:b.kz: the item's site is a.kz");
        check("банк likes:>5", "банк", "likes:>5: the item has no value for likes");
        check("title:банк", "банк", "title:банк does not occur");
        check("банк", "банки", "it matches");
    }

    #[test]
    fn explanations_list_every_leaf_with_its_spans() {
        let document = Analysis::default().document("", "банк и реклама", Some("ru"));
        let explanation =
            Query::parse("банк NOT (реклама OR спам)").unwrap().explain(&document, &Facts::default());
        let leaves: Vec<(&str, bool, bool, usize)> = explanation
            .leaves
            .iter()
            .map(|leaf| (leaf.leaf.as_str(), leaf.holds, leaf.excluded, leaf.spans.len()))
            .collect();
        assert_eq!(leaves, [("банк", true, false, 1), ("реклама", true, true, 1), ("спам", false, true, 0)]);
    }
}
