use super::*;

const GOOD: &str = "\
apiVersion: qyran.dev/v1alpha1
kind: Source
metadata: {name: tengri}
spec:
  kind: feed
  url: https://tengri.example/rss
  country: no
  languages: [ru, kk]
  timezone: Asia/Almaty
  every: {min: 2m, max: 1h}
  selectors: {text: \".body\"}
  fallbacks:
    - {kind: sitemap, url: https://tengri.example/news.xml}
    - {kind: listing, url: https://tengri.example/news, selectors: {item: .card, time: time}}
---
apiVersion: qyran.dev/v1alpha1
kind: Topic
metadata: {name: bank}
spec:
  query: '\"народный банк\" OR Halyk'
  client: demo
";

fn check(text: &str) -> Vec<String> {
    let problems = parse(Path::new("f.yaml"), text, SpecChecks::LENIENT).problems;
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn printed_objects_parse_to_the_same_objects() {
    let Loaded { objects, problems, .. } = parse(Path::new("f.yaml"), GOOD, SpecChecks::LENIENT);
    assert_eq!(problems, []);
    let objects: Vec<Object> = objects.into_iter().map(|declared| declared.object).collect();
    let Object::Source(source) = &objects[0] else { panic!("the first object is not a source") };
    assert_eq!(source.country.as_deref(), Some("no"), "`no` is Norway, not false");
    let printed = print(&objects);
    let Loaded { objects: reparsed, problems, .. } =
        parse(Path::new("g.yaml"), &printed, SpecChecks::LENIENT);
    assert_eq!(problems, [], "{printed}");
    let reparsed: Vec<Object> = reparsed.into_iter().map(|declared| declared.object).collect();
    assert_eq!(reparsed, objects);
    assert_eq!(print(&reparsed), printed);
    assert_eq!(compare(&objects, &reparsed), []);
}

#[test]
fn fallbacks_are_checked_like_sources() {
    let problems = check(
        "apiVersion: qyran.dev/v1alpha1
kind: Source
metadata: {name: one}
spec:
  kind: feed
  url: https://x.kz/rss
  fallbacks:
    - {kind: feed}
    - {kind: listing, url: 'https://x.kz/?q={query}', selector: {item: a}}
    - {kind: json, url: https://x.kz/api}
    - {kind: sitemap, url: https://x.kz/s.xml, selectors: {item: a}}
",
    );
    let expected = [
        "f.yaml:8: spec.fallbacks[1].url is missing; add a line `url: …`",
        "f.yaml:9: spec.fallbacks[2].kind cannot be used: imported and searched sources are not polled; use an address that can be fetched without a query",
        "f.yaml:9: unknown key spec.fallbacks[2].selector; did you mean `selectors`?",
        "f.yaml:10: spec.fallbacks[3].pointers is missing, but kind json requires it; add pointers such as {items: /data, url: /link, title: /title}",
        "f.yaml:11: spec.fallbacks[4].selectors.item applies only to kind listing; remove it, or set kind: listing",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn all_problems_are_reported_with_line_and_remedy() {
    let problems = check(
        "apiVersion: qyran.dev/v1alpha1
kind: Source
metadata: {name: bad name}
spec:
  kind: fead
  url: ftp://x.kz/
  catgory: news
  every: {min: 5 parsecs, max: 1h}
  languages: [russian]
  timezone: Mars/Base
---
apiVersion: qyran.dev/v2
kind: Topik
metadata: {name: t}
spec: {query: x}
",
    );
    for expected in [
        "f.yaml:3: metadata.name: a name may contain letters, digits, '-', '_' and '.', not ' '",
        "f.yaml:5: invalid value \"fead\" for spec.kind; did you mean `feed`?",
        "f.yaml:6: spec.url: unsupported scheme \"ftp\"; use an http:// or https:// address",
        "f.yaml:7: unknown key spec.catgory; did you mean `category`?",
        "f.yaml:8: spec.every.min: \"5 parsecs\" is not a duration; write a number and a unit, such as 500ms, 30s, 5m, 1h30m or 7d",
        "f.yaml:9: spec.languages: \"russian\" is not a language code; use ISO 639-1 codes such as kk, ru, en",
        "f.yaml:10: spec.timezone: \"Mars/Base\" is not a time zone; use an IANA name such as Asia/Almaty",
        "f.yaml:12: unsupported apiVersion \"qyran.dev/v2\"; this build supports qyran.dev/v1alpha1",
        "f.yaml:13: invalid value \"Topik\" for kind; did you mean `Topic`?",
    ] {
        assert!(problems.iter().any(|line| line == expected), "missing: {expected}\nreported: {problems:#?}");
    }
    assert_eq!(problems.len(), 9, "{problems:#?}");
}

#[test]
fn documents_before_invalid_yaml_are_checked() {
    let problems = check("apiVersion: x\nkind: Source\n---\na: [1\n");
    assert!(problems.iter().any(|line| line.contains("invalid YAML")), "{problems:#?}");
    assert!(problems.iter().any(|line| line.contains("spec is missing")), "{problems:#?}");
    assert!(check("a: &x [1]\nb: *x\n").iter().any(|line| line.contains("aliases")));
    assert!(!check(&"[".repeat(50_000)).is_empty());
}

#[test]
fn a_duplicate_name_is_reported_with_both_locations() {
    let folder = std::env::temp_dir().join(format!("qyran-objects-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.yaml"), GOOD).unwrap();
    std::fs::write(folder.join("b.yml"), GOOD).unwrap();
    // The layout of a folder mounted by Kubernetes. Files reached twice are loaded once, hidden files never.
    std::fs::create_dir_all(folder.join("..data")).unwrap();
    std::fs::write(folder.join("..data/a.yaml"), GOOD).unwrap();
    std::os::unix::fs::symlink(folder.join("a.yaml"), folder.join("c.yaml")).unwrap();
    let problems = load(&[folder.clone(), folder.join("a.yaml")], SpecChecks::LENIENT).problems;
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0].to_string().contains("b.yml:3: Source \"tengri\" is declared twice"),
        "{}",
        problems[0]
    );
    assert!(problems[0].remedy.contains("a.yaml:3"), "{}", problems[0].remedy);
}

#[test]
fn failed_checks_are_reported_and_invalid_objects_keep_names_and_references() {
    let reject = |text: &str| Err(CheckError { message: format!("{text} is bad"), remedy: "fix it".into() });
    let text = GOOD.replace("client:", "cleint:").replace("demo", "demo\n  sources: [tengri,\n    other]");
    let loaded = parse(
        Path::new("f.yaml"),
        &text,
        SpecChecks { query: &reject, rule: &reject, selector: &reject, ..SpecChecks::LENIENT },
    );
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "f.yaml:11: spec.selectors.text: .body is bad; fix it",
            "f.yaml:14: spec.fallbacks[2].selectors.item: .card is bad; fix it",
            "f.yaml:14: spec.fallbacks[2].selectors.time: time is bad; fix it",
            "f.yaml:20: spec.query: \"народный банк\" OR Halyk is bad; fix it",
            "f.yaml:21: unknown key spec.cleint; did you mean `client`?",
        ]
    );
    let names: Vec<&str> = loaded.names.iter().map(|named| named.name.as_str()).collect();
    assert_eq!(names, ["tengri", "bank"]);
    let references: Vec<_> =
        loaded.references.iter().map(|reference| (reference.source.as_str(), reference.line)).collect();
    assert_eq!(references, [("tengri", 22), ("other", 23)]);
}

#[test]
fn invalid_values_are_rejected() {
    for (value, message) in [
        ("country: zz", "is not a country code"),
        ("languages: [kz]", "use kk for Kazakh"),
        ("languages: [kkk]", "ISO 639-1"),
        ("delay: 10000d", "longer than a day"),
        ("selectors: {item: .x}", "applies only to kind listing"),
    ] {
        let spec = "country: no\n  languages: [ru, kk]\n  timezone: Asia/Almaty\n  every: {min: 2m, max: 1h}\n  selectors: {text: \".body\"}";
        let problems = check(&GOOD.replace(spec, value));
        assert!(problems.iter().any(|line| line.contains(message)), "{value}: {problems:?}");
    }
    for url in ["http://{query}.kz/feed", "http://a.kz/feed#{query}"] {
        let problems = check(&format!(
            "apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: s}}\nspec: {{kind: feed, url: '{url}'}}\n"
        ));
        assert!(
            problems.iter().any(|line| line.contains("only in the path and the query string")),
            "{url}: {problems:?}"
        );
    }
    for (weight, message) in
        [("0", "from 1 to 100"), ("101", "from 1 to 100"), ("many", "is not a valid weight")]
    {
        let problems = check(&format!(
            "apiVersion: qyran.dev/v1alpha1\nkind: Client\nmetadata: {{name: c}}\nspec: {{weight: {weight}}}\n"
        ));
        assert!(problems.iter().any(|line| line.contains(message)), "{weight}: {problems:?}");
    }
    for name in ["..", "-o", ".hidden", "a-"] {
        let problems = check(&GOOD.replace("tengri}", &format!("{name:?}}}")));
        assert!(problems.iter().any(|line| line.contains("must start and end with")), "{name}: {problems:?}");
    }
}

#[test]
fn changes_are_listed_by_field() {
    let objects = |text: &str| -> Vec<Object> {
        parse(Path::new("f"), text, SpecChecks::LENIENT)
            .objects
            .into_iter()
            .map(|declared| declared.object)
            .collect()
    };
    let changed = objects(&GOOD.replace("min: 2m", "min: 10m").replace("name: bank", "name: banks"));
    let expected = [
        Change::Edit { object: "Source/tengri".into(), fields: vec!["spec.every.min: 2m -> 10m".into()] },
        Change::Add { object: "Topic/banks".into() },
        Change::Remove { object: "Topic/bank".into() },
    ];
    assert_eq!(compare(&objects(GOOD), &changed), expected);
}
