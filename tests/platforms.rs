//! Platform sources, discovery, imports and other features of sources.

use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, StageOptions, finished, run_with_input, text};

/// Posts on several pages are read once each, with the delay of the host.
#[tokio::test(flavor = "multi_thread")]
async fn previews_and_timelines_are_read_page_by_page() {
    let mut world = World::empty(7);
    for kind in [Kind::Telegram, Kind::Mastodon] {
        world.add(kind, Behaviour::Healthy, 45, Duration::ZERO);
    }
    let stage = Stage::new(world).await;
    stage.pass().await;
    let first = stage.materials("whole").await;
    assert_eq!((first.len(), first.values().all(|times| *times == 1)), (90, true), "{first:?}");
    let requests_with =
        |part: &str| stage.origin.log().iter().filter(|exchange| exchange.path.contains(part)).count();
    // 45 posts are three pages. A timeline does not mark its last page, so one empty page follows.
    assert_eq!((requests_with("before="), requests_with("max_id=")), (2, 3));
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    // Without new posts one page of each is fetched.
    stage.origin.forget();
    stage.pass().await;
    assert_eq!((requests_with("before="), requests_with("max_id=")), (0, 0));
    assert_eq!(stage.materials("whole").await.len(), 90);
    let likes = stage
        .json_lines(&[
            "material",
            "search",
            "qyransim AND likes:>40 AND followers:10 AND type:post",
            "-o",
            "jsonl",
        ])
        .await;
    assert_eq!(likes.len(), 4, "expected the statuses 41 to 44");
}

