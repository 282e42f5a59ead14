//! Platforms on the simulator: what each shows of its posts, what becomes of these, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use origin::{Behaviour, Kind, Site, World};
use serde_json::Value;

use crate::support::{Stage, Staging, finished, signal, text};

/// Platforms that are polled.
const POLLED: [Kind; 9] = [
    Kind::Telegram,
    Kind::Mastodon,
    Kind::Youtube,
    Kind::Reddit,
    Kind::Bluesky,
    Kind::Vk,
    Kind::Discourse,
    Kind::HackerNews,
    Kind::Gdelt,
];
/// Retries that a test has time for.
const HASTE: &str = "[poll]\nbackoff = \"1s\"\nmax_backoff = \"2s\"\n";
const TOKEN: (&str, &str) = ("QYRAN_TOKEN_CLUB", origin::TOKEN);

/// A stage on which each site is declared as its platform wants it, at a pace that a test has time for.
async fn stage(world: World, delay: &str) -> Stage {
    let stage = Stage::with(world, Staging { more: HASTE, ..Staging::default() }).await;
    let declared = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
    let declared = declared
        .replace("every:", &format!("delay: {delay}, every:"))
        .replace("kind: vk,", "kind: vk, token: club,")
        .replace("/api/v2/doc/doc'", "/api/v2/doc/doc?query=qala'");
    stage.declare(&declared);
    stage
}

