//! Sources that are platforms: read page by page, by a token where one is asked for, and politely.

use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, Staging, finished, text};

/// More than a page of posts is there: each is read once, at the host's pace.
#[tokio::test(flavor = "multi_thread")]
async fn previews_and_timelines_are_read_page_by_page() {
    let mut world = World::empty(7);
    for kind in [Kind::Telegram, Kind::Mastodon] {
        world.add(kind, Behaviour::Healthy, 45, Duration::ZERO);
    }
    let stage = Stage::of(world).await;
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
        .lines(&[
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
    let stage = Stage::with(world, Staging { more, ..Staging::default() }).await;
    let declared = std::fs::read_to_string(stage.path("objects/all.yaml")).unwrap();
    let state = async || stage.lines(&["source", "list", "-o", "jsonl"]).await.remove(0);
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
    let stage = Stage::of(world).await;
    let site = &stage.origin.world().sites[0];
    let home = stage.origin.front(site).replace(site.front(), "/");
    let found = stage.lines(&["source", "discover", &home, "-o", "jsonl"]).await;
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
