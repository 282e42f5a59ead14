//! Queries and texts that nobody would write: nothing panics, and what is promised of all of them holds.
//!
//! A long run: `PROPTEST_CASES=1000000 cargo test --release -p matcher fuzz`.

use proptest::prelude::*;

use crate::{Analysis, Dialect, Facts, Query};

/// Whole queries, from which others are made by cutting, doubling and mixing.
const SEEDS: &[&str] = &[
    "(Kaspi* OR translit(каспи)) NOT NEAR/2 (море OR теңіз)",
    "\"народный банк\"~5 AND title:(ставка OR [базовая * ставка]) -реклама",
    "ATLEAST/3(хлеб) NEAR/S {BT} OR raw:\"Google+\" followers:>1000 published:2026-11-01..2026-11-07",
    "банк /+2 ставка, #хлеб @user $KZT слово~1 <<<a note>>> site:(nur.kz OR *.gov.kz)^2",
    "банк ~~ река host:nur.kz & !берегу && +и date:20260101..20260131 | «ә і»",
    "қала ЖӘНЕ (үй НЕМЕСЕ пәтер) ЕМЕС жарнама age:<P1D lang:kk has:image",
    "интернет-магазин NOT case(iPhone) author:@bots 1 000,5 x.y@z.kz https://a.kz/b?c=d",
];

#[derive(Debug, Clone)]
enum Mutation {
    Cut(usize, usize),
    Double(usize, usize),
    Splice(usize, usize, usize),
    Insert(usize, String),
    Swap(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = 0_usize..120;
    prop_oneof![
        (at.clone(), 1_usize..20).prop_map(|(at, length)| Mutation::Cut(at, length)),
        (at.clone(), 1_usize..30).prop_map(|(at, length)| Mutation::Double(at, length)),
        (at.clone(), 0..SEEDS.len(), 0_usize..60)
            .prop_map(|(at, seed, from)| Mutation::Splice(at, seed, from)),
        (at.clone(), "\\PC{1,3}").prop_map(|(at, text)| Mutation::Insert(at, text)),
        (at.clone(), at).prop_map(|(one, other)| Mutation::Swap(one, other)),
    ]
}

fn mutated(seed: &str, mutations: &[Mutation]) -> String {
    let mut text: Vec<char> = seed.chars().collect();
    for mutation in mutations {
        let length = text.len();
        let clamp = |at: &usize| (*at).min(length);
        match mutation {
            Mutation::Cut(at, count) => drop(text.drain(clamp(at)..clamp(&(at + count)))),
            Mutation::Double(at, count) => {
                let part: Vec<char> = text[clamp(at)..clamp(&(at + count))].to_vec();
                text.splice(clamp(at)..clamp(at), part);
            }
            Mutation::Splice(at, seed, from) => {
                text.truncate(clamp(at));
                text.extend(SEEDS[*seed].chars().skip(*from));
            }
            Mutation::Insert(at, new) => drop(text.splice(clamp(at)..clamp(at), new.chars())),
            Mutation::Swap(one, other) if one.max(other) < &length => text.swap(*one, *other),
            Mutation::Swap(..) => (),
        }
    }
    text.into_iter().collect()
}

/// What holds of every query that can be read.
fn check(query: &Query, written: &str) {
    let print = query.to_string();
    // (What is glued together in quotes, as numbers are, may be cut otherwise when it is read again: that the print is
    // canonical is asked of what is plausible, in laws.rs.)
    if let Err(error) = Query::parse(&print) {
        panic!("{written} printed as {print}: {error}");
    }
    let text = format!("{written}\n{print}. Народный банк и Kaspi, море; хлеб хлеб хлеб!");
    let document = Analysis::default().document("Ставка банка", &text, None);
    let explained = query.explain(&document, &Facts::default());
    let found = query.matches(&document, &Facts::default());
    assert_eq!(found.is_some(), explained.matched, "{print}");
    for span in found.unwrap_or_default() {
        let zone = if span.zone == model::Zone::Title { "Ставка банка" } else { text.as_str() };
        assert!(zone.get(span.start..span.end).is_some_and(|words| !words.is_empty()), "{span:?} of {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fuzz_of_queries(
        seed in 0..SEEDS.len(),
        mutations in proptest::collection::vec(mutation(), 1..8),
    ) {
        let text = mutated(SEEDS[seed], &mutations);
        let dialects = [Dialect::Brandwatch, Dialect::Youscan, Dialect::Yandex];
        let read = dialects.map(|dialect| Query::import(&text, dialect));
        for query in read.into_iter().chain([Query::parse(&text)]) {
            match query {
                Ok(query) => check(&query, &text),
                // Carets stand within the text, or right behind it.
                Err(error) => prop_assert!(error.position <= text.chars().count(), "{}: {:?}", text, error),
            }
        }
    }

    #[test]
    fn fuzz_of_texts(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}", title: String) {
        let analysis = Analysis::default();
        for text in [String::from_utf8_lossy(&bytes).into_owned(), text, title.clone()] {
            for language in [None, Some("ru"), Some("kk"), Some("en")] {
                let document = analysis.document(&title, &text, language);
                let mut before = 0;
                for word in &document.words {
                    let zone = if word.zone == model::Zone::Title { &title } else { &text };
                    prop_assert!(zone.get(word.range()).is_some_and(|word| !word.is_empty()));
                    prop_assert!(word.at >= before, "words are in the order of their places");
                    before = word.at;
                }
                prop_assert_eq!(&analysis.document(&title, &text, language).words, &document.words);
            }
        }
    }
}
