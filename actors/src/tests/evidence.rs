//! What is seen only over several documents: what publishers take back, and article pages that changed.

use std::time::Duration;

use model::{ArticleMode, Every, Name, Selectors, Source, SourceKind, SourceState};
use store::Objects;
use tokio::time::sleep;

use crate::tests::stage::{Page, Stage, dated_links, name, source, until};

const TIMELINE: &str = "http://m.kz/api/v1/accounts/1/statuses?limit=40";

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

/// An account of these posts.
async fn account(posts: &[u32]) -> Stage {
    let url = "http://m.kz/@u".parse().unwrap();
    let stage = stage_of(Source { kind: SourceKind::Mastodon, url, ..source("m.kz") }).await;
    let who = r#"{"id":"1","acct":"u"}"#.to_owned();
    stage.web.put("http://m.kz/api/v1/accounts/lookup?acct=u", Page::Body(who));
    stage.web.put(TIMELINE, timeline(posts));
    stage
}

/// What stands there no more, while what is older does, goes after a second look; it comes back where it is shown again.
#[tokio::test(start_paused = true)]
async fn what_is_taken_back_is_removed() {
    let stage = account(&[14, 13, 12, 11, 10]).await;
    let _node = stage.start().await;
    until("all are stored", async || stage.items().await == 5).await;
    // One is gone, and one is pushed out.
    stage.web.put(TIMELINE, timeline(&[15, 14, 12, 11]));
    until("what is new is stored", async || stage.items().await == 6).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(stored(&stage).await, ["10", "11", "12", "13", "14", "15"], "it may be a copy of a while ago");
    stage.web.put(TIMELINE, timeline(&[16, 15, 14, 12, 11]));
    until("it is removed", async || !stored(&stage).await.contains(&"13".to_owned())).await;
    assert_eq!(stored(&stage).await, ["10", "11", "12", "14", "15", "16"]);
    assert_eq!(stage.store.totals().await.unwrap().matches, 6, "and is in no topic any more");
    let told = stage.store.history(&name("m.kz"), 100).await.unwrap();
    assert!(
        told.iter().any(|line| line.detail == "deleted entries that the source no longer shows: 1"),
        "{told:?}"
    );
    stage.web.put(TIMELINE, timeline(&[16, 15, 14, 13, 12, 11]));
    until("it is back", async || stage.items().await == 7).await;
}

/// A source at which nothing else happens: what is missing for six hours is gone, though its document stands as it stood.
#[tokio::test(start_paused = true)]
async fn what_is_long_missing_is_removed() {
    const NEWEST: &str = "http://hn.algolia.com/api/v1/search_by_date?tags=story&hitsPerPage=100";
    let hits = |ids: &[u32]| {
        let hit = |id: &u32| {
            format!(
                r#"{{"objectID":"{id}","title":"новость {id}","created_at":"2026-11-23T09:{id}:00Z","author":"u"}}"#
            )
        };
        Page::Body(format!(
            r#"{{"hits":[{}],"page":0,"nbPages":1}}"#,
            ids.iter().map(hit).collect::<Vec<_>>().join(",")
        ))
    };
    let url = "http://news.ycombinator.com/newest".parse().unwrap();
    let every = Every { min: Duration::from_secs(1800), max: Duration::from_secs(1800) };
    let stage = stage_of(Source { kind: SourceKind::HackerNews, url, every, ..source("hn") }).await;
    stage.web.put(NEWEST, hits(&[14, 13, 12, 11, 10]));
    let _node = stage.start().await;
    until("all are stored", async || stage.items().await == 5).await;
    stage.web.put(NEWEST, hits(&[14, 13, 11, 10]));
    sleep(Duration::from_secs(5 * 3600)).await;
    assert_eq!(stage.items().await, 5);
    sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(stage.items().await, 4);
}

