//! Tests of queries of other systems. Expected values are written by hand from the documentation of their operators.

use crate::{Dialect, Query};

fn check(dialect: Dialect, table: &str) {
    let mut failures = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (original, expected) = line.split_once("=>").unwrap();
        let imported = Query::import(original.trim(), dialect).map(|query| query.to_string());
        if imported.as_deref() != Ok(expected.trim()) {
            failures.push(format!("{line}: {imported:?}"));
        }
        // Parsing the printed query gives the same query.
        if let Ok(print) = imported {
            assert_eq!(Query::parse(&print).unwrap().to_string(), print);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn brandwatch_words_are_exact() {
    check(
        Dialect::Brandwatch,
        r#"
        apple => !apple
        (apple OR "apple juice") NOT pear* => (!apple OR "apple juice") AND NOT pear*
        apple NEAR/5 (juice OR tea) => !apple NEAR/5 (!juice OR !tea)
        apple NEAR/3f juice => !apple ONEAR/3 !juice
        "apple juice"~5 => "apple juice"~5
        title:(банк AND ставка) => title:(!банк AND !ставка)
        {BT} AND raw:"Google+" => {BT} AND {Google+}
        интернет-магазин => !интернет-магазин
        ООО НЕ банк => !ооо AND !не AND !банк
        "https://a.kz/b?c=d" => !https://a.kz/b?c=d
        apple <<<a comment>>> juice => !apple AND !juice
        apple author:@nike => !apple AND author:"@nike"
        apple AND authorFollowers:[100 TO 500] => !apple AND followers:100..500
        "#,
    );
}

#[test]
fn youscan_words_match_all_forms() {
    check(
        Dialect::Youscan,
        r#"
        банк => банк
        (банк OR "народный банк") AND NOT реклам* => (банк OR "народный банк") AND NOT реклам*
        банк -реклама => банк AND NOT реклама
        банк /3 ставка => банк NEAR/2 ставка
        "#,
    );
}

#[test]
fn yandex_symbols_become_operators() {
    check(
        Dialect::Yandex,
        r#"
        банк -реклама => банк AND NOT реклама
        !банку | "народный банк" => !банку OR "народный банк"
        [из алматы в астану] => [из алматы в астану]
        быть +или не быть => быть AND или AND не AND быть
        банк ~~ река => банк AND NOT река
        банк ~ берег => банк NOT NEAR/S берег
        банк && ставка => банк AND ставка
        банк & ставка => банк NEAR/S ставка
        (кредит | ипотека) host:nur.kz => (кредит OR ипотека) AND site:nur.kz
        банк -host:nur.kz => банк AND NOT site:nur.kz
        банк ~~host:nur.kz => банк AND NOT site:nur.kz
        банк &река => банк NEAR/S река
        банк rhost:kz.nur.* => банк AND site:nur.kz
        {AB ~~ CD} | “банк ~~ река” => {AB CD} OR "банк река"
        ООО НЕ банк => ооо AND не AND банк
        https://a.kz/b?c=d => !https://a.kz/b?c=d
        банк date:20260101..20260131 => банк AND published:2026-01-01..2026-01-31
        банк date:>20260101 => банк AND published:>2026-01-01
OR код <<<a ~~ "note>>> ~~ река => or AND код AND NOT река
        "цена ~ качество & +1" => "цена качество 1"
        "#,
    );
}

#[test]
fn long_texts_are_rejected_before_they_are_rewritten() {
    for dialect in [Dialect::Brandwatch, Dialect::Youscan, Dialect::Yandex] {
        assert_eq!(Query::import(&"-".repeat(3_000_000), dialect).unwrap_err().code, "E_LIMIT");
    }
}

#[test]
fn errors_refer_to_positions_in_the_original() {
    let error = Query::import("банк ~~ (река", Dialect::Yandex).unwrap_err();
    assert_eq!((error.code, error.position), ("E_PAREN", 8));
    let error = Query::import("банк && ставка mime:pdf", Dialect::Yandex).unwrap_err();
    assert_eq!((error.code, error.position), ("E_FIELD", 15));
}

#[test]
fn word_lists_include_some_words_and_exclude_others() {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let import = |included: &[&str], excluded: &[&str]| {
        Query::from_word_lists(&list(included), &list(excluded)).map(|query| query.to_string())
    };
    assert_eq!(
        import(&["Каспи", "народный банк", "\"Halyk Bank\"", "ипотек*"], &["море", "-Каспийское море"]),
        Ok("(каспи OR [народный банк] OR \"halyk bank\" OR ипотек*) AND NOT (море OR [каспийское море])"
            .into())
    );
    // Operators are ordinary words in a list.
    assert_eq!(import(&["И", "(NOT)"], &[]), Ok("и OR not".into()));
    assert_eq!(import(&["банк", "б*"], &[]).unwrap_err().0, Some(1));
    assert_eq!(import(&["банк"], &["..."]).unwrap_err().0, Some(1));
    assert!(import(&[], &["реклама"]).is_err());
    assert_eq!(import(&["где купить?"], &["море"]), Ok("[где купить] AND NOT море".into()));
}
