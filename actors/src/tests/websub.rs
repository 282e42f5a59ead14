//! Tests of WebSub on an in-memory web and a paused clock.

use std::time::Duration;

use bytes::Bytes;
use model::{Every, Subscription};
use store::Objects;
use tokio::time::sleep;

use crate::tests::stage::{Page, Stage, name, source, until};
use crate::{HubReply, Node, handle_hub_delivery, handle_hub_verification};

/// The hub URL in the feed. Requests to it use TLS.
const OFFERED_HUB: &str = "http://hub.kz/";
const HUB: &str = "https://hub.kz/";
const FEED: &str = "http://a.kz/feed";
const HOUR: Duration = Duration::from_secs(3600);

/// Returns a feed of these entries that offers a hub.
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
         <atom:link rel='hub' href='{OFFERED_HUB}'/><atom:link rel='self' href='{FEED}'/>{items}</channel></rss>"
    )
}

/// Creates a stage with a source whose feed offers a hub. The source publishes every ten minutes, so it is polled
/// about every quarter of an hour; the longest poll interval is one hour.
async fn stage() -> Stage {
    let mut stage = Stage::with(&["a.kz"]).await;
    let every = Every { min: Duration::from_secs(60), max: HOUR };
    let sources = vec![model::Source { every, ..source("a.kz") }];
    stage.store.declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now()).await.unwrap();
    stage.config.websub_url = Some("https://push.kz/qyran/".parse().unwrap());
    stage.web.put(FEED, Page::Body(feed(0..4)));
    stage.web.put(HUB, Page::Status(202, None));
    stage
}

async fn fetch_subscription(stage: &Stage) -> Option<Subscription> {
    stage.store.subscription(&name("a.kz")).await.unwrap()
}

/// Waits for the request to the hub, and returns the subscription.
async fn requested_subscription(stage: &Stage) -> Subscription {
    until("the hub is requested", async || stage.web.request_count(HUB) == 1).await;
    fetch_subscription(stage).await.unwrap()
}

/// Returns true if the next poll is more than three quarters of an hour away.
async fn is_poll_far(stage: &Stage) -> bool {
    let next = stage.store.source(&name("a.kz")).await.unwrap().unwrap().next_poll;
    next.is_some_and(|next| next > stage.clock.now() + HOUR * 3 / 4)
}

/// Sends the verification request of the hub, with a lease of three hours.
async fn verify(node: &Node, subscription: &Subscription) -> HubReply {
    let query = format!(
        "hub.mode=subscribe&hub.topic={}&hub.challenge=xyz&hub.lease_seconds=10800",
        subscription.offer.topic_url
    );
    handle_hub_verification(node.context(), &subscription.id, &query).await
}

/// Sends a signed document of the hub.
async fn push(node: &Node, subscription: &Subscription, body: String) -> HubReply {
    let signature = crawler::websub::sign(&subscription.secret, body.as_bytes());
    let content_type = Some("application/rss+xml".to_owned());
    handle_hub_delivery(node.context(), &subscription.id, Some(&signature), content_type, Bytes::from(body))
        .await
}

/// The hub receives a WebSub subscription request, verifies it and sends documents. Their entries are stored at once,
/// and polls become rare.
#[tokio::test(start_paused = true)]
async fn documents_from_a_hub_are_read_and_replace_polls() {
    let stage = stage().await;
    let node = stage.start().await;
    let subscription = requested_subscription(&stage).await;
    let (_, form) = stage.web.forms().pop().unwrap();
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let expected = [
        ("hub.callback", format!("https://push.kz/qyran/websub/{}", subscription.id)),
        ("hub.mode", "subscribe".to_owned()),
        ("hub.topic", FEED.to_owned()),
        ("hub.lease_seconds", "864000".to_owned()),
        ("hub.secret", subscription.secret.0.clone()),
    ];
    assert_eq!(fields, expected.map(|(key, value)| (key.to_owned(), value)));
    assert!(!subscription.is_active(stage.clock.now()));
    assert_eq!(verify(&node, &subscription).await, HubReply::Challenge("xyz".to_owned()));
    let lease_until = fetch_subscription(&stage).await.unwrap().lease_until.unwrap();
    assert_eq!(lease_until.duration_since(stage.clock.now()).as_hours(), 3);
    let polls = stage.web.request_count(FEED);
    assert_eq!(push(&node, &subscription, feed(4..6)).await, HubReply::Accepted);
    until("the entries of the hub are stored", async || stage.items().await == 6).await;
    assert_eq!(stage.web.request_count(FEED), polls, "the source was polled");
    assert_eq!(push(&node, &subscription, feed(4..6)).await, HubReply::Accepted);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.items().await, 6, "an entry was stored twice");
    let updated = fetch_subscription(&stage).await.unwrap();
    assert_eq!((updated.pushes, updated.entries, updated.credit), (2, 2, 2));
    // The feed contains the entries from the hub, so polls are rare after the next one.
    stage.web.put(FEED, Page::Body(feed(0..6)));
    until("polls are rare", async || is_poll_far(&stage).await).await;
    let polls = stage.web.request_count(FEED);
    sleep(HOUR - Duration::from_secs(60)).await;
    assert_eq!(stage.web.request_count(FEED), polls);
    sleep(HOUR / 5).await;
    assert_eq!(stage.web.request_count(FEED), polls + 1);
    // Without the hub, the source would be polled about every quarter of an hour.
    let polls_saved = fetch_subscription(&stage).await.unwrap().polls_saved;
    assert!((1.5..4.0).contains(&polls_saved), "{polls_saved}");
    assert_eq!(stage.web.request_count(HUB), 1);
    drop(node);
}

