//! Laws that hold for all queries and all texts.

use proptest::prelude::*;

use super::parsed;
use crate::{Analysis, Facts, Query};

fn query_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[а-я]{3,6}",
        "[a-z]{3,6}",
        "![а-я]{3,6}",
        "[а-я]{3,5}\\*",
        "\"[а-я]{2,4} [а-я]{2,4}\"",
        "\\[[а-я]{2,4} \\* [а-я]{2,4}\\]~3",
        "\\{[A-Z][a-z]{2,4}\\}",
        "[а-я]{3}-[а-я]{3}",
        "#[а-я]{3,6}",
        "[а-я]{5,7}~1",
        "translit\\([a-z]{3,5}\\)",
        "[а-я]{3} NEAR/[0-9] [а-я]{3}",
        "[а-я]{3} NOT NEAR/S [а-я]{3}",
        "[а-я]{3} /\\+[1-9] \"[а-я]{2} [а-я]{2}\"",
        "ATLEAST/2\\([а-я]{3}\\)",
        "title:\\([а-я]{3} OR [а-я]{3}\\)",
        "site:[a-z]{3}\\.kz",
        "author:\"[а-я]{3} [а-я]{3}\"",
        "[а-я]{4}\\^2",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" AND "))),
            proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" OR "))),
            (inner.clone(), inner).prop_map(|(one, other)| format!("({one} NOT {other})")),
        ]
    })
}

proptest! {
    #[test]
    fn print_then_parse_is_the_identity(text in query_text()) {
        let query = Query::parse(&text).unwrap();
        let again = Query::parse(&query.to_string()).unwrap();
        prop_assert_eq!(again.expr, query.expr, "{}", text);
    }

    #[test]
    fn no_text_panics_the_parser(text in "[a-zа-яәі\"«»()\\[\\]{}!=*?,&|~^/<>:@#$0-9\\- ANDORNTE]{0,40}") {
        if let Ok(query) = Query::parse(&text) {
            let document = Analysis::default().document(&text, &text, None);
            let _ = query.matches(&document, &Facts::default());
            let print = query.to_string();
            let again = Query::parse(&print);
            prop_assert!(again.is_ok(), "{} printed as {}: {:?}", text, print, again);
            prop_assert_eq!(again.unwrap().expr, query.expr, "{} printed as {}", text, print);
        }
    }

    #[test]
    fn the_laws_of_and_or_not_hold(words in proptest::collection::vec("[абв]{2}", 1..6)) {
        let document = Analysis::default().document("", &words.join(" "), None);
        let has = |query: &str| parsed(query).matches(&document, &Facts::default()).is_some();
        let (a, b) = ("!аб", "!ба");
        prop_assert_eq!(has(&format!("{a} AND {b}")), has(a) && has(b));
        prop_assert_eq!(has(&format!("{a} OR {b}")), has(a) || has(b));
        prop_assert_eq!(has(&format!("{a} NOT {b}")), has(a) && !has(b));
        prop_assert_eq!(has(a), words.iter().any(|word| word == "аб"));
    }

    /// Against a scan of the words, with nothing shared.
    #[test]
    fn phrases_and_distances_agree_with_a_scan(
        words in proptest::collection::vec("[абв]", 1..14),
        distance in 0_usize..5,
        count in 1_usize..5,
    ) {
        let document = Analysis::default().document("", &words.join(" "), None);
        let has = |query: &str| parsed(query).matches(&document, &Facts::default()).is_some();
        let places = |word: &str| -> Vec<usize> {
            words.iter().enumerate().filter(|(_, one)| *one == word).map(|(at, _)| at).collect()
        };
        let (a, b) = (places("а"), places("б"));
        let is_near = |one: usize, other: usize| one != other && one.abs_diff(other) <= distance + 1;
        let near = a.iter().any(|one| b.iter().any(|other| is_near(*one, *other)));
        prop_assert_eq!(has(&format!("!а NEAR/{distance} !б")), near);
        let ordered = a.iter().any(|one| b.iter().any(|other| other > one && is_near(*one, *other)));
        prop_assert_eq!(has(&format!("!а ONEAR/{distance} !б")), ordered);
        let alone = a.iter().any(|one| !b.iter().any(|other| is_near(*one, *other)));
        prop_assert_eq!(has(&format!("!а NOT NEAR/{distance} !б")), alone);
        let phrase = words.windows(3).any(|three| three == ["а", "б", "в"]);
        prop_assert_eq!(has("\"а б в\""), phrase);
        let gap = words.windows(3).any(|three| three.first().is_some_and(|w| w == "а") && three.get(2).is_some_and(|w| w == "в"));
        prop_assert_eq!(has("\"а * в\""), gap);
        prop_assert_eq!(has(&format!("ATLEAST/{count}(!а)")), a.len() >= count);
        let window = words.windows((3 + distance).min(words.len())).any(|window| {
            ["а", "б", "в"].iter().all(|word| window.iter().any(|one| one == word))
        });
        prop_assert_eq!(has(&format!("\"а б в\"~{distance}")), window);
    }
}

/// The query of the failure that the fuzz test found first, and others of its kind.
#[test]
fn conditions_and_glued_words_print_canonically() {
    for text in [
        "author:«@bank»",
        "author:\"@bank\"~5",
        "[1 000,5 a]",
        "\"x.y@z.kz 5\"",
        "raw:\"a}b\"",
        "case([a]b)",
        "exact(банк*)",
        "published:[2026-11-01 TO *]",
        "author:AND",
        "author:«say \u{201d}hi»",
        "\"интернет-магазин а\"~3",
        "(a1 OR b2)^3 AND title:(банк^2)",
    ] {
        let Ok(query) = Query::parse_rule(text) else { continue };
        let print = query.to_string();
        assert_eq!(
            Query::parse_rule(&print).map(|again| again.expr),
            Ok(query.expr),
            "{text} printed as {print}"
        );
    }
    let error = Query::parse("author:@банк\"~5\"").unwrap_err();
    assert!(error.message.contains("contains a quote"), "{error:?}");
    let many = vec!["сөз"; 70].join(" ");
    assert_eq!(Query::parse(&format!("({many})~5")).unwrap_err().code, "E_LIMIT");
}
