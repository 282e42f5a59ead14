//! Contract of storing harvests.

use super::*;

#[tokio::test]
async fn a_repeated_item_is_stored_once() {
    for bench in each().await {
        println!("on {}", bench.name);
        let first = bench.save(&[harvest(1, vec![finding("1", "бір сөз", DAY1, &["t"])])]).await;
        assert_eq!(
            first,
            [SaveOutcome { new_items: 1, new_materials: 1, new_matches: 1, ..SaveOutcome::default() }]
        );
        let repetition = bench.save(&[harvest(2, vec![finding("1", "бір сөз", DAY1, &["t"])])]).await;
        assert_eq!(repetition, [SaveOutcome::default()]);
        // Another date and text is an edit. Another identifier with the same address, title and time is the same
        // item.
        let edit = bench.save(&[harvest(3, vec![finding("1", "екі сөз", DAY2, &["t", "u"])])]).await;
        assert_eq!(edit, [SaveOutcome { edited_items: 1, new_matches: 1, ..SaveOutcome::default() }]);
        let new_identifier = bench.save(&[harvest(4, vec![finding("2", "екі сөз", DAY1, &["t"])])]).await;
        assert_eq!(new_identifier[0].new_items, 0, "the key keeps the first publication time");
        assert_eq!(bench.keys().await.len(), 1);
        let new_post = bench.save(&[harvest(5, vec![finding("3", "үш", "2026-11-05T00:00:00Z", &[])])]).await;
        assert_eq!(new_post[0].new_items, 1, "another post of the same thread is a new item");
    }
}

#[tokio::test]
async fn undated_entries_are_stored_once() {
    for bench in each().await {
        println!("on {}", bench.name);
        for token in 1..4 {
            bench.save(&[harvest(token, vec![finding("1", "сөз", "", &["t"])])]).await;
        }
        assert_eq!(bench.keys().await, [("id:1".into(), "сөз".into(), 1)]);
    }
}

#[tokio::test]
async fn a_whole_text_replaces_a_summary_but_not_vice_versa() {
    for bench in each().await {
        println!("on {}", bench.name);
        let summary = Finding { whole: false, ..finding("1", "қысқа", DAY1, &[]) };
        bench.save(&[harvest(1, vec![summary.clone()])]).await;
        bench.save(&[harvest(2, vec![finding("1", "толық мәтін", DAY1, &["t"])])]).await;
        bench.save(&[harvest(3, vec![summary])]).await;
        assert_eq!(bench.keys().await, [("id:1".into(), "толық мәтін".into(), 2)]);
    }
}

#[tokio::test]
async fn an_outdated_token_stores_nothing() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench.save(&[harvest(5, vec![finding("1", "жаңа", DAY1, &[])])]).await;
        let outcomes = bench
            .save(&[
                harvest(4, vec![finding("9", "ескі", DAY2, &["t"])]),
                harvest(6, vec![finding("7", "тағы", DAY2, &[])]),
            ])
            .await;
        assert_eq!((outcomes[0].fenced, outcomes[0].new_items, outcomes[1].fenced), (true, 0, false));
        assert!(bench.keys().await.iter().all(|(key, ..)| key != "id:9"));
    }
}

#[tokio::test]
async fn a_harvest_matched_against_old_topics_is_rejected() {
    for bench in each().await {
        println!("on {}", bench.name);
        let version = bench.store.objects_version().await.unwrap();
        bench.store.declare(&objects(vec![], vec![topic("new", "сөз")]), false, at(1)).await.unwrap();
        let result =
            bench.store.save(&vec![harvest(1, vec![finding("1", "сөз", DAY1, &[])])].into(), version).await;
        assert!(matches!(result, Err(StoreError::StaleObjects)));
        assert_eq!(bench.keys().await, []);
    }
}

#[tokio::test]
async fn stored_and_waiting_entries_are_recognized() {
    for bench in each().await {
        println!("on {}", bench.name);
        let entry = |id: &str| Entry {
            id: Some(id.to_owned()),
            url: Url::parse("https://a.kz/w").ok(),
            ..Entry::default()
        };
        let page = |id: &str, url: &str, tries, not_before| PageWork {
            key: ItemKey::new(Some(id), None, "", ""),
            host: Host::from_stored("a.kz".into()),
            url: Url::parse(url).unwrap(),
            entry: entry(id),
            entry_hash: "h".into(),
            tries,
            not_before,
        };
        let mut first = harvest(1, vec![finding("1", "сөз", DAY1, &[])]);
        // Two entries with one address are two pages.
        first.pages = vec![
            page("2", "https://a.kz/w", 0, at(0)),
            page("2b", "https://a.kz/w", 0, at(5)),
            page("3", "https://a.kz/later", 1, at(100)),
        ];
        bench.save(&[first]).await;
        let key = |id: &str| ItemKey::new(Some(id), None, "", "");
        let entry_ref = |id: &str, hash: &str, address: Option<&str>| EntryRef {
            key: key(id),
            hash: hash.to_owned(),
            address: address.map(|address| Url::parse(address).unwrap()),
        };
        let fingerprint = format!("сөз{DAY1}");
        let entries = [
            entry_ref("1", &fingerprint, None),
            entry_ref("1", "other", None),
            entry_ref("2", "h", None),
            entry_ref("9", "", None),
            // The publisher generates new identifiers: address and fingerprint together identify the entry.
            entry_ref("new", &fingerprint, Some("https://a.kz/n/1")),
            entry_ref("new", "other", Some("https://a.kz/n/1")),
            entry_ref("new", "h", Some("https://a.kz/w")),
        ];
        let statuses = bench.store.classify_entries(&name("s"), &entries).await.unwrap();
        use EntryStatus::{Changed, New, Same};
        assert_eq!(statuses, [Same, Changed, Same, New, Same, New, Same]);
        let host = Host::from_stored("a.kz".into());
        let pages = bench.store.pages(&name("s"), &host, at(50), 10).await.unwrap();
        assert_eq!(pages.iter().map(|page| page.key.as_str()).collect::<Vec<_>>(), ["id:2b", "id:2"]);
        assert_eq!(bench.store.page_queues(None).await.unwrap(), [(name("s"), host.clone(), at(0))]);
        let mut read_harvest = harvest(2, Vec::new());
        read_harvest.pages_done = vec![key("2"), key("2b")];
        bench.save(&[read_harvest]).await;
        assert_eq!(bench.store.page_queues(None).await.unwrap(), [(name("s"), host.clone(), at(100))]);
        assert_eq!(bench.store.next_page(&name("s"), &host).await.unwrap(), Some(at(100)));
        assert_eq!(bench.store.next_page(&name("t"), &host).await.unwrap(), None);

        // Of an undeclared source only items are stored.
        bench
            .store
            .undeclare(&ObjectNames { sources: vec![name("s")], ..ObjectNames::default() })
            .await
            .unwrap();
        let mut late_harvest = harvest(3, vec![finding("late", "сөз", DAY2, &[])]);
        late_harvest.pages = vec![page("4", "https://a.kz/x", 0, at(0))];
        assert_eq!(bench.save(&[late_harvest]).await[0].new_items, 1);
        assert_eq!(bench.store.page_queues(None).await.unwrap(), []);
    }
}
