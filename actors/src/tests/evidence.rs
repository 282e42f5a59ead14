//! Tests of evidence from several documents: deletions by publishers, and changed article pages.

use std::time::Duration;

use model::{ArticleMode, Every, Name, Selectors, Source, SourceKind, SourceState};
use store::Objects;
use tokio::time::sleep;

use crate::tests::stage::{Page, Stage, dated_links, name, source, until};

const TIMELINE: &str = "http://m.kz/api/v1/accounts/1/statuses?limit=40";

/// Returns a timeline of these posts, newest first, in the format of Mastodon's documentation.
fn timeline(posts: &[u32]) -> Page {
    let status = |id: &u32| {
        format!(
            r#"{{"id":"{id}","uri":"https://m.kz/u/{id}","url":"https://m.kz/@u/{id}","created_at":"2026-11-23T09:{id}:00.000Z",
                "content":"<p>новость {id}</p>","account":{{"acct":"u","url":"https://m.kz/@u","display_name":"U"}}}}"#
        )
    };
    Page::Body(format!("[{}]", posts.iter().map(status).collect::<Vec<_>>().join(",")))
}

async fn stage_with(source: Source) -> Stage {
    let stage = Stage::with(&[]).await;
    let topics = stage.store.topics().await.unwrap().into_iter().map(|record| record.topic).collect();
    let objects = Objects { sources: vec![source], topics, ..Objects::default() };
    stage.store.declare(&objects, false, stage.clock.now()).await.unwrap();
    stage
}

/// Returns the last path segments of the URLs of all stored items, sorted.
async fn stored_ids(stage: &Stage) -> Vec<String> {
    let items = stage.store.items(0, 1000).await.unwrap();
    let last = |url: &url::Url| url.path_segments().unwrap().next_back().unwrap().to_owned();
    let mut ids: Vec<String> = items.iter().filter_map(|item| item.item.url.as_ref().map(last)).collect();
    ids.sort_unstable();
    ids
}

/// Creates a stage with a Mastodon account that has these posts.
async fn account(posts: &[u32]) -> Stage {
    let url = "http://m.kz/@u".parse().unwrap();
    let stage = stage_with(Source { kind: SourceKind::Mastodon, url, ..source("m.kz") }).await;
    let profile = r#"{"id":"1","acct":"u"}"#.to_owned();
    stage.web.put("http://m.kz/api/v1/accounts/lookup?acct=u", Page::Body(profile));
    stage.web.put(TIMELINE, timeline(posts));
    stage
}

/// An item that is missing from two documents which still show older items is removed. It is stored again if it
/// reappears.
#[tokio::test(start_paused = true)]
async fn deleted_posts_are_removed() {
    let stage = account(&[14, 13, 12, 11, 10]).await;
    let _node = stage.start().await;
    until("all posts are stored", async || stage.items().await == 5).await;
    // Post 13 is deleted, and post 10 no longer fits into the window.
    stage.web.put(TIMELINE, timeline(&[15, 14, 12, 11]));
    until("the new post is stored", async || stage.items().await == 6).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(
        stored_ids(&stage).await,
        ["10", "11", "12", "13", "14", "15"],
        "the document may be an outdated copy"
    );
    stage.web.put(TIMELINE, timeline(&[16, 15, 14, 12, 11]));
    until("the deleted post is removed", async || !stored_ids(&stage).await.contains(&"13".to_owned())).await;
    assert_eq!(stored_ids(&stage).await, ["10", "11", "12", "14", "15", "16"]);
    assert_eq!(
        stage.store.totals().await.unwrap().matches,
        6,
        "the match of the deleted post was not removed"
    );
    let history = stage.store.history(&name("m.kz"), 100).await.unwrap();
    assert!(
        history.iter().any(|line| line.detail == "deleted entries that the source no longer shows: 1"),
        "{history:?}"
    );
    stage.web.put(TIMELINE, timeline(&[16, 15, 14, 13, 12, 11]));
    until("the post is stored again", async || stage.items().await == 7).await;
}

