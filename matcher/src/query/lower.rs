//! From a query to the plain strings that a site's own search understands.
//!
//! Whatever a query matches is found by one of its strings, as far as the site finds what has all of a string's
//! words, in any form and letter for letter as we fold them (ё as е): how good its search is we cannot know. Strings
//! find more than the query does: the match decides.

use std::collections::BTreeSet;

use super::tree::{Expr, Term};
use crate::text::fold::fold;

/// In bytes. Longer strings are cut at a word, and longer words are not searched for: search boxes are short.
const LONGEST: usize = 100;

type Words = BTreeSet<String>;

/// The smallest set of strings that covers a query; `None` where there is none, as for `begin*` alone.
pub(super) fn lower(expr: &Expr) -> Option<BTreeSet<String>> {
    let all = alternatives(expr)?;
    let is_covered = |words: &Words| all.iter().any(|other| other != words && other.is_subset(words));
    Some(all.iter().filter(|words| !is_covered(words)).map(string).collect())
}

/// Sets of words, of which every match has one whole.
fn alternatives(expr: &Expr) -> Option<BTreeSet<Words>> {
    match expr {
        Expr::Word(term) => certain([words_of(term)?]),
        Expr::Phrase(phrase) => certain(phrase.words.iter().filter_map(words_of)),
        Expr::Or(parts) => {
            let all: Option<Vec<BTreeSet<Words>>> = parts.iter().map(alternatives).collect();
            Some(all?.into_iter().flatten().collect())
        }
        Expr::And(parts) => together(parts.iter()),
        Expr::Near(near) => together([&near.left, &near.right].into_iter()),
        Expr::NotNear(near) => alternatives(&near.left),
        Expr::AtLeast(_, of) | Expr::Preferred(_, of) | Expr::In(_, of) => alternatives(of),
        Expr::Field(_) | Expr::Not(_) => None,
    }
}

/// What all of these parts are found by.
fn together<'a>(parts: impl Iterator<Item = &'a Expr>) -> Option<BTreeSet<Words>> {
    let known: Vec<BTreeSet<Words>> = parts.filter_map(alternatives).collect();
    let single = known.iter().filter(|part| part.len() == 1).flatten().cloned();
    certain(single).or_else(|| known.into_iter().min_by_key(BTreeSet::len))
}

/// All of these words.
fn certain(all: impl IntoIterator<Item = Words>) -> Option<BTreeSet<Words>> {
    let words: Words = all.into_iter().flatten().collect();
    (!words.is_empty()).then(|| [words].into())
}

/// The words that a site has to look for; `None` where letters are left open.
fn words_of(term: &Term) -> Option<Words> {
    let words: Words = match term {
        Term::Forms { form, .. } | Term::Exact(form) => {
            [form.trim_start_matches(['#', '@', '$']).to_owned()].into()
        }
        Term::Case(characters) => [fold(characters)].into(),
        Term::Compound { parts, .. } => parts.iter().filter_map(words_of).flatten().collect(),
        Term::Wildcard(_) | Term::Fuzzy { .. } | Term::Sound { .. } | Term::Any => return None,
    };
    words.iter().all(|word| word.len() <= LONGEST).then_some(words)
}

fn string(words: &Words) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() && text.len() + word.len() >= LONGEST {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::Query;

    fn check(query: &str, expected: Option<&[&str]>) {
        let searches = Query::parse(query).unwrap().searches();
        let expected: Option<Vec<String>> =
            expected.map(|texts| texts.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(searches, expected, "{query}");
    }

    /// By hand: what would one have to type into a search box to find all of it?
    #[test]
    fn queries_become_the_fewest_strings_that_find_everything() {
        check("банк", Some(&["банк"]));
        check("Банк AND кредит", Some(&["банк кредит"]));
        check("кредит AND банк", Some(&["банк кредит"]));
        check("\"народный банк\"", Some(&["банк народный"]));
        check("банк OR кредит", Some(&["банк", "кредит"]));
        check("банк OR (банк AND кредит)", Some(&["банк"]));
        check("(банк OR биржа) AND кредит", Some(&["кредит"]));
        check("(банк OR биржа OR акции) AND (кредит OR заём)", Some(&["заем", "кредит"]));
        check("банк NOT реклама", Some(&["банк"]));
        check("ипоте* AND банк", Some(&["банк"]));
        check(&"ы".repeat(60), None);
        check("ипоте*", None);
        check("ипоте* OR банк", None);
        check("Каспий NOT NEAR/2 (море OR теңіз*)", Some(&["каспий"]));
        check("банк NEAR/5 (ставка OR ипотека)", Some(&["банк"]));
        check("ATLEAST/2(каспий) title:тюлень site:a.kz", Some(&["каспий тюлень"]));
        check("[цены на * в Алматы]", Some(&["алматы в на цены"]));
        check("translit(каспи)", None);
    }
}
