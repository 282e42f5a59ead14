//! Contract of rematching stored items.

use super::*;

#[tokio::test]
async fn rematching_replaces_only_the_given_topics() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench.save(&[harvest(1, vec![finding("1", "сөз", DAY1, &["t"])])]).await;
        let row = bench.store.items(0, 1).await.unwrap()[0].row;
        let rematch_row =
            |version, matches| [ItemMatches { row, version, matches, deferred_topics: [].into() }];
        let with_match = rematch_row(1, vec![match_of("u")]);
        assert_eq!(bench.store.rematch(&bench.versions("u").await, &with_match, at(5)).await.unwrap(), 1);
        assert_eq!(bench.materials(MaterialQuery::default()).await.len(), 2);
        bench.store.rematch(&bench.versions("u").await, &rematch_row(9, Vec::new()), at(6)).await.unwrap();
        assert_eq!(
            bench.materials(MaterialQuery::default()).await.len(),
            2,
            "the item was edited since it was matched"
        );
        let old_versions = bench.versions("u").await;
        bench.store.restart_matching(&[name("u")]).await.unwrap();
        bench.store.rematch(&old_versions, &rematch_row(1, Vec::new()), at(6)).await.unwrap();
        assert_eq!(
            bench.materials(MaterialQuery::default()).await.len(),
            2,
            "the topic has another version now"
        );
        let deferred =
            [ItemMatches { row, version: 1, matches: Vec::new(), deferred_topics: [name("u")].into() }];
        bench.store.rematch(&bench.versions("u").await, &deferred, at(6)).await.unwrap();
        assert_eq!(
            bench.materials(MaterialQuery::default()).await.len(),
            2,
            "deferred topics are decided when the item is linked"
        );
        bench.store.rematch(&bench.versions("u").await, &rematch_row(1, Vec::new()), at(6)).await.unwrap();
        assert_eq!(bench.materials(MaterialQuery::default()).await, [("t".to_owned(), "сөз".to_owned())]);
    }
}

#[tokio::test]
async fn tags_are_stored_with_matches_and_filter_them() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench
            .save(&[harvest(
                1,
                vec![finding("1", "сөз", DAY1, &["t", "u"]), finding("2", "сөз", DAY1, &["t"])],
            )])
            .await;
        let row = bench.store.items(0, 1).await.unwrap()[0].row;
        let tagged =
            |tags: &[&str]| Match { tags: tags.iter().map(|tag| name(tag)).collect(), ..match_of("t") };
        let rematch_row =
            |tags| [ItemMatches { row, version: 1, matches: vec![tagged(tags)], deferred_topics: [].into() }];
        bench.store.rematch(&bench.versions("t").await, &rematch_row(&["шағым", "b"]), at(5)).await.unwrap();
        let tags_of = async |tag: &str| {
            let query = MaterialQuery { tag: Some(name(tag)), limit: 9, ..MaterialQuery::default() };
            let matches = bench.store.materials(&query).await.unwrap();
            matches.into_iter().map(|stored| stored.found.tags).collect::<Vec<_>>()
        };
        assert_eq!(tags_of("шағым").await, [vec![name("шағым"), name("b")]]);
        assert_eq!(tags_of("b").await.len(), 1);
        assert_eq!(tags_of("шағы").await.len(), 0);
        let id = bench.store.items(0, 1).await.unwrap()[0].id.clone();
        let (_, matches) = bench.store.item(&id).await.unwrap().unwrap();
        assert_eq!(matches.iter().map(|stored| stored.found.tags.len()).collect::<Vec<_>>(), [2, 0]);
        bench.store.rematch(&bench.versions("t").await, &rematch_row(&[]), at(6)).await.unwrap();
        assert_eq!(tags_of("b").await.len(), 0);
    }
}

#[tokio::test]
async fn rematching_resumes_after_the_last_row() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let record = async || store.topics().await.unwrap().remove(0);
        let version = record().await.version;
        store.save_rematch_progress(&[(name("t"), version)], 7).await.unwrap();
        assert_eq!((record().await.rematch_row, record().await.is_matched), (7, false));
        store.mark_matched(&[(name("t"), version)]).await.unwrap();
        assert!(record().await.is_matched);
        let old_version = store.objects_version().await.unwrap();
        store.restart_matching(&[name("t")]).await.unwrap();
        assert_eq!((record().await.rematch_row, record().await.is_matched), (0, false));
        assert!(store.objects_version().await.unwrap() > old_version, "nodes are notified");
        // Progress on an earlier version does not apply to this one.
        store.save_rematch_progress(&[(name("t"), version)], 7).await.unwrap();
        store.mark_matched(&[(name("t"), version)]).await.unwrap();
        assert_eq!((record().await.rematch_row, record().await.is_matched), (0, false));
        store.declare(&objects(vec![], vec![topic("t", "жаңа")]), false, at(1)).await.unwrap();
        assert_eq!((record().await.rematch_row, record().await.is_matched), (0, false));
        // Nor does progress on an earlier topic with the same name.
        let last_version = record().await.version;
        let names = ObjectNames { topics: vec![name("t")], ..ObjectNames::default() };
        store.undeclare(&names).await.unwrap();
        store.declare(&objects(vec![], vec![topic("t", "жаңа")]), false, at(1)).await.unwrap();
        assert!(record().await.version > last_version);
    }
}