async fn pass(stage: &Stage) {
    let objects = stage.path("objects");
    let mut run = stage.command(&["run", "--once", "--now", "-f", objects.to_str().unwrap()]);
    run.env(TOKEN.0, TOKEN.1);
    let output = finished(run).await;
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn node(stage: &Stage) -> tokio::process::Child {
    let objects = stage.path("objects");
    let mut run = stage.command(&["run", "-f", objects.to_str().unwrap()]);
    run.env(TOKEN.0, TOKEN.1).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    run.kill_on_drop(true).spawn().unwrap()
}

/// How many materials of each source there are, each counted as often as it is there.
async fn materials(stage: &Stage) -> BTreeMap<String, Vec<usize>> {
    let mut counts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let lines = stage.lines(&["material", "list", "--topic", "whole", "-o", "jsonl"]).await;
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in &lines {
        *times.entry((field(line, "source"), field(line, "url"))).or_default() += 1;
    }
    for ((source, _), times) in times {
        counts.entry(source).or_default().push(times);
    }
    counts
}

fn field(line: &Value, key: &str) -> String {
    line[key].as_str().unwrap_or_default().to_owned()
}

fn named(world: &World) -> BTreeMap<String, Site> {
    world.sites.iter().map(|site| (site.name.clone(), site.clone())).collect()
}

/// Each platform's posts are read page by page, each once, and nothing is asked for again; a platform that shows fifteen films
/// shows no more.
#[tokio::test(flavor = "multi_thread")]
async fn every_platform_is_read_page_by_page() {
    let mut world = World::empty(7);
    for kind in POLLED {
        let behaviour = if kind == Kind::Vk { Behaviour::Guarded } else { Behaviour::Healthy };
        world.add(kind, behaviour, 45, Duration::ZERO);
    }
    let stage = stage(world, "100ms").await;
    let sites = named(stage.origin.world());
    for _ in 0..2 {
        pass(&stage).await;
        let found = materials(&stage).await;
        for (name, site) in &sites {
            let expected = if site.kind == Kind::Youtube { 15 } else { 45 };
            assert_eq!(found.get(name), Some(&vec![1; expected]), "{:?}", site.kind);
        }
        assert_eq!(stage.judge().violations(), Vec::<String>::new());
    }
    let fronts = |name: &str| {
        let log = stage.origin.log();
        log.iter().filter(|one| one.host == name && one.path.starts_with(sites[name].front())).count()
    };
    for (name, site) in &sites {
        // 45 posts are three pages. Where no page says that it is the last, an empty one does.
        let first = match site.kind {
            Kind::Youtube | Kind::Gdelt => 1,
            Kind::Mastodon | Kind::Reddit | Kind::Discourse => 4,
            _ => 3,
        };
        assert_eq!(fronts(name), first + 1, "{:?}", site.kind);
    }
}

/// Platforms fail, block and change their form while they publish, and come back: their states say so, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn platforms_that_fail_come_back() {
    use Behaviour::{Failing, Redesigned, Walled};
    let mut world = World::empty(7);
    for kind in POLLED {
        for behaviour in [Failing, Walled, Redesigned] {
            let site = world.add(kind, behaviour, 6, Duration::from_millis(2500));
            site.spell = Some((Duration::from_secs(8), Duration::from_secs(14)));
        }
    }
    let site = world.add(Kind::Jetstream, Failing, 6, Duration::from_millis(2500));
    site.spell = Some((Duration::from_secs(8), Duration::from_secs(14)));
    let stage = stage(world, "100ms").await;
    let sites = named(stage.origin.world());
    let mut node = node(&stage);
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut all_live = false;
    for _ in 0..240 {
        if stage.path("data/store.db").exists() {
            let lines = stage.lines(&["source", "list", "-o", "jsonl"]).await;
            for line in &lines {
                seen.entry(field(line, "name")).or_default().insert(field(line, "state"));
            }
            let is_over = stage.origin.elapsed() > Duration::from_secs(16);
            all_live = is_over && lines.iter().all(|line| line["state"] == "live");
        }
        if all_live {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(all_live, "some never came back: {seen:#?}");
    stage.origin.freeze();
    let expected: BTreeMap<String, u32> =
        sites.iter().map(|(name, site)| (name.clone(), stage.origin.published(site))).collect();
    let mut found = BTreeMap::new();
    for _ in 0..120 {
        found = materials(&stage).await;
        let is_home = |name: &String| found.get(name).map_or(0, Vec::len) >= expected[name] as usize;
        if sites.iter().filter(|(_, site)| site.kind != Kind::Jetstream).all(|(name, _)| is_home(name)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    for (name, site) in &sites {
        let is_there = |states: &[&str]| states.iter().any(|state| seen[name].contains(*state));
        let shown = match site.behaviour {
            Failing => is_there(&["degraded", "unreachable"]),
            Walled => is_there(&["restricted"]),
            _ => is_there(&["broken_layout"]),
        };
        assert!(shown, "{:?} {:?}: {:?}", site.kind, site.behaviour, seen[name]);
        let times = found.get(name).cloned().unwrap_or_default();
        assert!(times.iter().all(|times| *times == 1), "{:?} {:?}: stored twice", site.kind, site.behaviour);
        if site.kind != Kind::Jetstream {
            assert_eq!(times.len(), expected[name] as usize, "{:?} {:?}", site.kind, site.behaviour);
        }
    }
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

/// What authors edit is taken over where the platform shows it; what they take back on a stream goes.
#[tokio::test(flavor = "multi_thread")]
async fn edits_and_deletions_are_followed() {
    use Behaviour::{Deletes, Edits};
    let mut world = World::empty(7);
    let every = Duration::from_millis(1500);
    for (kind, behaviour) in [
        (Kind::Telegram, Edits),
        (Kind::Mastodon, Edits),
        (Kind::Bluesky, Edits),
        (Kind::Discourse, Edits),
        (Kind::Jetstream, Edits),
        (Kind::Jetstream, Deletes),
    ] {
        world.add(kind, behaviour, 3, every);
    }
    let stage = stage(world, "100ms").await;
    let sites = named(stage.origin.world());
    let mut node = node(&stage);
    // Numbers 3, 6 and 9 are changed once two more are out.
    while stage.origin.elapsed() < Duration::from_secs(16) {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    stage.origin.freeze();
    let changed = |site: &Site| {
        let published = stage.origin.published(site);
        (0..published).filter(|number| site.is_changed(*number, published)).count()
    };
    let search = ["material", "search", "толықтырылды", "-o", "jsonl"];
    let edited = async |name: &str| {
        let found = stage.lines(&search).await;
        found.iter().filter(|line| line["source"] == name).count()
    };
    for (name, site) in &sites {
        let expected = if site.behaviour == Edits { changed(site) } else { 0 };
        let mut found = 0;
        for _ in 0..80 {
            found = edited(name).await;
            if found >= expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert_eq!(found, expected, "{:?} {:?}", site.kind, site.behaviour);
        assert!(changed(site) >= 2);
    }
    let found = materials(&stage).await;
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    for (name, site) in &sites {
        let times = &found[name];
        assert!(times.iter().all(|times| *times == 1), "{:?} {:?}", site.kind, site.behaviour);
        let published = stage.origin.published(site) as usize;
        match (site.kind, site.behaviour) {
            // Of a stream only what came by is there: without what was taken back.
            (Kind::Jetstream, Deletes) => assert!(times.len() <= published - changed(site), "{times:?}"),
            (Kind::Jetstream, _) => assert!(times.len() >= published - 3 - 2, "{times:?}"),
            _ => assert_eq!(times.len(), published, "{:?}", site.kind),
        }
    }
}

/// Who is asked too often says so, in its own words; that is obeyed, and at the pace that it bears nothing is refused.
#[tokio::test(flavor = "multi_thread")]
async fn limits_are_obeyed() {
    for (delay, is_refused) in [("100ms", true), ("600ms", false)] {
        let mut world = World::empty(7);
        for kind in POLLED {
            world.add(kind, Behaviour::Limited, 45, Duration::ZERO);
        }
        let stage = stage(world, delay).await;
        let sites = named(stage.origin.world());
        let mut run =
            stage.command(&["run", "--once", "--now", "-f", stage.path("objects").to_str().unwrap()]);
        run.env(TOKEN.0, TOKEN.1);
        finished(run).await;
        assert_eq!(stage.judge().violations(), Vec::<String>::new());
        for (name, site) in &sites {
            let history =
                stage.lines(&["source", "get", name, "-o", "jsonl"]).await.remove(0)["fetches"].to_string();
            // A single pass waits, and asks again: what was refused stands in the simulator's log.
            let log = stage.origin.log();
            let was_refused = log.iter().any(|one| one.host == *name && one.status == 429)
                || history.contains("Too many requests");
            let has_pages = !matches!(site.kind, Kind::Youtube | Kind::Gdelt);
            assert_eq!(was_refused, is_refused && has_pages, "{:?} at {delay}: {history}", site.kind);
        }
        if !is_refused {
            let found = materials(&stage).await;
            assert!(sites.iter().all(|(name, site)| site.kind == Kind::Youtube || found[name].len() == 45));
        }
    }
}
