//! The main job on a simulated internet: everything once, nothing forbidden, always polite.

use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, StageOptions, count, delivery_errors, text};

/// One site of each behaviour, in each kind that makes sense, with a backlog and nothing new.
fn troubled_world() -> World {
    use Behaviour::*;
    let mut world = World::empty(11);
    let none = Duration::ZERO;
    for kind in [Kind::Feed, Kind::FullFeed, Kind::Sitemap, Kind::Listing] {
        for behaviour in [Healthy, Moved, PartlyForbidden, MissingPages, Flaky] {
            world.add(kind, behaviour, 4, none);
        }
    }
    for behaviour in
        [Failing, Slow, Gone, Forbidden, RobotsDown, Loop, Ahead, Dateless, Luring, NoFeed, Bomb, MovedAway]
    {
        world.add(Kind::Feed, behaviour, 4, none);
    }
    // Where the one before it moved to.
    world.add(Kind::Feed, Healthy, 4, none).crawl_delay = Some(Duration::from_secs(2));
    world
}

fn healthy_world(sites: usize, articles: u32) -> World {
    let mut world = World::empty(5);
    for index in 0..sites {
        let kind = [Kind::Feed, Kind::FullFeed, Kind::Sitemap, Kind::Listing][index % 4];
        world.add(kind, Behaviour::Healthy, articles, Duration::ZERO);
    }
    world
}

