//! Tests of source states on an in-memory web and a paused clock: moves, failures, blocks, wrong validators,
//! recovery.

use std::time::Duration;

use model::{Source, SourceKind, SourceState, Timestamp};
use store::Objects;
use tokio::time::sleep;

use crate::tests::stage::{Page, Stage, feed, name, source, until};

const FEED: &str = "http://a.kz/feed";
const DELAY: Duration = Duration::from_secs(1);

/// Returns a preview page of a Telegram channel with these posts, and a link to older ones.
fn preview(posts: std::ops::RangeInclusive<u32>) -> Page {
    let post = |id: u32| {
        format!(
            "<div class='tgme_widget_message' data-post='qala/{id}'><div class='tgme_widget_message_text'>Новость номер {id}</div>\
             <a class='tgme_widget_message_date'><time datetime='2026-11-23T09:00:00+00:00'></time></a></div>"
        )
    };
    let first = *posts.start();
    let older_link = if first > 1 {
        format!("<a class='tme_messages_more' data-before='{first}'></a>")
    } else {
        String::new()
    };
    Page::Body(format!(
        "<section class='tgme_channel_history'>{older_link}{}</section>",
        posts.map(post).collect::<String>()
    ))
}

/// Creates a stage with a Telegram channel.
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

/// Publishes the posts of the channel up to `newest`, 20 on each page.
pub(crate) fn publish(stage: &Stage, newest: u32) {
    const PAGE_SIZE: u32 = 20;
    let page = |last: u32| preview(last.saturating_sub(PAGE_SIZE - 1).max(1)..=last);
    stage.web.put("http://a.kz/s/qala", page(newest));
    let mut first = newest.saturating_sub(PAGE_SIZE - 1).max(1);
    while first > 1 {
        stage.web.put(&format!("http://a.kz/s/qala?before={first}"), page(first - 1));
        first = (first - 1).saturating_sub(PAGE_SIZE - 1).max(1);
    }
}

/// If more posts are new than a page shows, older pages are read until the first known post.
#[tokio::test(start_paused = true)]
async fn a_channel_is_read_back_to_the_first_known_post() {
    let stage = channel().await;
    publish(&stage, 10);
    let _node = stage.start().await;
    until("the first posts are read", async || stage.items().await == 10).await;
    publish(&stage, 75);
    until("all posts are read", async || stage.items().await == 75).await;
    // The pages are 75 to 56, 55 to 36, 35 to 16 and 15 to 1. The last page contains known posts.
    let older_pages: Vec<String> =
        stage.web.requests().into_iter().filter(|url| url.contains("before")).collect();
    assert_eq!(
        older_pages,
        [56, 36, 16].map(|first| format!("http://a.kz/s/qala?before={first}")),
        "each page is read once, and not by later polls"
    );
}

/// The control: if the known posts are further back than the page limit, the history reports a possible gap.
#[tokio::test(start_paused = true)]
async fn a_gap_is_reported() {
    let stage = channel().await;
    publish(&stage, 10);
    let _node = stage.start().await;
    until("the first posts are read", async || stage.items().await == 10).await;
    publish(&stage, 400);
    until("all reachable posts are read", async || stage.items().await == 230).await;
    let history = stage.store.history(&name("a.kz"), 100).await.unwrap();
    assert!(history.iter().any(|line| line.detail.contains("may have been missed")), "{history:?}");
}

/// A page that cannot be fetched ends the reading of older pages. The history reports a possible gap.
#[tokio::test(start_paused = true)]
async fn a_failed_older_page_is_reported_as_a_gap() {
    let stage = channel().await;
    publish(&stage, 10);
    let _node = stage.start().await;
    until("the first posts are read", async || stage.items().await == 10).await;
    publish(&stage, 75);
    stage.web.put("http://a.kz/s/qala?before=36", Page::Status(500, None));
    until("all reachable posts are read", async || stage.items().await == 50).await;
    let history = stage.store.history(&name("a.kz"), 100).await.unwrap();
    assert!(history.iter().any(|line| line.detail.contains("may have been missed")), "{history:?}");
}

