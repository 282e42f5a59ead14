//! What is seen only over several documents: what publishers take back, and article pages that changed.

use model::{ArticleMode, Name, Selectors, Source, SourceKind, SourceState};
use store::{Objects, Store};
use tokio::time::sleep;

use crate::testing::{Page, Stage, dated_links, name, source, until};

const TIMELINE: &str = "http://m.kz/api/v1/timelines/tag/kz?limit=40";

/// A timeline of these posts, the newest first, as Mastodon's documentation has it.
fn timeline(posts: &[u32]) -> Page {
    let status = |id: &u32| {
        format!(
            r#"{{"id":"{id}","uri":"https://m.kz/u/{id}","url":"https://m.kz/@u/{id}","created_at":"2026-11-23T09:{id}:00.000Z",
                "content":"<p>новость {id}</p>","account":{{"acct":"u","url":"https://m.kz/@u","display_name":"U"}}}}"#
        )
    };
    Page::Body(format!("[{}]", posts.iter().map(status).collect::<Vec<_>>().join(",")))
}

async fn stage_of(source: Source) -> Stage {
    let stage = Stage::with(&[]).await;
    let topics = stage.store.topics().await.unwrap().into_iter().map(|record| record.topic).collect();
    let objects = Objects { sources: vec![source], topics, ..Objects::default() };
    stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
    stage
}

/// What is stored, by the last part of its address.
async fn stored(stage: &Stage) -> Vec<String> {
    let items = stage.store.items(0, 1000).await.unwrap();
    let last = |url: &url::Url| url.path_segments().unwrap().next_back().unwrap().to_owned();
    let mut stored: Vec<String> = items.iter().filter_map(|item| item.item.url.as_ref().map(last)).collect();
    stored.sort_unstable();
    stored
}

/// What stands in a timeline no more, while what is older does, goes after a second look; it comes back where it is shown again.
#[tokio::test(start_paused = true)]
async fn what_is_taken_back_is_removed() {
    let url = "http://m.kz/tags/kz".parse().unwrap();
    let fediverse = Source { kind: SourceKind::Mastodon, url, ..source("m.kz") };
    let stage = stage_of(fediverse).await;
    stage.web.put(TIMELINE, timeline(&[14, 13, 12, 11, 10]));
    let _node = stage.start().await;
    until("all are stored", async || stage.items().await == 5).await;
    // One is gone, and one is pushed out.
    stage.web.put(TIMELINE, timeline(&[15, 14, 12, 11]));
    until("what is new is stored", async || stored(&stage).await.contains(&"15".to_owned())).await;
    assert_eq!(stored(&stage).await, ["10", "11", "12", "13", "14", "15"], "once may be chance");
    until("it is removed", async || stage.items().await == 5).await;
    assert_eq!(stored(&stage).await, ["10", "11", "12", "14", "15"]);
    assert_eq!(stage.store.totals().await.unwrap().matches, 5, "and is in no topic any more");
    let told = stage.store.history(&name("m.kz"), 100).await.unwrap();
    assert!(
        told.iter().any(|line| line.detail == "1 taken back by the publisher: removed here as well"),
        "{told:?}"
    );
    stage.web.put(TIMELINE, timeline(&[15, 14, 13, 12, 11]));
    until("it is back", async || stage.items().await == 6).await;
}

/// The control: where a document shows a choice, what it shows no more stays.
#[tokio::test(start_paused = true)]
async fn what_a_choice_leaves_out_stays() {
    let trending = "http://m.kz/api/v1/trends/statuses?limit=40";
    let fediverse = Source { kind: SourceKind::Mastodon, url: trending.parse().unwrap(), ..source("m.kz") };
    let stage = stage_of(fediverse).await;
    stage.web.put(trending, timeline(&[14, 13, 12, 11, 10]));
    let _node = stage.start().await;
    until("all are stored", async || stage.items().await == 5).await;
    stage.web.put(trending, timeline(&[15, 14, 12, 11]));
    until("what is new is stored", async || stage.items().await == 6).await;
    sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(stage.items().await, 6);
}

const DAY: &str = "Mon, 23 Nov 2026 09:00:00 GMT";

/// A site whose feed leads to article pages, the text of which a selector finds.
async fn site() -> Stage {
    let selectors = Selectors { text: Some(".body".to_owned()), ..Selectors::default() };
    stage_of(Source { article: ArticleMode::Always, selectors, ..source("a.kz") }).await
}

