//! Hubs that tell what is new, on a web in memory and a paused clock.

use std::time::Duration;

use bytes::Bytes;
use model::{Every, Subscription};
use store::Objects;
use tokio::time::sleep;

use crate::tests::stage::{Page, Stage, name, source, until};
use crate::{HubReply, Node, hub_asks, hub_pushes};

/// As the feed has it; it is asked over TLS.
const OFFERED: &str = "http://hub.kz/";
const HUB: &str = "https://hub.kz/";
const FEED: &str = "http://a.kz/feed";
const HOUR: Duration = Duration::from_secs(3600);

/// A feed of these entries that offers a hub.
fn feed(entries: std::ops::Range<u32>) -> String {
    let items: String = entries
        .map(|n| {
            format!(
                "<item><guid isPermaLink='false'>{n}</guid><title>Новость {n}</title>\
                 <pubDate>Mon, 23 Nov 2026 {:02}:{:02}:00 GMT</pubDate></item>",
                (570 + 10 * n) / 60,
                (570 + 10 * n) % 60
            )
        })
        .collect();
    format!(
        "<rss version='2.0' xmlns:atom='http://www.w3.org/2005/Atom'><channel><title>Лента</title>\
         <atom:link rel='hub' href='{OFFERED}'/><atom:link rel='self' href='{FEED}'/>{items}</channel></rss>"
    )
}

/// A source that publishes each ten minutes, so that it is polled in a quarter of an hour, and once in an hour at the least. Its
/// feed offers a hub.
async fn stage() -> Stage {
    let mut stage = Stage::with(&["a.kz"]).await;
    let every = Every { min: Duration::from_secs(60), max: HOUR };
    let sources = vec![model::Source { every, ..source("a.kz") }];
    stage.store.declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now()).await.unwrap();
    stage.config.websub_url = Some("https://push.kz/qyran/".parse().unwrap());
    stage.web.put(FEED, Page::Body(feed(0..4)));
    stage.web.put(HUB, Page::Says(202, None));
    stage
}

async fn subscription(stage: &Stage) -> Option<Subscription> {
    stage.store.subscription(&name("a.kz")).await.unwrap()
}

/// The subscription, once the hub was asked.
async fn asked(stage: &Stage) -> Subscription {
    until("the hub is asked", async || stage.web.times_asked(HUB) == 1).await;
    subscription(stage).await.unwrap()
}

/// Whether the next poll is as far as it may be.
async fn waits_long(stage: &Stage) -> bool {
    let next = stage.store.source(&name("a.kz")).await.unwrap().unwrap().next_poll;
    next.is_some_and(|next| next > stage.clock.now() + HOUR * 3 / 4)
}

/// The hub asks back, for three hours.
async fn verify(node: &Node, known: &Subscription) -> HubReply {
    let query = format!(
        "hub.mode=subscribe&hub.topic={}&hub.challenge=xyz&hub.lease_seconds=10800",
        known.offer.topic_url
    );
    hub_asks(node.context(), &known.id, &query).await
}

async fn push(node: &Node, known: &Subscription, body: String) -> HubReply {
    let signature = crawler::websub::sign(&known.secret, body.as_bytes());
    let kind = Some("application/rss+xml".to_owned());
    hub_pushes(node.context(), &known.id, Some(&signature), kind, Bytes::from(body)).await
}

