//! Sources that are platforms: read page by page, by a token where one is asked for, and politely.

use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, StageOptions, run_with_input, finished, text};

/// More than a page of posts is there: each is read once, at the host's pace.
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
    let asked =
        |what: &str| stage.origin.log().iter().filter(|exchange| exchange.path.contains(what)).count();
    // 45 posts are three pages; a timeline does not say which page is its last.
    assert_eq!((asked("before="), asked("max_id=")), (2, 3));
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    // Nothing is new: one page each, and no more.
    stage.origin.forget();
    stage.pass().await;
    assert_eq!((asked("before="), asked("max_id=")), (0, 0));
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
    assert_eq!(likes.len(), 4, "statuses 41 to 44");
}

/// A host that asks for a token is read with one, and says what is wrong without.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_and_never_told() {
    let mut world = World::empty(7);
    world.add(Kind::Mastodon, Behaviour::Guarded, 5, Duration::ZERO);
    let more = "[log]\nlevel = \"trace\"\n";
    let stage = Stage::with_options(world, StageOptions { more, ..StageOptions::default() }).await;
    let declared = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
    let state = async || stage.json_lines(&["source", "list", "-o", "jsonl"]).await.remove(0);
    stage.pass().await;
    assert_eq!(
        (state().await["state"].as_str(), state().await["reason"].as_str()),
        (Some("restricted"), Some("HTTP status 401"))
    );
    stage.declare(&declared.replace("every:", "token: club, every:"));
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
    let passed = finished({
        pass.env("QYRAN_TOKEN_CLUB", origin::TOKEN);
        pass
    })
    .await;
    assert!(passed.status.success(), "{}", text(&passed.stderr));
    assert_eq!(stage.materials("whole").await.len(), 5);
    assert_eq!(state().await["state"].as_str(), Some("live"));
    let told = text(&passed.stderr) + &text(&passed.stdout);
    assert!(!told.contains(origin::TOKEN), "the token is in the log");
    let stored = std::fs::read(stage.path("data/store.db")).unwrap();
    assert!(!stored.windows(origin::TOKEN.len()).any(|bytes| bytes == origin::TOKEN.as_bytes()));
}

/// A site is asked where it can be read: what its pages, its robots.txt and the usual places offer.
#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_discovered() {
    let mut world = World::empty(7);
    world.add(Kind::FullFeed, Behaviour::Healthy, 5, Duration::from_secs(60));
    let stage = Stage::new(world).await;
    let site = &stage.origin.world().sites[0];
    let home = stage.origin.front(site).replace(site.front(), "/");
    let found = stage.json_lines(&["source", "discover", &home, "-o", "jsonl"]).await;
    let best = &found[0];
    assert_eq!(
        (best["url"].as_str(), best["verdict"].as_str()),
        (Some(stage.origin.front(site).as_str()), Some("good")),
        "{found:?}"
    );
    assert_eq!(best["whole_texts"].as_u64(), Some(5));
    assert!(stage.origin.log().len() <= 14, "a guest does not go through all doors");
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

/// What must not be crawled is fed: once, matched, by the rights of its source, and never asked for.
#[tokio::test(flavor = "multi_thread")]
async fn publications_come_from_files_as_from_the_web() {
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
        let output =
            run_with_input(stage.command(&["import", "-", "--source", "agency", "-o", "json"]), lines.as_bytes()).await;
        (
            output.status.code(),
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap(),
            text(&output.stderr),
        )
    };
    let (code, told, errors) = import(lines).await;
    assert_eq!(
        (code, told["new_items"].as_u64(), told["new_materials"].as_u64(), told["failed"].as_u64()),
        (Some(6), Some(2), Some(1), Some(1))
    );
    assert!(errors.contains("-:4: "), "{errors}");
    let (_, again, _) = import(lines).await;
    assert_eq!((again["new_items"].as_u64(), again["edited_items"].as_u64()), (Some(0), Some(0)));
    let (_, edited, _) = import(
        "{\"id\":\"1\",\"title\":\"Банк снова открыт\",\"text\":\"В Алматы открыли банк\",\"views\":11}\n",
    )
    .await;
    assert_eq!((edited["new_items"].as_u64(), edited["edited_items"].as_u64()), (Some(0), Some(1)));
    let found = stage.json_lines(&["material", "list", "--topic", "banks", "-o", "jsonl"]).await;
    assert_eq!((found.len(), found[0]["text"].is_null()), (1, true), "its rights are excerpts");
    let log = stage.origin.log().len();
    stage.pass().await;
    assert_eq!(stage.origin.log().iter().skip(log).filter(|exchange| exchange.path == "/agency").count(), 0);
}