/// The control: polls stay frequent if a verified hub sends nothing, and become frequent again if it misses an entry.
#[tokio::test(start_paused = true)]
async fn a_hub_that_misses_entries_does_not_replace_polls() {
    let stage = stage().await;
    let node = stage.start().await;
    let subscription = requested_subscription(&stage).await;
    assert_eq!(verify(&node, &subscription).await, HubReply::Challenge("xyz".to_owned()));
    let polls = stage.web.request_count(FEED);
    sleep(HOUR).await;
    assert!(stage.web.request_count(FEED) >= polls + 3, "polls became rare");
    assert_eq!(push(&node, &subscription, feed(4..5)).await, HubReply::Accepted);
    stage.web.put(FEED, Page::Body(feed(0..5)));
    until("polls are rare", async || is_poll_far(&stage).await).await;
    // The hub does not send the next entry. The poll that finds the entry lowers the credit.
    stage.web.put(FEED, Page::Body(feed(0..6)));
    sleep(HOUR + HOUR / 5).await;
    let updated = fetch_subscription(&stage).await.unwrap();
    assert_eq!((stage.items().await, updated.missed, updated.credit), (6, 1, -10));
    drop(node);
}

/// A subscription is renewed after two thirds of its lease, and is inactive after the lease expires.
#[tokio::test(start_paused = true)]
async fn subscriptions_are_renewed_before_the_lease_expires() {
    let stage = stage().await;
    let node = stage.start().await;
    let subscription = requested_subscription(&stage).await;
    verify(&node, &subscription).await;
    push(&node, &subscription, feed(4..5)).await;
    stage.web.put(FEED, Page::Body(feed(0..5)));
    sleep(2 * HOUR - Duration::from_secs(300)).await;
    assert_eq!(stage.web.request_count(HUB), 1);
    sleep(HOUR / 2).await;
    assert_eq!(stage.web.request_count(HUB), 2, "the lease was not renewed");
    let renewed = fetch_subscription(&stage).await.unwrap();
    assert_eq!((&renewed.id, &renewed.secret), (&subscription.id, &subscription.secret));
    // The hub does not verify the renewal.
    sleep(HOUR).await;
    let expired = fetch_subscription(&stage).await.unwrap();
    assert!(!expired.is_active(stage.clock.now()));
    let polls = stage.web.request_count(FEED);
    sleep(HOUR).await;
    assert!(stage.web.request_count(FEED) >= polls + 3, "polls stayed rare");
    drop(node);
}