/// The site publishes these pages as well.
fn publish(stage: &Stage, known: &mut Vec<String>, pages: impl Iterator<Item = (String, Page)>) {
    for (path, page) in pages {
        let url = format!("http://a.kz/{path}");
        stage.web.put(&url, page);
        known.insert(0, url);
    }
    stage.web.put("http://a.kz/feed", dated_links(known, DAY));
}

fn article(class: &str, text: &str) -> Page {
    Page::Body(format!(
        "<html><head><title>Новость</title></head><body><article><div class='{class}'><p>{text}</p></div></article></body></html>"
    ))
}

fn words(n: u32) -> String {
    format!("Новость номер {n}. ").repeat(20)
}

async fn reason(stage: &Stage, source: &Name) -> (SourceState, String) {
    let record = stage.store.source(source).await.unwrap().unwrap();
    (record.state, record.reason)
}

#[tokio::test(start_paused = true)]
async fn pages_that_changed_are_told_until_they_are_read_again() {
    let stage = site().await;
    let mut known = Vec::new();
    publish(&stage, &mut known, (0..6).map(|n| (n.to_string(), article("body", &words(n)))));
    let _node = stage.start().await;
    let is = async |state: SourceState| stage.state("a.kz").await == state;
    until("all are read", async || stage.items().await == 6).await;
    sleep(std::time::Duration::from_secs(300)).await;
    assert!(is(SourceState::Live).await, "the control: pages as they are declared");
    publish(&stage, &mut known, (6..8).map(|n| (n.to_string(), article("text", &words(n)))));
    until("two are read", async || stage.items().await == 8).await;
    sleep(std::time::Duration::from_secs(300)).await;
    assert!(is(SourceState::Live).await, "two pages are chance");
    publish(&stage, &mut known, (8..9).map(|n| (n.to_string(), article("text", &words(n)))));
    until("the third tells", async || is(SourceState::BrokenLayout).await).await;
    let (_, told) = reason(&stage, &name("a.kz")).await;
    assert!(told.contains("selectors.text `.body` matches nothing on the last 3"), "{told}");
    assert_eq!(stage.items().await, 9, "what could be read is kept");
    // The same feed, again and again, says nothing else.
    sleep(std::time::Duration::from_secs(600)).await;
    assert!(is(SourceState::BrokenLayout).await);
    publish(&stage, &mut known, (9..10).map(|n| (n.to_string(), article("body", &words(n)))));
    until("it is as it was", async || is(SourceState::Live).await).await;
}

/// A wall before all pages is no article.
#[tokio::test(start_paused = true)]
async fn a_wall_before_all_pages_is_told_and_left_out() {
    let stage = site().await;
    let mut known = Vec::new();
    let wall = "Чтобы читать дальше, примите условия. ".repeat(20);
    publish(&stage, &mut known, (0..6).map(|n| (n.to_string(), article("body", &wall))));
    let _node = stage.start().await;
    until("it is told", async || stage.state("a.kz").await == SourceState::BrokenLayout).await;
    let (_, told) = reason(&stage, &name("a.kz")).await;
    assert!(told.contains("the last 6 have one and the same text"), "{told}");
    let items = stage.store.items(0, 100).await.unwrap();
    let walled = items.iter().filter(|item| item.item.text.contains("примите условия")).count();
    assert_eq!((items.len(), walled), (6, 2), "two came before anybody could know");
}

/// Pages that are for some only: the state says so, and what the feed told is kept.
#[tokio::test(start_paused = true)]
async fn pages_that_are_refused_are_told() {
    let stage = site().await;
    let mut known = Vec::new();
    publish(&stage, &mut known, (0..5).map(|n| (n.to_string(), Page::Says(403, None))));
    let _node = stage.start().await;
    until("it is told", async || stage.state("a.kz").await == SourceState::Degraded).await;
    let (_, told) = reason(&stage, &name("a.kz")).await;
    assert!(told.contains("the last 5 could not be had: HTTP status 403"), "{told}");
    assert_eq!(stage.items().await, 5);
    publish(&stage, &mut known, (5..6).map(|n| (n.to_string(), article("body", &words(n)))));
    until("one came", async || stage.state("a.kz").await == SourceState::Live).await;
}