/// The control: where a document shows a choice, what it shows no more stays.
#[tokio::test(start_paused = true)]
async fn what_a_choice_leaves_out_stays() {
    for choice in
        ["trends/statuses?limit=40", "timelines/tag/kz?limit=40", "accounts/1/statuses?pinned=true&limit=40"]
    {
        let url = format!("http://m.kz/api/v1/{choice}");
        let declared = Source { kind: SourceKind::Mastodon, url: url.parse().unwrap(), ..source("m.kz") };
        let stage = stage_of(declared).await;
        stage.web.put(&url, timeline(&[14, 13, 12, 11, 10]));
        let _node = stage.start().await;
        until("all are stored", async || stage.items().await == 5).await;
        for (newest, posts) in [(6, &[15, 14, 12, 11][..]), (7, &[16, 15, 14, 12, 11])] {
            stage.web.put(&url, timeline(posts));
            until("what is new is stored", async || stage.items().await == newest).await;
        }
        sleep(Duration::from_secs(300)).await;
        assert_eq!(stage.items().await, 7, "{choice}");
    }
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
    sleep(Duration::from_secs(300)).await;
    assert!(is(SourceState::Live).await, "the control: pages as they are declared");
    publish(&stage, &mut known, (6..8).map(|n| (n.to_string(), article("text", &words(n)))));
    until("two are read", async || stage.items().await == 8).await;
    sleep(Duration::from_secs(300)).await;
    assert!(is(SourceState::Live).await, "two pages are chance");
    publish(&stage, &mut known, (8..9).map(|n| (n.to_string(), article("text", &words(n)))));
    until("the third tells", async || is(SourceState::Degraded).await).await;
    let (_, told) = reason(&stage, &name("a.kz")).await;
    assert!(told.contains("selectors.text `.body` matches nothing on the last 3 article pages"), "{told}");
    assert_eq!(stage.items().await, 9, "what could be read is kept");
    // The same feed, again and again, says nothing else.
    sleep(Duration::from_secs(600)).await;
    assert!(is(SourceState::Degraded).await);
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
    until("it is told", async || stage.state("a.kz").await == SourceState::Degraded).await;
    let (_, told) = reason(&stage, &name("a.kz")).await;
    assert!(told.contains("the last 6 article pages have the same text"), "{told}");
    let items = stage.store.items(0, 100).await.unwrap();
    let walled = items.iter().filter(|item| item.item.text.contains("примите условия")).count();
    assert_eq!((items.len(), walled), (6, 2), "two came before anybody could know");
}

/// Pages that lead to a login are no articles, wherever they lead.
#[tokio::test(start_paused = true)]
async fn pages_that_lead_to_a_login_are_refused() {
    let stage = site().await;
    let mut known = Vec::new();
    let login = || Page::Says(302, Some(("location", "http://a.kz/login".to_owned())));
    stage.web.put("http://a.kz/login", article("body", "Войдите, чтобы читать дальше. "));
    publish(&stage, &mut known, (0..5).map(|n| (n.to_string(), login())));
    let _node = stage.start().await;
    until("it is told", async || stage.state("a.kz").await == SourceState::Degraded).await;
    let (_, told) = reason(&stage, &name("a.kz")).await;
    assert!(told.contains("could not fetch the last 5 article pages: ") && told.contains("login"), "{told}");
    let items = stage.store.items(0, 100).await.unwrap();
    assert!(items.iter().all(|item| !item.item.text.contains("Войдите")), "{items:?}");
}

/// Old pages are made otherwise, and missing ones say nothing of the others.
#[tokio::test(start_paused = true)]
async fn old_pages_and_missing_ones_tell_nothing_of_the_source() {
    for (day, page) in
        [("Mon, 02 Nov 2026 09:00:00 GMT", article("text", &words(1))), (DAY, Page::Says(404, None))]
    {
        let stage = site().await;
        let addresses: Vec<String> = (0..6).map(|n| format!("http://a.kz/{n}")).collect();
        addresses.iter().for_each(|url| stage.web.put(url, page.clone()));
        stage.web.put("http://a.kz/feed", dated_links(&addresses, day));
        let _node = stage.start().await;
        until("all are stored", async || stage.items().await == 6).await;
        sleep(Duration::from_secs(600)).await;
        assert_eq!(stage.state("a.kz").await, SourceState::Live, "{day}");
    }
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
    assert!(told.contains("could not fetch the last 5 article pages: HTTP status 403"), "{told}");
    assert_eq!(stage.items().await, 5);
    publish(&stage, &mut known, (5..6).map(|n| (n.to_string(), article("body", &words(n)))));
    until("one came", async || stage.state("a.kz").await == SourceState::Live).await;
}
