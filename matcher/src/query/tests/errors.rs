//! Tests of errors, warnings and costs.

use super::parsed;
use crate::Query;

/// Expected costs are calculated by hand from the constants in cost.rs.
#[test]
fn expensive_queries_are_rejected_by_their_cost() {
    for (query, cost) in [
        ("банк", 1),
        ("!банку OR {BT}", 2),
        ("\"народный банк\"", 2),
        ("\"народный банк\"~3", 4),
        ("интернет-магазин", 3),
        ("ипотек*", 5),
        ("*банк", 50),
        ("ставка~1", 50),
        ("банк NEAR/3 ставка", 4),
        ("(банк NEAR/3 ставка) NEAR/5 рост", 10),
        ("ATLEAST/3(банк)", 2),
        ("банк lang:ru NOT реклама", 3),
        ("site:a.kz", 101),
        ("site:a.kz OR банк", 102),
    ] {
        assert_eq!(parsed(query).cost(), cost, "{query}");
    }
    let deep = (0..13).fold("a".to_owned(), |inner, _| format!("({inner} NEAR/5 b)"));
    let error = Query::parse(&deep).unwrap_err();
    assert_eq!((error.code, error.position), ("E_COST", 0));
    assert!(error.message.contains("24574 units"), "{error}");
    let wild: Vec<String> = (0..200).map(|number| format!("*банк{number}")).collect();
    assert_eq!(parsed(&wild.join(" OR ")).cost(), 10_000);
    assert_eq!(Query::parse(&format!("{} OR x", wild.join(" OR "))).unwrap_err().code, "E_COST");
}

#[test]
fn errors_have_a_code_a_position_and_a_remedy() {
    for (query, code, position) in [
        ("", "E_EMPTY", 0),
        ("  <<<nothing>>> ", "E_EMPTY", 0),
        ("<<<банк", "E_SYNTAX", 0),
        ("банк \"народ", "E_PHRASE", 5),
        ("банк [народ", "E_PHRASE", 5),
        ("(банк", "E_PAREN", 0),
        ("банк)", "E_PAREN", 4),
        ("()", "E_PAREN", 1),
        ("банк AND", "E_SYNTAX", 8),
        ("OR банк", "E_SYNTAX", 0),
        ("NOT реклама", "E_UNBOUNDED", 0),
        ("банк OR -реклама", "E_UNBOUNDED", 0),
        ("банк OR lang:ru", "E_UNBOUNDED", 0),
        ("lang:ru sourceType:news", "E_UNBOUNDED", 0),
        ("ба*", "E_WILD", 0),
        ("*анк", "E_WILD", 0),
        ("* банк", "E_WILD", 0),
        ("\"* банк\"", "E_WILD", 0),
        ("банк \"\"", "E_PHRASE", 5),
        ("банк !", "E_SYNTAX", 5),
        ("colour:red банк", "E_FIELD", 0),
        ("банк titel:ставка", "E_FIELD", 5),
        ("title:(site:a.kz)", "E_FIELD", 7),
        ("brandIds:5 банк", "E_FIELD", 0),
        ("банк NEAR/101 ставка", "E_NEAR_RANGE", 5),
        ("\"a b\"~200", "E_NEAR_RANGE", 0),
        ("банк /0 ставка", "E_NEAR_RANGE", 5),
        ("(a AND b) NEAR/5 c", "E_NEAR_OPERAND", 0),
        ("a NEAR/5 site:a.kz", "E_NEAR_OPERAND", 9),
        ("a NEAR/5 (b NOT c)", "E_NEAR_OPERAND", 9),
        ("NEAR/5 a", "E_SYNTAX", 0),
        ("a NEAR/x b", "E_SYNTAX", 2),
        ("слово~3", "E_FUZZY", 0),
        ("лес~1", "E_FUZZY", 0),
        ("банк~", "E_SYNTAX", 4),
        ("банк likes:много", "E_VALUE", 11),
        ("банк published:вчера", "E_VALUE", 15),
        ("банк age:P1D", "E_VALUE", 9),
        ("банк sourceType:nwes", "E_VALUE", 16),
        ("банк lang:>5", "E_VALUE", 10),
        ("банк rating:[1 2]", "E_VALUE", 12),
        ("ATLEAST/0(a)", "E_VALUE", 0),
        ("ATLEAST/2(a AND b)", "E_NEAR_OPERAND", 9),
        ("ATLEAST/2 a", "E_SYNTAX", 10),
        ("site:kz", "E_VALUE", 5),
        ("банк followers:2000..1000", "E_VALUE", 15),
        ("банк ]", "E_CHAR", 5),
        ("банк : биржа", "E_CHAR", 5),
    ] {
        let error = Query::parse(query).expect_err(query);
        assert_eq!((error.code, error.position), (code, position), "{query}: {error}");
        assert!(!error.remedy.is_empty());
    }
}