/// Each state follows from its evidence, and a success leads back to live.
#[tokio::test(start_paused = true)]
async fn states_follow_the_evidence_and_are_recorded() {
    let stage = Stage::with(&["a.kz"]).await;
    let _node = stage.start().await;
    let becomes = async |page: Page, state: SourceState| {
        stage.web.put(FEED, page);
        for _ in 0..100 {
            // The test plans each poll at once: a source that is gone is polled only once a week.
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
        panic!("the source did not become {state:?}");
    };
    use SourceState::{BrokenLayout, Degraded, Gone, Live, Restricted, Unreachable};
    let good = || feed(2);
    for (page, state) in [
        (good(), Live),
        (Page::Status(500, None), Degraded),
        (Page::Status(500, None), Unreachable),
        (good(), Live),
        (Page::Status(404, None), Degraded),
        (Page::Body("<!DOCTYPE html><p>Сайт на ремонте".to_owned()), BrokenLayout),
        (good(), Live),
        (Page::Status(403, None), Restricted),
        (good(), Live),
        (Page::Status(302, Some(("location", "http://a.kz/login".to_owned()))), Restricted),
        (good(), Live),
        (Page::Status(410, None), Gone),
        (good(), Live),
    ] {
        stage.web.put("http://a.kz/login", feed(2));
        becomes(page, state).await;
    }
    let intervals =
        stage.store.availability(Some(&name("a.kz")), Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap();
    let states: Vec<(&str, &str)> =
        intervals.iter().map(|interval| (interval.state.as_str(), interval.reason.as_str())).collect();
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
    assert_eq!(states, expected);
}

/// A rate limit message with status 200 defers all sources of the host.
#[tokio::test(start_paused = true)]
async fn a_rate_limit_message_with_status_200_blocks_the_host() {
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
    until("one source is requested", async || !stage.web.requests().is_empty()).await;
    sleep(Duration::from_secs(50)).await;
    assert_eq!(stage.web.requests().len(), 1, "the other source waits as well");
    until("the host is requested again", async || stage.web.requests().len() >= 2).await;
}

/// A suspected change of the layout sets the state, and the items are stored.
#[tokio::test(start_paused = true)]
async fn a_changed_layout_is_reported_and_items_are_stored() {
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
    until("the source is live", async || stage.state("a.kz").await == SourceState::Live).await;
    stage.web.put(FEED, page(5, "span"));
    until("the changed layout is reported", async || stage.state("a.kz").await == SourceState::BrokenLayout)
        .await;
    assert_eq!(stage.items().await, 5);
    let record = stage.store.source(&name("a.kz")).await.unwrap().unwrap();
    assert!(record.reason.contains("none of 5 items has a time at time"), "{}", record.reason);
    stage.web.put(FEED, page(6, "time"));
    until("the source is live again", async || stage.state("a.kz").await == SourceState::Live).await;
}

/// A source that each poll of a day redirects permanently is read at its new URL. Its items are not stored twice.
#[tokio::test(start_paused = true)]
async fn a_permanent_move_is_followed_after_a_day() {
    let stage = Stage::with(&["a.kz"]).await;
    stage.web.put("http://b.kz/news/rss", feed(2));
    stage.web.put("http://b.kz/robots.txt", Page::Status(404, None));
    let _node = stage.start().await;
    until("the source is read", async || stage.items().await == 2).await;
    stage.web.put(FEED, Page::Status(301, Some(("location", "http://b.kz/news/rss".to_owned()))));
    let record = async || stage.store.source(&name("a.kz")).await.unwrap().unwrap();
    until("the move is recorded", async || record().await.moved_to.is_some()).await;
    sleep(Duration::from_secs(7200)).await;
    assert_eq!(
        record().await.source.url.as_str(),
        FEED,
        "the control: a redirect of two hours is not followed"
    );
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    until("the move is followed", async || record().await.source.url.as_str() == "http://b.kz/news/rss")
        .await;
    until("the source is live at its new URL", async || record().await.state == SourceState::Live).await;
    let requests = stage.web.request_count(FEED);
    stage.web.put("http://b.kz/news/rss", feed(3));
    until("the new entry is read", async || stage.items().await == 3).await;
    assert_eq!(stage.web.request_count(FEED), requests, "the old URL was requested");
    let audit_trail = stage.store.audit_trail(10).await.unwrap();
    assert!(
        audit_trail[0].target.contains("from http://a.kz/feed to http://b.kz/news/rss"),
        "{audit_trail:?}"
    );
}

/// While a feed fails, its declared fallback, a sitemap, is read instead, and no entry is stored twice. When the feed
/// works again, the fallback ends.
#[tokio::test(start_paused = true)]
async fn a_fallback_replaces_a_failing_feed_until_it_recovers() {
    let stage = Stage::with(&[]).await;
    let url = |n: usize| format!("http://a.kz/n/{n}");
    let publish = |count: usize| {
        let urls: Vec<String> = (0..count).map(url).collect();
        let entry = |url: &String| format!("<url><loc>{url}</loc></url>");
        let entries: String = urls.iter().map(entry).collect();
        stage.web.put("http://a.kz/news.xml", Page::Body(format!("<urlset>{entries}</urlset>")));
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        crate::tests::stage::links(&urls)
    };
    let sitemap = model::Fallback {
        kind: SourceKind::Sitemap,
        url: "http://a.kz/news.xml".parse().unwrap(),
        selectors: model::Selectors::default(),
        pointers: model::Pointers::default(),
    };
    let declared =
        |host: &str, fallbacks| Source { article: model::ArticleMode::Never, fallbacks, ..source(host) };
    let sources = vec![declared("a.kz", vec![sitemap]), declared("control.kz", Vec::new())];
    stage.store.declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now()).await.unwrap();
    stage.web.put(FEED, publish(3));
    stage.web.put("http://control.kz/feed", feed(1));
    let _node = stage.start().await;
    until("both feeds are read", async || stage.items().await == 4).await;
    assert_eq!(stage.web.request_count("http://a.kz/news.xml"), 0, "the fallback was read without need");
    stage.web.put(FEED, Page::Status(403, None));
    stage.web.put("http://control.kz/feed", Page::Status(403, None));
    publish(5);
    until("the new entries are read from the fallback", async || stage.items().await == 6).await;
    let record = async || stage.store.source(&name("a.kz")).await.unwrap().unwrap();
    assert_eq!(record().await.state, SourceState::Degraded);
    assert_eq!(
        record().await.reason.split_once(" since ").unwrap().0,
        "read through the fallback sitemap http://a.kz/news.xml"
    );
    until("the control without a fallback is restricted", async || {
        stage.state("control.kz").await == SourceState::Restricted
    })
    .await;
    let requests = stage.web.request_count(FEED);
    sleep(Duration::from_secs(1800)).await;
    assert!((1..=2).contains(&(stage.web.request_count(FEED) - requests)), "the feed is retried rarely");
    stage.web.put(FEED, publish(7));
    stage.web.put("http://a.kz/news.xml", Page::Status(404, None));
    until("the feed is read again", async || stage.items().await == 8).await;
    until("the source is live", async || stage.state("a.kz").await == SourceState::Live).await;
    let requests = stage.web.request_count("http://a.kz/news.xml");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(
        stage.web.request_count("http://a.kz/news.xml"),
        requests,
        "the fallback was read after its end"
    );
    assert_eq!(stage.items().await, 8, "an entry was stored twice");
    assert!(stage.store.active_fallback(&name("a.kz")).await.unwrap().unwrap().is_over);
}

/// A stream continues after its cursor. Matching events are stored, edits are applied, and deleted posts are removed.
#[tokio::test(start_paused = true)]
async fn a_stream_continues_after_its_cursor() {
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
    until("the end of the stream is reached", async || stage.web.request_count(&at("&cursor=106")) >= 3)
        .await;
    let items = stage.store.items(0, 100).await.unwrap();
    let texts: Vec<&str> =
        items.iter().map(|one| one.item.text.as_str()).filter(|text| !text.contains("Полный")).collect();
    assert_eq!(texts, ["Новость дня исправлена"], "a deleted post was stored again under the same key");
    for cursor in ["", "&cursor=102", "&cursor=105"] {
        assert_eq!(stage.web.request_count(&at(cursor)), 1, "{cursor}");
    }
    assert!(
        stage.web.requests().iter().all(|url| !url.contains("bsky.app")),
        "an article page was requested"
    );
}

/// A source that was never read successfully is probing, not degraded.
#[tokio::test(start_paused = true)]
async fn a_source_that_was_never_read_is_probing() {
    let stage = Stage::with(&["a.kz"]).await;
    stage.web.put(FEED, Page::Status(500, None));
    let _node = stage.start().await;
    until("the source is polled", async || stage.state("a.kz").await != SourceState::Candidate).await;
    assert_eq!(stage.state("a.kz").await, SourceState::Probing);
}

/// A source is not polled within the time to live that its server or feed announces.
#[tokio::test(start_paused = true)]
async fn an_announced_time_to_live_defers_the_next_poll() {
    let stage = Stage::with(&[]).await;
    // One entry a minute: without a time to live, the source is polled every five minutes.
    let item = |n: u32| {
        format!(
            "<item><guid>{n}</guid><title>Новость {n}</title><pubDate>Mon, 23 Nov 2026 09:{n:02}:00 GMT</pubDate></item>"
        )
    };
    let items: String = (10..40).map(item).collect();
    let feed_with =
        |head: &str| format!("<rss version='2.0'><channel><title>Лента</title>{head}{items}</channel></rss>");
    stage
        .web
        .put("http://a.kz/feed", Page::WithHeader(("cache-control", "public, max-age=1800"), feed_with("")));
    stage.web.put("http://b.kz/feed", Page::Body(feed_with("<ttl>30</ttl>")));
    stage.web.put("http://control.kz/feed", Page::Body(feed_with("")));
    let every = model::Every { min: Duration::from_secs(60), max: Duration::from_secs(6 * 3600) };
    let declared = |host: &str| Source { every, article: model::ArticleMode::Never, ..source(host) };
    let sources = ["a.kz", "b.kz", "control.kz"].map(declared).into();
    stage.store.declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now()).await.unwrap();
    let _node = stage.start().await;
    sleep(Duration::from_secs(3500)).await;
    let requests = |host: &str| stage.web.request_count(&format!("http://{host}/feed"));
    assert_eq!((requests("a.kz"), requests("b.kz")), (2, 2));
    assert!(requests("control.kz") >= 9, "{}", requests("control.kz"));
}

/// A server that sends the same validator with a changed body is detected within a day. Its validators are not used
/// again.
#[tokio::test(start_paused = true)]
async fn wrong_validators_are_detected_within_a_day() {
    let stage = Stage::with(&["a.kz"]).await;
    let tagged = |entries| match feed(entries) {
        Page::Body(body) => Page::WithETag("\"always\"", body),
        other => other,
    };
    stage.web.put(FEED, tagged(2));
    let _node = stage.start().await;
    until("the source is read", async || stage.items().await == 2).await;
    stage.web.put(FEED, tagged(3));
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(stage.items().await, 2, "the control: validators are trusted for a day");
    // Advances in one step, because a day of the ticks of a node takes long.
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    until("a request without validators is sent", async || stage.items().await == 3).await;
    stage.web.put(FEED, tagged(4));
    until("the validators are no longer used", async || stage.items().await == 4).await;
}
