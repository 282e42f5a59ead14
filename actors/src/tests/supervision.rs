//! Tests of supervision on an in-memory web and a paused clock.

use std::time::Duration;

use model::SourceState;
use scheduler::{Claim, Leaving, ScheduledHosts, Turns};

use crate::NodeError;
use crate::tests::stage::{Page, Stage, host, name, until};

#[tokio::test(start_paused = true)]
async fn sources_are_polled_repeatedly_and_stored() {
    let stage = Stage::with(&["a.kz", "b.kz"]).await;
    let mut node = stage.start().await;
    until("both sources are polled twice", async || stage.web.requests().len() >= 4).await;
    assert_eq!(stage.items().await, 4);
    assert_eq!(stage.state("a.kz").await, SourceState::Live);
    assert_eq!(node.context().tally.totals().restarts, 0);
    node.drain();
    node.ended().await.unwrap();
    for name in ["a.kz", "b.kz"] {
        assert_eq!(
            stage.schedule.host(&host(name)).await.unwrap().unwrap().owner,
            None,
            "{name} is still leased"
        );
    }
}

/// A poll fetches each page of a listing once, even if the links to the next page form a cycle.
#[tokio::test(start_paused = true)]
async fn a_cycle_of_listing_pages_is_followed_once() {
    let stage = Stage::with(&[]).await;
    let page = |article: u8, next: &str| {
        Page::Body(format!(
            "<div class=i><a href=/news/{article}>Заголовок статьи номер {article}</a></div><a class=n href={next}>ещё</a>"
        ))
    };
    for (number, path, next) in [(1, "feed", "/two"), (2, "two", "/three"), (3, "three", "/feed")] {
        stage.web.put(&format!("http://a.kz/{path}"), page(number, next));
    }
    let listing = model::Source {
        kind: model::SourceKind::Listing,
        article: model::ArticleMode::Never,
        selectors: model::Selectors {
            item: Some(".i".to_owned()),
            next: Some(".n".to_owned()),
            ..model::Selectors::default()
        },
        ..crate::tests::stage::source("a.kz")
    };
    let objects = store::Objects { sources: vec![listing], ..store::Objects::default() };
    stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
    let mut node = stage.start().await;
    until("the listing is read", async || stage.items().await == 3).await;
    node.drain();
    node.ended().await.unwrap();
    let counts = ["feed", "two", "three"].map(|path| stage.web.request_count(&format!("http://a.kz/{path}")));
    assert_eq!(counts, [1, 1, 1]);
}

/// The second source is the control: it must not be affected.
#[tokio::test(start_paused = true)]
async fn a_source_that_crashes_its_fetcher_is_quarantined() {
    let stage = Stage::with(&["bad.kz", "good.kz"]).await;
    stage.web.put("http://bad.kz/feed", Page::Panics);
    let node = stage.start().await;
    until("the source is quarantined", async || stage.state("bad.kz").await == SourceState::Quarantined)
        .await;
    assert_eq!(stage.web.request_count("http://bad.kz/feed"), 5, "five crashes in a row");
    assert_eq!(stage.state("good.kz").await, SourceState::Live);
    assert!(stage.web.request_count("http://good.kz/feed") >= 2);
    assert_eq!(node.context().tally.totals().restarts, 5);

    // The source is not polled until an operator resumes it.
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert_eq!(stage.web.request_count("http://bad.kz/feed"), 5);
    stage.web.put("http://bad.kz/feed", crate::tests::stage::feed(3));
    stage.store.watch(&name("bad.kz"), model::Watch::On, stage.clock.now()).await.unwrap();
    until("the source is live again", async || stage.state("bad.kz").await == SourceState::Live).await;
}