/// Everything that a polite reader can learn of on this stage.
fn reachable(stage: &Stage) -> Vec<(String, String)> {
    let sites = &stage.origin.world().sites;
    let mut all = Vec::new();
    for (index, site) in sites.iter().enumerate().filter(|(_, site)| site.is_readable()) {
        // A source that moved to another site publishes what stands there now.
        let reads = if site.behaviour == Behaviour::MovedAway { &sites[index + 1] } else { site };
        all.extend(stage.published(site, reads));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_material_once_and_none_from_forbidden_places() {
    let stage = Stage::new(troubled_world()).await;
    let (first, output) = stage.pass().await;
    assert_eq!(output.status.code(), Some(6), "some sources cannot be read: {}", text(&output.stderr));
    let (second, _) = stage.pass().await; // whoever was busy the first time

    let expected = reachable(&stage);
    let found = stage.materials("all").await;
    let states = stage.json_lines(&["source", "list", "-o", "jsonl"]).await;
    assert_eq!(delivery_errors(&expected, &found), Vec::<String>::new(), "{first}\n{second}\n{states:#?}");
    assert!(first["materials"].as_u64().unwrap() > 60, "{first}");

    // Whole texts come from pages that may be read, and that are there.
    for (source, address) in stage.materials("whole").await.keys() {
        let site = stage.origin.world().site(source).unwrap();
        if site.kind != Kind::FullFeed {
            assert!(!address.contains("/private/"), "{address} was read");
        }
    }
    let judgement = stage.judge();
    assert_eq!(judgement.violations(), Vec::<String>::new());
    // Two sources publish what stands on the host that one of them moved to: each reads it once.
    let shared = &stage.origin.world().sites.last().unwrap().name;
    let repeated: Vec<_> =
        judgement.repeated_pages.keys().filter(|page| !page.starts_with(shared.as_str())).collect();
    assert_eq!(repeated, Vec::<&String>::new());
    assert!(judgement.requests > 100, "{}", judgement.requests);
    // A page that answered 503 again and again waits for a later turn; its entry stands for it.
    let is_flaky = |page: &&String| {
        let site = stage.origin.world().site(page.split('/').next().unwrap());
        site.unwrap().behaviour == Behaviour::Flaky
    };
    let unread: Vec<_> = judgement.unread.iter().filter(|page| !is_flaky(page)).collect();
    assert_eq!(unread, Vec::<&String>::new());
    assert!(judgement.requests_per_article < 3.0, "{}", judgement.requests_per_article);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_never_answers_ends_no_pass() {
    let mut world = World::empty(12);
    world.add(Kind::Feed, Behaviour::Stalled, 1, Duration::ZERO);
    let hasty = StageOptions { deadline: Duration::from_secs(1), ..StageOptions::default() };
    let stage = Stage::with_options(world, hasty).await;
    let (report, output) = stage.pass().await;
    assert_eq!((output.status.code(), &report["items"]), (Some(6), &0.into()), "{report}");
    // Its robots.txt never came: that is deferred, and never counts against the source.
    let source = &stage.json_lines(&["source", "list", "-o", "jsonl"]).await[0];
    assert!(source["reason"].as_str().unwrap().contains("cannot fetch robots.txt"), "{source}");
    assert_eq!(source["failures"], 0.0, "{source}");
}

/// The control of the judge on a real log: with the delay switched off, the same crawl is a violation.
#[tokio::test(flavor = "multi_thread")]
async fn control_without_a_delay_the_judge_objects() {
    let rude = StageOptions { delay: Duration::ZERO, ..StageOptions::default() };
    let mut stage = Stage::with_options(healthy_world(3, 6), rude).await;
    stage.pass().await;
    stage.delay = Duration::from_secs(5);
    assert!(stage.judge().violations().len() > 10);
}

/// The control of robots and of "one at a time": a bare loop over the same pages keeps neither.
#[tokio::test(flavor = "multi_thread")]
async fn control_a_bare_loop_is_seen_to_be_rude() {
    let stage = Stage::new(troubled_world()).await;
    let mut addresses = Vec::new();
    for site in &stage.origin.world().sites {
        if site.behaviour == Behaviour::PartlyForbidden {
            addresses.extend((0..4).map(|number| stage.origin.article(site, number).parse().unwrap()));
        }
        if site.behaviour == Behaviour::Slow {
            addresses.extend((0..2).map(|number| stage.origin.article(site, number).parse().unwrap()));
        }
    }
    let hosts: Vec<_> =
        stage.origin.world().sites.iter().map(|site| (site.name.clone(), site.address.into())).collect();
    let read = crawler::yardstick::fetch_all(addresses, &hosts, 8, |_, _| ()).await.unwrap();
    assert_eq!(read, 18);
    let judgement = stage.judge();
    assert_eq!(judgement.against_robots.len(), 8, "{:?}", judgement.against_robots);
    assert!(!judgement.too_soon.is_empty());
    assert!(judgement.concurrency > 1, "the judge does not see that hosts were asked several things at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_pass_only_asks_whether_something_changed() {
    let stage = Stage::new(healthy_world(8, 5)).await;
    let (first, output) = stage.pass().await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(first["items"], 40);

    stage.origin.forget();
    let (second, _) = stage.pass().await;
    assert_eq!((second["items"].as_u64(), second["materials"].as_u64()), (Some(0), Some(0)), "{second}");
    let judgement = stage.judge();
    assert_eq!((judgement.conditional, judgement.unconditional), (8, 0), "{judgement:?}");

    // The control: without the validators that came with the harvest every request is a full one; the
    // store still knows every entry.
    stage.database("store.db").execute("UPDATE source SET validators = NULL", []).unwrap();
    stage.origin.forget();
    let (third, _) = stage.pass().await;
    assert_eq!(third["items"], 0, "{third}");
    let judgement = stage.judge();
    assert_eq!((judgement.conditional, judgement.unconditional), (0, 8), "{judgement:?}");
}

/// The control of "exactly once": with what the store knows of identities made useless, the same pass
/// stores everything again, and the check says so.
#[tokio::test(flavor = "multi_thread")]
async fn control_without_identities_everything_is_stored_twice() {
    let stage = Stage::new(healthy_world(4, 3)).await;
    stage.pass().await;
    let expected = reachable(&stage);
    assert_eq!(delivery_errors(&expected, &stage.materials("all").await), Vec::<String>::new());
    stage
        .database("store.db")
        .execute_batch(
            "UPDATE item SET item_key = 'x' || item_key, address = NULL; UPDATE source SET validators = NULL",
        )
        .unwrap();
    stage.pass().await;
    assert_eq!(delivery_errors(&expected, &stage.materials("all").await).len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_guard_is_on_unless_it_is_opened() {
    let closed = StageOptions { allow: "[]", ..StageOptions::default() };
    let stage = Stage::with_options(healthy_world(3, 2), closed).await;
    let (report, output) = stage.pass().await;
    assert_eq!((report["sources_failed"].as_u64(), output.status.code()), (Some(3), Some(6)));
    assert_eq!(stage.origin.log(), [], "something was asked for although its address is not public");
    let sources = stage.json_lines(&["source", "list", "-o", "jsonl"]).await;
    assert!(sources[0]["reason"].as_str().unwrap().contains("not public"), "{}", sources[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_entry_lures_to_is_kept_as_text_and_never_asked() {
    let mut world = World::empty(3);
    world.add(Kind::Feed, Behaviour::Luring, 2, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.declare(
        &std::fs::read_to_string(stage.path("objects/all.yaml"))
            .unwrap()
            .replace("{query: 'qyransim'}", "{query: 'деректер OR файл'}"),
    );
    stage.pass().await;
    let lures = stage.json_lines(&["material", "list", "--topic", "whole", "-o", "jsonl"]).await;
    let told: Vec<String> = lures.iter().map(|lure| lure["problems"].to_string()).collect();
    assert_eq!(lures.len(), 2, "{lures:?}");
    assert!(told.iter().any(|told| told.contains("169.254.169.254 is not public")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("unsupported scheme \\\"file\\\"")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_takes_at_most_its_pages_and_the_rest_stays_queued() {
    let stage = Stage::new(healthy_world(1, 9)).await;
    let objects = stage.path("objects");
    let run = ["run", "--once", "-o", "json", "--pages", "4", "-f", objects.to_str().unwrap()];
    let output = crate::support::finished(stage.command(&run)).await;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["items"].as_u64(), report["pages_waiting"].as_u64()), (Some(4), Some(5)), "{report}");
    assert!(text(&output.stderr).contains("5 article pages stay queued"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));

    let again = crate::support::finished(stage.command(&["run", "--once", "-o", "json"])).await;
    let report: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((report["items"].as_u64(), report["pages_waiting"].as_u64()), (Some(5), Some(0)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_dates_is_not_stored_twice_and_an_edit_is_no_new_item() {
    let mut world = World::empty(9);
    world.add(Kind::Feed, Behaviour::Dateless, 3, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.pass().await;
    let before = stage.json_lines(&["material", "list", "--topic", "all", "-o", "jsonl"]).await;
    assert!(before.iter().all(|material| material["published_at"].is_null()), "{before:?}");
    // As if the publisher's pages had said something else then.
    stage
        .database("store.db")
        .execute_batch(
            "UPDATE item SET entry_hash = 'other', content_hash = 'other'; UPDATE source SET validators = NULL",
        )
        .unwrap();
    let (report, _) = stage.pass().await;
    assert_eq!((report["items"].as_u64(), report["edited"].as_u64()), (Some(0), Some(3)), "{report}");
    let after = stage.json_lines(&["material", "list", "--topic", "all", "-o", "jsonl"]).await;
    assert_eq!(count(&before), count(&after));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_topic_sees_what_is_stored_already() {
    let stage = Stage::new(healthy_world(2, 3)).await;
    stage.pass().await;
    let topic = "apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {name: late}\nspec: {query: 'qyransim AND 1'}\n";
    std::fs::write(stage.path("late.yaml"), topic).unwrap();
    let apply = stage.command(&["apply", "-f", stage.path("late.yaml").to_str().unwrap()]);
    assert!(crate::support::finished(apply).await.status.success());
    assert_eq!(stage.materials("late").await.len(), 2);
    assert_eq!(stage.origin.log().iter().filter(|exchange| exchange.path == "/robots.txt").count(), 2);
}

/// A visit by hand owes a host what a node owes it, and the node what the visit did.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reads_politely_and_stores_nothing() {
    let stage =
        Stage::with_options(healthy_world(1, 3), StageOptions { delay: Duration::from_millis(700), ..StageOptions::default() })
            .await;
    let site = &stage.origin.world().sites[0];
    let front = stage.origin.front(site);
    let dry_run = async || {
        let output = crate::support::finished(stage.command(&["source", "test", &front, "-o", "json"])).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    // Twice without a data folder, and then around a pass.
    let alone = dry_run().await;
    assert!(!stage.path("data").exists());
    assert_eq!(
        (alone["robots"]["verdict"].as_str(), alone["kind"].as_str()),
        (Some("allowed"), Some("feed"))
    );
    assert_eq!((alone["entries"].as_u64(), alone["items"].as_array().unwrap().len()), (Some(3), 3));
    assert!(alone["next_poll"].is_string() && alone["error"].is_null(), "{alone}");
    dry_run().await;
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    stage.origin.forget();
    stage.pass().await;
    dry_run().await;
    dry_run().await;
    stage.pass().await;
    // While a node holds the host, a visit by hand waits for it.
    let objects = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
    stage.declare(&objects.replace("min: 1s, max: 2s", "min: 1s, max: 1s"));
    let mut node = stage.node();
    let before = stage.origin.log().len();
    crate::support::eventually("the node polls", || stage.origin.log().len() > before).await;
    dry_run().await;
    dry_run().await;
    crate::support::signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    assert_eq!(stage.materials("all").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_can_be_looked_at_in_every_way() {
    let stage = Stage::new(healthy_world(2, 3)).await;
    stage.pass().await;
    let all = stage.json_lines(&["material", "list", "--topic", "all", "-o", "jsonl"]).await;
    for key in ["id", "source", "topic", "title", "url", "published_at", "text", "language", "matched_at"] {
        assert!(all[0].get(key).is_some(), "{key}: {}", all[0]);
    }
    let id = all[0]["id"].as_str().unwrap();
    let one = &stage.json_lines(&["material", "get", id, "-o", "jsonl"]).await[0];
    assert_eq!((one["id"].as_str(), one["matches"].as_array().unwrap().len()), (Some(id), 2), "{one}");
    let sources = stage.json_lines(&["source", "list", "-o", "jsonl"]).await;
    for key in ["name", "kind", "url", "state", "reason", "last_ok", "next_poll", "every"] {
        assert!(sources[0].get(key).is_some(), "{key}: {}", sources[0]);
    }
    let unknown = stage.command(&["material", "list", "--source", "nosuch"]);
    assert_eq!(crate::support::finished(unknown).await.status.code(), Some(3));
    let feed = &stage.origin.world().sites[0].name;
    let history = stage.json_lines(&["source", "history", feed, "-o", "jsonl"]).await;
    assert_eq!(history.iter().filter(|fetch| fetch["status"] == "ok").count(), 4, "a feed and three pages");
    let found = stage.json_lines(&["material", "list", "--search", "qyransim 1", "-o", "jsonl"]).await;
    assert!(!found.is_empty() && found.len() < all.len(), "{}", found.len());

    // The same list in the other forms.
    let print = async |format: &str| {
        let output =
            crate::support::finished(stage.command(&["material", "list", "--topic", "all", "-o", format]))
                .await;
        assert!(output.status.success(), "{format}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(
        serde_json::from_str::<Vec<serde_json::Value>>(&print("json").await).unwrap().len(),
        all.len()
    );
    assert_eq!(print("name").await.lines().count(), all.len());
    assert!(print("csv").await.starts_with("id,seq,source,topic,title,url,published_at,"));
    assert_eq!(print("yaml").await.matches("\n---\n").count(), all.len() - 1);
    assert!(print("table").await.starts_with("PUBLISHED AT "));

    // Nothing is due: it says so, and that is fine.
    let again =
        crate::support::finished(stage.command(&["run", "--once", "-o", "json", "--log-format", "json"]))
            .await;
    assert_eq!(again.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    if report["sources"] == 0 {
        assert!(
            text(&again.stderr).contains("nothing is due; the next poll is due in"),
            "{}",
            text(&again.stderr)
        );
    }
}

/// A tail goes on where an earlier one ended, and ends when it is told to.
#[tokio::test(flavor = "multi_thread")]
async fn a_tail_follows_what_is_stored() {
    use tokio::io::AsyncBufReadExt;
    let stage = Stage::new(healthy_world(1, 3)).await;
    stage.pass().await;
    let mut tail = stage.command(&["material", "tail", "--topic", "all", "--after", "1", "-o", "jsonl"]);
    tail.stdout(std::process::Stdio::piped()).kill_on_drop(true);
    let mut tail = tail.spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(tail.stdout.take().unwrap()).lines();
    let first: serde_json::Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert!(first["seq"].as_i64().unwrap() > 1, "{first}");
    crate::support::signal(&tail, "TERM");
    assert_eq!(tail.wait().await.unwrap().code(), Some(130));
}

/// Nothing but JSON stands in a log that programs read; and a log that cannot be written ends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_of_one_form_and_its_loss_costs_nothing() {
    let stage = Stage::new(healthy_world(2, 2)).await;
    let objects = stage.path("objects").to_str().unwrap().to_owned();
    let arguments =
        ["--log-format", "json", "--log-level", "debug", "run", "--once", "--now", "-o", "json", "-f"];
    let mut run = stage.command(&arguments);
    run.arg(&objects);
    let output = crate::support::finished(run).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).lines().count() > 5, "{}", text(&output.stderr));
    for line in text(&output.stderr).lines() {
        let entry: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(["level", "message", "timestamp"].iter().all(|key| entry[key].is_string()), "{line}");
    }

    let mut run = stage.command(&["--log-level", "debug", "run", "--once", "--now", "-o", "json"]);
    // Every write to it fails, as on a full disk.
    run.stderr(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    run.stdout(std::process::Stdio::piped());
    let output = run.spawn().unwrap().wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}
