//! Contract of source states and their history.

use model::{ArticlePages, PageCondition, PageWindow, WindowDocument};

use super::*;

#[tokio::test]
async fn outcomes_set_the_state_history_is_bounded_and_a_pause_wins() {
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
            let mut failed_poll = harvest(token, Vec::new());
            failed_poll.outcome = Some(outcome(SourceState::Degraded, false, 0.5));
            failed_poll.fetches = vec![record.clone()];
            bench.save(&[failed_poll]).await;
        }
        let source_record = bench.store.source(&name("s")).await.unwrap().unwrap();
        assert_eq!(
            (source_record.state, source_record.failed_polls, source_record.since),
            (SourceState::Degraded, 7, at(1))
        );
        assert_eq!(
            (source_record.interval, source_record.next_poll, source_record.last_ok),
            (Some(Duration::from_secs(90)), Some(at(500)), None)
        );
        assert_eq!(bench.store.history(&name("s"), 100).await.unwrap().len(), 3);
        let mut deferred = harvest(8, Vec::new());
        deferred.outcome = Some(PollOutcome { deferred: true, ..outcome(SourceState::Degraded, false, 0.5) });
        bench.save(&[deferred]).await;
        let source_record = bench.store.source(&name("s")).await.unwrap().unwrap();
        assert_eq!(source_record.failed_polls, 7, "a deferred poll is not a failure");
        assert!(bench.store.watch(&name("s"), Watch::Paused, at(9)).await.unwrap());
        let mut late_harvest = harvest(9, Vec::new());
        late_harvest.outcome = Some(outcome(SourceState::Live, true, 0.0));
        bench.save(&[late_harvest]).await;
        let source_record = bench.store.source(&name("s")).await.unwrap().unwrap();
        assert_eq!(
            (source_record.state, source_record.source.paused, source_record.last_ok),
            (SourceState::Paused, true, Some(at(9)))
        );
        assert!(!bench.store.watch(&name("unknown"), Watch::Paused, at(9)).await.unwrap());
        let intervals = bench.store.availability(None, at(0), at(1000)).await.unwrap();
        let states: Vec<_> =
            intervals.iter().map(|interval| (interval.state, interval.from, interval.to)).collect();
        let expected = [
            (SourceState::Candidate, at(0), Some(at(1))),
            (SourceState::Degraded, at(1), Some(at(9))),
            (SourceState::Paused, at(9), None),
        ];
        assert_eq!(states, expected, "each change is recorded once");
        let overlapping = bench.store.availability(Some(&name("s")), at(5), at(8)).await.unwrap();
        let reasons: Vec<&str> = overlapping.iter().map(|interval| interval.reason.as_str()).collect();
        assert_eq!(reasons, ["HTTP status 500"]);
    }
}

/// Each change of an announced move is recorded once.
#[tokio::test]
async fn moves_are_recorded() {
    for bench in each().await {
        println!("on {}", bench.name);
        let save_outcome = async |token: u64, moved_to: Option<&str>, ok| {
            let mut harvest = harvest(token, Vec::new());
            harvest.outcome = Some(PollOutcome {
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
            bench.save(&[harvest]).await;
        };
        save_outcome(1, None, true).await;
        save_outcome(2, Some("https://b.kz/rss"), true).await;
        save_outcome(3, Some("https://b.kz/rss"), true).await;
        save_outcome(4, None, false).await;
        let moved_to = async || bench.store.source(&name("s")).await.unwrap().unwrap().moved_to;
        assert_eq!(
            moved_to().await.as_deref(),
            Some("https://b.kz/rss"),
            "a failed poll does not withdraw a move"
        );
        save_outcome(5, None, true).await;
        assert_eq!(moved_to().await, None);
        let moves = bench.store.moves(&name("s")).await.unwrap();
        let moves: Vec<_> = moves.iter().map(|change| (change.at, change.to.as_deref())).collect();
        let expected = [(at(5), None), (at(2), Some("https://b.kz/rss"))];
        assert_eq!(moves, expected);
    }
}

/// Rhythm, condition of article pages and page window are stored until a declaration of the source voids them.
#[tokio::test]
async fn learnt_facts_are_stored() {
    for bench in each().await {
        println!("on {}", bench.name);
        let rhythm = Rhythm::unknown(at(0)).with([at(3), at(7200)], at(7200));
        let mut first = harvest(1, Vec::new());
        first.updates.rhythm = Some(rhythm.clone());
        let pages = ArticlePages::default().with(PageCondition::Refused("HTTP 403".to_owned()), at(1));
        first.updates.article_pages = Some(pages.clone());
        bench.save(&[first]).await;
        let page_window = PageWindow::default()
            .updated_with(
                WindowDocument::new([(ItemKey::new(Some("1"), None, "", ""), None)], Vec::new()),
                at(2),
            )
            .0;
        bench
            .save(&[{
                let mut second = harvest(2, Vec::new());
                second.updates.page_window = Some(page_window.clone());
                second
            }])
            .await;
        bench.save(&[harvest(3, Vec::new())]).await;
        let learnt_facts = async || {
            let record = bench.store.source(&name("s")).await.unwrap().unwrap();
            (record.rhythm, record.article_pages, record.page_window)
        };
        assert_eq!(learnt_facts().await, (Some(rhythm.clone()), Some(pages), Some(page_window)));
        let edited_source = Source { timezone: Some("Asia/Almaty".to_owned()), ..source("s") };
        bench.store.declare(&objects(vec![edited_source], vec![]), false, at(9)).await.unwrap();
        assert_eq!(
            learnt_facts().await,
            (Some(rhythm), None, None),
            "the source may be read differently now"
        );
        let moved_source = Source { url: Url::parse("https://moved.kz/").unwrap(), ..source("s") };
        bench.store.declare(&objects(vec![moved_source], vec![]), false, at(10)).await.unwrap();
        assert_eq!(learnt_facts().await, (None, None, None));
    }
}

#[tokio::test]
async fn sources_are_counted_by_kind_and_state() {
    for bench in each().await {
        println!("on {}", bench.name);
        let paused = ["a", "b"].map(|name| Source { paused: true, ..source(name) });
        bench.store.declare(&objects(paused.to_vec(), Vec::new()), false, at(1)).await.unwrap();
        let mut counts = bench.store.source_counts().await.unwrap();
        counts.sort_by_key(|(.., count)| *count);
        let feeds = [SourceState::Candidate, SourceState::Paused].map(|state| (SourceKind::Feed, state));
        assert_eq!(counts, [(feeds[0].0, feeds[0].1, 1), (feeds[1].0, feeds[1].1, 2)]);
    }
}
