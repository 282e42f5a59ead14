//! Why an item matches a query, or what it fails by, in words.

use model::Span;
use serde::Serialize;

use super::evaluate::{Finder, Found, Scan, View};
use super::field::Facts;
use super::tree::{Expr, Near, Reach};
use crate::text::Document;

/// What became of a query on an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether the item matches.
    pub matched: bool,
    /// Where it does not: the first branch that fails, in words.
    pub because: Option<String>,
    /// Each part of the query that stands for itself, as it is printed.
    pub leaves: Vec<LeafFound>,
}

/// What a part of a query found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeafFound {
    /// The part, as it is printed.
    pub leaf: String,
    /// Whether it holds by itself.
    pub holds: bool,
    /// Whether the query wants it not to hold.
    pub excluded: bool,
    /// Where it stands.
    pub spans: Vec<Span>,
}

pub(super) fn explain(expr: &Expr, document: &Document, facts: &Facts) -> Explanation {
    let scan = Scan { document };
    let view = View::of(&scan, facts);
    let mut leaves = Vec::new();
    report(view, expr, false, &mut leaves);
    let matched = view.holds(expr);
    Explanation { matched, because: (!matched).then(|| failing(view, expr)), leaves }
}

type Scanned<'a> = View<'a, Scan<'a>>;

fn report(view: Scanned<'_>, expr: &Expr, excluded: bool, leaves: &mut Vec<LeafFound>) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => {
            parts.iter().for_each(|part| report(view, part, excluded, leaves))
        }
        Expr::Not(of) => report(view, of, !excluded, leaves),
        Expr::In(scope, of) => report(view.within(*scope), of, excluded, leaves),
        Expr::Preferred(_, of) => report(view, of, excluded, leaves),
        leaf => {
            let mut found = Found::default();
            view.collect(leaf, &mut found.words);
            let spans = found.spans(view.document());
            leaves.push(LeafFound { leaf: view.named(leaf), holds: view.holds(leaf), excluded, spans });
        }
    }
}

/// The first thing that keeps a query from matching.
fn failing(view: Scanned<'_>, expr: &Expr) -> String {
    let part = view.named(expr);
    match expr {
        Expr::And(parts) => match parts.iter().find(|part| !view.holds(part)) {
            Some(part) => failing(view, part),
            None => format!("{part} does not hold"),
        },
        Expr::Or(parts) => {
            const SHOWN: usize = 5;
            let names: Vec<String> = parts.iter().take(SHOWN).map(|part| view.named(part)).collect();
            let more = if parts.len() > SHOWN {
                format!(" and {} more", parts.len() - SHOWN)
            } else {
                String::new()
            };
            format!("none of these is there: {}{more}", names.join(", "))
        }
        Expr::Not(of) => format!("{} is there, and must not be", view.named(of)),
        Expr::In(scope, of) => failing(view.within(*scope), of),
        Expr::Preferred(_, of) => failing(view, of),
        Expr::Field(field) => match field.known(view.facts()) {
            [] => format!("{part}: the item's {} is not known", field.name()),
            values => format!("{part}: the item's {} is {}", field.name(), values.join(", ")),
        },
        Expr::AtLeast(count, of) => {
            format!("{} is there {} times, and must be {count} times", view.named(of), view.count(of))
        }
        Expr::Near(near) => apart(view, near, &part),
        Expr::NotNear(near) if !view.holds(&near.left) => failing(view, &near.left),
        Expr::NotNear(near) => {
            format!(
                "each {} has {} near it, and one must have none",
                view.named(&near.left),
                view.named(&near.right)
            )
        }
        Expr::Word(_) | Expr::Phrase(_) => format!("{part} is not there"),
    }
}

fn apart(view: Scanned<'_>, near: &Near, part: &str) -> String {
    for side in [&near.left, &near.right] {
        if !view.holds(side) {
            return failing(view, side);
        }
    }
    let order = if near.ordered { "in this order and " } else { "" };
    let reach = match near.reach {
        Reach::Words(words) => {
            let nearest = view.nearest(&near.left, &near.right);
            let apart = nearest
                .map_or(String::new(), |words| format!(" (the nearest have {words} words between them)"));
            return format!("{part}: both are there, but not {order}within {words} words{apart}");
        }
        Reach::Sentence => "sentence",
        Reach::Paragraph => "paragraph",
    };
    format!("{part}: both are there, but not {order}in one {reach}")
}

impl<F: Finder> View<'_, F> {
    /// A part as it is printed, with the part of the item that it is looked for in.
    fn named(self, expr: &Expr) -> String {
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
        let explained = Query::parse(query).unwrap().explain(&document, &facts);
        assert_eq!(explained.because.as_deref().unwrap_or("it matches"), expected, "{query}");
        assert_eq!(explained.matched, expected == "it matches");
    }

    #[test]
    fn the_first_thing_that_fails_is_named() {
        check("банк AND ставка", "банк закрыт", "ставка is not there");
        check("банк AND (рост OR спад)", "банк закрыт", "none of these is there: рост, спад");
        check("банк NOT реклама", "реклама банка", "реклама is there, and must not be");
        check(
            "банк NEAR/1 ставка",
            "банк сегодня снизил ставку",
            "банк NEAR/1 ставка: both are there, but not within 1 words (the nearest have 2 words between them)",
        );
        check(
            "банк NEAR/S ставка",
            "Банк. Ставка.",
            "банк NEAR/S ставка: both are there, but not in one sentence",
        );
        check("банк NEAR/1 курс", "банк", "курс is not there");
        check(
            "Каспий NOT NEAR/2 море",
            "Каспий это море",
            "each каспий has море near it, and one must have none",
        );
        check("ATLEAST/2(банк)", "банк", "банк is there 1 times, and must be 2 times");
        check("банк site:b.kz", "банк", "site:b.kz: the item's site is a.kz");
        check("банк likes:>5", "банк", "likes:>5: the item's likes is not known");
        check("title:банк", "банк", "title:банк is not there");
        check("банк", "банки", "it matches");
    }

    #[test]
    fn each_leaf_tells_where_it_stands() {
        let document = Analysis::default().document("", "банк и реклама", Some("ru"));
        let explained =
            Query::parse("банк NOT (реклама OR спам)").unwrap().explain(&document, &Facts::default());
        let seen: Vec<(&str, bool, bool, usize)> = explained
            .leaves
            .iter()
            .map(|leaf| (leaf.leaf.as_str(), leaf.holds, leaf.excluded, leaf.spans.len()))
            .collect();
        assert_eq!(seen, [("банк", true, false, 1), ("реклама", true, true, 1), ("спам", false, true, 0)]);
    }
}
