//! What happens to sources that move, break, block, lie and come back, on a web in memory and a paused clock.

use std::time::Duration;

use model::{Source, SourceKind, SourceState, Timestamp};
use store::Objects;
use tokio::time::sleep;

use crate::tests::stage::{Page, Stage, dated_links, feed, name, source, until};

const FEED: &str = "http://a.kz/feed";
const DELAY: Duration = Duration::from_secs(1);

/// So many sections of one host, each a feed.
async fn sections(count: usize) -> Stage {
    let stage = Stage::with(&[]).await;
    let section = |n: usize| Source {
        name: name(&format!("s{n:02}")),
        url: section_url(n).parse().unwrap(),
        ..source("a.kz")
    };
    let objects = Objects { sources: (0..count).map(section).collect(), ..Objects::default() };
    stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
    stage
}

fn section_url(n: usize) -> String {
    format!("http://a.kz/{n}/feed")
}

fn all_say(stage: &Stage, count: usize, page: &Page) {
    for n in 0..count {
        stage.web.put(&section_url(n), page.clone());
    }
}

async fn failures(stage: &Stage) -> Vec<f64> {
    stage.store.sources().await.unwrap().iter().map(|record| record.failures).collect()
}

/// Many sources of a host fail alike: one incident, nobody to blame but the host, a canary a minute, and a way back.
#[tokio::test(start_paused = true)]
async fn a_host_that_fails_for_all_is_one_incident() {
    const SECTIONS: usize = 20;
    let stage = sections(SECTIONS).await;
    all_say(&stage, SECTIONS, &feed(2));
    let _node = stage.start().await;
    let are = async |state: SourceState| {
        stage.store.sources().await.unwrap().iter().filter(|record| record.state == state).count()
    };
    until("all are read", async || are(SourceState::Live).await == SECTIONS).await;
    all_say(&stage, SECTIONS, &Page::Says(503, None));
    let incident =
        async || stage.store.host_health(&crate::tests::stage::host("a.kz")).await.unwrap().incident;
    until("it is noticed", async || incident().await.is_some()).await;
    let before = stage.web.asked().len();
    sleep(Duration::from_secs(1800)).await;
    let canaries = stage.web.asked().len() - before;
    assert!((25..=31).contains(&canaries), "one a minute, not {canaries}");
    // The first four were told before anybody could know; the fifth made it an incident.
    let counted: Vec<f64> = failures(&stage).await.into_iter().filter(|failures| *failures > 0.0).collect();
    assert_eq!(counted, [0.25; 4]);
    assert_eq!(are(SourceState::Unreachable).await, 0);
    all_say(&stage, SECTIONS, &feed(3));
    until("it is over", async || incident().await.is_none()).await;
    until("all are read again", async || stage.items().await == 3 * SECTIONS as u64).await;
    assert!(stage.web.shortest_gap() >= DELAY, "nobody runs to it when it is back");
    let noted = stage.store.incidents(Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap();
    assert_eq!(noted.len(), 1);
    assert!(noted[0].to.is_some() && noted[0].reason == "HTTP status 503", "{noted:?}");
}

/// The control: of four sources nobody can tell the host from its sources, and each answers for itself.
#[tokio::test(start_paused = true)]
async fn a_few_sources_answer_for_themselves() {
    let stage = sections(4).await;
    all_say(&stage, 4, &feed(2));
    let _node = stage.start().await;
    until("all are read", async || stage.items().await == 8).await;
    all_say(&stage, 4, &Page::Says(503, None));
    let states = async || stage.store.sources().await.unwrap();
    until("all are unreachable", async || {
        states().await.iter().all(|record| record.state == SourceState::Unreachable)
    })
    .await;
    assert!(stage.store.incidents(Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap().is_empty());
}

/// One of many that comes through: it is not the host.
#[tokio::test(start_paused = true)]
async fn sources_that_fail_beside_others_answer_for_themselves() {
    const SECTIONS: usize = 12;
    let stage = sections(SECTIONS).await;
    all_say(&stage, SECTIONS, &feed(2));
    let _node = stage.start().await;
    until("all are read", async || stage.items().await == 2 * SECTIONS as u64).await;
    for n in (0..SECTIONS).filter(|n| n % 3 > 0) {
        stage.web.put(&section_url(n), Page::Says(404, None));
    }
    sleep(Duration::from_secs(1200)).await;
    let failing = failures(&stage).await.into_iter().filter(|failures| *failures >= 1.0).count();
    assert_eq!(failing, SECTIONS * 2 / 3, "each counts its own");
}

/// Many old pages of many sources wait for one host: what is new there is read all the same.
#[tokio::test(start_paused = true)]
async fn old_pages_wait_behind_what_is_new() {
    const ARCHIVES: usize = 8;
    let stage = sections(ARCHIVES + 1).await;
    for n in 0..ARCHIVES {
        let old: Vec<String> = (0..100).map(|page| format!("http://a.kz/{n}/old/{page}")).collect();
        stage.web.put(&section_url(n), dated_links(&old, "Sat, 01 Nov 2025 09:00:00 +0500"));
    }
    let fresh = |n: usize| format!("http://a.kz/fresh/{n}");
    let publish = |count: usize| {
        let all: Vec<String> = (0..count).map(fresh).collect();
        stage.web.put(&section_url(ARCHIVES), dated_links(&all, "Mon, 23 Nov 2026 14:00:00 +0500"));
    };
    publish(1);
    let _node = stage.start().await;
    until("the first is read", async || stage.web.times_asked(&fresh(0)) > 0).await;
    until("old pages are under way", async || stage.web.asked().len() > 100).await;
    for n in 1..6 {
        publish(n + 1);
        let before = stage.web.asked().len();
        until("what is new is read", async || stage.web.times_asked(&fresh(n)) > 0).await;
        let meanwhile = stage.web.asked().len() - before;
        // A minute until it is polled, at one exchange a second; then four pages of each archive and its next poll, at most.
        assert!(meanwhile <= 66 + 5 * ARCHIVES, "{n}: {meanwhile} exchanges with others came first");
    }
    assert!(stage.web.asked().len() < ARCHIVES * 100, "old pages wait still: or nothing was shown");
}

/// A channel's preview with these posts, and older ones behind them.
fn preview(posts: std::ops::RangeInclusive<u32>) -> Page {
    let post = |id: u32| {
        format!(
            "<div class='tgme_widget_message' data-post='qala/{id}'><div class='tgme_widget_message_text'>Новость номер {id}</div>\
             <a class='tgme_widget_message_date'><time datetime='2026-11-23T09:00:00+00:00'></time></a></div>"
        )
    };
    let first = *posts.start();
    let more = if first > 1 {
        format!("<a class='tme_messages_more' data-before='{first}'></a>")
    } else {
        String::new()
    };
    Page::Body(format!(
        "<section class='tgme_channel_history'>{more}{}</section>",
        posts.map(post).collect::<String>()
    ))
}

pub(crate) async fn channel() -> Stage {
    let stage = Stage::with(&[]).await;
    let channel = Source {
        kind: SourceKind::Telegram,
        url: "http://a.kz/qala".parse().unwrap(),
        delay: Some(DELAY),
        ..source("a.kz")
    };
    let objects = Objects { sources: vec![channel], ..Objects::default() };
    stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
    stage
}

pub(crate) fn publish(stage: &Stage, newest: u32) {
    const SHOWN: u32 = 20;
    let page = |last: u32| preview(last.saturating_sub(SHOWN - 1).max(1)..=last);
    stage.web.put("http://a.kz/s/qala", page(newest));
    let mut first = newest.saturating_sub(SHOWN - 1).max(1);
    while first > 1 {
        stage.web.put(&format!("http://a.kz/s/qala?before={first}"), page(first - 1));
        first = (first - 1).saturating_sub(SHOWN - 1).max(1);
    }
}

/// More came out since the last poll than a page shows: it is read back to what is known, and no further.
#[tokio::test(start_paused = true)]
async fn a_channel_is_read_back_to_what_is_known() {
    let stage = channel().await;
    publish(&stage, 10);
    let _node = stage.start().await;
    until("the first are read", async || stage.items().await == 10).await;
    publish(&stage, 75);
    until("all are read", async || stage.items().await == 75).await;
    // 75 to 56, 55 to 36, 35 to 16, 15 to 1: the last page holds what is known.
    let back: Vec<String> = stage.web.asked().into_iter().filter(|url| url.contains("before")).collect();
    assert_eq!(
        back,
        [56, 36, 16].map(|first| format!("http://a.kz/s/qala?before={first}")),
        "each page once, the next polls none"
    );
}

/// The control: of what lies further back than anybody goes it is told that it is missing.
#[tokio::test(start_paused = true)]
async fn a_gap_is_told() {
    let stage = channel().await;
    publish(&stage, 10);
    let _node = stage.start().await;
    until("the first are read", async || stage.items().await == 10).await;
    publish(&stage, 400);
    until("what can be is read", async || stage.items().await == 230).await;
    let history = stage.store.history(&name("a.kz"), 100).await.unwrap();
    assert!(history.iter().any(|line| line.detail.contains("may have been missed")), "{history:?}");
}

/// A page that cannot be had ends the way back: that is a gap as well.
#[tokio::test(start_paused = true)]
async fn a_way_back_that_breaks_off_is_told() {
    let stage = channel().await;
    publish(&stage, 10);
    let _node = stage.start().await;
    until("the first are read", async || stage.items().await == 10).await;
    publish(&stage, 75);
    stage.web.put("http://a.kz/s/qala?before=36", Page::Says(500, None));
    until("what can be is read", async || stage.items().await == 50).await;
    let history = stage.store.history(&name("a.kz"), 100).await.unwrap();
    assert!(history.iter().any(|line| line.detail.contains("may have been missed")), "{history:?}");
}

/// Each state, with the evidence for it, and the way back.
#[tokio::test(start_paused = true)]
async fn states_follow_the_evidence_and_are_noted() {
    let stage = Stage::with(&["a.kz"]).await;
    let _node = stage.start().await;
    let becomes = async |page: Page, state: SourceState| {
        stage.web.put(FEED, page);
        for _ in 0..100 {
            // Nobody waits here for the week after which one is asked again that is gone.
            service::plan_now(
                &*stage.store,
                &*stage.schedule,
                &name("a.kz"),
                service::PlanTerms { delay: DELAY, now: stage.clock.now(), all_now: true },
            )
            .await
            .unwrap();
            sleep(Duration::from_secs(5)).await;
            if stage.state("a.kz").await == state {
                return;
            }
        }
        panic!("it never became {state:?}");
    };
    use SourceState::{BrokenLayout, Degraded, Gone, Live, Restricted, Unreachable};
    let good = || feed(2);
    for (page, state) in [
        (good(), Live),
        (Page::Says(500, None), Degraded),
        (Page::Says(500, None), Unreachable),
        (good(), Live),
        (Page::Says(404, None), Degraded),
        (Page::Body("<!DOCTYPE html><p>Сайт на ремонте".to_owned()), BrokenLayout),
        (good(), Live),
        (Page::Says(403, None), Restricted),
        (good(), Live),
        (Page::Says(302, Some(("location", "http://a.kz/login".to_owned()))), Restricted),
        (good(), Live),
        (Page::Says(410, None), Gone),
        (good(), Live),
    ] {
        stage.web.put("http://a.kz/login", feed(2));
        becomes(page, state).await;
    }
    let noted =
        stage.store.availability(Some(&name("a.kz")), Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap();
    let noted: Vec<(&str, &str)> =
        noted.iter().map(|interval| (interval.state.as_str(), interval.reason.as_str())).collect();
    let expected = [
        ("candidate", ""),
        ("live", ""),
        ("degraded", "HTTP status 500"),
        ("unreachable", "HTTP status 500"),
        ("live", ""),
        ("degraded", "HTTP status 404"),
        ("broken_layout", "expected a feed, got a web page"),
        ("live", ""),
        ("restricted", "HTTP status 403"),
        ("live", ""),
        ("restricted", "redirected to a.kz (login): access is restricted"),
        ("live", ""),
        ("gone", "HTTP status 410"),
        ("live", ""),
    ];
    assert_eq!(noted, expected);
}

/// A host that says with status 200 that it is asked too often is left alone, by all its sources.
#[tokio::test(start_paused = true)]
async fn a_busy_host_rests_whatever_its_status() {
    let stage = Stage::with(&[]).await;
    let search = |name: &str| Source {
        name: crate::tests::stage::name(name),
        kind: SourceKind::Gdelt,
        url: format!("http://a.kz/doc?query={name}").parse().unwrap(),
        delay: Some(DELAY),
        ..source("a.kz")
    };
    let sources = vec![search("one"), search("two")];
    for one in &sources {
        let url = crawler::read::address_of(one, "");
        stage.web.put(url.as_str(), Page::Body("Please limit requests to one every 5 seconds".to_owned()));
    }
    let objects = Objects { sources, ..Objects::default() };
    stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
    let _node = stage.start().await;
    until("one was asked", async || !stage.web.asked().is_empty()).await;
    sleep(Duration::from_secs(50)).await;
    assert_eq!(stage.web.asked().len(), 1, "the other waits as well");
    until("then it is asked again", async || stage.web.asked().len() >= 2).await;
}

/// What looks as if a layout had changed is told, and what was read is kept.
#[tokio::test(start_paused = true)]
async fn a_layout_that_changed_is_told_and_loses_nothing() {
    let stage = Stage::with(&[]).await;
    let listing = Source {
        kind: SourceKind::Listing,
        article: model::ArticleMode::Never,
        selectors: model::Selectors {
            item: Some(".i".into()),
            time: Some("time".into()),
            ..Default::default()
        },
        ..source("a.kz")
    };
    let objects = Objects { sources: vec![listing], ..Objects::default() };
    stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
    let page = |count: u8, element: &str| {
        let card = |n: u8| {
            format!(
                "<div class=i><a href=/n/{n}>Статья номер {n}</a><{element}>2026-11-23 09:00</{element}></div>"
            )
        };
        Page::Body((0..count).map(card).collect())
    };
    stage.web.put(FEED, page(4, "time"));
    let _node = stage.start().await;
    until("it is read", async || stage.state("a.kz").await == SourceState::Live).await;
    stage.web.put(FEED, page(5, "span"));
    until("it is told", async || stage.state("a.kz").await == SourceState::BrokenLayout).await;
    assert_eq!(stage.items().await, 5);
    let record = stage.store.source(&name("a.kz")).await.unwrap().unwrap();
    assert!(record.reason.contains("none of 5 items has a time at time"), "{}", record.reason);
    stage.web.put(FEED, page(6, "time"));
    until("it is mended", async || stage.state("a.kz").await == SourceState::Live).await;
}

/// Who moved for good is read there, after a day in which its server said so each time; what is stored is not stored again.
#[tokio::test(start_paused = true)]
async fn a_source_that_moved_for_good_is_followed() {
    let stage = Stage::with(&["a.kz"]).await;
    stage.web.put("http://b.kz/news/rss", feed(2));
    stage.web.put("http://b.kz/robots.txt", Page::Says(404, None));
    let _node = stage.start().await;
    until("it is read", async || stage.items().await == 2).await;
    stage.web.put(FEED, Page::Says(301, Some(("location", "http://b.kz/news/rss".to_owned()))));
    let record = async || stage.store.source(&name("a.kz")).await.unwrap().unwrap();
    until("the move is noted", async || record().await.moved_to.is_some()).await;
    sleep(Duration::from_secs(7200)).await;
    assert_eq!(record().await.source.url.as_str(), FEED, "nobody is followed for a word: the control");
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    until("it is followed", async || record().await.source.url.as_str() == "http://b.kz/news/rss").await;
    until("it is read there", async || record().await.state == SourceState::Live).await;
    let before = stage.web.times_asked(FEED);
    stage.web.put("http://b.kz/news/rss", feed(3));
    until("what is new is read", async || stage.items().await == 3).await;
    assert_eq!(stage.web.times_asked(FEED), before, "nobody asks where it was");
    let noted = stage.store.audit_trail(10).await.unwrap();
    assert!(noted[0].target.contains("from http://a.kz/feed to http://b.kz/news/rss"), "{noted:?}");
}

/// While a feed fails, the sitemap that is declared as its fallback stands in for it, and nothing of it is stored twice; when the
/// feed can be read again, it is.
#[tokio::test(start_paused = true)]
async fn a_fallback_stands_in_and_steps_back() {
    let stage = Stage::with(&[]).await;
    let url = |n: usize| format!("http://a.kz/n/{n}");
    let publish = |count: usize| {
        let all: Vec<String> = (0..count).map(url).collect();
        let entry = |url: &String| format!("<url><loc>{url}</loc></url>");
        let entries: String = all.iter().map(entry).collect();
        stage.web.put("http://a.kz/news.xml", Page::Body(format!("<urlset>{entries}</urlset>")));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        crate::tests::stage::links(&all)
    };
    let sitemap = model::Fallback {
        kind: SourceKind::Sitemap,
        url: "http://a.kz/news.xml".parse().unwrap(),
        selectors: model::Selectors::default(),
        pointers: model::Pointers::default(),
    };
    let of = |host: &str, fallbacks| Source { article: model::ArticleMode::Never, fallbacks, ..source(host) };
    let sources = vec![of("a.kz", vec![sitemap]), of("control.kz", Vec::new())];
    stage.store.declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now()).await.unwrap();
    stage.web.put(FEED, publish(3));
    stage.web.put("http://control.kz/feed", feed(1));
    let _node = stage.start().await;
    until("all is read", async || stage.items().await == 4).await;
    assert_eq!(stage.web.times_asked("http://a.kz/news.xml"), 0, "nobody needs it");
    stage.web.put(FEED, Page::Says(403, None));
    stage.web.put("http://control.kz/feed", Page::Says(403, None));
    publish(5);
    until("what is new is read elsewhere", async || stage.items().await == 6).await;
    let record = async || stage.store.source(&name("a.kz")).await.unwrap().unwrap();
    assert_eq!(record().await.state, SourceState::Degraded);
    assert_eq!(
        record().await.reason.split_once(" since ").unwrap().0,
        "read through the fallback sitemap http://a.kz/news.xml"
    );
    until("the control has none", async || stage.state("control.kz").await == SourceState::Restricted).await;
    let before = stage.web.times_asked(FEED);
    sleep(Duration::from_secs(1800)).await;
    assert!((1..=2).contains(&(stage.web.times_asked(FEED) - before)), "the feed is tried now and then");
    stage.web.put(FEED, publish(7));
    stage.web.put("http://a.kz/news.xml", Page::Says(404, None));
    until("all is read again", async || stage.items().await == 8).await;
    until("it is read as declared", async || stage.state("a.kz").await == SourceState::Live).await;
    let asked = stage.web.times_asked("http://a.kz/news.xml");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(stage.web.times_asked("http://a.kz/news.xml"), asked, "nobody stands in for it any more");
    assert_eq!(stage.items().await, 8, "nothing is stored twice");
    assert!(stage.store.active_fallback(&name("a.kz")).await.unwrap().unwrap().is_over);
}

/// A stream goes on behind its cursor; what matches is kept, edits are taken over, and what its author deletes goes.
#[tokio::test(start_paused = true)]
async fn a_stream_is_listened_to_behind_its_cursor() {
    let stage = Stage::with(&["b.kz"]).await;
    let stream = Source {
        kind: SourceKind::Jetstream,
        url: "http://a.kz/subscribe".parse().unwrap(),
        delay: Some(DELAY),
        ..source("a.kz")
    };
    let objects = Objects { sources: vec![stream], ..Objects::default() };
    stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
    let event = |at: u32, operation: &str, key: &str, text: &str| {
        format!(
            "{{\"did\":\"did:plc:a\",\"time_us\":{at},\"kind\":\"commit\",\"commit\":{{\"operation\":\"{operation}\",\
             \"collection\":\"app.bsky.feed.post\",\"rkey\":\"{key}\",\"record\":{{\"text\":\"{text}\",\"createdAt\":\"2026-11-23T09:00:00Z\"}}}}}}\n"
        )
    };
    let at = |cursor: &str| format!("http://a.kz/subscribe?wantedCollections=app.bsky.feed.post{cursor}");
    let first = event(100, "create", "1", "Новость дня")
        + &event(101, "create", "2", "Ни о чём")
        + &event(102, "create", "3", "Новость третья");
    stage.web.put(&at(""), Page::Body(first));
    let second = event(103, "update", "1", "Новость дня исправлена")
        + &event(104, "delete", "3", "")
        + &event(105, "delete", "2", "");
    stage.web.put(&at("&cursor=102"), Page::Body(second));
    stage.web.put(&at("&cursor=105"), Page::Body(event(106, "create", "3", "Новость третья, снова")));
    stage.web.put(&at("&cursor=106"), Page::Body(String::new()));
    let _node = stage.start().await;
    until("it has caught up", async || stage.web.times_asked(&at("&cursor=106")) >= 3).await;
    let items = stage.store.items(0, 100).await.unwrap();
    let texts: Vec<&str> =
        items.iter().map(|one| one.item.text.as_str()).filter(|text| !text.contains("Полный")).collect();
    assert_eq!(
        texts,
        ["Новость дня исправлена"],
        "what was deleted stays away, whoever posts it under its name"
    );
    for cursor in ["", "&cursor=102", "&cursor=105"] {
        assert_eq!(stage.web.times_asked(&at(cursor)), 1, "{cursor}");
    }
    assert!(stage.web.asked().iter().all(|url| !url.contains("bsky.app")), "no page is asked for");
}

/// A source that nobody ever read is not degraded.
#[tokio::test(start_paused = true)]
async fn what_was_never_read_is_being_tried() {
    let stage = Stage::with(&["a.kz"]).await;
    stage.web.put(FEED, Page::Says(500, None));
    let _node = stage.start().await;
    until("it was asked", async || stage.state("a.kz").await != SourceState::Candidate).await;
    assert_eq!(stage.state("a.kz").await, SourceState::Probing);
}

/// A server, or a feed, that says for how long nothing changes is not asked in between.
#[tokio::test(start_paused = true)]
async fn what_is_said_to_stay_is_not_asked_for() {
    let stage = Stage::with(&[]).await;
    // One a minute: it would be asked again after five.
    let item = |n: u32| {
        format!(
            "<item><guid>{n}</guid><title>Новость {n}</title><pubDate>Mon, 23 Nov 2026 09:{n:02}:00 GMT</pubDate></item>"
        )
    };
    let items: String = (10..40).map(item).collect();
    let with =
        |head: &str| format!("<rss version='2.0'><channel><title>Лента</title>{head}{items}</channel></rss>");
    stage.web.put("http://a.kz/feed", Page::With(("cache-control", "public, max-age=1800"), with("")));
    stage.web.put("http://b.kz/feed", Page::Body(with("<ttl>30</ttl>")));
    stage.web.put("http://control.kz/feed", Page::Body(with("")));
    let every = model::Every { min: Duration::from_secs(60), max: Duration::from_secs(6 * 3600) };
    let of = |host: &str| Source { every, article: model::ArticleMode::Never, ..source(host) };
    let sources = ["a.kz", "b.kz", "control.kz"].map(of).into();
    stage.store.declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now()).await.unwrap();
    let _node = stage.start().await;
    sleep(Duration::from_secs(3500)).await;
    let times = |host: &str| stage.web.times_asked(&format!("http://{host}/feed"));
    assert_eq!((times("a.kz"), times("b.kz")), (2, 2));
    assert!(times("control.kz") >= 9, "{}", times("control.kz"));
}

/// A server that repeats its validator over another body is found out within a day, and not asked by it again.
#[tokio::test(start_paused = true)]
async fn validators_that_lie_are_found_out() {
    let stage = Stage::with(&["a.kz"]).await;
    let tagged = |entries| match feed(entries) {
        Page::Body(body) => Page::Tagged("\"always\"", body),
        other => other,
    };
    stage.web.put(FEED, tagged(2));
    let _node = stage.start().await;
    until("it is read", async || stage.items().await == 2).await;
    stage.web.put(FEED, tagged(3));
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(stage.items().await, 2, "for a day the server is believed: the control");
    // In one step: a day of a node's ticks takes long.
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    until("then it is asked for the whole", async || stage.items().await == 3).await;
    stage.web.put(FEED, tagged(4));
    until("nobody asks by its validators any more", async || stage.items().await == 4).await;
}