/// An item that is missing for six hours is removed, even if the document does not change otherwise.
#[tokio::test(start_paused = true)]
async fn items_missing_for_six_hours_are_removed() {
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
    let stage = stage_with(Source { kind: SourceKind::HackerNews, url, every, ..source("hn") }).await;
    stage.web.put(NEWEST, hits(&[14, 13, 12, 11, 10]));
    let _node = stage.start().await;
    until("all posts are stored", async || stage.items().await == 5).await;
    stage.web.put(NEWEST, hits(&[14, 13, 11, 10]));
    sleep(Duration::from_secs(5 * 3600)).await;
    assert_eq!(stage.items().await, 5);
    sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(stage.items().await, 4);
}

/// The control: if a document shows only a selection of posts, missing posts are not removed.
#[tokio::test(start_paused = true)]
async fn posts_missing_from_a_selection_are_kept() {
    for selection in
        ["trends/statuses?limit=40", "timelines/tag/kz?limit=40", "accounts/1/statuses?pinned=true&limit=40"]
    {
        let url = format!("http://m.kz/api/v1/{selection}");
        let declared = Source { kind: SourceKind::Mastodon, url: url.parse().unwrap(), ..source("m.kz") };
        let stage = stage_with(declared).await;
        stage.web.put(&url, timeline(&[14, 13, 12, 11, 10]));
        let _node = stage.start().await;
        until("all posts are stored", async || stage.items().await == 5).await;
        for (newest, posts) in [(6, &[15, 14, 12, 11][..]), (7, &[16, 15, 14, 12, 11])] {
            stage.web.put(&url, timeline(posts));
            until("the new post is stored", async || stage.items().await == newest).await;
        }
        sleep(Duration::from_secs(300)).await;
        assert_eq!(stage.items().await, 7, "{selection}");
    }
}

const DAY: &str = "Mon, 23 Nov 2026 09:00:00 GMT";

/// Creates a stage with a feed that links to article pages. A selector extracts their texts.
async fn site() -> Stage {
    let selectors = Selectors { text: Some(".body".to_owned()), ..Selectors::default() };
    stage_with(Source { article: ArticleMode::Always, selectors, ..source("a.kz") }).await
}

/// Publishes article pages, and adds them to the feed.
fn publish(stage: &Stage, urls: &mut Vec<String>, pages: impl Iterator<Item = (String, Page)>) {
    for (path, page) in pages {
        let url = format!("http://a.kz/{path}");
        stage.web.put(&url, page);
        urls.insert(0, url);
    }
    stage.web.put("http://a.kz/feed", dated_links(urls, DAY));
}

fn article(class: &str, text: &str) -> Page {
    Page::Body(format!(
        "<html><head><title>Новость</title></head><body><article><div class='{class}'><p>{text}</p></div></article></body></html>"
    ))
}

fn words(n: u32) -> String {
    format!("Новость номер {n}. ").repeat(20)
}

async fn reason(stage: &Stage, source: &Name) -> String {
    stage.store.source(source).await.unwrap().unwrap().reason
}

#[tokio::test(start_paused = true)]
async fn changed_article_pages_degrade_a_source_until_they_are_read_again() {
    let stage = site().await;
    let mut urls = Vec::new();
    publish(&stage, &mut urls, (0..6).map(|n| (n.to_string(), article("body", &words(n)))));
    let _node = stage.start().await;
    let has_state = async |state: SourceState| stage.state("a.kz").await == state;
    until("all articles are stored", async || stage.items().await == 6).await;
    sleep(Duration::from_secs(300)).await;
    assert!(has_state(SourceState::Live).await, "the control: pages that the selectors match");
    publish(&stage, &mut urls, (6..8).map(|n| (n.to_string(), article("text", &words(n)))));
    until("two changed pages are stored", async || stage.items().await == 8).await;
    sleep(Duration::from_secs(300)).await;
    assert!(has_state(SourceState::Live).await, "two pages are not enough evidence");
    publish(&stage, &mut urls, (8..9).map(|n| (n.to_string(), article("text", &words(n)))));
    until("the third page degrades the source", async || has_state(SourceState::Degraded).await).await;
    let reason = reason(&stage, &name("a.kz")).await;
    assert!(
        reason.contains("selectors.text `.body` matches nothing on the last 3 article pages"),
        "{reason}"
    );
    assert_eq!(stage.items().await, 9, "a changed page was not stored");
    // Repeated polls of the same feed do not change the state.
    sleep(Duration::from_secs(600)).await;
    assert!(has_state(SourceState::Degraded).await);
    publish(&stage, &mut urls, (9..10).map(|n| (n.to_string(), article("body", &words(n)))));
    until("the source is live again", async || has_state(SourceState::Live).await).await;
}

