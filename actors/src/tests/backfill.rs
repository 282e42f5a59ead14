//! How the past of a source is read, on a web in memory and a paused clock.

use std::time::Duration;

use model::{Backfill, Fallback, Pointers, Selectors, SourceKind, Timestamp};
use scheduler::Schedule;
use tokio::time::sleep;

use crate::tests::availability::{channel, publish};
use crate::tests::stage::{Page, Stage, name, until};

const DELAY: Duration = Duration::from_secs(1);

/// Begins to read the past of `a.kz`: as it is declared, a channel, or by a sitemap.
async fn begin(stage: &Stage, since: Timestamp, sitemap: Option<&str>) {
    let by = |url: &str| Fallback {
        kind: SourceKind::Sitemap,
        url: url.parse().unwrap(),
        selectors: Selectors::default(),
        pointers: Pointers::default(),
    };
    let (name, now) = (name("a.kz"), stage.clock.now());
    let first = sitemap.unwrap_or("http://a.kz/s/qala").parse().unwrap();
    let backfill = Backfill::new(since, now, sitemap.map(by), first);
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

/// What lies further back than polls go is read by a backfill, back to where it was asked to, behind fresh work.
#[tokio::test(start_paused = true)]
async fn a_backfill_reads_the_past_behind_fresh_work() {
    let stage = channel().await;
    publish(&stage, 400);
    let _node = stage.start().await;
    until("what the first poll reads is read", async || stage.items().await == 80).await;
    let name = name("a.kz");
    begin(&stage, Timestamp::UNIX_EPOCH, None).await;
    let told = async || stage.store.backfill(&name).await.unwrap().unwrap();
    until("half of it is read", async || told().await.documents >= 10).await;
    // Fresh work comes first: the polls went on all the while, one a minute.
    publish(&stage, 401);
    let has_newest = async || {
        let items = stage.store.items(0, 500).await.unwrap();
        items.iter().any(|one| one.item.text.ends_with("номер 401"))
    };
    until("what is new is read", has_newest).await;
    assert!(told().await.ended.is_none(), "before the past is");
    until("all is read", async || told().await.ended.is_some()).await;
    let told = told().await;
    assert_eq!((told.documents, told.trouble), (20, None), "each page once");
    assert_eq!(told.new, 320, "what was not known");
    until("the newest as well", async || stage.items().await == 401).await;
    let steps: Vec<_> = stage.store.history(&name, 100).await.unwrap();
    let pages = steps.iter().filter(|line| line.url.contains("before")).count();
    assert!(pages >= 19 && stage.web.shortest_gap() >= DELAY);
}

/// What was published before the time that was asked for is left out, and ends it.
#[tokio::test(start_paused = true)]
async fn a_backfill_ends_where_it_was_asked_to() {
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
    until("its feed is read", async || stage.items().await == 2).await;
    let name = name("a.kz");
    let since = "2026-07-15T00:00:00Z".parse().unwrap();
    begin(&stage, since, Some("http://a.kz/index.xml")).await;
    let told = async || stage.store.backfill(&name).await.unwrap().unwrap();
    until("it ends", async || told().await.ended.is_some()).await;
    let pages =
        async || stage.web.asked().into_iter().filter(|url| url.contains("/old/")).collect::<Vec<_>>();
    until("its pages are read", async || pages().await.len() == 4).await;
    sleep(Duration::from_secs(600)).await;
    let mut pages = pages().await;
    pages.sort();
    // November, October, September, August.
    assert_eq!(pages, [1, 2, 3, 4].map(|n| format!("http://a.kz/old/{n}")));
    assert_eq!((told().await.documents, told().await.new), (4, 4));
}

/// A sitemap of another host is that host's job, and nobody else's; one that cannot be had is tried again, then told.
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
    stage.web.put(index[0], Page::Says(503, None));
    stage.web.put(index[1], Page::Says(503, None));
    stage.web.put(index[2], map(3));
    let _node = stage.start().await;
    until("its feed is read", async || stage.items().await == 2).await;
    let name = name("a.kz");
    begin(&stage, Timestamp::UNIX_EPOCH, Some("http://a.kz/index.xml")).await;
    until("the first is tried", async || stage.web.times_asked(index[0]) == 2).await;
    stage.web.put(index[0], map(1));
    let told = async || stage.store.backfill(&name).await.unwrap().unwrap();
    until("it ends", async || told().await.ended.is_some()).await;
    let told = told().await;
    assert_eq!((told.documents, told.new), (4, 2));
    assert_eq!(told.trouble.as_deref(), Some("http://b.kz/2.xml: HTTP status 503"));
    let times = index.map(|url| stage.web.times_asked(url));
    assert_eq!(times, [3, 4, 1], "each by one job alone");
    for host in ["a.kz", "b.kz"] {
        let view = stage.schedule.host(&crate::tests::stage::host(host)).await.unwrap();
        let left =
            view.into_iter().flat_map(|view| view.jobs).filter(|job| job.id.kind == model::JobKind::Backfill);
        assert_eq!(left.count(), 0, "{host}");
    }
}