/// The hub is asked in the words of WebSub, asks back, pushes; what it pushes is stored at once, and polls are slow meanwhile.
#[tokio::test(start_paused = true)]
async fn what_a_hub_pushes_is_read() {
    let stage = stage().await;
    let node = stage.start().await;
    let known = asked(&stage).await;
    let (_, form) = stage.web.forms().pop().unwrap();
    let said: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let expected = [
        ("hub.callback", format!("https://push.kz/qyran/websub/{}", known.id)),
        ("hub.mode", "subscribe".to_owned()),
        ("hub.topic", FEED.to_owned()),
        ("hub.lease_seconds", "864000".to_owned()),
        ("hub.secret", known.secret.0.clone()),
    ];
    assert_eq!(said, expected.map(|(key, value)| (key.to_owned(), value)));
    assert!(!known.is_active(stage.clock.now()));
    assert_eq!(verify(&node, &known).await, HubReply::Challenge("xyz".to_owned()));
    let until_then = subscription(&stage).await.unwrap().lease_until.unwrap();
    assert_eq!(until_then.duration_since(stage.clock.now()).as_hours(), 3);
    let polls = stage.web.times_asked(FEED);
    assert_eq!(push(&node, &known, feed(4..6)).await, HubReply::Thanks);
    until("what it pushed is stored", async || stage.items().await == 6).await;
    assert_eq!(stage.web.times_asked(FEED), polls, "without asking its source");
    assert_eq!(push(&node, &known, feed(4..6)).await, HubReply::Thanks);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.items().await, 6, "once");
    let told = subscription(&stage).await.unwrap();
    assert_eq!((told.pushes, told.entries, told.credit), (2, 2, 2));
    // It shows what was pushed, and polls are slow from the next one on.
    stage.web.put(FEED, Page::Body(feed(0..6)));
    until("a poll relies on it", async || waits_long(&stage).await).await;
    let polls = stage.web.times_asked(FEED);
    sleep(HOUR - Duration::from_secs(60)).await;
    assert_eq!(stage.web.times_asked(FEED), polls);
    sleep(HOUR / 5).await;
    assert_eq!(stage.web.times_asked(FEED), polls + 1);
    // Instead of one in a quarter of an hour, or a little more.
    let saved = subscription(&stage).await.unwrap().polls_saved;
    assert!((1.5..4.0).contains(&saved), "{saved}");
    assert_eq!(stage.web.times_asked(HUB), 1);
    drop(node);
}

/// The control, and the way back: a hub that was verified and tells nothing is not relied on; nor is one that let something pass.
#[tokio::test(start_paused = true)]
async fn a_hub_that_tells_nothing_is_not_relied_on() {
    let stage = stage().await;
    let node = stage.start().await;
    let known = asked(&stage).await;
    assert_eq!(verify(&node, &known).await, HubReply::Challenge("xyz".to_owned()));
    let polls = stage.web.times_asked(FEED);
    sleep(HOUR).await;
    assert!(stage.web.times_asked(FEED) >= polls + 3, "it is polled as without it");
    assert_eq!(push(&node, &known, feed(4..5)).await, HubReply::Thanks);
    stage.web.put(FEED, Page::Body(feed(0..5)));
    until("it is relied on", async || waits_long(&stage).await).await;
    // It says nothing of the next one: the poll that finds it ends that.
    stage.web.put(FEED, Page::Body(feed(0..6)));
    sleep(HOUR + HOUR / 5).await;
    let told = subscription(&stage).await.unwrap();
    assert_eq!((stage.items().await, told.missed, told.credit), (6, 1, -10));
    drop(node);
}

/// A hub is asked again before it stops; what a lease promised ends with it.
#[tokio::test(start_paused = true)]
async fn leases_are_renewed() {
    let stage = stage().await;
    let node = stage.start().await;
    let known = asked(&stage).await;
    verify(&node, &known).await;
    push(&node, &known, feed(4..5)).await;
    stage.web.put(FEED, Page::Body(feed(0..5)));
    sleep(2 * HOUR - Duration::from_secs(300)).await;
    assert_eq!(stage.web.times_asked(HUB), 1);
    sleep(HOUR / 2).await;
    assert_eq!(stage.web.times_asked(HUB), 2, "after two thirds of three hours");
    let again = subscription(&stage).await.unwrap();
    assert_eq!((&again.id, &again.secret), (&known.id, &known.secret));
    // It does not ask back any more.
    sleep(HOUR).await;
    let over = subscription(&stage).await.unwrap();
    assert!(!over.is_active(stage.clock.now()));
    let before = stage.web.times_asked(FEED);
    sleep(HOUR).await;
    assert!(stage.web.times_asked(FEED) >= before + 3, "polls go on as without it");
    drop(node);
}