/// A consent wall in front of all article pages is detected, and its text is not stored as an article.
#[tokio::test(start_paused = true)]
async fn a_consent_wall_degrades_the_source_and_is_not_stored() {
    let stage = site().await;
    let mut urls = Vec::new();
    let wall = "Чтобы читать дальше, примите условия. ".repeat(20);
    publish(&stage, &mut urls, (0..6).map(|n| (n.to_string(), article("body", &wall))));
    let _node = stage.start().await;
    until("the source is degraded", async || stage.state("a.kz").await == SourceState::Degraded).await;
    let reason = reason(&stage, &name("a.kz")).await;
    assert!(reason.contains("the last 6 article pages have the same text"), "{reason}");
    let items = stage.store.items(0, 100).await.unwrap();
    let wall_texts = items.iter().filter(|item| item.item.text.contains("примите условия")).count();
    assert_eq!(
        (items.len(), wall_texts),
        (6, 2),
        "the first two pages are stored before the wall is detected"
    );
}

/// Article pages that redirect to a login page are not stored as articles.
#[tokio::test(start_paused = true)]
async fn redirects_to_a_login_page_degrade_the_source() {
    let stage = site().await;
    let mut urls = Vec::new();
    let login = || Page::Status(302, Some(("location", "http://a.kz/login".to_owned())));
    stage.web.put("http://a.kz/login", article("body", "Войдите, чтобы читать дальше. "));
    publish(&stage, &mut urls, (0..5).map(|n| (n.to_string(), login())));
    let _node = stage.start().await;
    until("the source is degraded", async || stage.state("a.kz").await == SourceState::Degraded).await;
    let reason = reason(&stage, &name("a.kz")).await;
    assert!(
        reason.contains("could not fetch the last 5 article pages: ") && reason.contains("login"),
        "{reason}"
    );
    let items = stage.store.items(0, 100).await.unwrap();
    assert!(items.iter().all(|item| !item.item.text.contains("Войдите")), "{items:?}");
}

/// Old pages may have another layout, and missing pages are no evidence about others: neither changes the state.
#[tokio::test(start_paused = true)]
async fn old_and_missing_pages_do_not_change_the_state() {
    for (day, page) in
        [("Mon, 02 Nov 2026 09:00:00 GMT", article("text", &words(1))), (DAY, Page::Status(404, None))]
    {
        let stage = site().await;
        let addresses: Vec<String> = (0..6).map(|n| format!("http://a.kz/{n}")).collect();
        addresses.iter().for_each(|url| stage.web.put(url, page.clone()));
        stage.web.put("http://a.kz/feed", dated_links(&addresses, day));
        let _node = stage.start().await;
        until("all entries are stored", async || stage.items().await == 6).await;
        sleep(Duration::from_secs(600)).await;
        assert_eq!(stage.state("a.kz").await, SourceState::Live, "{day}");
    }
}

/// Article pages with restricted access degrade the source. The entries of the feed are stored.
#[tokio::test(start_paused = true)]
async fn restricted_article_pages_degrade_the_source() {
    let stage = site().await;
    let mut urls = Vec::new();
    publish(&stage, &mut urls, (0..5).map(|n| (n.to_string(), Page::Status(403, None))));
    let _node = stage.start().await;
    until("the source is degraded", async || stage.state("a.kz").await == SourceState::Degraded).await;
    let reason = reason(&stage, &name("a.kz")).await;
    assert!(reason.contains("could not fetch the last 5 article pages: HTTP status 403"), "{reason}");
    assert_eq!(stage.items().await, 5);
    publish(&stage, &mut urls, (5..6).map(|n| (n.to_string(), article("body", &words(n)))));
    until("a readable page makes the source live", async || stage.state("a.kz").await == SourceState::Live)
        .await;
}
