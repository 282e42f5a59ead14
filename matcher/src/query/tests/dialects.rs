//! What queries of other systems become. By hand, from their documentation's descriptions of their operators.

use crate::{Dialect, Query};

fn check(dialect: Dialect, table: &str) {
    let mut wrong = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (theirs, ours) = line.split_once("=>").unwrap();
        let read = Query::import(theirs.trim(), dialect).map(|query| query.to_string());
        if read.as_deref() != Ok(ours.trim()) {
            wrong.push(format!("{line}: {read:?}"));
        }
        // What is printed means the same.
        if let Ok(ours) = read {
            assert_eq!(Query::parse(&ours).unwrap().to_string(), ours);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn brandwatchs_words_stand_for_themselves() {
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
fn youscans_words_are_found_in_any_form() {
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
fn yandexs_signs_become_operators() {
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
fn what_is_too_long_is_refused_at_once() {
    for dialect in [Dialect::Brandwatch, Dialect::Youscan, Dialect::Yandex] {
        assert_eq!(Query::import(&"-".repeat(3_000_000), dialect).unwrap_err().code, "E_LIMIT");
    }
}

#[test]
fn errors_stand_where_they_were_written() {
    let error = Query::import("банк ~~ (река", Dialect::Yandex).unwrap_err();
    assert_eq!((error.code, error.position), ("E_PAREN", 8));
    let error = Query::import("банк && ставка mime:pdf", Dialect::Yandex).unwrap_err();
    assert_eq!((error.code, error.position), ("E_FIELD", 15));
}

#[test]
fn lists_are_any_of_these_and_none_of_those() {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let read = |wanted: &[&str], unwanted: &[&str]| {
        Query::of_lists(&list(wanted), &list(unwanted)).map(|query| query.to_string())
    };
    assert_eq!(
        read(&["Каспи", "народный банк", "\"Halyk Bank\"", "ипотек*"], &["море", "-Каспийское море"]),
        Ok("(каспи OR [народный банк] OR \"halyk bank\" OR ипотек*) AND NOT (море OR [каспийское море])"
            .into())
    );
    // Words that are operators elsewhere are words here.
    assert_eq!(read(&["И", "(NOT)"], &[]), Ok("и OR not".into()));
    assert_eq!(read(&["банк", "б*"], &[]).unwrap_err().0, Some(1));
    assert_eq!(read(&["банк"], &["..."]).unwrap_err().0, Some(1));
    assert!(read(&[], &["реклама"]).is_err());
    assert_eq!(read(&["где купить?"], &["море"]), Ok("[где купить] AND NOT море".into()));
}