/// Nobody else can push, or have us believe that a hub tells.
#[tokio::test(start_paused = true)]
async fn nobody_else_can_push() {
    let stage = stage().await;
    let node = stage.start().await;
    let known = asked(&stage).await;
    let context = node.context();
    let topic = &known.offer.topic_url;
    for (id, query) in [
        ("guessed", format!("hub.mode=subscribe&hub.topic={topic}&hub.challenge=c&hub.lease_seconds=60")),
        (
            &known.id,
            "hub.mode=subscribe&hub.topic=http://b.kz/&hub.challenge=c&hub.lease_seconds=60".to_owned(),
        ),
        (&known.id, format!("hub.mode=unsubscribe&hub.topic={topic}&hub.challenge=c")),
        (&known.id, String::new()),
    ] {
        assert_eq!(hub_asks(context, id, &query).await, HubReply::Unknown, "{query}");
    }
    let body = feed(4..6);
    let signed = crawler::websub::sign(&known.secret, body.as_bytes());
    let said = async |id: &str, signature: Option<&str>, body: &str| {
        hub_pushes(context, id, signature, None, Bytes::from(body.to_owned())).await
    };
    assert_eq!(said("guessed", Some(&signed), &body).await, HubReply::Unknown);
    assert_eq!(said(&known.id, None, &body).await, HubReply::Thanks);
    assert_eq!(said(&known.id, Some("sha256=00"), &body).await, HubReply::Thanks);
    assert_eq!(said(&known.id, Some(&signed), &feed(4..7)).await, HubReply::Thanks);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.items().await, 4);
    // The control.
    assert_eq!(said(&known.id, Some(&signed), &body).await, HubReply::Thanks);
    until("what is signed is read", async || stage.items().await == 6).await;
    let denied = format!("hub.mode=denied&hub.topic={topic}&hub.reason=full");
    assert_eq!(hub_asks(context, &known.id, &denied).await, HubReply::Thanks);
    assert_eq!(
        subscription(&stage).await.unwrap().refused.as_deref(),
        Some("the hub denied the subscription: full")
    );
    drop(node);
}

/// What cannot be read, or kept, costs nothing: its source is polled at once, and the hub tries again.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_polled() {
    let stage = stage().await;
    let node = stage.start().await;
    let known = asked(&stage).await;
    verify(&node, &known).await;
    stage.web.put(FEED, Page::Body(feed(0..5)));
    let polls = stage.web.times_asked(FEED);
    push(&node, &known, "<html>maintenance</html>".to_owned()).await;
    // As soon as the source allows.
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.web.times_asked(FEED), polls);
    sleep(Duration::from_secs(60)).await;
    assert_eq!((stage.web.times_asked(FEED), stage.items().await), (polls + 1, 5));
    assert!(subscription(&stage).await.unwrap().credit < 0);
    let lines = stage.store.history(&name("a.kz"), 10).await.unwrap();
    assert!(lines.iter().any(|line| line.detail.starts_with("delivered by the WebSub hub: ")), "{lines:?}");
    // Nobody reads while the store is out; the hub is told so.
    stage.outage(true);
    sleep(Duration::from_secs(1)).await;
    let mut answers = Vec::new();
    for n in 10..40 {
        answers.push(push(&node, &known, feed(n..n + 1)).await);
    }
    stage.outage(false);
    let kept = answers.iter().filter(|answer| **answer == HubReply::Thanks).count();
    assert!((Subscription::MAX_WAITING_DOCUMENTS..30).contains(&kept), "{kept}");
    assert!(answers.iter().any(|answer| matches!(answer, HubReply::Later(_))));
    until("what was kept is read", async || stage.items().await == 5 + kept as u64).await;
    drop(node);
}

/// A hub that cannot be asked, or is not offered, or cannot reach us, changes nothing.
#[tokio::test(start_paused = true)]
async fn polls_go_on_without_hubs() {
    let mut stage = stage().await;
    stage.web.put(HUB, Page::Says(500, None));
    let node = stage.start().await;
    asked(&stage).await;
    sleep(Duration::from_secs(60)).await;
    let refused = subscription(&stage).await.unwrap().refused.unwrap();
    assert!(refused.contains("500"), "{refused}");
    sleep(2 * HOUR).await;
    assert_eq!(stage.web.times_asked(HUB), 1, "not again soon");
    drop(node);
    stage = self::stage().await;
    stage.config.websub_url = None;
    let node = stage.start().await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!((stage.web.times_asked(HUB), subscription(&stage).await), (0, None));
    assert_eq!(stage.items().await, 4);
    drop(node);
}

/// A feed of one entry, whose text was written again and again.
fn version(text: &str) -> String {
    let content = format!(
        "<title>Новость 0</title><content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'>{text} {}</content:encoded>",
        "сөз ".repeat(300)
    );
    feed(0..1).replace("<title>Новость 0</title>", &content)
}