#[test]
fn unknown_fields_suggest_similar_names() {
    let remedy = |query: &str| Query::parse(query).unwrap_err().remedy;
    assert_eq!(remedy("titel:банк"), "did you mean title:?");
    assert_eq!(remedy("sourcetyp:news банк"), "did you mean sourceType:?");
}

#[test]
fn queries_above_the_limits_are_rejected() {
    for (query, code) in [
        ("(".repeat(100_000) + "a", "E_LIMIT"),
        ("(".repeat(10_000) + "a" + &")".repeat(10_000), "E_LIMIT"),
        ("NOT ".repeat(4000) + "a", "E_LIMIT"),
        ("a ".repeat(5_000), "E_LIMIT"),
        ("абв* ".repeat(300), "E_LIMIT"),
        ("a NEAR ".repeat(200) + "a", "E_LIMIT"),
        ("title:".repeat(3_000) + "a", "E_FIELD"),
        ("я".repeat(1_000_000), "E_LIMIT"),
        ("exact(".repeat(2_000), "E_LIMIT"),
    ] {
        assert_eq!(
            Query::parse(&query).unwrap_err().code,
            code,
            "{}…",
            query.chars().take(20).collect::<String>()
        );
    }
}

#[test]
fn long_queries_are_cut_to_the_context_of_the_error() {
    let long = format!("{}(x {}", "слово ".repeat(60), "слово ".repeat(60));
    let error = Query::parse(&long).unwrap_err();
    let output = error.with_carets(&long);
    let (line, carets) = output.split_once('\n').unwrap();
    assert!(line.starts_with("  …") && line.ends_with('…') && line.chars().count() < 210, "{output}");
    let column = carets.chars().position(|c| c == '^').unwrap();
    assert_eq!(line.chars().nth(column), Some('('), "{output}");
}

#[test]
fn the_caret_points_at_the_error() {
    let query = "банк \"народ";
    let error = Query::parse(query).unwrap_err();
    assert_eq!(error.with_carets(query), "  банк \"народ\n       ^");
}

#[test]
fn unintended_constructs_are_warned_of() {
    for (query, expected) in [
        ("мир война OR труд", vec!["W_MIXED"]),
        ("(мир война) OR труд", vec![]),
        ("банk", vec!["W_LATIN_IN_CYRILLIC"]),
        ("банк or биржа", vec!["W_CASE"]),
        ("банк в Алматы", vec!["W_STOPWORD"]),
        ("банк -реклама", vec!["W_NOT_PAGE"]),
        ("банк -title:реклама", vec![]),
        ("банк NOT NEAR/5 реклама", vec![]),
        ("\"народный банк\"", vec!["W_QUOTES_FIX_FORM"]),
        ("[народный банк]", vec![]),
        ("\"Halyk Bank\"", vec![]),
        ("банк site:@наши", vec!["W_LIST"]),
        ("ocr:банк", vec!["W_UNSUPPORTED_BY_SOURCE"]),
        ("{C#} OR raw:\"50%\"", vec!["W_SIGNS", "W_SIGNS"]),
        ("{BT} OR raw:\"Google+\" OR {AT&T}", vec![]),
    ] {
        let codes: Vec<&str> = parsed(query).warnings().iter().map(|warning| warning.code).collect();
        assert_eq!(codes, expected, "{query}");
    }
}

#[test]
fn queries_print_in_canonical_form() {
    for (query, print) in [
        ("Банк ставка", "банк AND ставка"),
        ("a, b, c", "a OR b OR c"),
        ("(a OR (b OR c))", "a OR b OR c"),
        ("a -b", "a AND NOT b"),
        ("a /1 b", "a NEAR/0 b"),
        ("a NEAR/3f b", "a ONEAR/3 b"),
        ("a near b", "a AND near AND b"),
        ("NEAR a NEAR b", ""),
        ("(a AND b)~5", "a NEAR/5 b"),
        ("«Народный банк»", "\"народный банк\""),
        ("\"банк\"", "!банк"),
        ("=банк", "!банк"),
        ("exact(a OR b)", "!a OR !b"),
        ("case(BT)", "{BT}"),
        ("language:ru a", "lang:ru AND a"),
        ("site:(a.kz OR b.kz)", "site:a.kz OR site:b.kz"),
        ("rating:[1 TO 2] a", "rating:1..2 AND a"),
        ("country:KZ a", "country:\"KZ\" AND a"),
        ("title:(a OR b)", "title:(a OR b)"),
        ("a^2 NEAR b", "a^2 NEAR/4 b"),
        ("a NOT NEAR/S b", "a NOT NEAR/S b"),
        ("ATLEAST/3(a, b)", "ATLEAST/3(a OR b)"),
        ("translit(a OR b)", "translit(a) OR translit(b)"),
        ("Слово~1", "слово~1"),
    ] {
        match Query::parse(query) {
            Ok(query) => assert_eq!(query.to_string(), print),
            Err(error) => assert!(print.is_empty(), "{query}: {error}"),
        }
    }
}