/// A host that needs a token is read with it. Without it the source reports the cause. The token is never logged or
/// stored.
#[tokio::test(flavor = "multi_thread")]
async fn token_is_sent_and_never_logged() {
    let mut world = World::empty(7);
    world.add(Kind::Mastodon, Behaviour::Guarded, 5, Duration::ZERO);
    let extra_settings = "[log]\nlevel = \"trace\"\n";
    let stage = Stage::with_options(world, StageOptions { extra_settings, ..StageOptions::default() }).await;
    let yaml = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
    let state = async || stage.json_lines(&["source", "list", "-o", "jsonl"]).await.remove(0);
    stage.pass().await;
    assert_eq!(
        (state().await["state"].as_str(), state().await["reason"].as_str()),
        (Some("restricted"), Some("HTTP status 401"))
    );
    stage.declare(&yaml.replace("every:", "token: club, every:"));
    stage.pass().await;
    let reason = state().await["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("QYRAN_TOKEN_CLUB"), "{reason}");
    let mut pass = stage.command(&[
        "run",
        "--once",
        "--now",
        "-f",
        stage.path("objects").to_str().unwrap(),
        "--log-level",
        "trace",
    ]);
    let output = finished({
        pass.env("QYRAN_TOKEN_CLUB", origin::TOKEN);
        pass
    })
    .await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(stage.materials("whole").await.len(), 5);
    assert_eq!(state().await["state"].as_str(), Some("live"));
    let log = text(&output.stderr) + &text(&output.stdout);
    assert!(!log.contains(origin::TOKEN), "the token is in the log");
    let database = std::fs::read(stage.path("data/store.db")).unwrap();
    assert!(!database.windows(origin::TOKEN.len()).any(|bytes| bytes == origin::TOKEN.as_bytes()));
}

/// Discovery finds the addresses of a site that can be sources, in its pages, its robots.txt and common paths.
#[tokio::test(flavor = "multi_thread")]
async fn discovery_finds_the_feed_of_a_site() {
    let mut world = World::empty(7);
    world.add(Kind::FullFeed, Behaviour::Healthy, 5, Duration::from_secs(60));
    let stage = Stage::new(world).await;
    let site = &stage.origin.world().sites[0];
    let home = stage.origin.front(site).replace(site.front(), "/");
    let candidates = stage.json_lines(&["source", "discover", &home, "-o", "jsonl"]).await;
    let best = &candidates[0];
    assert_eq!(
        (best["url"].as_str(), best["verdict"].as_str()),
        (Some(stage.origin.front(site).as_str()), Some("good")),
        "{candidates:?}"
    );
    assert_eq!(best["whole_texts"].as_u64(), Some(5));
    assert!(stage.origin.log().len() <= 14, "discovery must send few requests");
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

/// Publications that must not be crawled are imported: stored once, matched, limited by the rights of their source,
/// and never requested.
#[tokio::test(flavor = "multi_thread")]
async fn publications_are_imported_from_files() {
    let mut world = World::empty(7);
    world.add(Kind::FullFeed, Behaviour::Healthy, 1, Duration::ZERO);
    let stage = Stage::new(world).await;
    let home = stage.origin.front(&stage.origin.world().sites[0]).replace("/feed.xml", "/agency");
    stage.declare(&format!(
        "apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: agency}}\nspec: {{kind: import, url: '{home}', rights: excerpt}}\n---\n\
         apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: banks}}\nspec: {{query: 'банк AND views:>10'}}\n"
    ));
    let objects = stage.path("objects");
    assert!(finished(stage.command(&["apply", "-f", objects.to_str().unwrap()])).await.status.success());
    let lines = "{\"id\":\"1\",\"title\":\"Банк открыт\",\"text\":\"В Алматы открыли банк\",\"views\":11}\n\
                 {\"id\":\"2\",\"title\":\"Банк закрыт\",\"views\":9}\n\nnot json\n\
                 {\"id\":\"1\",\"title\":\"Банк открыт\",\"text\":\"В Алматы открыли банк\",\"views\":15}\n";
    let import = async |lines: &str| {
        let output = run_with_input(
            stage.command(&["import", "-", "--source", "agency", "-o", "json"]),
            lines.as_bytes(),
        )
        .await;
        (
            output.status.code(),
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap(),
            text(&output.stderr),
        )
    };
    let (code, report, errors) = import(lines).await;
    assert_eq!(
        (code, report["new_items"].as_u64(), report["new_materials"].as_u64(), report["failed"].as_u64()),
        (Some(6), Some(2), Some(1), Some(1))
    );
    assert!(errors.contains("-:4: "), "{errors}");
    let (_, report, _) = import(lines).await;
    assert_eq!((report["new_items"].as_u64(), report["edited_items"].as_u64()), (Some(0), Some(0)));
    let (_, report, _) = import(
        "{\"id\":\"1\",\"title\":\"Банк снова открыт\",\"text\":\"В Алматы открыли банк\",\"views\":11}\n",
    )
    .await;
    assert_eq!((report["new_items"].as_u64(), report["edited_items"].as_u64()), (Some(0), Some(1)));
    let materials = stage.json_lines(&["material", "list", "--topic", "banks", "-o", "jsonl"]).await;
    assert_eq!(
        (materials.len(), materials[0]["text"].is_null()),
        (1, true),
        "the rights must limit it to an excerpt"
    );
    let start = stage.origin.log().len();
    stage.pass().await;
    assert_eq!(
        stage.origin.log().iter().skip(start).filter(|exchange| exchange.path == "/agency").count(),
        0
    );
}

/// A single pass decides topics with `dup:` conditions, even without due sources. Until then explanations report that
/// the answer is not known yet, and previews agree with live matching.
#[tokio::test(flavor = "multi_thread")]
async fn single_pass_decides_topics_of_reprints() {
    let mut world = World::empty(7);
    world.add(Kind::FullFeed, Behaviour::Healthy, 1, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.declare(
        "apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {name: agency}\nspec: {kind: import, url: 'https://agency.example/'}\n---\n\
         apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {name: other}\nspec: {kind: import, url: 'https://other.example/'}\n---\n\
         apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {name: first}\nspec: {query: 'слово7 NOT dup:reprint'}\n---\n\
         apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {name: again}\nspec: {query: 'слово7 dup:reprint'}\n---\n\
         apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {name: every}\nspec: {query: 'слово7'}\n",
    );
    let objects = stage.path("objects");
    assert!(finished(stage.command(&["apply", "-f", objects.to_str().unwrap()])).await.status.success());
    let words: String = (0..100).map(|number| format!(" слово{number}")).collect();
    let line = |source: &str, prefix: &str| serde_json::json!({"source": source, "id": "1", "title": source, "text": format!("{prefix}{words}")});
    let lines = format!("{}\n{}\n", line("agency", ""), line("other", "Как пишут:"));
    assert!(run_with_input(stage.command(&["import", "-"]), lines.as_bytes()).await.status.success());
    let matches = async || {
        let materials = stage.json_lines(&["material", "list", "-o", "jsonl"]).await;
        let describe =
            |one: &serde_json::Value| format!("{} {}", one["topic"], one["source"]).replace('"', "");
        let mut matches: Vec<String> = materials.iter().map(describe).collect();
        matches.sort();
        matches
    };
    let preview_count = async || {
        let query = ["topic", "preview", "слово7 NOT dup:reprint", "-o", "jsonl"];
        stage.json_lines(&query).await.remove(0)["matched"].as_u64()
    };
    assert_eq!(matches().await, ["every agency", "every other"]);
    assert_eq!(preview_count().await, Some(0));
    let id = stage.json_lines(&["material", "list", "-o", "jsonl"]).await.remove(0)["id"].clone();
    let explain_command = ["topic", "explain", "first", id.as_str().unwrap(), "-o", "jsonl"];
    let explanation = async || stage.json_lines(&explain_command).await.remove(0);
    assert!(explanation().await["because"].as_str().unwrap().contains("not linked to a story yet"));
    stage.pass().await;
    assert_eq!(matches().await, ["again other", "every agency", "every other", "first agency"]);
    assert_eq!((preview_count().await, explanation().await["matched"].as_bool()), (Some(1), Some(true)));
}

/// The operator confirms the permanent move of a source, and no material is stored twice.
#[tokio::test(flavor = "multi_thread")]
async fn moved_source_is_followed_on_command() {
    let mut world = World::empty(7);
    world.add(Kind::FullFeed, Behaviour::Moved, 4, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.pass().await;
    assert_eq!(stage.materials("whole").await.len(), 4);
    let name = stage.origin.world().sites[0].name.clone();
    assert!(finished(stage.command(&["source", "follow", &name])).await.status.success());
    let source = stage.json_lines(&["source", "list", "-o", "jsonl"]).await.remove(0);
    assert!(source["url"].as_str().unwrap().ends_with("/new-front"), "{source}");
    let output = finished(stage.command(&["source", "follow", &name])).await;
    assert_eq!(output.status.code(), Some(1), "there must be no second move to follow");
    stage.origin.forget();
    let pass = finished(stage.command(&["run", "--once", "--now"])).await;
    assert!(pass.status.success(), "{}", text(&pass.stderr));
    let paths: Vec<String> = stage.origin.log().into_iter().map(|exchange| exchange.path).collect();
    assert!(
        paths.contains(&"/new-front".to_owned()) && !paths.contains(&"/feed.xml".to_owned()),
        "{paths:?}"
    );
    let all = stage.materials("whole").await;
    assert_eq!((all.len(), all.values().all(|times| *times == 1)), (4, true), "{all:?}");
}

/// The rights that a publisher reserves limit the texts that are shown. The control: a site without reservations.
#[tokio::test(flavor = "multi_thread")]
async fn reservations_of_publishers_are_obeyed() {
    let mut world = World::empty(7);
    world.add(Kind::Feed, Behaviour::Reserved, 1, Duration::ZERO);
    world.add(Kind::Feed, Behaviour::Healthy, 1, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.pass().await;
    let mut views = Vec::new();
    for site in &stage.origin.world().sites {
        let materials = stage
            .json_lines(&["material", "list", "--topic", "whole", "--source", &site.name, "-o", "jsonl"])
            .await;
        let item = stage
            .json_lines(&["material", "get", materials[0]["id"].as_str().unwrap(), "-o", "jsonl"])
            .await
            .remove(0);
        views.push((
            materials[0]["excerpt"].is_string(),
            materials[0]["text"].is_string(),
            item["reservations"].to_string(),
        ));
    }
    assert_eq!(views, [(true, false, "[\"noarchive\",\"tdm\"]".to_owned()), (true, true, "[]".to_owned())]);
}

/// A removed material is not collected again, even if its source still shows it.
#[tokio::test(flavor = "multi_thread")]
async fn removed_material_is_not_collected_again() {
    let mut world = World::empty(7);
    world.add(Kind::FullFeed, Behaviour::Healthy, 3, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.pass().await;
    let all = stage.json_lines(&["material", "list", "--topic", "whole", "-o", "jsonl"]).await;
    let id = all[0]["id"].as_str().unwrap();
    let remove = async |more: &[&str]| {
        let arguments = [&["material", "remove", id, "-o", "json"], more].concat();
        finished(stage.command(&arguments)).await
    };
    assert!(
        text(&remove(&[]).await.stdout).contains("\"removed\": 0"),
        "a removal without --yes must be a dry run"
    );
    assert_eq!(remove(&["--yes"]).await.status.code(), Some(2), "a removal must need a reason");
    assert!(remove(&["--yes", "--reason", "a court order"]).await.status.success());
    stage.pass().await;
    assert_eq!(stage.materials("whole").await.len(), 2);
    assert!(stage.json_lines(&["audit", "-o", "jsonl"]).await[0]["reason"] == "a court order");
}
