//! Tests of backfills on an in-memory web and a paused clock.

use std::time::Duration;

use model::{Backfill, Fallback, Pointers, Selectors, SourceKind, Timestamp};
use scheduler::ScheduledHosts;
use tokio::time::sleep;

use crate::tests::availability::{channel, publish};
use crate::tests::stage::{Page, Stage, name, until};

const DELAY: Duration = Duration::from_secs(1);

/// Starts a backfill of `a.kz` through its declared channel, or through a sitemap.
async fn start_backfill(stage: &Stage, since: Timestamp, sitemap: Option<&str>) {
    let fallback = |url: &str| Fallback {
        kind: SourceKind::Sitemap,
        url: url.parse().unwrap(),
        selectors: Selectors::default(),
        pointers: Pointers::default(),
    };
    let (name, now) = (name("a.kz"), stage.clock.now());
    let first = sitemap.unwrap_or("http://a.kz/s/qala").parse().unwrap();
    let backfill = Backfill::new(since, now, sitemap.map(fallback), first);
    stage.store.set_backfill(&name, &backfill).await.unwrap();
    service::plan_backfill(
        &*stage.store,
        &*stage.schedule,
        &name,
        &backfill,
        service::PlanTerms { delay: DELAY, now, all_now: false },
    )
    .await
    .unwrap();
}

/// A backfill reads entries that are too old for polls, back to the requested time, with a lower priority than polls.
#[tokio::test(start_paused = true)]
async fn a_backfill_reads_old_entries_behind_polls() {
    let stage = channel().await;
    publish(&stage, 400);
    let _node = stage.start().await;
    until("the first poll is stored", async || stage.items().await == 80).await;
    let name = name("a.kz");
    start_backfill(&stage, Timestamp::UNIX_EPOCH, None).await;
    let backfill = async || stage.store.backfill(&name).await.unwrap().unwrap();
    until("half of the documents are read", async || backfill().await.documents >= 10).await;
    // Polls take precedence: they continue once a minute during the backfill.
    publish(&stage, 401);
    let has_newest = async || {
        let items = stage.store.items(0, 500).await.unwrap();
        items.iter().any(|one| one.item.text.ends_with("номер 401"))
    };
    until("the new entry is read", has_newest).await;
    assert!(backfill().await.ended.is_none(), "the backfill ended before the new entry was read");
    until("the backfill ends", async || backfill().await.ended.is_some()).await;
    let backfill = backfill().await;
    assert_eq!((backfill.documents, backfill.trouble), (20, None), "each page is read once");
    assert_eq!(backfill.new, 320, "entries that no poll had stored");
    until("the newest entry is stored", async || stage.items().await == 401).await;
    let history: Vec<_> = stage.store.history(&name, 100).await.unwrap();
    let pages = history.iter().filter(|line| line.url.contains("before")).count();
    assert!(pages >= 19 && stage.web.shortest_gap() >= DELAY);
}

/// Entries that are older than the requested time are left out, and end the backfill.
#[tokio::test(start_paused = true)]
async fn a_backfill_ends_at_the_requested_time() {
    let stage = Stage::with(&["a.kz"]).await;
    let entry =
        |n: u32| format!("<url><loc>http://a.kz/old/{n}</loc><lastmod>2026-{:02}-01</lastmod></url>", 12 - n);
    for n in 0..3 {
        let entries: String = (1 + 3 * n..4 + 3 * n).map(entry).collect();
        stage.web.put(&format!("http://a.kz/map{n}.xml"), Page::Body(format!("<urlset>{entries}</urlset>")));
    }
    let maps: String =
        (0..3).map(|n| format!("<sitemap><loc>http://a.kz/map{n}.xml</loc></sitemap>")).collect();
    stage.web.put("http://a.kz/index.xml", Page::Body(format!("<sitemapindex>{maps}</sitemapindex>")));
    let _node = stage.start().await;
    until("the feed is read", async || stage.items().await == 2).await;
    let name = name("a.kz");
    let since = "2026-07-15T00:00:00Z".parse().unwrap();
    start_backfill(&stage, since, Some("http://a.kz/index.xml")).await;
    let backfill = async || stage.store.backfill(&name).await.unwrap().unwrap();
    until("the backfill ends", async || backfill().await.ended.is_some()).await;
    let pages =
        async || stage.web.requests().into_iter().filter(|url| url.contains("/old/")).collect::<Vec<_>>();
    until("the pages are read", async || pages().await.len() == 4).await;
    sleep(Duration::from_secs(600)).await;
    let mut pages = pages().await;
    pages.sort();
    // The entries of November, October, September and August.
    assert_eq!(pages, [1, 2, 3, 4].map(|n| format!("http://a.kz/old/{n}")));
    assert_eq!((backfill().await.documents, backfill().await.new), (4, 4));
}

/// A sitemap on another host is read by a job of that host only. A sitemap that cannot be fetched is retried, then
/// reported.
#[tokio::test(start_paused = true)]
async fn a_backfill_follows_its_documents_to_other_hosts() {
    let stage = Stage::with(&["a.kz"]).await;
    let map = |n: u32| {
        Page::Body(format!(
            "<urlset><url><loc>http://a.kz/old/{n}</loc><lastmod>2026-10-01</lastmod></url></urlset>"
        ))
    };
    let index = ["http://b.kz/1.xml", "http://b.kz/2.xml", "http://a.kz/3.xml"];
    let maps: String = index.iter().map(|url| format!("<sitemap><loc>{url}</loc></sitemap>")).collect();
    stage.web.put("http://a.kz/index.xml", Page::Body(format!("<sitemapindex>{maps}</sitemapindex>")));
    stage.web.put(index[0], Page::Status(503, None));
    stage.web.put(index[1], Page::Status(503, None));
    stage.web.put(index[2], map(3));
    let _node = stage.start().await;
    until("the feed is read", async || stage.items().await == 2).await;
    let name = name("a.kz");
    start_backfill(&stage, Timestamp::UNIX_EPOCH, Some("http://a.kz/index.xml")).await;
    until("the first sitemap is retried", async || stage.web.request_count(index[0]) == 2).await;
    stage.web.put(index[0], map(1));
    let backfill = async || stage.store.backfill(&name).await.unwrap().unwrap();
    until("the backfill ends", async || backfill().await.ended.is_some()).await;
    let backfill = backfill().await;
    assert_eq!((backfill.documents, backfill.new), (4, 2));
    assert_eq!(backfill.trouble.as_deref(), Some("http://b.kz/2.xml: HTTP status 503"));
    let counts = index.map(|url| stage.web.request_count(url));
    assert_eq!(counts, [3, 4, 1], "each sitemap is fetched by one job only");
    for host in ["a.kz", "b.kz"] {
        let view = stage.schedule.host(&crate::tests::stage::host(host)).await.unwrap();
        let jobs =
            view.into_iter().flat_map(|view| view.jobs).filter(|job| job.id.kind == model::JobKind::Backfill);
        assert_eq!(jobs.count(), 0, "{host}");
    }
}
