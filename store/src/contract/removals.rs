//! Contract of removals and suppressions.

use super::*;

#[tokio::test]
async fn what_age_removed_does_not_come_back() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench.save(&[harvest(1, vec![finding("1", "ескі", DAY1, &["t"])])]).await;
        assert_eq!(bench.store.retain(Duration::from_secs(10), at(100)).await.unwrap(), 1);
        assert_eq!(bench.store.totals().await.unwrap().matches, 0);
        let again = bench.save(&[harvest(2, vec![finding("1", "ескі", DAY1, &["t"])])]).await;
        assert_eq!((again[0].new_items, bench.keys().await.len()), (0, 0));
    }
}

/// What was taken down does not come back, and nothing else goes.
#[tokio::test]
async fn what_is_taken_down_is_not_stored_again() {
    for bench in each().await {
        println!("on {}", bench.name);
        let both = || vec![finding("1", "сөз", DAY1, &["t"]), finding("2", "сөз", DAY1, &["t"])];
        let mut both = both();
        both.iter_mut().enumerate().for_each(|(number, finding)| {
            finding.item.url = format!("https://a.kz/{number}").parse().ok();
        });
        assert_eq!(bench.save(&[harvest(1, both.clone())]).await[0].new_items, 2);
        let first = bench.store.items(0, 1).await.unwrap().remove(0);
        assert_eq!(bench.store.take_down(&[first.row], at(5)).await.unwrap(), 1);
        assert_eq!(bench.store.take_down(&[first.row], at(5)).await.unwrap(), 0, "it is gone already");
        let totals = bench.store.totals().await.unwrap();
        assert_eq!((totals.items, totals.materials, totals.matches), (1, 1, 1));
        assert_eq!(bench.store.topics().await.unwrap()[0].materials, 1);
        assert!(bench.store.item(&first.id).await.unwrap().is_none());
        let again = bench.save(&[harvest(2, both.clone())]).await;
        assert_eq!((again[0].new_items, bench.store.totals().await.unwrap().items), (0, 1));
        // Its publisher invents another identifier, and another title.
        both[0].item.key = ItemKey::new(Some("3"), None, "", "");
        both[0].item.title = Some("басқа".into());
        let again = bench.save(&[harvest(3, both)]).await;
        assert_eq!(again[0].new_items, 0, "it stood there");
    }
}

/// Of whom nothing is to be stored, nothing is, in whatever way it comes; it is known, so that nobody asks for it again.
#[tokio::test]
async fn nothing_of_the_buried_is_stored() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let suppress = |source: Option<&str>, author: Option<&str>| Suppression {
            source: source.map(name),
            author: author.map(str::to_owned),
            at: at(1),
        };
        let by = |id: &str, author: Option<&str>| {
            let mut one = finding(id, &format!("сөз {id}"), DAY1, &["t"]);
            (one.item.url, one.item.canonical_url) = (None, None);
            one.item.author = author.map(str::to_owned);
            one
        };
        let stored =
            async |token, id, author| bench.save(&[harvest(token, vec![by(id, author)])]).await[0].new_items;
        let author = suppress(None, Some("А. Б."));
        store.suppress(&author).await.unwrap();
        store.suppress(&author).await.unwrap();
        assert_eq!(store.suppressions().await.unwrap(), std::slice::from_ref(&author));
        assert_eq!(stored(1, "1", Some("А. Б.")).await, 0);
        assert_eq!(stored(2, "2", Some("А. Б")).await, 1, "letter by letter");
        assert_eq!(stored(3, "3", None).await, 1);
        let sighting = |id: &str| EntryRef {
            key: ItemKey::new(Some(id), None, "", ""),
            hash: "x".into(),
            address: None,
        };
        let known = store.classify_entries(&name("s"), &[sighting("1"), sighting("9")]).await.unwrap();
        assert_eq!(known, [EntryStatus::Same, EntryStatus::New]);
        store.suppress(&suppress(Some("other"), None)).await.unwrap();
        assert_eq!(stored(4, "4", None).await, 1, "another source's");
        store.suppress(&suppress(Some("s"), Some("В. Г."))).await.unwrap();
        assert_eq!((stored(5, "5", Some("В. Г.")).await, stored(6, "6", Some("Д. Е.")).await), (0, 1));
        store.suppress(&suppress(Some("s"), None)).await.unwrap();
        assert_eq!((stored(7, "7", None).await, stored(8, "8", Some("Д. Е.")).await), (0, 0));
        assert!(store.lift_suppression(&suppress(Some("s"), None)).await.unwrap());
        assert!(!store.lift_suppression(&suppress(Some("s"), None)).await.unwrap());
        assert_eq!(stored(9, "9", None).await, 1);
        assert_eq!(stored(10, "7", None).await, 0, "what was met meanwhile stays known");
        // What its publisher takes back goes, and stays away.
        let item = store.items(0, 100).await.unwrap().remove(0);
        let deletions = vec![item.item.key.clone(), ItemKey::new(Some("never"), None, "", "")];
        let before = store.totals().await.unwrap();
        bench.save(&[Harvest { deletions, ..harvest(11, Vec::new()) }]).await;
        let after = store.totals().await.unwrap();
        assert_eq!((before.items - after.items, before.matches - after.matches), (1, 1));
        assert!(store.item(&item.id).await.unwrap().is_none());
        // What is shown no more goes, and comes again where it is shown again.
        assert_eq!(stored(11, "v", None).await, 1);
        let page_window = ItemKey::new(Some("v"), None, "", "");
        let before = store.totals().await.unwrap();
        let missing = vec![page_window, ItemKey::new(Some("never"), None, "", "")];
        bench.save(&[Harvest { missing, ..harvest(11, Vec::new()) }]).await;
        let after = store.totals().await.unwrap();
        assert_eq!((before.items - after.items, before.matches - after.matches), (1, 1));
        assert_eq!(store.classify_entries(&name("s"), &[sighting("v")]).await.unwrap(), [EntryStatus::New]);
        assert_eq!(stored(11, "v", None).await, 1);
        let again = store.totals().await.unwrap();
        assert_eq!((again.items, again.matches), (before.items, before.matches));
        // Stored before its page told whose it is; then it goes.
        assert_eq!(stored(11, "11", None).await, 1);
        let before = store.totals().await.unwrap();
        let mut page = by("11", Some("А. Б."));
        page.item.text = "сөз толық".into();
        bench.save(&[harvest(12, vec![page])]).await;
        let after = store.totals().await.unwrap();
        assert_eq!((before.items - after.items, before.matches - after.matches), (1, 1));
        assert_eq!(stored(13, "11", None).await, 0);
        assert!(
            matches!(store.suppress(&suppress(None, None)).await, Err(StoreError::Refused(_))),
            "that would be all"
        );
    }
}
