//! Contract of removals and suppressions.

use super::*;

#[tokio::test]
async fn expired_items_are_not_stored_again() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench.save(&[harvest(1, vec![finding("1", "ескі", DAY1, &["t"])])]).await;
        assert_eq!(bench.store.retain(Duration::from_secs(10), at(100)).await.unwrap(), 1);
        assert_eq!(bench.store.totals().await.unwrap().matches, 0);
        let repeated = bench.save(&[harvest(2, vec![finding("1", "ескі", DAY1, &["t"])])]).await;
        assert_eq!((repeated[0].new_items, bench.keys().await.len()), (0, 0));
    }
}

/// A taken down item is not stored again, and no other item is removed.
#[tokio::test]
async fn taken_down_items_are_not_stored_again() {
    for bench in each().await {
        println!("on {}", bench.name);
        let mut findings = vec![finding("1", "сөз", DAY1, &["t"]), finding("2", "сөз", DAY1, &["t"])];
        findings.iter_mut().enumerate().for_each(|(number, finding)| {
            finding.item.url = format!("https://a.kz/{number}").parse().ok();
        });
        assert_eq!(bench.save(&[harvest(1, findings.clone())]).await[0].new_items, 2);
        let first = bench.store.items(0, 1).await.unwrap().remove(0);
        assert_eq!(bench.store.take_down(&[first.row], at(5)).await.unwrap(), 1);
        assert_eq!(
            bench.store.take_down(&[first.row], at(5)).await.unwrap(),
            0,
            "the item is already removed"
        );
        let totals = bench.store.totals().await.unwrap();
        assert_eq!((totals.items, totals.materials, totals.matches), (1, 1, 1));
        assert_eq!(bench.store.topics().await.unwrap()[0].materials, 1);
        assert!(bench.store.item(&first.id).await.unwrap().is_none());
        let repeated = bench.save(&[harvest(2, findings.clone())]).await;
        assert_eq!((repeated[0].new_items, bench.store.totals().await.unwrap().items), (0, 1));
        // The publisher generates another identifier and title.
        findings[0].item.key = ItemKey::new(Some("3"), None, "", "");
        findings[0].item.title = Some("басқа".into());
        let renamed = bench.save(&[harvest(3, findings)]).await;
        assert_eq!(renamed[0].new_items, 0, "an item at this address was taken down");
    }
}

/// Suppressed publications are not stored, and count as known so that their pages are not fetched again.
#[tokio::test]
async fn suppressed_publications_are_not_stored() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let suppression = |source: Option<&str>, author: Option<&str>| Suppression {
            source: source.map(name),
            author: author.map(str::to_owned),
            at: at(1),
        };
        let by = |id: &str, author: Option<&str>| {
            let mut finding = finding(id, &format!("сөз {id}"), DAY1, &["t"]);
            (finding.item.url, finding.item.canonical_url) = (None, None);
            finding.item.author = author.map(str::to_owned);
            finding
        };
        let new_items =
            async |token, id, author| bench.save(&[harvest(token, vec![by(id, author)])]).await[0].new_items;
        let author = suppression(None, Some("А. Б."));
        store.suppress(&author).await.unwrap();
        store.suppress(&author).await.unwrap();
        assert_eq!(store.suppressions().await.unwrap(), std::slice::from_ref(&author));
        assert_eq!(new_items(1, "1", Some("А. Б.")).await, 0);
        assert_eq!(new_items(2, "2", Some("А. Б")).await, 1, "authors are compared exactly");
        assert_eq!(new_items(3, "3", None).await, 1);
        let entry_ref = |id: &str| EntryRef {
            key: ItemKey::new(Some(id), None, "", ""),
            hash: "x".into(),
            address: None,
        };
        let statuses = store.classify_entries(&name("s"), &[entry_ref("1"), entry_ref("9")]).await.unwrap();
        assert_eq!(statuses, [EntryStatus::Same, EntryStatus::New]);
        store.suppress(&suppression(Some("other"), None)).await.unwrap();
        assert_eq!(new_items(4, "4", None).await, 1, "the suppression names another source");
        store.suppress(&suppression(Some("s"), Some("В. Г."))).await.unwrap();
        assert_eq!((new_items(5, "5", Some("В. Г.")).await, new_items(6, "6", Some("Д. Е.")).await), (0, 1));
        store.suppress(&suppression(Some("s"), None)).await.unwrap();
        assert_eq!((new_items(7, "7", None).await, new_items(8, "8", Some("Д. Е.")).await), (0, 0));
        assert!(store.lift_suppression(&suppression(Some("s"), None)).await.unwrap());
        assert!(!store.lift_suppression(&suppression(Some("s"), None)).await.unwrap());
        assert_eq!(new_items(9, "9", None).await, 1);
        assert_eq!(new_items(10, "7", None).await, 0, "a publication rejected meanwhile stays known");
        // An item that its publisher deleted is removed for good.
        let item = store.items(0, 100).await.unwrap().remove(0);
        let deletions = vec![item.item.key.clone(), ItemKey::new(Some("never"), None, "", "")];
        let old_totals = store.totals().await.unwrap();
        bench.save(&[Harvest { deletions, ..harvest(11, Vec::new()) }]).await;
        let new_totals = store.totals().await.unwrap();
        assert_eq!((old_totals.items - new_totals.items, old_totals.matches - new_totals.matches), (1, 1));
        assert!(store.item(&item.id).await.unwrap().is_none());
        // An item that the source no longer shows is removed, and stored again when it reappears.
        assert_eq!(new_items(11, "v", None).await, 1);
        let key = ItemKey::new(Some("v"), None, "", "");
        let old_totals = store.totals().await.unwrap();
        let missing = vec![key, ItemKey::new(Some("never"), None, "", "")];
        bench.save(&[Harvest { missing, ..harvest(11, Vec::new()) }]).await;
        let new_totals = store.totals().await.unwrap();
        assert_eq!((old_totals.items - new_totals.items, old_totals.matches - new_totals.matches), (1, 1));
        assert_eq!(store.classify_entries(&name("s"), &[entry_ref("v")]).await.unwrap(), [EntryStatus::New]);
        assert_eq!(new_items(11, "v", None).await, 1);
        let new_totals = store.totals().await.unwrap();
        assert_eq!((new_totals.items, new_totals.matches), (old_totals.items, old_totals.matches));
        // An item that was stored before its page named the author is removed.
        assert_eq!(new_items(11, "11", None).await, 1);
        let old_totals = store.totals().await.unwrap();
        let mut page = by("11", Some("А. Б."));
        page.item.text = "сөз толық".into();
        bench.save(&[harvest(12, vec![page])]).await;
        let new_totals = store.totals().await.unwrap();
        assert_eq!((old_totals.items - new_totals.items, old_totals.matches - new_totals.matches), (1, 1));
        assert_eq!(new_items(13, "11", None).await, 0);
        assert!(
            matches!(store.suppress(&suppression(None, None)).await, Err(StoreError::Refused(_))),
            "it would suppress everything"
        );
    }
}
