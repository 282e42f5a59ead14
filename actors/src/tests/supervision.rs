//! What supervision promises, on a web in memory and a paused clock.

use std::time::Duration;

use model::SourceState;
use scheduler::{Claim, Leaving, Schedule};

use crate::NodeError;
use crate::tests::stage::{Page, Stage, host, name, until};

#[tokio::test(start_paused = true)]
async fn sources_are_read_stored_and_read_again() {
    let stage = Stage::with(&["a.kz", "b.kz"]).await;
    let mut node = stage.start().await;
    until("both are read twice", async || stage.web.asked().len() >= 4).await;
    assert_eq!(stage.items().await, 4);
    assert_eq!(stage.state("a.kz").await, SourceState::Live);
    assert_eq!(node.context().tally.totals().restarts, 0);
    node.drain();
    node.ended().await.unwrap();
    for name in ["a.kz", "b.kz"] {
        assert_eq!(stage.schedule.host(&host(name)).await.unwrap().unwrap().owner, None, "{name} was kept");
    }
}

/// Pages of a listing that lead round in a circle are each asked for once in a poll.
#[tokio::test(start_paused = true)]
async fn a_circle_of_listing_pages_is_gone_round_once() {
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
    until("it is read", async || stage.items().await == 3).await;
    node.drain();
    node.ended().await.unwrap();
    let asked = ["feed", "two", "three"].map(|path| stage.web.times_asked(&format!("http://a.kz/{path}")));
    assert_eq!(asked, [1, 1, 1]);
}

/// The other source is the control: what happens to one never happens to both.
#[tokio::test(start_paused = true)]
async fn a_source_that_crashes_its_fetcher_is_put_aside_and_slows_nobody() {
    let stage = Stage::with(&["bad.kz", "good.kz"]).await;
    stage.web.put("http://bad.kz/feed", Page::Panics);
    let node = stage.start().await;
    until("it is in quarantine", async || stage.state("bad.kz").await == SourceState::Quarantined).await;
    assert_eq!(stage.web.times_asked("http://bad.kz/feed"), 5, "five crashes in a row");
    assert_eq!(stage.state("good.kz").await, SourceState::Live);
    assert!(stage.web.times_asked("http://good.kz/feed") >= 2);
    assert_eq!(node.context().tally.totals().restarts, 5);

    // Nobody asks for it any more, until an operator says so.
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert_eq!(stage.web.times_asked("http://bad.kz/feed"), 5);
    stage.web.put("http://bad.kz/feed", crate::tests::stage::feed(3));
    stage.store.watch(&name("bad.kz"), model::Watch::On, stage.clock.now()).await.unwrap();
    until("it is read again", async || stage.state("bad.kz").await == SourceState::Live).await;
}

#[tokio::test(start_paused = true)]
async fn a_fetcher_without_progress_is_ended_and_counted_as_a_crash() {
    let stage = Stage::with(&["stuck.kz", "good.kz"]).await;
    stage.web.put("http://stuck.kz/feed", Page::Hangs);
    let node = stage.start().await;
    until("it was ended", async || node.context().tally.totals().restarts == 1).await;
    let stuck = stage.schedule.host(&host("stuck.kz")).await.unwrap().unwrap();
    assert_eq!(stuck.jobs[0].crashes, 1);
    // It comes back when the trouble is over, and its crashes are forgotten.
    stage.web.put("http://stuck.kz/feed", crate::tests::stage::feed(1));
    until("it is read", async || stage.state("stuck.kz").await == SourceState::Live).await;
    let read = stage.schedule.host(&host("stuck.kz")).await.unwrap().unwrap();
    assert_eq!(read.jobs[0].crashes, 0);
}

/// A slow exchange within its deadlines is no standstill: the control of the test above.
#[tokio::test(start_paused = true)]
async fn slowness_is_no_crash() {
    let stage = Stage::with(&["slow.kz"]).await;
    let Page::Body(body) = crate::tests::stage::feed(1) else { panic!("a feed is a body") };
    stage.web.put("http://slow.kz/feed", Page::Slow(Duration::from_secs(25), body));
    let node = stage.start().await;
    until("it is read", async || stage.state("slow.kz").await == SourceState::Live).await;
    assert_eq!(node.context().tally.totals().restarts, 0);
}

/// What the store will not take costs its own source, and no other that shares its transaction.
#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_costs_nobody_else() {
    const HOSTS: &[&str] = &["a.kz", "b.kz", "c.kz", "d.kz"];
    let stage = Stage::with(HOSTS).await;
    stage.refuse("b.kz");
    let node = stage.start().await;
    until("the others are stored", async || stage.items().await == 6).await;
    assert!(stage.state("b.kz").await != SourceState::Live);
    assert_eq!(node.context().tally.totals().restarts, 0);
}

/// While the store is out, the credits are with the harvests that wait: nothing more is fetched than
/// there are credits, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn fetching_stops_while_the_store_is_out_and_nothing_is_lost() {
    const HOSTS: &[&str] = &["a.kz", "b.kz", "c.kz", "d.kz", "e.kz", "f.kz", "g.kz"];
    for (credits, fetched) in [(2, 2), (100, HOSTS.len())] {
        let mut stage = Stage::with(HOSTS).await;
        stage.config.credits = credits;
        stage.outage(true);
        let node = stage.start().await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(stage.web.asked().len(), fetched, "with {credits} credits");
        assert_eq!((stage.items().await, node.context().tally.totals().restarts), (0, 0));
        stage.outage(false);
        until("everything is stored", async || stage.items().await == 14).await;
        assert_eq!(node.context().tally.totals().materials, 14);
    }
}

