//! From a query to the plain strings that a site's own search understands.
//!
//! Whatever a query matches is found by one of its strings, as far as the site finds what has all of a string's
//! words, in any form and letter for letter as we fold them (ё as е): how good its search is we cannot know. Strings
//! find more than the query does: the match decides.

use std::collections::BTreeSet;

use super::tree::Expr;

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
        Expr::Word { form, .. } | Expr::Exact(form) if form.len() > LONGEST => None,
        Expr::Word { form, .. } | Expr::Exact(form) => Some([Words::from([form.clone()])].into()),
        Expr::Prefix(_) | Expr::Not(_) => None,
        Expr::Or(parts) => {
            let all: Option<Vec<BTreeSet<Words>>> = parts.iter().map(alternatives).collect();
            Some(all?.into_iter().flatten().collect())
        }
        Expr::And(parts) | Expr::Phrase(parts) => {
            let known: Vec<BTreeSet<Words>> = parts.iter().filter_map(alternatives).collect();
            let certain: Words =
                known.iter().filter(|part| part.len() == 1).flatten().flatten().cloned().collect();
            if certain.is_empty() {
                return known.into_iter().min_by_key(BTreeSet::len);
            }
            Some([certain].into())
        }
    }
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
    use crate::{Analysis, Query};

    fn check(query: &str, expected: Option<&[&str]>) {
        let searches = Query::parse(query, &Analysis::default()).unwrap().searches();
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
    }
}
