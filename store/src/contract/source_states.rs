//! How sources and hosts did.

use model::{ArticlePages, PageCondition, PageWindow, WindowDocument};

use super::*;

#[tokio::test]
async fn news_moves_the_state_history_is_bounded_and_a_pause_wins() {
    for bench in each().await {
        println!("on {}", bench.name);
        let outcome = |state, ok, failures| PollOutcome {
            state,
            reason: if ok { String::new() } else { "HTTP status 500".into() },
            failures,
            ok,
            deferred: false,
            interval: Duration::from_secs(90),
            next_poll: at(500),
            moved_to: None,
            validators: None,
        };
        let record = FetchRecord {
            at: at(1),
            url: "https://a.kz/rss".into(),
            status: FetchStatus::Ok,
            http_status: Some(200),
            bytes: 1,
            duration: Duration::from_millis(5),
            items: 1,
            detail: String::new(),
        };
        for token in 1..8 {
            let mut one = harvest(token, Vec::new());
            one.outcome = Some(outcome(SourceState::Degraded, false, 0.5));
            one.fetches = vec![record.clone()];
            bench.save(&[one]).await;
        }
        let known = bench.store.source(&name("s")).await.unwrap().unwrap();
        assert_eq!((known.state, known.failed_polls, known.since), (SourceState::Degraded, 7, at(1)));
        assert_eq!(
            (known.interval, known.next_poll, known.last_ok),
            (Some(Duration::from_secs(90)), Some(at(500)), None)
        );
        assert_eq!(bench.store.history(&name("s"), 100).await.unwrap().len(), 3);
        let mut deferred = harvest(8, Vec::new());
        deferred.outcome = Some(PollOutcome { deferred: true, ..outcome(SourceState::Degraded, false, 0.5) });
        bench.save(&[deferred]).await;
        let known = bench.store.source(&name("s")).await.unwrap().unwrap();
        assert_eq!(known.failed_polls, 7, "no verdict is no failure");
        assert!(bench.store.watch(&name("s"), Watch::Paused, at(9)).await.unwrap());
        let mut late = harvest(9, Vec::new());
        late.outcome = Some(outcome(SourceState::Live, true, 0.0));
        bench.save(&[late]).await;
        let known = bench.store.source(&name("s")).await.unwrap().unwrap();
        assert_eq!(
            (known.state, known.source.paused, known.last_ok),
            (SourceState::Paused, true, Some(at(9)))
        );
        assert!(!bench.store.watch(&name("nobody"), Watch::Paused, at(9)).await.unwrap());
        let known = bench.store.availability(None, at(0), at(1000)).await.unwrap();
        let states: Vec<_> =
            known.iter().map(|interval| (interval.state, interval.from, interval.to)).collect();
        let expected = [
            (SourceState::Candidate, at(0), Some(at(1))),
            (SourceState::Degraded, at(1), Some(at(9))),
            (SourceState::Paused, at(9), None),
        ];
        assert_eq!(states, expected, "each change is noted once");
        let later = bench.store.availability(Some(&name("s")), at(5), at(8)).await.unwrap();
        let reasons: Vec<&str> = later.iter().map(|interval| interval.reason.as_str()).collect();
        assert_eq!(reasons, ["HTTP status 500"]);
    }
}

/// Each change of what a server says of its address is noted once, whoever writes it.
#[tokio::test]
async fn moves_are_noted() {
    for bench in each().await {
        println!("on {}", bench.name);
        let says = async |token: u64, moved_to: Option<&str>, ok| {
            let mut one = harvest(token, Vec::new());
            one.outcome = Some(PollOutcome {
                state: SourceState::Live,
                reason: String::new(),
                failures: 0.0,
                ok,
                deferred: false,
                interval: Duration::from_secs(90),
                next_poll: at(500),
                moved_to: moved_to.map(|url| Url::parse(url).unwrap()),
                validators: None,
            });
            bench.save(&[one]).await;
        };
        says(1, None, true).await;
        says(2, Some("https://b.kz/rss"), true).await;
        says(3, Some("https://b.kz/rss"), true).await;
        says(4, None, false).await;
        let moved_to = async || bench.store.source(&name("s")).await.unwrap().unwrap().moved_to;
        assert_eq!(moved_to().await.as_deref(), Some("https://b.kz/rss"), "a failure takes nothing back");
        says(5, None, true).await;
        assert_eq!(moved_to().await, None);
        let moves = bench.store.moves(&name("s")).await.unwrap();
        let moves: Vec<_> = moves.iter().map(|one| (one.at, one.to.as_deref())).collect();
        let expected = [(at(5), None), (at(2), Some("https://b.kz/rss"))];
        assert_eq!(moves, expected);
    }
}

/// At which hours a source publishes, what its pages are like and what it showed is kept with it, until it is declared
/// otherwise.
#[tokio::test]
async fn evidence_is_kept() {
    for bench in each().await {
        println!("on {}", bench.name);
        let rhythm = Rhythm::unknown(at(0)).with([at(3), at(7200)], at(7200));
        let mut one = harvest(1, Vec::new());
        one.updates.rhythm = Some(rhythm.clone());
        let pages = ArticlePages::default().with(PageCondition::Refused("HTTP 403".to_owned()), at(1));
        one.updates.article_pages = Some(pages.clone());
        bench.save(&[one]).await;
        let page_window = PageWindow::default()
            .updated_with(
                WindowDocument::new([(ItemKey::new(Some("1"), None, "", ""), None)], Vec::new()),
                at(2),
            )
            .0;
        bench
            .save(&[{
                let mut one = harvest(2, Vec::new());
                one.updates.page_window = Some(page_window.clone());
                one
            }])
            .await;
        bench.save(&[harvest(3, Vec::new())]).await;
        let known = async || {
            let known = bench.store.source(&name("s")).await.unwrap().unwrap();
            (known.rhythm, known.article_pages, known.page_window)
        };
        let is_kept = !bench.name.contains("before");
        let kept =
            (Some(rhythm.clone()), Some(pages).filter(|_| is_kept), Some(page_window).filter(|_| is_kept));
        assert_eq!(known().await, kept);
        let edited = Source { timezone: Some("Asia/Almaty".to_owned()), ..source("s") };
        bench.store.declare(&objects(vec![edited], vec![]), false, at(9)).await.unwrap();
        assert_eq!(known().await, (Some(rhythm), None, None), "it may be read otherwise now");
        let moved = Source { url: Url::parse("https://moved.kz/").unwrap(), ..source("s") };
        bench.store.declare(&objects(vec![moved], vec![]), false, at(10)).await.unwrap();
        assert_eq!(known().await, (None, None, None));
    }
}

#[tokio::test]
async fn sources_are_counted_by_kind_and_state() {
    for bench in each().await {
        println!("on {}", bench.name);
        let more = ["a", "b"].map(|name| Source { paused: true, ..source(name) });
        bench.store.declare(&objects(more.to_vec(), Vec::new()), false, at(1)).await.unwrap();
        let mut counts = bench.store.source_counts().await.unwrap();
        counts.sort_by_key(|(.., count)| *count);
        let feeds = [SourceState::Candidate, SourceState::Paused].map(|state| (SourceKind::Feed, state));
        assert_eq!(counts, [(feeds[0].0, feeds[0].1, 1), (feeds[1].0, feeds[1].1, 2)]);
    }
}