/// A document without a valid signature, and a verification for another subscription, are ignored.
#[tokio::test(start_paused = true)]
async fn requests_of_third_parties_are_rejected() {
    let stage = stage().await;
    let node = stage.start().await;
    let subscription = requested_subscription(&stage).await;
    let context = node.context();
    let topic = &subscription.offer.topic_url;
    for (id, query) in [
        ("guessed", format!("hub.mode=subscribe&hub.topic={topic}&hub.challenge=c&hub.lease_seconds=60")),
        (
            &subscription.id,
            "hub.mode=subscribe&hub.topic=http://b.kz/&hub.challenge=c&hub.lease_seconds=60".to_owned(),
        ),
        (&subscription.id, format!("hub.mode=unsubscribe&hub.topic={topic}&hub.challenge=c")),
        (&subscription.id, String::new()),
    ] {
        assert_eq!(handle_hub_verification(context, id, &query).await, HubReply::NotSubscribed, "{query}");
    }
    let body = feed(4..6);
    let signature = crawler::websub::sign(&subscription.secret, body.as_bytes());
    let push_raw = async |id: &str, signature: Option<&str>, body: &str| {
        handle_hub_delivery(context, id, signature, None, Bytes::from(body.to_owned())).await
    };
    assert_eq!(push_raw("guessed", Some(&signature), &body).await, HubReply::NotSubscribed);
    assert_eq!(push_raw(&subscription.id, None, &body).await, HubReply::Accepted);
    assert_eq!(push_raw(&subscription.id, Some("sha256=00"), &body).await, HubReply::Accepted);
    assert_eq!(push_raw(&subscription.id, Some(&signature), &feed(4..7)).await, HubReply::Accepted);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.items().await, 4);
    // The control.
    assert_eq!(push_raw(&subscription.id, Some(&signature), &body).await, HubReply::Accepted);
    until("the signed document is read", async || stage.items().await == 6).await;
    let denied = format!("hub.mode=denied&hub.topic={topic}&hub.reason=full");
    assert_eq!(handle_hub_verification(context, &subscription.id, &denied).await, HubReply::Accepted);
    assert_eq!(
        fetch_subscription(&stage).await.unwrap().refused.as_deref(),
        Some("the hub denied the subscription: full")
    );
    drop(node);
}

/// A document that cannot be parsed triggers a poll of the source. A document that cannot be stored is rejected, so
/// that the hub retries.
#[tokio::test(start_paused = true)]
async fn an_unreadable_document_triggers_a_poll() {
    let stage = stage().await;
    let node = stage.start().await;
    let subscription = requested_subscription(&stage).await;
    verify(&node, &subscription).await;
    stage.web.put(FEED, Page::Body(feed(0..5)));
    let polls = stage.web.request_count(FEED);
    push(&node, &subscription, "<html>maintenance</html>".to_owned()).await;
    // The poll waits for the shortest interval of the source.
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.web.request_count(FEED), polls);
    sleep(Duration::from_secs(60)).await;
    assert_eq!((stage.web.request_count(FEED), stage.items().await), (polls + 1, 5));
    assert!(fetch_subscription(&stage).await.unwrap().credit < 0);
    let lines = stage.store.history(&name("a.kz"), 10).await.unwrap();
    assert!(lines.iter().any(|line| line.detail.starts_with("delivered by the WebSub hub: ")), "{lines:?}");
    // No document is read during an outage of the store. The hub gets a retry response when the queue is full.
    stage.set_outage(true);
    sleep(Duration::from_secs(1)).await;
    let mut replies = Vec::new();
    for n in 10..40 {
        replies.push(push(&node, &subscription, feed(n..n + 1)).await);
    }
    stage.set_outage(false);
    let accepted = replies.iter().filter(|reply| **reply == HubReply::Accepted).count();
    assert!((Subscription::MAX_WAITING_DOCUMENTS..30).contains(&accepted), "{accepted}");
    assert!(replies.iter().any(|reply| matches!(reply, HubReply::RetryLater(_))));
    until("the accepted documents are read", async || stage.items().await == 5 + accepted as u64).await;
    drop(node);
}

/// Polls continue if the hub fails, or if the cluster has no public URL for hubs.
#[tokio::test(start_paused = true)]
async fn polls_continue_without_hubs() {
    let mut stage = stage().await;
    stage.web.put(HUB, Page::Status(500, None));
    let node = stage.start().await;
    requested_subscription(&stage).await;
    sleep(Duration::from_secs(60)).await;
    let reason = fetch_subscription(&stage).await.unwrap().refused.unwrap();
    assert!(reason.contains("500"), "{reason}");
    sleep(2 * HOUR).await;
    assert_eq!(stage.web.request_count(HUB), 1, "the hub was requested again too soon");
    drop(node);
    stage = self::stage().await;
    stage.config.websub_url = None;
    let node = stage.start().await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!((stage.web.request_count(HUB), fetch_subscription(&stage).await), (0, None));
    assert_eq!(stage.items().await, 4);
    drop(node);
}

/// Returns a feed of one entry with this text.
fn feed_with_text(text: &str) -> String {
    let content = format!(
        "<title>Новость 0</title><content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'>{text} {}</content:encoded>",
        "сөз ".repeat(300)
    );
    feed(0..1).replace("<title>Новость 0</title>", &content)
}

async fn text_of_first_entry(stage: &Stage) -> String {
    let items = stage.store.items(0, 10).await.unwrap();
    items
        .into_iter()
        .map(|one| one.item)
        .find(|item| item.title.as_deref() == Some("Новость 0"))
        .unwrap()
        .text
}