#[tokio::test(start_paused = true)]
async fn a_fetcher_without_progress_is_stopped_and_counts_as_a_crash() {
    let stage = Stage::with(&["stuck.kz", "good.kz"]).await;
    stage.web.put("http://stuck.kz/feed", Page::Hangs);
    let node = stage.start().await;
    until("the fetcher is stopped", async || node.context().tally.totals().restarts == 1).await;
    let view = stage.schedule.host(&host("stuck.kz")).await.unwrap().unwrap();
    assert_eq!(view.jobs[0].crashes, 1);
    // After a success the crash count is reset.
    stage.web.put("http://stuck.kz/feed", crate::tests::stage::feed(1));
    until("the source is live", async || stage.state("stuck.kz").await == SourceState::Live).await;
    let view = stage.schedule.host(&host("stuck.kz")).await.unwrap().unwrap();
    assert_eq!(view.jobs[0].crashes, 0);
}

/// The control of the test above: a slow exchange within its timeouts is no crash.
#[tokio::test(start_paused = true)]
async fn a_slow_exchange_is_no_crash() {
    let stage = Stage::with(&["slow.kz"]).await;
    let Page::Body(body) = crate::tests::stage::feed(1) else { panic!("a feed is a body") };
    stage.web.put("http://slow.kz/feed", Page::Slow(Duration::from_secs(25), body));
    let node = stage.start().await;
    until("the source is live", async || stage.state("slow.kz").await == SourceState::Live).await;
    assert_eq!(node.context().tally.totals().restarts, 0);
}

/// A harvest that the store rejects does not affect other harvests of the same batch.
#[tokio::test(start_paused = true)]
async fn a_rejected_harvest_does_not_affect_others() {
    const HOSTS: &[&str] = &["a.kz", "b.kz", "c.kz", "d.kz"];
    let stage = Stage::with(HOSTS).await;
    stage.reject_items_of("b.kz");
    let node = stage.start().await;
    until("the other sources are stored", async || stage.items().await == 6).await;
    assert!(stage.state("b.kz").await != SourceState::Live);
    assert_eq!(node.context().tally.totals().restarts, 0);
}

/// During an outage of the store, the waiting harvests hold the credits. No more is fetched than there are credits,
/// and nothing is lost.
#[tokio::test(start_paused = true)]
async fn fetching_stops_during_a_store_outage_and_nothing_is_lost() {
    const HOSTS: &[&str] = &["a.kz", "b.kz", "c.kz", "d.kz", "e.kz", "f.kz", "g.kz"];
    for (credits, requests) in [(2, 2), (100, HOSTS.len())] {
        let mut stage = Stage::with(HOSTS).await;
        stage.config.credits = credits;
        stage.set_outage(true);
        let node = stage.start().await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(stage.web.requests().len(), requests, "with {credits} credits");
        assert_eq!((stage.items().await, node.context().tally.totals().restarts), (0, 0));
        stage.set_outage(false);
        until("all items are stored", async || stage.items().await == 14).await;
        assert_eq!(node.context().tally.totals().materials, 14);
    }
}

/// A node that lost its lease can neither store its harvest nor settle its job.
#[tokio::test(start_paused = true)]
async fn a_node_that_lost_its_lease_stores_nothing() {
    let stage = Stage::with(&["a.kz"]).await;
    let Page::Body(body) = crate::tests::stage::feed(2) else { panic!("a feed is a body") };
    // Shorter than the time in which the host worker notices the loss and stops the fetcher.
    stage.web.put("http://a.kz/feed", Page::Slow(Duration::from_secs(5), body));
    let node = stage.start().await;
    until("the exchange has started", async || stage.web.request_count("http://a.kz/feed") == 1).await;
    // Another node claims the host, as if the lease had expired, and stores a harvest with a newer token.
    let now = stage.clock.now();
    stage.schedule.reclaim("n1", now, Leaving::Crashed).await.unwrap();
    let later = now.saturating_add(Duration::from_secs(2)).unwrap();
    let claim = Claim {
        node: "n2".to_owned(),
        now: later,
        due_by: later,
        lease: Duration::from_secs(3600),
        hosts: 1,
        jobs: 1,
    };
    let turn = stage.schedule.claim(&claim).await.unwrap().pop().unwrap();
    let harvest = model::Harvest::new(name("a.kz"), host("a.kz"), turn.token, later);
    let version = stage.store.objects_version().await.unwrap();
    stage.store.save(&vec![harvest].into(), version).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.items().await, 0, "a fenced harvest was stored");
    assert_eq!(node.context().tally.totals().fenced, 1);
    let view = stage.schedule.host(&host("a.kz")).await.unwrap().unwrap();
    assert_eq!(view.owner.unwrap().0, "n2", "the node settled a job of another node");
}

