//! Conversion of a query to plain strings for the search of a site.
//!
//! One of the strings finds every match of the query, provided that the site finds texts with all words of a string, in
//! any form, and folds letters as this crate does (ё as е). The quality of a site's search is unknown. The strings may
//! find more than the query matches; the results are matched again.

use std::collections::BTreeSet;

use super::tree::{Expr, Term};
use crate::text::fold::fold;

/// Upper bound on the length of a string in bytes, because search boxes are short. Longer strings are cut at a word;
/// longer words are not searched for.
const MAX_STRING_BYTES: usize = 100;

type Words = BTreeSet<String>;

/// Returns the smallest set of strings that covers a query; `None` if there is none, as for `begin*`.
pub(super) fn search_strings(expr: &Expr) -> Option<BTreeSet<String>> {
    let all = alternatives(expr)?;
    let is_covered = |words: &Words| all.iter().any(|other| other != words && other.is_subset(words));
    Some(all.iter().filter(|words| !is_covered(words)).map(search_string).collect())
}

/// Returns alternative sets of words. Every match contains all words of at least one set.
fn alternatives(expr: &Expr) -> Option<BTreeSet<Words>> {
    match expr {
        Expr::Word(term) => single_set([words_of(term)?]),
        Expr::Phrase(phrase) => single_set(phrase.words.iter().filter_map(words_of)),
        Expr::Or(parts) => {
            let all: Option<Vec<BTreeSet<Words>>> = parts.iter().map(alternatives).collect();
            Some(all?.into_iter().flatten().collect())
        }
        Expr::And(parts) => conjunction(parts.iter()),
        Expr::Near(near) => conjunction([&near.left, &near.right].into_iter()),
        Expr::NotNear(near) => alternatives(&near.left),
        Expr::AtLeast(_, inner) | Expr::Preferred(_, inner) | Expr::In(_, inner) => alternatives(inner),
        Expr::Field(_) | Expr::Not(_) => None,
    }
}

/// Returns the alternatives of a conjunction: the words of all parts with a single set, or the part with the fewest
/// sets.
fn conjunction<'a>(parts: impl Iterator<Item = &'a Expr>) -> Option<BTreeSet<Words>> {
    let parts: Vec<BTreeSet<Words>> = parts.filter_map(alternatives).collect();
    let required = parts.iter().filter(|part| part.len() == 1).flatten().cloned();
    single_set(required).or_else(|| parts.into_iter().min_by_key(BTreeSet::len))
}

/// Returns one set of all words, or `None` if there are no words.
fn single_set(all: impl IntoIterator<Item = Words>) -> Option<BTreeSet<Words>> {
    let words: Words = all.into_iter().flatten().collect();
    (!words.is_empty()).then(|| [words].into())
}

/// Returns the words that a site must find for a term; `None` if some of its letters are open or a word is too long.
fn words_of(term: &Term) -> Option<Words> {
    let words: Words = match term {
        Term::Forms { form, .. } | Term::Exact(form) => {
            [form.trim_start_matches(['#', '@', '$']).to_owned()].into()
        }
        Term::Case(characters) => [fold(characters)].into(),
        Term::Compound { parts, .. } => parts.iter().filter_map(words_of).flatten().collect(),
        Term::Wildcard(_) | Term::Fuzzy { .. } | Term::Sound { .. } | Term::Any => return None,
    };
    words.iter().all(|word| word.len() <= MAX_STRING_BYTES).then_some(words)
}

/// Joins words with spaces, up to the maximum length.
fn search_string(words: &Words) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() && text.len() + word.len() >= MAX_STRING_BYTES {
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
        let searches = Query::parse(query).unwrap().search_strings();
        let expected: Option<Vec<String>> =
            expected.map(|texts| texts.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(searches, expected, "{query}");
    }

    /// Expected values are written by hand: the strings to type into a search box to find every match.
    #[test]
    fn search_strings_are_the_fewest_that_cover_the_query() {
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