/// Of several waiting documents with the same entry, the last one wins. A document that is older than the last poll
/// does not change entries of that poll.
#[tokio::test(start_paused = true)]
async fn the_last_version_of_an_entry_wins() {
    let stage = stage().await;
    let node = stage.start().await;
    let subscription = requested_subscription(&stage).await;
    verify(&node, &subscription).await;
    let now = stage.clock.now();
    let enqueue_at = async |at, text: &str| {
        let body = feed_with_text(text).into_bytes();
        let document =
            model::WebSubDocument { id: 0, source: name("a.kz"), at, content_type: None, body, tries: 0 };
        assert!(
            stage
                .store
                .enqueue_websub_document(&document, Subscription::MAX_WAITING_DOCUMENTS)
                .await
                .unwrap()
        );
    };
    enqueue_at(now, "бірінші").await;
    enqueue_at(now, "екінші").await;
    // One job reads all three documents.
    push(&node, &subscription, feed_with_text("үшінші")).await;
    until("the last version is stored", async || text_of_first_entry(&stage).await.contains("үшінші")).await;
    assert_eq!(fetch_subscription(&stage).await.unwrap().waiting, 0);
    stage.web.put(FEED, Page::Body(feed_with_text("төртінші")));
    until("a poll reads the next version", async || text_of_first_entry(&stage).await.contains("төртінші"))
        .await;
    enqueue_at(now, "бірінші").await;
    assert_eq!(push(&node, &subscription, feed(20..21)).await, HubReply::Accepted);
    until("both documents are read", async || fetch_subscription(&stage).await.unwrap().waiting == 0).await;
    sleep(Duration::from_secs(5)).await;
    assert!(text_of_first_entry(&stage).await.contains("төртінші"));
    assert!(stage.items().await > 4, "the new entry was not stored");
    drop(node);
}

/// A subscription request that a busy hub rejects is retried after minutes, or at once if the callback URL changes.
/// It is not renewed after the feed stops offering the hub.
#[tokio::test(start_paused = true)]
async fn subscriptions_follow_the_callback_url_and_the_offer() {
    let mut stage = stage().await;
    stage.web.put(HUB, Page::Status(503, Some(("retry-after", "30".to_owned()))));
    let node = stage.start().await;
    requested_subscription(&stage).await;
    until("the refusal is recorded", async || fetch_subscription(&stage).await.unwrap().refused.is_some())
        .await;
    node.drain();
    drop(node);
    // The hub works again, and the callback URL has changed.
    stage.web.put(HUB, Page::Status(202, None));
    stage.config.websub_url = Some("https://new.kz/".parse().unwrap());
    let node = stage.start().await;
    until("the hub is requested with the new callback", async || {
        stage
            .web
            .forms()
            .last()
            .is_some_and(|(_, form)| form.contains("callback=https%3A%2F%2Fnew.kz%2Fwebsub"))
    })
    .await;
    let subscription = fetch_subscription(&stage).await.unwrap();
    assert_eq!((subscription.base.as_str(), subscription.refused.as_deref()), ("https://new.kz/", None));
    assert_eq!(verify(&node, &subscription).await, HubReply::Challenge("xyz".to_owned()));
    // The feed no longer offers a hub, so the subscription is not renewed.
    let requests = stage.web.request_count(HUB);
    stage.web.put(FEED, Page::Body(feed(0..5).replace("rel='hub'", "rel='none'")));
    sleep(3 * HOUR).await;
    assert_eq!(stage.web.request_count(HUB), requests);
    drop(node);
}

/// A searched source has no subscription, because each of its searches may offer another hub.
#[tokio::test(start_paused = true)]
async fn searched_sources_have_no_subscription() {
    let stage = stage().await;
    let every = Every { min: Duration::from_secs(60), max: HOUR };
    let url = "http://a.kz/feed?q={query}".parse().unwrap();
    let sources = vec![model::Source { every, url, ..source("a.kz") }];
    stage.store.declare(&Objects { sources, ..Objects::default() }, false, stage.clock.now()).await.unwrap();
    let search_url = "http://a.kz/feed?q=%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D1%8C";
    stage.web.put(search_url, Page::Body(feed(0..4)));
    let node = stage.start().await;
    until("the source is searched", async || stage.items().await == 4).await;
    sleep(HOUR / 4).await;
    assert!(stage.web.request_count(search_url) > 1);
    assert_eq!((stage.web.request_count(HUB), fetch_subscription(&stage).await), (0, None));
    drop(node);
}