/// Topics that ask for reprints are decided by a single pass as well, though nothing is due in it; until then it is told that
/// nothing is known, and previews say what live matching does.
#[tokio::test(flavor = "multi_thread")]
async fn reprints_are_known_after_a_single_pass() {
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
    let line = |source: &str, before: &str| serde_json::json!({"source": source, "id": "1", "title": source, "text": format!("{before}{words}")});
    let lines = format!("{}\n{}\n", line("agency", ""), line("other", "Как пишут:"));
    assert!(run_with_input(stage.command(&["import", "-"]), lines.as_bytes()).await.status.success());
    let matched = async || {
        let found = stage.json_lines(&["material", "list", "-o", "jsonl"]).await;
        let of = |one: &serde_json::Value| format!("{} {}", one["topic"], one["source"]).replace('"', "");
        let mut found: Vec<String> = found.iter().map(of).collect();
        found.sort();
        found
    };
    let previewed = async || {
        let query = ["topic", "preview", "слово7 NOT dup:reprint", "-o", "jsonl"];
        stage.json_lines(&query).await.remove(0)["matched"].as_u64()
    };
    assert_eq!(matched().await, ["every agency", "every other"]);
    assert_eq!(previewed().await, Some(0));
    let id = stage.json_lines(&["material", "list", "-o", "jsonl"]).await.remove(0)["id"].clone();
    let explain = ["topic", "explain", "first", id.as_str().unwrap(), "-o", "jsonl"];
    let explained = async || stage.json_lines(&explain).await.remove(0);
    assert!(explained().await["because"].as_str().unwrap().contains("not known yet"));
    stage.pass().await;
    assert_eq!(matched().await, ["again other", "every agency", "every other", "first agency"]);
    assert_eq!((previewed().await, explained().await["matched"].as_bool()), (Some(1), Some(true)));
}

/// A source that moved for good is followed by the operator's word, and brings nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_moved_is_followed() {
    let mut world = World::empty(7);
    world.add(Kind::FullFeed, Behaviour::Moved, 4, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.pass().await;
    assert_eq!(stage.materials("whole").await.len(), 4);
    let name = stage.origin.world().sites[0].name.clone();
    assert!(finished(stage.command(&["source", "follow", &name])).await.status.success());
    let source = stage.json_lines(&["source", "list", "-o", "jsonl"]).await.remove(0);
    assert!(source["url"].as_str().unwrap().ends_with("/new-front"), "{source}");
    let again = finished(stage.command(&["source", "follow", &name])).await;
    assert_eq!(again.status.code(), Some(1), "it is where it is declared");
    stage.origin.forget();
    let pass = finished(stage.command(&["run", "--once", "--now"])).await;
    assert!(pass.status.success(), "{}", text(&pass.stderr));
    let asked: Vec<String> = stage.origin.log().into_iter().map(|exchange| exchange.path).collect();
    assert!(
        asked.contains(&"/new-front".to_owned()) && !asked.contains(&"/feed.xml".to_owned()),
        "{asked:?}"
    );
    let all = stage.materials("whole").await;
    assert_eq!((all.len(), all.values().all(|times| *times == 1)), (4, true), "{all:?}");
}

/// What a publisher reserves is kept where texts are read; the control beside it reserves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn reservations_are_kept() {
    let mut world = World::empty(7);
    world.add(Kind::Feed, Behaviour::Reserved, 1, Duration::ZERO);
    world.add(Kind::Feed, Behaviour::Healthy, 1, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.pass().await;
    let mut shown = Vec::new();
    for site in &stage.origin.world().sites {
        let found = stage
            .json_lines(&["material", "list", "--topic", "whole", "--source", &site.name, "-o", "jsonl"])
            .await;
        let item = stage
            .json_lines(&["material", "get", found[0]["id"].as_str().unwrap(), "-o", "jsonl"])
            .await
            .remove(0);
        shown.push((
            found[0]["excerpt"].is_string(),
            found[0]["text"].is_string(),
            item["reservations"].to_string(),
        ));
    }
    assert_eq!(shown, [(true, false, "[\"noarchive\",\"tdm\"]".to_owned()), (true, true, "[]".to_owned())]);
}

/// What was taken down is not collected again, though its source shows it still.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_stays_away() {
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
    assert!(text(&remove(&[]).await.stdout).contains("\"removed\": 0"), "without --yes it is told only");
    assert_eq!(remove(&["--yes"]).await.status.code(), Some(2), "a removal needs a reason");
    assert!(remove(&["--yes", "--reason", "a court order"]).await.status.success());
    stage.pass().await;
    assert_eq!(stage.materials("whole").await.len(), 2);
    assert!(stage.json_lines(&["audit", "-o", "jsonl"]).await[0]["reason"] == "a court order");
}