#[tokio::test(start_paused = true)]
async fn a_failed_actor_is_restarted_and_repeated_failures_end_the_node() {
    let stage = Stage::with(&["a.kz"]).await;
    let mut node = stage.start().await;
    let kill = || node.context().storage.borrow().as_ref().unwrap().kill();
    let first = node.context().storage.borrow().as_ref().unwrap().get_id();
    kill();
    until("the storage actor is restarted", async || {
        node.context().storage.borrow().as_ref().unwrap().get_id() != first
    })
    .await;
    until("both items are stored", async || stage.items().await == 2).await;
    let mut last = first;
    for _ in 0..3 {
        let current = || node.context().storage.borrow().as_ref().unwrap().get_id();
        until("the storage actor is restarted", async || current() != last).await;
        last = current();
        node.context().storage.borrow().as_ref().unwrap().kill();
    }
    assert_eq!(node.ended().await, Err(NodeError::Meltdown("storage")));
}

#[tokio::test(start_paused = true)]
async fn a_paused_source_is_not_polled_after_a_few_seconds() {
    let stage = Stage::with(&["a.kz"]).await;
    let _node = stage.start().await;
    until("the source is read", async || stage.items().await == 2).await;
    stage.store.watch(&name("a.kz"), model::Watch::Paused, stage.clock.now()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let count = stage.web.requests().len();
    tokio::time::sleep(Duration::from_secs(3000)).await;
    assert_eq!(stage.web.requests().len(), count);
    stage.store.watch(&name("a.kz"), model::Watch::On, stage.clock.now()).await.unwrap();
    until("the source is polled again", async || stage.web.requests().len() > count).await;
}

/// The crawl delay of robots.txt applies between turns of a host, and across restarts of a node.
#[tokio::test(start_paused = true)]
async fn the_crawl_delay_applies_across_turns_and_nodes() {
    let stage = Stage::with(&["a.kz"]).await;
    stage.web.put("http://a.kz/robots.txt", Page::Body("User-agent: *\nCrawl-delay: 40\n".to_owned()));
    let pages = ["http://a.kz/1", "http://a.kz/2", "http://a.kz/3"];
    stage.web.put("http://a.kz/feed", crate::tests::stage::links(&pages));
    let mut node = stage.start().await;
    until("the first page is read", async || stage.web.requests().len() == 2).await;
    node.drain();
    node.ended().await.unwrap();
    let _second_node = stage.start().await;
    until("the other pages are read", async || stage.web.requests().len() >= 5).await;
    assert!(stage.web.shortest_gap() >= Duration::from_secs(40), "{:?}", stage.web.shortest_gap());
}

/// A fetcher that waits for a long crawl delay is not stopped for lack of progress.
#[tokio::test(start_paused = true)]
async fn a_long_delay_is_no_crash() {
    let mut stage = Stage::with(&["a.kz"]).await;
    stage.config.stuck_after = Duration::from_secs(30);
    stage.web.put("http://a.kz/robots.txt", Page::Body("User-agent: *\nCrawl-delay: 59\n".to_owned()));
    stage.web.put("http://a.kz/feed", crate::tests::stage::links(&["http://a.kz/1"]));
    let node = stage.start().await;
    until("the page is read", async || stage.web.request_count("http://a.kz/1") == 1).await;
    assert_eq!(node.context().tally.totals().restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn entries_that_share_a_url_are_all_stored() {
    let stage = Stage::with(&["a.kz"]).await;
    stage.web.put(
        "http://a.kz/feed",
        crate::tests::stage::links(&["http://a.kz/live", "http://a.kz/live#2", "http://a.kz/own"]),
    );
    let _node = stage.start().await;
    until("all entries are stored", async || stage.items().await == 3).await;
    assert_eq!(
        stage.web.request_count("http://a.kz/live"),
        0,
        "a shared URL is the article page of no entry"
    );
    assert_eq!(stage.web.request_count("http://a.kz/own"), 1);
}
