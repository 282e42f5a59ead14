//! Crawls of the simulated internet: every material once, nothing forbidden, always polite.

use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, StageOptions, count_materials, delivery_errors, text};

/// Returns a site of each behaviour, in each suitable kind, with a backlog and no new publications.
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
    // The target of the site that moved away.
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

/// Returns the (source, address) of each article that a polite crawler can read on this stage.
fn reachable(stage: &Stage) -> Vec<(String, String)> {
    let sites = &stage.origin.world().sites;
    let mut all = Vec::new();
    for (index, site) in sites.iter().enumerate().filter(|(_, site)| site.is_readable()) {
        // A source that moved to another site publishes the articles of that site.
        let target = if site.behaviour == Behaviour::MovedAway { &sites[index + 1] } else { site };
        all.extend(stage.published(site, target));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_material_is_stored_once_and_none_is_forbidden() {
    let stage = Stage::new(troubled_world()).await;
    let (first, output) = stage.pass().await;
    assert_eq!(output.status.code(), Some(6), "some sources cannot be read: {}", text(&output.stderr));
    let (second, _) = stage.pass().await; // sources whose hosts were busy in the first pass

    let expected = reachable(&stage);
    let materials = stage.materials("all").await;
    let states = stage.json_lines(&["source", "list", "-o", "jsonl"]).await;
    assert_eq!(
        delivery_errors(&expected, &materials),
        Vec::<String>::new(),
        "{first}\n{second}\n{states:#?}"
    );
    assert!(first["materials"].as_u64().unwrap() > 60, "{first}");

    // Full texts come only from pages that robots.txt allows.
    for (source, address) in stage.materials("whole").await.keys() {
        let site = stage.origin.world().site(source).unwrap();
        if site.kind != Kind::FullFeed {
            assert!(!address.contains("/private/"), "{address} was fetched");
        }
    }
    let judgement = stage.judge();
    assert_eq!(judgement.violations(), Vec::<String>::new());
    // Two sources publish the articles of the last site, because one source moved there. Each reads them once.
    let shared = &stage.origin.world().sites.last().unwrap().name;
    let repeated: Vec<_> =
        judgement.repeated_pages.keys().filter(|page| !page.starts_with(shared.as_str())).collect();
    assert_eq!(repeated, Vec::<&String>::new());
    assert!(judgement.requests > 100, "{}", judgement.requests);
    // A page with repeated 503 responses waits for a later turn. Until then its material has the text of the entry.
    let is_flaky = |page: &&String| {
        let site = stage.origin.world().site(page.split('/').next().unwrap());
        site.unwrap().behaviour == Behaviour::Flaky
    };
    let unread: Vec<_> = judgement.unread.iter().filter(|page| !is_flaky(page)).collect();
    assert_eq!(unread, Vec::<&String>::new());
    assert!(judgement.requests_per_article < 3.0, "{}", judgement.requests_per_article);
}

#[tokio::test(flavor = "multi_thread")]
async fn site_that_never_responds_does_not_block_a_pass() {
    let mut world = World::empty(12);
    world.add(Kind::Feed, Behaviour::Stalled, 1, Duration::ZERO);
    let options = StageOptions { deadline: Duration::from_secs(1), ..StageOptions::default() };
    let stage = Stage::with_options(world, options).await;
    let (report, output) = stage.pass().await;
    assert_eq!((output.status.code(), &report["items"]), (Some(6), &0.into()), "{report}");
    // robots.txt is unavailable: the source is deferred, and this does not count as a failure of the source.
    let source = &stage.json_lines(&["source", "list", "-o", "jsonl"]).await[0];
    assert!(source["reason"].as_str().unwrap().contains("cannot fetch robots.txt"), "{source}");
    assert_eq!(source["failures"], 0.0, "{source}");
}

/// The control of the judge on a real log: without the delay the same crawl has violations.
#[tokio::test(flavor = "multi_thread")]
async fn control_without_a_delay_the_judge_reports_violations() {
    let options = StageOptions { delay: Duration::ZERO, ..StageOptions::default() };
    let mut stage = Stage::with_options(healthy_world(3, 6), options).await;
    stage.pass().await;
    stage.delay = Duration::from_secs(5);
    assert!(stage.judge().violations().len() > 10);
}

/// The control of robots.txt and of one exchange at a time per host: a plain loop over the same pages violates both.
#[tokio::test(flavor = "multi_thread")]
async fn control_a_plain_loop_violates_politeness() {
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
    let pages = crate::support::fetch_rudely(addresses, &hosts, 8).await;
    assert_eq!(pages, 18);
    let judgement = stage.judge();
    assert_eq!(judgement.against_robots.len(), 8, "{:?}", judgement.against_robots);
    assert!(!judgement.too_soon.is_empty());
    assert!(judgement.concurrency > 1, "the judge must detect concurrent exchanges with a host");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_pass_sends_only_conditional_requests() {
    let stage = Stage::new(healthy_world(8, 5)).await;
    let (first, output) = stage.pass().await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(first["items"], 40);

    stage.origin.forget();
    let (second, _) = stage.pass().await;
    assert_eq!((second["items"].as_u64(), second["materials"].as_u64()), (Some(0), Some(0)), "{second}");
    let judgement = stage.judge();
    assert_eq!((judgement.conditional, judgement.unconditional), (8, 0), "{judgement:?}");

    // The control: without the stored validators every request is unconditional. The store still recognizes every
    // entry.
    stage.database("store.db").execute("UPDATE source SET validators = NULL", []).unwrap();
    stage.origin.forget();
    let (third, _) = stage.pass().await;
    assert_eq!(third["items"], 0, "{third}");
    let judgement = stage.judge();
    assert_eq!((judgement.conditional, judgement.unconditional), (0, 8), "{judgement:?}");
}

/// The control of "exactly once": with overwritten identities of the stored items the same pass stores everything
/// again, and the check reports it.
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
async fn address_guard_is_on_by_default() {
    let options = StageOptions { allow_addresses: "[]", ..StageOptions::default() };
    let stage = Stage::with_options(healthy_world(3, 2), options).await;
    let (report, output) = stage.pass().await;
    assert_eq!((report["sources_failed"].as_u64(), output.status.code()), (Some(3), Some(6)));
    assert_eq!(stage.origin.log(), [], "a request was sent to an address that is not public");
    let sources = stage.json_lines(&["source", "list", "-o", "jsonl"]).await;
    assert!(sources[0]["reason"].as_str().unwrap().contains("not public"), "{}", sources[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn forbidden_links_of_entries_are_reported_and_never_requested() {
    let mut world = World::empty(3);
    world.add(Kind::Feed, Behaviour::Luring, 2, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.declare(
        &std::fs::read_to_string(stage.path("objects/all.yaml"))
            .unwrap()
            .replace("{query: 'qyransim'}", "{query: 'деректер OR файл'}"),
    );
    stage.pass().await;
    let materials = stage.json_lines(&["material", "list", "--topic", "whole", "-o", "jsonl"]).await;
    let problems: Vec<String> = materials.iter().map(|material| material["problems"].to_string()).collect();
    assert_eq!(materials.len(), 2, "{materials:?}");
    assert!(problems.iter().any(|problem| problem.contains("169.254.169.254 is not public")), "{problems:?}");
    assert!(
        problems.iter().any(|problem| problem.contains("unsupported scheme \\\"file\\\"")),
        "{problems:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn turn_fetches_at_most_its_pages_and_the_rest_stays_queued() {
    let stage = Stage::new(healthy_world(1, 9)).await;
    let objects = stage.path("objects");
    let run = ["run", "--once", "-o", "json", "--pages", "4", "-f", objects.to_str().unwrap()];
    let output = crate::support::finished(stage.command(&run)).await;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["items"].as_u64(), report["pages_waiting"].as_u64()), (Some(4), Some(5)), "{report}");
    assert!(text(&output.stderr).contains("5 article pages stay queued"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));

    let output = crate::support::finished(stage.command(&["run", "--once", "-o", "json"])).await;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["items"].as_u64(), report["pages_waiting"].as_u64()), (Some(5), Some(0)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_without_dates_are_stored_once_and_edits_update_them() {
    let mut world = World::empty(9);
    world.add(Kind::Feed, Behaviour::Dateless, 3, Duration::ZERO);
    let stage = Stage::new(world).await;
    stage.pass().await;
    let original = stage.json_lines(&["material", "list", "--topic", "all", "-o", "jsonl"]).await;
    assert!(original.iter().all(|material| material["published_at"].is_null()), "{original:?}");
    // Simulate an edit by the publisher: the stored hashes differ from those of the pages.
    stage
        .database("store.db")
        .execute_batch(
            "UPDATE item SET entry_hash = 'other', content_hash = 'other'; UPDATE source SET validators = NULL",
        )
        .unwrap();
    let (report, _) = stage.pass().await;
    assert_eq!((report["items"].as_u64(), report["edited"].as_u64()), (Some(0), Some(3)), "{report}");
    let updated = stage.json_lines(&["material", "list", "--topic", "all", "-o", "jsonl"]).await;
    assert_eq!(count_materials(&original), count_materials(&updated));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_topic_matches_stored_items() {
    let stage = Stage::new(healthy_world(2, 3)).await;
    stage.pass().await;
    let topic = "apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {name: late}\nspec: {query: 'qyransim AND 1'}\n";
    std::fs::write(stage.path("late.yaml"), topic).unwrap();
    let apply = stage.command(&["apply", "-f", stage.path("late.yaml").to_str().unwrap()]);
    assert!(crate::support::finished(apply).await.status.success());
    assert_eq!(stage.materials("late").await.len(), 2);
    assert_eq!(stage.origin.log().iter().filter(|exchange| exchange.path == "/robots.txt").count(), 2);
}

/// A manual visit obeys the same delays as a node, and a node obeys the delay after a manual visit.
#[tokio::test(flavor = "multi_thread")]
async fn dry_run_is_polite_and_stores_nothing() {
    let stage = Stage::with_options(
        healthy_world(1, 3),
        StageOptions { delay: Duration::from_millis(700), ..StageOptions::default() },
    )
    .await;
    let site = &stage.origin.world().sites[0];
    let front = stage.origin.front(site);
    let dry_run = async || {
        let output = crate::support::finished(stage.command(&["source", "test", &front, "-o", "json"])).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    // Two dry runs without a data folder, then dry runs before and after a pass.
    let report = dry_run().await;
    assert!(!stage.path("data").exists());
    assert_eq!(
        (report["robots"]["verdict"].as_str(), report["kind"].as_str()),
        (Some("allowed"), Some("feed"))
    );
    assert_eq!((report["entries"].as_u64(), report["items"].as_array().unwrap().len()), (Some(3), 3));
    assert!(report["next_poll"].is_string() && report["error"].is_null(), "{report}");
    dry_run().await;
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    stage.origin.forget();
    stage.pass().await;
    dry_run().await;
    dry_run().await;
    stage.pass().await;
    // A manual visit waits while a node holds the host.
    let objects = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
    stage.declare(&objects.replace("min: 1s, max: 2s", "min: 1s, max: 1s"));
    let mut node = stage.node();
    let count = stage.origin.log().len();
    crate::support::eventually("the node polls", || stage.origin.log().len() > count).await;
    dry_run().await;
    dry_run().await;
    crate::support::signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    assert_eq!(stage.materials("all").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_data_is_shown_in_all_views_and_formats() {
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
    assert_eq!(
        history.iter().filter(|fetch| fetch["status"] == "ok").count(),
        4,
        "expected a feed and three pages"
    );
    let results = stage.json_lines(&["material", "list", "--search", "qyransim 1", "-o", "jsonl"]).await;
    assert!(!results.is_empty() && results.len() < all.len(), "{}", results.len());

    // The same list in the other output formats.
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

    // A pass without due sources succeeds and reports the time of the next poll.
    let output =
        crate::support::finished(stage.command(&["run", "--once", "-o", "json", "--log-format", "json"]))
            .await;
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    if report["sources"] == 0 {
        assert!(
            text(&output.stderr).contains("nothing is due; the next poll is due in"),
            "{}",
            text(&output.stderr)
        );
    }
}

/// A tail resumes after a sequence number and exits on SIGTERM.
#[tokio::test(flavor = "multi_thread")]
async fn tail_resumes_after_a_sequence_number() {
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

/// A JSON log has only JSON lines, and a log that cannot be written does not stop a run.
#[tokio::test(flavor = "multi_thread")]
async fn json_log_is_valid_and_a_failed_log_write_is_harmless() {
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
    // Every write to /dev/full fails, as on a full disk.
    run.stderr(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    run.stdout(std::process::Stdio::piped());
    let output = run.spawn().unwrap().wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}
