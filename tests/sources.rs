//! Sources over time: their past, and what they print of each other.

use std::time::Duration;

use origin::{Behaviour, Kind, World};
use serde_json::Value;

use crate::support::{Stage, StageOptions, finished, signal, text};

/// Asks a command again and again, until its answer is so.
async fn until(
    stage: &Stage,
    arguments: &[&str],
    what: &str,
    is_so: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    for _ in 0..600 {
        let output = finished(stage.command(arguments)).await;
        let told = text(&output.stdout);
        let lines: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if output.status.success() && is_so(&lines) {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{what}: it never came to that");
}

/// Of a channel with 150 posts a first poll reads eighty; a backfill reads the rest, each once, and politely.
#[tokio::test(flavor = "multi_thread")]
async fn the_past_of_a_channel_is_read_behind_fresh_work() {
    let mut world = World::empty(7);
    world.add(Kind::Telegram, Behaviour::Healthy, 150, Duration::ZERO);
    let stage = Stage::new(world).await;
    let name = stage.origin.world().sites[0].name.clone();
    // Ten delays lie between two documents: three seconds are what real previews bear.
    let declared = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
    stage.declare(&declared.replace("every:", "delay: 100ms, every:"));
    stage.pass().await;
    assert_eq!(stage.materials("whole").await.len(), 80, "the control: nobody read further");
    let wrong = finished(stage.command(&["source", "backfill", &name, "--since", "tomorrow"])).await;
    assert_eq!((wrong.status.code(), text(&wrong.stderr).contains("is no time")), (Some(2), true));
    let begun = finished(stage.command(&["source", "backfill", &name, "--since", "400d"])).await;
    assert!(begun.status.success(), "{}", text(&begun.stderr));
    stage.origin.forget();
    let mut node = stage.node();
    let asked = ["source", "backfill", &name, "-o", "jsonl"];
    let is_over = |told: &[Value]| told.first().is_some_and(|told| told["state"] == "ended");
    let told = until(&stage, &asked, "it ends", is_over).await;
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    // 150 posts are eight pages of twenty.
    assert_eq!((told[0]["documents"].as_u64(), told[0]["new_entries"].as_u64()), (Some(8), Some(70)));
    let materials = stage.materials("whole").await;
    assert_eq!((materials.len(), materials.values().all(|times| *times == 1)), (150, true));
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

/// What one site prints of another's is a material of its own, linked to the story.
#[tokio::test(flavor = "multi_thread")]
async fn reprints_are_linked_to_their_story() {
    let mut world = World::empty(7);
    world.add(Kind::FullFeed, Behaviour::MovedAway, 3, Duration::ZERO);
    world.add(Kind::FullFeed, Behaviour::Healthy, 3, Duration::ZERO);
    let stage = Stage::new(world).await;
    let mut node = stage.node();
    let list = ["material", "list", "--topic", "whole", "-o", "jsonl"];
    let all = until(&stage, &list, "all are read", |all| all.len() == 6).await;
    let id = all[0]["id"].as_str().unwrap();
    let linked = ["material", "story", id, "-o", "jsonl"];
    let story = until(&stage, &linked, "it is linked", |story| story.len() == 2).await;
    let one_each = ["material", "list", "--topic", "whole", "--stories", "-o", "jsonl"];
    until(&stage, &one_each, "each story is listed once", |all| all.len() == 3).await;
    let topic = stage.json_lines(&["topic", "get", "whole", "-o", "jsonl"]).await.remove(0);
    assert_eq!((topic["materials"].as_u64(), topic["stories"].as_u64()), (Some(6), Some(3)));
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    assert_ne!(story[0]["source"], story[1]["source"]);
    assert_eq!(story[0]["title"], story[1]["title"]);
    let like: Vec<&str> = story.iter().filter_map(|one| one["like"].as_str()).collect();
    assert!(like.contains(&"same") && like.contains(&"first stored"), "{like:?}");
    let shown = stage.json_lines(&["material", "get", id, "-o", "jsonl"]).await.remove(0);
    assert_eq!(shown["story"]["items"], 2);
}

/// A port of loopback on which nobody listens.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A hub is asked, asks back and pushes: what comes out is there long before a poll would have found it. The control: where
/// hubs cannot reach the node, it is not.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_hub_pushes_is_there_before_the_next_poll() {
    for is_reached in [true, false] {
        let mut world = World::empty(7);
        world.add(Kind::FullFeed, Behaviour::Pushing, 4, Duration::from_secs(3));
        let stage = Stage::new(world).await;
        let name = stage.origin.world().sites[0].name.clone();
        let declared = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
        stage.declare(&declared.replace("every: {min: 1s, max: 2s}", "every: {min: 10m, max: 10m}"));
        if is_reached {
            let port = free_port();
            let mut settings = std::fs::read_to_string(stage.path("qyran.toml")).unwrap();
            settings +=
                &format!("[websub]\nurl = \"http://127.0.0.1:{port}/\"\nlisten = \"127.0.0.1:{port}\"\n");
            std::fs::write(stage.path("qyran.toml"), settings).unwrap();
        }
        let mut node = stage.node();
        let list = ["material", "list", "--topic", "whole", "-o", "jsonl"];
        until(&stage, &list, "the first poll is stored", |all| all.len() >= 4).await;
        // Of what the first poll may have read nothing comes out later.
        let first = stage.origin.published(&stage.origin.world().sites[0]) as usize;
        if is_reached {
            until(&stage, &list, "what comes out is pushed", |all| all.len() >= first + 3).await;
        } else {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let materials = stage.materials("whole").await;
        signal(&node, "TERM");
        assert!(node.wait().await.unwrap().success());
        let asked = |path: &str| stage.origin.log().iter().filter(|exchange| exchange.path == path).count();
        assert_eq!((asked("/feed.xml"), asked("/hub")), (1, usize::from(is_reached)), "{name}");
        assert!(materials.values().all(|times| *times == 1));
        assert_eq!(materials.len() > first, is_reached);
        let told = stage.json_lines(&["source", "get", &name, "-o", "jsonl"]).await.remove(0);
        assert_eq!(told["websub"]["state"].as_str(), is_reached.then_some("reliable"), "{told}");
        assert_eq!(stage.judge().violations(), Vec::<String>::new());
    }
}

/// While a source cannot be read as it is declared, a fallback stands in for it: it is degraded, and nothing is missed. The
/// control: without one, nothing comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_stands_in() {
    for has_fallback in [true, false] {
        let mut world = World::empty(7);
        world.add(Kind::FullFeed, Behaviour::Failing, 3, Duration::ZERO);
        world.add(Kind::FullFeed, Behaviour::Healthy, 4, Duration::ZERO);
        let more = "[poll]\nbackoff = \"500ms\"\nmax_backoff = \"1s\"\n";
        let stage = Stage::with_options(world, StageOptions { more, ..StageOptions::default() }).await;
        let [declared, mirror] = [0, 1].map(|index| stage.origin.world().sites[index].clone());
        let fallback = format!("fallbacks: [{{kind: feed, url: '{}'}}], every:", stage.origin.front(&mirror));
        let yaml = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
        // The mirror is no source of its own here.
        let yaml: Vec<&str> = yaml
            .split("---\n")
            .filter(|object| !object.contains(&format!("name: {}", mirror.name)))
            .collect();
        let yaml = yaml.join("---\n");
        stage.declare(&if has_fallback { yaml.replace("every:", &fallback) } else { yaml });
        let mut node = stage.node();
        let list = ["source", "get", &declared.name, "-o", "jsonl"];
        let expected = if has_fallback { "degraded" } else { "unreachable" };
        let is_so = |told: &[Value]| told.first().is_some_and(|told| told["state"] == expected);
        until(&stage, &list, "its state says so", is_so).await;
        let materials = stage.materials("whole").await;
        signal(&node, "TERM");
        assert!(node.wait().await.unwrap().success());
        assert_eq!(materials.len(), if has_fallback { 4 } else { 0 });
        assert!(materials.keys().all(|(source, _)| *source == declared.name));
        assert_eq!(stage.judge().violations(), Vec::<String>::new());
    }
}