/// A node that lost its lease can neither store nor settle what it still brings home.
#[tokio::test(start_paused = true)]
async fn a_node_that_lost_its_lease_stores_nothing() {
    let stage = Stage::with(&["a.kz"]).await;
    let Page::Body(body) = crate::tests::stage::feed(2) else { panic!("a feed is a body") };
    // Shorter than the fleet takes to notice: it would end the fetcher then.
    stage.web.put("http://a.kz/feed", Page::Slow(Duration::from_secs(5), body));
    let node = stage.start().await;
    until("the exchange is under way", async || stage.web.times_asked("http://a.kz/feed") == 1).await;
    // Somebody takes the host away, as if our lease had run out, and stores under a newer token.
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
    assert_eq!(stage.items().await, 0, "a fenced-out harvest was stored");
    assert_eq!(node.context().tally.totals().fenced, 1);
    let view = stage.schedule.host(&host("a.kz")).await.unwrap().unwrap();
    assert_eq!(view.owner.unwrap().0, "n2", "it settled what is not its own");
}

#[tokio::test(start_paused = true)]
async fn a_part_that_dies_is_started_again_and_one_that_keeps_dying_ends_the_node() {
    let stage = Stage::with(&["a.kz"]).await;
    let mut node = stage.start().await;
    let kill = || node.context().storage.borrow().as_ref().unwrap().kill();
    let first = node.context().storage.borrow().as_ref().unwrap().get_id();
    kill();
    until("storage runs again", async || node.context().storage.borrow().as_ref().unwrap().get_id() != first)
        .await;
    until("and does its work", async || stage.items().await == 2).await;
    let mut last = first;
    for _ in 0..3 {
        let current = || node.context().storage.borrow().as_ref().unwrap().get_id();
        until("it was started again", async || current() != last).await;
        last = current();
        node.context().storage.borrow().as_ref().unwrap().kill();
    }
    assert_eq!(node.ended().await, Err(NodeError::Meltdown("storage")));
}

#[tokio::test(start_paused = true)]
async fn a_paused_source_is_left_alone_within_seconds() {
    let stage = Stage::with(&["a.kz"]).await;
    let _node = stage.start().await;
    until("it is read", async || stage.items().await == 2).await;
    stage.store.watch(&name("a.kz"), model::Watch::Paused, stage.clock.now()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = stage.web.asked().len();
    tokio::time::sleep(Duration::from_secs(3000)).await;
    assert_eq!(stage.web.asked().len(), before);
    stage.store.watch(&name("a.kz"), model::Watch::On, stage.clock.now()).await.unwrap();
    until("it is read again", async || stage.web.asked().len() > before).await;
}

/// The delay of robots.txt holds between the turns of a host, and over the end of a node.
#[tokio::test(start_paused = true)]
async fn what_robots_ask_for_holds_between_turns_and_nodes() {
    let stage = Stage::with(&["a.kz"]).await;
    stage.web.put("http://a.kz/robots.txt", Page::Body("User-agent: *\nCrawl-delay: 40\n".to_owned()));
    let pages = ["http://a.kz/1", "http://a.kz/2", "http://a.kz/3"];
    stage.web.put("http://a.kz/feed", crate::tests::stage::links(&pages));
    let mut node = stage.start().await;
    until("a page is read", async || stage.web.asked().len() == 2).await;
    node.drain();
    node.ended().await.unwrap();
    let _again = stage.start().await;
    until("the others are read", async || stage.web.asked().len() >= 5).await;
    assert!(stage.web.shortest_gap() >= Duration::from_secs(40), "{:?}", stage.web.shortest_gap());
}

/// Keeping a long delay on a way of several hops is no standstill.
#[tokio::test(start_paused = true)]
async fn a_long_delay_is_no_crash() {
    let mut stage = Stage::with(&["a.kz"]).await;
    stage.config.stuck_after = Duration::from_secs(30);
    stage.web.put("http://a.kz/robots.txt", Page::Body("User-agent: *\nCrawl-delay: 59\n".to_owned()));
    stage.web.put("http://a.kz/feed", crate::tests::stage::links(&["http://a.kz/1"]));
    let node = stage.start().await;
    until("the page is read", async || stage.web.times_asked("http://a.kz/1") == 1).await;
    assert_eq!(node.context().tally.totals().restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn entries_that_share_an_address_are_all_kept() {
    let stage = Stage::with(&["a.kz"]).await;
    stage.web.put(
        "http://a.kz/feed",
        crate::tests::stage::links(&["http://a.kz/live", "http://a.kz/live#2", "http://a.kz/own"]),
    );
    let _node = stage.start().await;
    until("all are stored", async || stage.items().await == 3).await;
    assert_eq!(stage.web.times_asked("http://a.kz/live"), 0, "it is the page of none of them");
    assert_eq!(stage.web.times_asked("http://a.kz/own"), 1);
}
