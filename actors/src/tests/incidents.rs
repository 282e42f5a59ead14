//! Tests of failing hosts and of waiting pages.

use std::time::Duration;

use model::{Source, SourceState, Timestamp};
use store::Objects;
use tokio::time::sleep;

use crate::tests::stage::{Page, Stage, dated_links, feed, name, source, until};

/// The delay between exchanges with the host.
const DELAY: Duration = Duration::from_secs(1);

/// Creates a stage with `count` sections of one host. Each section is a feed.
async fn stage_with_sections(count: usize) -> Stage {
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

/// Sets the response of all sections.
fn set_all_sections(stage: &Stage, count: usize, page: &Page) {
    for n in 0..count {
        stage.web.put(&section_url(n), page.clone());
    }
}

async fn failures(stage: &Stage) -> Vec<f64> {
    stage.store.sources().await.unwrap().iter().map(|record| record.failures).collect()
}

/// If all sources of a host fail, one incident is recorded, the sources keep their states, a canary checks the host
/// once a minute, and a success ends the incident.
#[tokio::test(start_paused = true)]
async fn a_failing_host_is_one_incident() {
    const SECTIONS: usize = 20;
    let stage = stage_with_sections(SECTIONS).await;
    set_all_sections(&stage, SECTIONS, &feed(2));
    let _node = stage.start().await;
    let count_in_state = async |state: SourceState| {
        stage.store.sources().await.unwrap().iter().filter(|record| record.state == state).count()
    };
    until("all sources are live", async || count_in_state(SourceState::Live).await == SECTIONS).await;
    set_all_sections(&stage, SECTIONS, &Page::Status(503, None));
    let incident =
        async || stage.store.host_health(&crate::tests::stage::host("a.kz")).await.unwrap().incident;
    until("the incident is recorded", async || incident().await.is_some()).await;
    let requests = stage.web.requests().len();
    sleep(Duration::from_secs(1800)).await;
    let canaries = stage.web.requests().len() - requests;
    assert!((25..=31).contains(&canaries), "expected one canary a minute, got {canaries}");
    // The first four failures count for their sources; the fifth one starts the incident.
    let nonzero: Vec<f64> = failures(&stage).await.into_iter().filter(|failures| *failures > 0.0).collect();
    assert_eq!(nonzero, [0.25; 4]);
    assert_eq!(count_in_state(SourceState::Unreachable).await, 0);
    set_all_sections(&stage, SECTIONS, &feed(3));
    until("the incident ends", async || incident().await.is_none()).await;
    until("all sources are read again", async || stage.items().await == 3 * SECTIONS as u64).await;
    assert!(stage.web.shortest_gap() >= DELAY, "the delay was violated after the incident");
    let incidents = stage.store.incidents(Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap();
    assert_eq!(incidents.len(), 1);
    assert!(incidents[0].to.is_some() && incidents[0].reason == "HTTP status 503", "{incidents:?}");
}

/// The control: four sources are too few to detect an incident, so each source fails on its own.
#[tokio::test(start_paused = true)]
async fn four_failing_sources_are_no_incident() {
    let stage = stage_with_sections(4).await;
    set_all_sections(&stage, 4, &feed(2));
    let _node = stage.start().await;
    until("all sources are read", async || stage.items().await == 8).await;
    set_all_sections(&stage, 4, &Page::Status(503, None));
    let records = async || stage.store.sources().await.unwrap();
    until("all sources are unreachable", async || {
        records().await.iter().all(|record| record.state == SourceState::Unreachable)
    })
    .await;
    assert!(stage.store.incidents(Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap().is_empty());
}

/// If some sources of a host succeed, the host has no incident, and each source fails on its own.
#[tokio::test(start_paused = true)]
async fn sources_that_fail_beside_successful_ones_are_no_incident() {
    const SECTIONS: usize = 12;
    let stage = stage_with_sections(SECTIONS).await;
    set_all_sections(&stage, SECTIONS, &feed(2));
    let _node = stage.start().await;
    until("all sources are read", async || stage.items().await == 2 * SECTIONS as u64).await;
    for n in (0..SECTIONS).filter(|n| n % 3 > 0) {
        stage.web.put(&section_url(n), Page::Status(404, None));
    }
    sleep(Duration::from_secs(1200)).await;
    let failing = failures(&stage).await.into_iter().filter(|failures| *failures >= 1.0).count();
    assert_eq!(failing, SECTIONS * 2 / 3, "each source counts its own failures");
}

/// Fresh article pages are read before a backlog of old pages of the same host.
#[tokio::test(start_paused = true)]
async fn old_pages_wait_behind_fresh_ones() {
    const ARCHIVES: usize = 8;
    let stage = stage_with_sections(ARCHIVES + 1).await;
    for n in 0..ARCHIVES {
        let old: Vec<String> = (0..100).map(|page| format!("http://a.kz/{n}/old/{page}")).collect();
        stage.web.put(&section_url(n), dated_links(&old, "Sat, 01 Nov 2025 09:00:00 +0500"));
    }
    let fresh = |n: usize| format!("http://a.kz/fresh/{n}");
    let publish = |count: usize| {
        let urls: Vec<String> = (0..count).map(fresh).collect();
        stage.web.put(&section_url(ARCHIVES), dated_links(&urls, "Mon, 23 Nov 2026 14:00:00 +0500"));
    };
    publish(1);
    let _node = stage.start().await;
    until("the first fresh page is read", async || stage.web.request_count(&fresh(0)) > 0).await;
    until("old pages are read", async || stage.web.requests().len() > 100).await;
    for n in 1..6 {
        publish(n + 1);
        let requests = stage.web.requests().len();
        until("the next fresh page is read", async || stage.web.request_count(&fresh(n)) > 0).await;
        let delay = stage.web.requests().len() - requests;
        // The poll is due after at most a minute, at one exchange a second. Then at most four pages of each archive
        // and its next poll come first.
        assert!(delay <= 66 + 5 * ARCHIVES, "page {n}: {delay} other exchanges came first");
    }
    assert!(
        stage.web.requests().len() < ARCHIVES * 100,
        "no old page waits any more, so the test proves nothing"
    );
}