async fn text_of_the_first(stage: &Stage) -> String {
    let items = stage.store.items(0, 10).await.unwrap();
    items
        .into_iter()
        .map(|one| one.item)
        .find(|item| item.title.as_deref() == Some("Новость 0"))
        .unwrap()
        .text
}

/// Of two versions that wait the later one is kept, whichever came first; what came before the last poll changes nothing that this
/// one read.
#[tokio::test(start_paused = true)]
async fn the_last_version_is_kept() {
    let stage = stage().await;
    let node = stage.start().await;
    let known = asked(&stage).await;
    verify(&node, &known).await;
    let now = stage.clock.now();
    let push_at = async |at, text: &str| {
        let body = version(text).into_bytes();
        let push =
            model::WebSubDocument { id: 0, source: name("a.kz"), at, content_type: None, body, tries: 0 };
        assert!(
            stage.store.enqueue_websub_document(&push, Subscription::MAX_WAITING_DOCUMENTS).await.unwrap()
        );
    };
    push_at(now, "бірінші").await;
    push_at(now, "екінші").await;
    // The third is read with both in one turn.
    push(&node, &known, version("үшінші")).await;
    until("the last one is kept", async || text_of_the_first(&stage).await.contains("үшінші")).await;
    assert_eq!(subscription(&stage).await.unwrap().waiting, 0);
    stage.web.put(FEED, Page::Body(version("төртінші")));
    until("a poll reads the next", async || text_of_the_first(&stage).await.contains("төртінші")).await;
    push_at(now, "бірінші").await;
    assert_eq!(push(&node, &known, feed(20..21)).await, HubReply::Thanks);
    until("both are read", async || subscription(&stage).await.unwrap().waiting == 0).await;
    sleep(Duration::from_secs(5)).await;
    assert!(text_of_the_first(&stage).await.contains("төртінші"));
    assert!(stage.items().await > 4, "what is new is taken all the same");
    drop(node);
}

/// A hub whose host is busy is asked again in minutes; one that calls where nobody hears it any more at once; one that is offered
/// no more is not asked again.
#[tokio::test(start_paused = true)]
async fn hubs_are_asked_when_it_is_time_to() {
    let mut stage = stage().await;
    stage.web.put(HUB, Page::Says(503, Some(("retry-after", "30".to_owned()))));
    let node = stage.start().await;
    asked(&stage).await;
    until("it is said why not", async || subscription(&stage).await.unwrap().refused.is_some()).await;
    node.drain();
    drop(node);
    // It answers by now, and another address leads to us.
    stage.web.put(HUB, Page::Says(202, None));
    stage.config.websub_url = Some("https://new.kz/".parse().unwrap());
    let node = stage.start().await;
    until("it is asked at once", async || {
        stage
            .web
            .forms()
            .last()
            .is_some_and(|(_, form)| form.contains("callback=https%3A%2F%2Fnew.kz%2Fwebsub"))
    })
    .await;
    let known = subscription(&stage).await.unwrap();
    assert_eq!((known.base.as_str(), known.refused.as_deref()), ("https://new.kz/", None));
    assert_eq!(verify(&node, &known).await, HubReply::Challenge("xyz".to_owned()));
    // A feed without a hub: nobody asks for more.
    let asked = stage.web.times_asked(HUB);
    stage.web.put(FEED, Page::Body(feed(0..5).replace("rel='hub'", "rel='none'")));
    sleep(3 * HOUR).await;
    assert_eq!(stage.web.times_asked(HUB), asked);
    drop(node);
}

/// A source that is searched asks no hub: each of its searches offers another one.
#[tokio::test(start_paused = true)]
async fn searches_ask_no_hub() {
    let stage = stage().await;
    let every = Every { min: Duration::from_secs(60), max: HOUR };
    let url = "http://a.kz/feed?q={query}".parse().unwrap();
    let sources = vec![model::Source { every, url, ..source("a.kz") }];
    stage.store.declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now()).await.unwrap();
    let found = "http://a.kz/feed?q=%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D1%8C";
    stage.web.put(found, Page::Body(feed(0..4)));
    let node = stage.start().await;
    until("it is searched", async || stage.items().await == 4).await;
    sleep(HOUR / 4).await;
    assert!(stage.web.times_asked(found) > 1);
    assert_eq!((stage.web.times_asked(HUB), subscription(&stage).await), (0, None));
    drop(node);
}
