//! Topic queries over stored items: search, explanation, preview, rematch and import.

use std::time::Duration;

use origin::{Behaviour, Kind, World};
use serde_json::{Value, json};

use crate::support::{Stage, finished, qyran, run_with_input, text};

/// Returns a stage with six stored articles, whose titles end in their numbers, and a topic that matches two.
async fn stage() -> Stage {
    let mut world = World::empty(71);
    world.add(Kind::FullFeed, Behaviour::Healthy, 6, Duration::from_secs(600));
    let stage = Stage::new(world).await;
    stage.declare(&format!(
        "apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: two}}\nspec: {{query: 'title:(1 OR 2)'}}\n---\n\
         apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: all}}\n\
         spec: {{kind: feed, url: '{}', every: {{min: 1s, max: 2s}}}}\n",
        stage.origin.front(&stage.origin.world().sites[0])
    ));
    stage.pass().await;
    stage
}

async fn json_object(stage: &Stage, arguments: &[&str]) -> Value {
    let output = finished(stage.command(arguments)).await;
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_items_are_searched_explained_and_previewed() {
    let stage = stage().await;
    // Items that no topic matches are stored as well.
    let unmatched = stage.json_lines(&["material", "search", "title:(3 OR 4)", "-o", "jsonl"]).await;
    assert_eq!(unmatched.len(), 2, "{unmatched:?}");
    let newest = stage.json_lines(&["material", "search", origin::MARK, "--limit", "1", "-o", "jsonl"]).await;
    assert_eq!(newest.len(), 1);
    assert!(newest[0]["spans"][0]["text"].is_string(), "{newest:?}");

    let id = unmatched[0]["id"].as_str().unwrap();
    let explanation = json_object(&stage, &["topic", "explain", "two", id, "-o", "json"]).await;
    assert_eq!(explanation["matched"], false);
    assert_eq!(explanation["because"], "none of these match: title:!1, title:!2");
    let explanation =
        json_object(&stage, &["topic", "explain", "--query", origin::MARK, id, "-o", "json"]).await;
    assert_eq!(explanation["matched"], true);
    assert!(!explanation["leaves"][0]["spans"].as_array().unwrap().is_empty(), "{explanation}");

    let preview = json_object(
        &stage,
        &["topic", "preview", "title:(2 OR 3) NOT title:3", "--topic", "two", "-o", "json"],
    )
    .await;
    assert_eq!((&preview["items"], &preview["matched"]), (&json!(6), &json!(1)));
    assert_eq!(
        preview["leaves"],
        json!([{"part": "title:!2", "items": 1}, {"part": "title:!3", "items": 1}])
    );
    assert_eq!(preview["exclusions"], json!([{"part": "NOT title:!3", "removed": 1}]));
    assert_eq!((&preview["change"]["come"], &preview["change"]["go"]), (&json!(0), &json!(1)));
    assert_eq!(preview["samples"].as_array().unwrap().len(), 1);

    let rejection = finished(stage.command(&["material", "search", "банк AND"])).await;
    assert_eq!(rejection.status.code(), Some(2));
    assert!(text(&rejection.stderr).contains("         ^"), "{}", text(&rejection.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn rematch_updates_topics_and_resumes_after_an_interruption() {
    let stage = stage().await;
    let dry_run =
        async || stage.json_lines(&["topic", "rematch", "two", "--dry-run", "-o", "jsonl"]).await.remove(0);
    let counts = |change: &Value| ["stay", "come", "go"].map(|key| change[key].as_u64().unwrap());
    assert_eq!(counts(&dry_run().await), [2, 0, 0]);
    // Simulate an older analysis: one of the two matches is missing, and the other is of a wrong item.
    let modify = |sql: &str| stage.database("store.db").execute(sql, []).unwrap();
    assert_eq!(modify("DELETE FROM match WHERE item = (SELECT min(item) FROM match)"), 1);
    let other = "(SELECT min(row) FROM item WHERE title LIKE '% 3')";
    assert_eq!(modify(&format!("UPDATE OR FAIL match SET item = {other}")), 1);
    let change = dry_run().await;
    assert_eq!(counts(&change), [0, 2, 1], "{change}");
    assert_eq!(change["coming"].as_array().unwrap().len(), 2);
    assert_eq!(counts(&dry_run().await), [0, 2, 1], "a dry run must not change matches");

    let arguments = ["topic", "rematch", "two", "--reason", "new dictionary", "-o", "json"];
    assert_eq!(json_object(&stage, &arguments).await, json!({"topics": 1, "items": 6, "new_matches": 2}));
    assert_eq!(counts(&dry_run().await), [2, 0, 0]);
    let entry = stage.json_lines(&["audit", "-o", "jsonl"]).await.remove(0);
    assert_eq!((&entry["action"], &entry["target"]), (&json!("topic rematch"), &json!("topic/two")));

    // Simulate a rematch that was interrupted after the first of the two: only later items are matched.
    let first = "(SELECT min(row) FROM item WHERE title LIKE '% 1' OR title LIKE '% 2')";
    modify(&format!(
        "UPDATE topic SET matched_version = 0, rematch_version = version, rematch_row = {first}"
    ));
    modify("DELETE FROM match");
    let objects = stage.path("objects");
    let applied = finished(stage.command(&["apply", "-f", objects.to_str().unwrap()])).await;
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    let rows = |sql: &str| stage.database("store.db").query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(rows("SELECT count(*) FROM match"), 1, "the rematch must resume, not restart");
    assert_eq!(rows("SELECT matched_version = version FROM topic"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_referenced_lists_and_topics_rematch_stored_items() {
    let mut world = World::empty(72);
    world.add(Kind::FullFeed, Behaviour::Healthy, 6, Duration::from_secs(600));
    world.add(Kind::FullFeed, Behaviour::Healthy, 4, Duration::from_secs(600));
    let stage = Stage::new(world).await;
    let sites = &stage.origin.world().sites;
    let source = |number: usize| {
        let url = stage.origin.front(&sites[number]);
        format!(
            "apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: s{number}}}\n\
                 spec: {{kind: feed, url: '{url}', every: {{min: 1s, max: 2s}}}}\n"
        )
    };
    stage.declare(&source(0));
    stage.pass().await;
    let objects = stage.path("objects/named.yaml");
    let declare = async |value: &str, query: &str| {
        let yaml = format!(
            "apiVersion: qyran.dev/v1alpha1\nkind: List\nmetadata: {{name: places}}\nspec: {{values: [{value}]}}\n---\n\
             apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: here}}\nspec: {{query: 'site:@places'}}\n---\n\
             apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: deep}}\nspec: {{query: '{query}'}}\n"
        );
        std::fs::write(&objects, yaml).unwrap();
        finished(stage.command(&["apply", "-f", objects.to_str().unwrap()])).await
    };
    let materials = async |topic: &str| {
        stage.json_lines(&["material", "list", "--topic", topic, "-o", "jsonl"]).await.len()
    };
    let hosts = format!("{}, {}", sites[0].name, sites[1].name);
    assert!(declare("nowhere.example", "topic:here title:(1 OR 3)").await.status.success());
    assert_eq!((materials("here").await, materials("deep").await), (0, 0));
    // Neither topic changes, but the list that they reference does.
    assert!(declare(&hosts, "topic:here title:(1 OR 3)").await.status.success());
    assert_eq!((materials("here").await, materials("deep").await), (6, 2));
    // New publications are matched with the same definition.
    stage.declare(&format!("{}---\n{}", source(0), source(1)));
    stage.pass().await;
    assert_eq!((materials("here").await, materials("deep").await), (10, 4));
    let results = stage.json_lines(&["material", "search", "topic:deep NOT title:1", "-o", "jsonl"]).await;
    assert_eq!(results.len(), 2);

    for (query, error) in [
        ("site:@place", "no list \"place\" is declared; did you mean @places?"),
        ("topic:deep", "topic \"deep\" references itself"),
    ] {
        let rejection = declare(&hosts, query).await;
        assert_eq!(rejection.status.code(), Some(2));
        assert!(text(&rejection.stderr).contains(error), "{}", text(&rejection.stderr));
    }
    // The edit of one topic would create a reference cycle through a stored topic.
    let cycle = stage.path("cycle.yaml");
    let yaml =
        "apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {name: here}\nspec: {query: 'topic:deep'}\n";
    std::fs::write(&cycle, yaml).unwrap();
    let rejection = finished(stage.command(&["apply", "-f", cycle.to_str().unwrap()])).await;
    assert!(text(&rejection.stderr).contains("of stored topic \"deep\""), "{}", text(&rejection.stderr));
    assert_eq!(materials("here").await, 10, "a rejected edit must not be applied");
    let rejection = finished(stage.command(&["delete", "list/places"])).await;
    assert!(text(&rejection.stderr).contains("referenced by topic/here"), "{}", text(&rejection.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_and_stored_matches_are_tagged() {
    let stage = stage().await;
    let objects = stage.path("objects/all.yaml");
    let original = std::fs::read_to_string(&objects).unwrap();
    let with_tags = original
        .replace("'title:(1 OR 2)'", "'title:(1 OR 2)', tags: {first: 'title:1', rest: 'NOT title:1'}");
    stage.declare(&with_tags);
    let apply = async || finished(stage.command(&["apply", "-f", objects.to_str().unwrap()])).await;
    let applied = apply().await;
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    let materials = stage.json_lines(&["material", "list", "-o", "jsonl"]).await;
    assert_eq!(materials.iter().filter(|one| one["tags"] == json!(["first"])).count(), 1, "{materials:?}");
    assert_eq!(materials.iter().filter(|one| one["tags"] == json!(["rest"])).count(), 1);
    let first = stage.json_lines(&["material", "list", "--tag", "first", "-o", "jsonl"]).await;
    assert_eq!(first.len(), 1);
    let exported = finished(stage.command(&["export"])).await;
    assert!(text(&exported.stdout).contains("first: \"title:1\""), "{}", text(&exported.stdout));
    stage.declare(&original.replace("'title:(1 OR 2)'", "'title:(1 OR 2)', tags: {first: 'title:(1'}"));
    let rejection = apply().await;
    assert_eq!(rejection.status.code(), Some(2));
    assert!(text(&rejection.stderr).contains("spec.tags.first"), "{}", text(&rejection.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_of_other_systems_are_imported_and_applied() {
    let mut world = World::empty(72);
    world.add(Kind::FullFeed, Behaviour::Healthy, 1, Duration::from_secs(600));
    let stage = Stage::new(world).await;
    let import = |dialect: &str, file: &str| stage.command(&["topic", "import", "--dialect", dialect, file]);
    let write = |name: &str, text: &str| {
        std::fs::write(stage.path(name), text).unwrap();
        stage.path(name).to_str().unwrap().to_owned()
    };
    let csv = "name;query\nНародный банк – отзывы;\"\"\"halyk bank\"\" OR halyk\"\nbroken;(apple\nfruit;apple -pie\n";
    let output = finished(import("brandwatch", &write("topics.csv", csv))).await;
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("topics.csv:3: broken: E_PAREN"), "{}", text(&output.stderr));
    let topics = write("topics.yaml", &text(&output.stdout));
    let applied = finished(stage.command(&["apply", "-f", &topics])).await;
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    let names = stage.json_lines(&["topic", "list", "-o", "jsonl"]).await;
    let queries: Vec<(&Value, &Value)> =
        names.iter().map(|topic| (&topic["name"], &topic["query"])).collect();
    assert_eq!(
        queries,
        [
            (&json!("fruit"), &json!("!apple AND NOT !pie")),
            (&json!("Народный-банк-отзывы"), &json!("\"halyk bank\" OR !halyk")),
        ]
    );

    let lists = "name,words,minus_words\nbanks,\"банк, народный банк\",реклама\n";
    let output = finished(import("lists", &write("lists.csv", lists))).await;
    assert!(
        text(&output.stdout).contains("(банк OR [народный банк]) AND NOT реклама"),
        "{}",
        text(&output.stdout)
    );
    let words = write("words.txt", "банк\nнародный банк\n-реклама\n");
    let output = finished(import("lists", &words)).await;
    assert!(
        text(&output.stdout).contains("(банк OR [народный банк]) AND NOT реклама"),
        "{}",
        text(&output.stdout)
    );

    let rejection = finished(import("yandex", &write("one.txt", "банк ~~ (река"))).await;
    assert_eq!(rejection.status.code(), Some(2));
    assert!(text(&rejection.stderr).contains("          ^"), "{}", text(&rejection.stderr));
    let table = "Name;Words;Minus words\nbanks;банк, -река;реклама\n".as_bytes();
    let output = run_with_input(import("lists", "-"), table).await;
    assert!(text(&output.stdout).contains("банк AND NOT (реклама OR река)"), "{}", text(&output.stdout));
    for (name, table, error) in [
        ("wide.csv", "name,words,minus_words\nx,банк,касса,вклад\n", "wide.csv:2: row: more or fewer cells"),
        ("open.csv", "name,query\nz,\"never\nw,x\n", "a quote is not closed"),
        ("none.csv", "name,words\nx,-река\n", "the list has no words to match"),
    ] {
        let dialect = if table.contains("words") { "lists" } else { "youscan" };
        let rejection = finished(import(dialect, &write(name, table))).await;
        assert_eq!(rejection.status.code(), Some(2), "{name}");
        assert!(text(&rejection.stderr).contains(error), "{}", text(&rejection.stderr));
    }
    let rejection = finished(import("brandwatch", &write("bare.csv", "title,query\na,b\n"))).await;
    assert!(
        text(&rejection.stderr).contains("the column \"name\" is missing"),
        "{}",
        text(&rejection.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_cases_are_answered_one_line_each_in_order() {
    let cases = [
        json!({"query": "банк site:a.kz", "item": {"text": "Банки", "lang": "ru", "url": "https://n.a.kz/1"}}),
        json!({"query": "банк followers:>10", "item": {"text": "Банки", "followers": 5}}),
        json!({"query": "(банк"}),
        json!({"query": "title:ставка", "item": {"title": "Ставки", "text": "", "lang": "ru"}}),
        json!({"query": "hashtags:хлеб", "item": {"text": "дорогой #хлеб"}}),
        json!({"query": "банк"}),
        json!({"item": {}}),
    ];
    let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
    let input = lines.join("\n") + "\nno case\n";
    let output = run_with_input(qyran(&["topic", "test", "--batch", "-"]), input.as_bytes()).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answers: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<&Value> = answers.iter().map(|answer| &answer["matched"]).collect();
    let (yes, no, none) = (json!(true), json!(false), Value::Null);
    assert_eq!(verdicts, [&yes, &no, &none, &yes, &yes, &none, &none, &none]);
    let codes: Vec<&str> =
        answers.iter().map(|answer| answer["error"]["code"].as_str().unwrap_or("")).collect();
    assert_eq!(codes, ["", "", "E_PAREN", "", "", "", "E_CASE", "E_CASE"]);
    assert_eq!(answers[0]["spans"], json!([{"zone": "text", "start": 0, "end": 10, "text": "Банки"}]));
    assert_eq!(answers[3]["spans"][0]["zone"], "title");
}
