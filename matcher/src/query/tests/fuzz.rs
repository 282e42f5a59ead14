//! Fuzz tests of queries and texts: nothing panics, and the laws of all queries hold.
//!
//! A long run with random seeds: `QYRAN_FUZZ_SECONDS=1800 cargo test --release -p matcher fuzz -- --nocapture`.
//! A failure prints its seed; `QYRAN_FUZZ_SEED=…` repeats it.

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::query::token::MAX_CHARACTERS;
use crate::{Analysis, Dialect, Facts, Query};

/// The seed of the short run.
const FIXED_SEED: u64 = 20_261_130;
/// Cases of each strategy per seed.
const CASES_PER_SEED: u32 = 256;

/// Valid queries, from which others are made by deletion, duplication and mixing.
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

/// Checks the laws of every query that can be parsed.
fn check(query: &Query, written: &str) {
    let print = query.to_string();
    if print.chars().count() <= MAX_CHARACTERS {
        match Query::parse_rule(&print) {
            Ok(again) => assert_eq!(again.expr, query.expr, "{written} printed as {print}"),
            Err(error) => panic!("{written} printed as {print}: {error}"),
        }
    }
    let text = format!("{written}\n{print}. Народный банк и Kaspi, море; хлеб хлеб хлеб!");
    let document = Analysis::default().document("Ставка банка", &text, None);
    let explanation = query.explain(&document, &Facts::default());
    let spans = query.matches(&document, &Facts::default());
    assert_eq!(spans.is_some(), explanation.matched, "{print}");
    for span in spans.unwrap_or_default() {
        let zone = if span.zone == model::Zone::Title { "Ставка банка" } else { text.as_str() };
        assert!(zone.get(span.start..span.end).is_some_and(|words| !words.is_empty()), "{span:?} of {text}");
    }
}

/// Parses and imports a mutated query, and checks what comes out.
fn check_queries(seed: usize, mutations: &[Mutation]) -> Result<(), TestCaseError> {
    let text = mutated(SEEDS[seed], mutations);
    let dialects = [Dialect::Brandwatch, Dialect::Youscan, Dialect::Yandex];
    let imported = dialects.map(|dialect| Query::import(&text, dialect));
    for query in imported.into_iter().chain([Query::parse(&text)]) {
        match query {
            Ok(query) => check(&query, &text),
            // Carets stand within the text, or right behind it.
            Err(error) => prop_assert!(error.position <= text.chars().count(), "{}: {:?}", text, error),
        }
    }
    Ok(())
}

/// Analyses a text in each language: words are ordered ranges of the text, and a second analysis returns the same words.
fn check_text(title: &str, text: &str) -> Result<(), TestCaseError> {
    let analysis = Analysis::default();
    for language in [None, Some("ru"), Some("kk"), Some("en")] {
        let document = analysis.document(title, text, language);
        let mut previous = 0;
        for word in &document.words {
            let zone = if word.zone == model::Zone::Title { title } else { text };
            prop_assert!(zone.get(word.range()).is_some_and(|word| !word.is_empty()));
            prop_assert!(word.at >= previous, "words are ordered by position");
            previous = word.at;
        }
        prop_assert_eq!(&analysis.document(title, text, language).words, &document.words);
    }
    Ok(())
}

fn mutated_query() -> impl Strategy<Value = (usize, Vec<Mutation>)> {
    (0..SEEDS.len(), proptest::collection::vec(mutation(), 1..8))
}

fn texts() -> impl Strategy<Value = (Vec<u8>, String, String)> {
    (proptest::collection::vec(any::<u8>(), 0..200), "\\PC{0,80}", any::<String>())
}

fn check_texts((bytes, text, title): &(Vec<u8>, String, String)) -> Result<(), TestCaseError> {
    for text in [String::from_utf8_lossy(bytes).as_ref(), text, title] {
        check_text(title, text)?;
    }
    Ok(())
}

/// Runs `CASES_PER_SEED` cases of each strategy from one seed.
fn run(seed: u64, cases: u32) {
    let config = || ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let queries = TestRunner::new(config()).run(&mutated_query(), |(query, mutations)| {
        let checked = std::panic::catch_unwind(|| check_queries(query, &mutations));
        checked.unwrap_or_else(|_| Err(TestCaseError::fail("panicked")))
    });
    if let Err(error) = queries {
        panic!("seed {seed}: QYRAN_FUZZ_SEED={seed} repeats it\n{error}");
    }
    let texts = TestRunner::new(config()).run(&texts(), |sample| check_texts(&sample));
    if let Err(error) = texts {
        panic!("seed {seed}: QYRAN_FUZZ_SEED={seed} repeats it\n{error}");
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// A short run from a fixed seed. With `QYRAN_FUZZ_SECONDS` set, runs from random seeds for that long instead.
#[test]
fn fuzz_of_queries_and_texts() {
    let Some(seconds) = variable("QYRAN_FUZZ_SECONDS") else {
        return run(variable("QYRAN_FUZZ_SEED").unwrap_or(FIXED_SEED), CASES_PER_SEED);
    };
    let now = || std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs());
    let (first, end) = (now() << 20, now() + seconds);
    let mut seeds = 0;
    while now() < end {
        run(first + seeds, CASES_PER_SEED);
        seeds += 1;
    }
    println!(
        "{} cases from {seeds} seeds, starting at {first}: no failure",
        seeds * u64::from(CASES_PER_SEED) * 2
    );
}
