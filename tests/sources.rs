//! Sources over time: backfills, reprints, WebSub and fallbacks.

use std::time::Duration;

use origin::{Behaviour, Kind, World};
use serde_json::Value;

use crate::support::{Stage, StageOptions, finished, signal, text};

/// Repeats a command until its output satisfies a condition. Returns that output.
async fn poll_until(
    stage: &Stage,
    arguments: &[&str],
    description: &str,
    condition: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    for _ in 0..600 {
        let output = finished(stage.command(arguments)).await;
        let stdout = text(&output.stdout);
        let lines: Vec<Value> = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if output.status.success() && condition(&lines) {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("timed out waiting until {description}");
}

/// The first poll reads 80 of the 150 posts of a channel. A backfill reads the rest, each post once, and politely.
#[tokio::test(flavor = "multi_thread")]
async fn backfill_reads_older_posts_of_a_channel() {
    let mut world = World::empty(7);
    world.add(Kind::Telegram, Behaviour::Healthy, 150, Duration::ZERO);
    let stage = Stage::new(world).await;
    let name = stage.origin.world().sites[0].name.clone();
    // A backfill waits ten delays between two documents. The default delay of real previews is three seconds.
    let declared = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
    stage.declare(&declared.replace("every:", "delay: 100ms, every:"));
    stage.pass().await;
    assert_eq!(
        stage.materials("whole").await.len(),
        80,
        "the control: without a backfill, older posts are not read"
    );
    let rejection = finished(stage.command(&["source", "backfill", &name, "--since", "tomorrow"])).await;
    assert_eq!((rejection.status.code(), text(&rejection.stderr).contains("is not a time")), (Some(2), true));
    let output = finished(stage.command(&["source", "backfill", &name, "--since", "400d"])).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    stage.origin.forget();
    let mut node = stage.node();
    let status = ["source", "backfill", &name, "-o", "jsonl"];
    let has_ended =
        |backfills: &[Value]| backfills.first().is_some_and(|backfill| backfill["state"] == "ended");
    let backfills = poll_until(&stage, &status, "the backfill ends", has_ended).await;
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    // 150 posts are eight pages of twenty.
    assert_eq!(
        (backfills[0]["documents"].as_u64(), backfills[0]["new_entries"].as_u64()),
        (Some(8), Some(70))
    );
    let materials = stage.materials("whole").await;
    assert_eq!((materials.len(), materials.values().all(|times| *times == 1)), (150, true));
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

/// A reprint is a separate material, linked to the story of the original.
#[tokio::test(flavor = "multi_thread")]
async fn reprints_are_linked_to_their_story() {
    let mut world = World::empty(7);
    world.add(Kind::FullFeed, Behaviour::MovedAway, 3, Duration::ZERO);
    world.add(Kind::FullFeed, Behaviour::Healthy, 3, Duration::ZERO);
    let stage = Stage::new(world).await;
    let mut node = stage.node();
    let list = ["material", "list", "--topic", "whole", "-o", "jsonl"];
    let all = poll_until(&stage, &list, "all articles are read", |all| all.len() == 6).await;
    let id = all[0]["id"].as_str().unwrap();
    let story_command = ["material", "story", id, "-o", "jsonl"];
    let story = poll_until(&stage, &story_command, "the reprint is linked", |story| story.len() == 2).await;
    let one_each = ["material", "list", "--topic", "whole", "--stories", "-o", "jsonl"];
    poll_until(&stage, &one_each, "each story is listed once", |all| all.len() == 3).await;
    let topic = stage.json_lines(&["topic", "get", "whole", "-o", "jsonl"]).await.remove(0);
    assert_eq!((topic["materials"].as_u64(), topic["stories"].as_u64()), (Some(6), Some(3)));
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    assert_ne!(story[0]["source"], story[1]["source"]);
    assert_eq!(story[0]["title"], story[1]["title"]);
    let like: Vec<&str> = story.iter().filter_map(|one| one["like"].as_str()).collect();
    assert!(like.contains(&"same") && like.contains(&"first stored"), "{like:?}");
    let material = stage.json_lines(&["material", "get", id, "-o", "jsonl"]).await.remove(0);
    assert_eq!(material["story"]["items"], 2);
}

/// Returns a loopback port that had no listener at the time of the call.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A hub confirms the subscription and pushes new publications long before the next poll. The control: if hubs cannot
/// reach the node, the publications are not stored in that time.
#[tokio::test(flavor = "multi_thread")]
async fn websub_publications_are_stored_before_the_next_poll() {
    for is_reachable in [true, false] {
        let mut world = World::empty(7);
        world.add(Kind::FullFeed, Behaviour::Pushing, 4, Duration::from_secs(3));
        let stage = Stage::new(world).await;
        let name = stage.origin.world().sites[0].name.clone();
        let declared = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
        stage.declare(&declared.replace("every: {min: 1s, max: 2s}", "every: {min: 10m, max: 10m}"));
        if is_reachable {
            let port = free_port();
            let mut settings = std::fs::read_to_string(stage.path("qyran.toml")).unwrap();
            settings +=
                &format!("[websub]\nurl = \"http://127.0.0.1:{port}/\"\nlisten = \"127.0.0.1:{port}\"\n");
            std::fs::write(stage.path("qyran.toml"), settings).unwrap();
        }
        let mut node = stage.node();
        let list = ["material", "list", "--topic", "whole", "-o", "jsonl"];
        poll_until(&stage, &list, "the first poll is stored", |all| all.len() >= 4).await;
        // An upper bound on the articles that the first poll read.
        let first = stage.origin.published(&stage.origin.world().sites[0]) as usize;
        if is_reachable {
            poll_until(&stage, &list, "new publications are pushed", |all| all.len() >= first + 3).await;
        } else {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let materials = stage.materials("whole").await;
        signal(&node, "TERM");
        assert!(node.wait().await.unwrap().success());
        let requests_to =
            |path: &str| stage.origin.log().iter().filter(|exchange| exchange.path == path).count();
        assert_eq!((requests_to("/feed.xml"), requests_to("/hub")), (1, usize::from(is_reachable)), "{name}");
        assert!(materials.values().all(|times| *times == 1));
        assert_eq!(materials.len() > first, is_reachable);
        let source = stage.json_lines(&["source", "get", &name, "-o", "jsonl"]).await.remove(0);
        assert_eq!(source["websub"]["state"].as_str(), is_reachable.then_some("reliable"), "{source}");
        assert_eq!(stage.judge().violations(), Vec::<String>::new());
    }
}

/// While the declared address of a source fails, its fallback is read: the source is degraded, and no article is
/// lost. The control: without a fallback, no article is stored.
#[tokio::test(flavor = "multi_thread")]
async fn fallback_is_read_while_a_source_fails() {
    for has_fallback in [true, false] {
        let mut world = World::empty(7);
        world.add(Kind::FullFeed, Behaviour::Failing, 3, Duration::ZERO);
        world.add(Kind::FullFeed, Behaviour::Healthy, 4, Duration::ZERO);
        let extra_settings = "[poll]\nbackoff = \"500ms\"\nmax_backoff = \"1s\"\n";
        let stage =
            Stage::with_options(world, StageOptions { extra_settings, ..StageOptions::default() }).await;
        let [declared, mirror] = [0, 1].map(|index| stage.origin.world().sites[index].clone());
        let fallback = format!("fallbacks: [{{kind: feed, url: '{}'}}], every:", stage.origin.front(&mirror));
        let yaml = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
        // The mirror is not declared as a source itself.
        let yaml: Vec<&str> = yaml
            .split("---\n")
            .filter(|object| !object.contains(&format!("name: {}", mirror.name)))
            .collect();
        let yaml = yaml.join("---\n");
        stage.declare(&if has_fallback { yaml.replace("every:", &fallback) } else { yaml });
        let mut node = stage.node();
        let list = ["source", "get", &declared.name, "-o", "jsonl"];
        let expected = if has_fallback { "degraded" } else { "unreachable" };
        let has_state = |sources: &[Value]| sources.first().is_some_and(|source| source["state"] == expected);
        poll_until(&stage, &list, "the source has the expected state", has_state).await;
        let materials = stage.materials("whole").await;
        signal(&node, "TERM");
        assert!(node.wait().await.unwrap().success());
        assert_eq!(materials.len(), if has_fallback { 4 } else { 0 });
        assert!(materials.keys().all(|(source, _)| *source == declared.name));
        assert_eq!(stage.judge().violations(), Vec::<String>::new());
    }
}
