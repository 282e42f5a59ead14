use super::*;
use proptest::prelude::*;

/// Query, text, the words that are expected to be found (none: no match).
fn check(query: &str, text: &str, expected: &[&str]) {
    let analysis = Analysis::default();
    let parsed = Query::parse(query, &analysis).unwrap_or_else(|error| panic!("{query}: {error}"));
    let spans = parsed.matches(&analysis.document("", text));
    let found: Vec<&str> =
        spans.iter().flatten().map(|span| text.get(span.start..span.end).unwrap()).collect();
    assert_eq!(found, expected, "{query} in {text}");
    assert_eq!(spans.is_some(), !expected.is_empty(), "{query} in {text}");
}

#[test]
fn words_in_any_form_and_exact_ones() {
    check("банк", "Банками владеют банки.", &["Банками", "банки"]);
    check("!банк", "Банками владеет банк.", &["банк"]);
    check("=банку", "Банк дал банку денег", &["банку"]);
    check("ставка", "Регулятор поднял ставку", &["ставку"]);
    check("rate", "Interest rates rose", &["rates"]);
    check("ёлка", "Елки стоят", &["Елки"]);
    check("Қазақстан", "Бүгін ҚАЗАҚСТАН жеңді", &["ҚАЗАҚСТАН"]);
    check("алма", "Алматы қаласында", &[]);
}

#[test]
fn phrases_and_wildcards() {
    check("\"народный банк\"", "Это Народный банк, а не банк народный", &["Народный банк"]);
    check("«Народный банк»", "акции Народного банка", &[]);
    check("ипотек*", "Ипотека и ипотечный заём", &["Ипотека"]);
    check("ипоте*", "Ипотека и ипотечный заём", &["Ипотека", "ипотечный"]);
    check("интернет-магазин", "Открыли интернет-магазины", &["интернет-магазины"]);
}

#[test]
fn operators_in_three_languages() {
    check("банк AND ставка", "Банк поднял ставку", &["Банк", "ставку"]);
    check("банк ставка", "Банк поднял цену", &[]);
    check("банк И НЕ реклама", "Банк без рекламы", &[]);
    check("банк -реклама", "Банк вырос", &["Банк"]);
    check("Сбербанк, Сбер", "Сбер вырос", &["Сбер"]);
    check("банк НЕМЕСЕ биржа", "Биржа ашылды", &["Биржа"]);
    check("(банк OR биржа) NOT (реклама OR вакансия)", "Биржа: вакансии", &[]);
    check("банк ЖӘНЕ Халық", "Халық банк", &["Халық", "банк"]);
    check("a OR b c", "b c", &["b", "c"]);
}

#[test]
fn errors_say_where_and_what_to_do() {
    for (query, code, position) in [
        ("", "E_EMPTY", 0),
        ("банк \"народ", "E_PHRASE", 5),
        ("(банк", "E_PAREN", 0),
        ("банк)", "E_PAREN", 4),
        ("банк AND", "E_SYNTAX", 8),
        ("OR банк", "E_SYNTAX", 0),
        ("NOT реклама", "E_UNBOUNDED", 0),
        ("банк OR -реклама", "E_UNBOUNDED", 0),
        ("ба*", "E_WILD", 0),
        ("ба*нк", "E_WILD", 0),
        ("*банк", "E_CHAR", 0),
        ("банк \"\"", "E_PHRASE", 5),
        ("банк !", "E_SYNTAX", 5),
    ] {
        let error = Query::parse(query, &Analysis::default()).expect_err(query);
        assert_eq!((error.code, error.position), (code, position), "{query}: {error}");
        assert!(!error.remedy.is_empty());
    }
    let deep = "(".repeat(100_000) + "a";
    assert_eq!(Query::parse(&deep, &Analysis::default()).unwrap_err().code, "E_LIMIT");
    let nots = "NOT ".repeat(4000) + "a";
    assert_eq!(Query::parse(&nots, &Analysis::default()).unwrap_err().code, "E_LIMIT");
}

#[test]
fn the_caret_stands_under_the_fault() {
    let query = "банк \"народ";
    let error = Query::parse(query, &Analysis::default()).unwrap_err();
    assert_eq!(error.pointed_at(query), "  банк \"народ\n       ^");
}

#[test]
fn warnings_tell_what_is_probably_not_meant() {
    let codes = |query: &str| -> Vec<&str> {
        Query::parse(query, &Analysis::default())
            .unwrap()
            .warnings()
            .iter()
            .map(|warning| warning.code)
            .collect()
    };
    assert_eq!(codes("a b OR c"), ["W_MIXED"]);
    assert_eq!(codes("(a b) OR c"), Vec::<&str>::new());
    assert_eq!(codes("банk"), ["W_HOMOGLYPH"]);
    assert_eq!(codes("банк or биржа"), ["W_CASE"]);
}

fn query_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[а-я]{3,6}",
        "[a-z]{3,6}",
        "![а-я]{3,6}",
        "[а-я]{3,5}\\*",
        "\"[а-я]{2,4} [а-я]{2,4}\"",
        "[а-я]{3}-[а-я]{3}"
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
        let analysis = Analysis::default();
        let query = Query::parse(&text, &analysis).unwrap();
        let again = Query::parse(&query.to_string(), &analysis).unwrap();
        prop_assert_eq!(again.expr, query.expr, "{}", text);
    }

    #[test]
    fn no_text_panics_the_parser(text in "[a-zа-яәі\"«»()!=*,&|\\- ANDORNT]{0,40}") {
        let _ = Query::parse(&text, &Analysis::default());
    }

    #[test]
    fn the_laws_of_and_or_not_hold(words in proptest::collection::vec("[абв]{2}", 1..6)) {
        let analysis = Analysis::default();
        let document = analysis.document("", &words.join(" "));
        let has = |query: &str| Query::parse(query, &analysis).unwrap().matches(&document).is_some();
        let (a, b) = ("!аб", "!ба");
        prop_assert_eq!(has(&format!("{a} AND {b}")), has(a) && has(b));
        prop_assert_eq!(has(&format!("{a} OR {b}")), has(a) || has(b));
        prop_assert_eq!(has(&format!("{a} NOT {b}")), has(a) && !has(b));
        prop_assert_eq!(has(a), words.iter().any(|word| word == "аб"));
    }
}

#[test]
fn a_dash_between_words_joins_and_before_a_word_excludes() {
    let analysis = Analysis::default();
    for (query, text, expected) in [
        ("Алматы–Астана", "поезд Алматы–Астана", true),
        ("COVID—19", "вирус COVID-19", true),
        ("Алматы-Астана", "в Алматы и в Астане", false),
        ("Алматы -Астана", "только Алматы", true),
        ("Алматы –Астана", "Алматы и Астана", false),
    ] {
        let query = Query::parse(query, &analysis).unwrap();
        assert_eq!(query.matches(&analysis.document("", text)).is_some(), expected, "{query} in {text}");
    }
}
