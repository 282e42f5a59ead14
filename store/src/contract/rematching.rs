//! Contract of matching stored items again.

use super::*;

#[tokio::test]
async fn matching_again_replaces_only_the_topics_it_is_about() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench.save(&[harvest(1, vec![finding("1", "сөз", DAY1, &["t"])])]).await;
        let row = bench.store.items(0, 1).await.unwrap()[0].row;
        let matched = |version, matches| [Rematched { row, version, matches, deferred_topics: [].into() }];
        let again = matched(1, vec![found("u")]);
        assert_eq!(bench.store.rematch(&bench.versions("u").await, &again, at(5)).await.unwrap(), 1);
        assert_eq!(bench.materials(MaterialQuery::default()).await.len(), 2);
        bench.store.rematch(&bench.versions("u").await, &matched(9, Vec::new()), at(6)).await.unwrap();
        assert_eq!(
            bench.materials(MaterialQuery::default()).await.len(),
            2,
            "it was looked at before an edit"
        );
        let before = bench.versions("u").await;
        bench.store.set_unmatched(&[name("u")]).await.unwrap();
        bench.store.rematch(&before, &matched(1, Vec::new()), at(6)).await.unwrap();
        assert_eq!(
            bench.materials(MaterialQuery::default()).await.len(),
            2,
            "the topic has another version by now"
        );
        let deferred_topics =
            [Rematched { row, version: 1, matches: Vec::new(), deferred_topics: [name("u")].into() }];
        bench.store.rematch(&bench.versions("u").await, &deferred_topics, at(6)).await.unwrap();
        assert_eq!(bench.materials(MaterialQuery::default()).await.len(), 2, "whoever links it decides");
        bench.store.rematch(&bench.versions("u").await, &matched(1, Vec::new()), at(6)).await.unwrap();
        assert_eq!(bench.materials(MaterialQuery::default()).await, [("t".to_owned(), "сөз".to_owned())]);
    }
}

#[tokio::test]
async fn tags_are_kept_with_matches_and_asked_for() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench
            .save(&[harvest(
                1,
                vec![finding("1", "сөз", DAY1, &["t", "u"]), finding("2", "сөз", DAY1, &["t"])],
            )])
            .await;
        let row = bench.store.items(0, 1).await.unwrap()[0].row;
        let tagged = |tags: &[&str]| Match { tags: tags.iter().map(|tag| name(tag)).collect(), ..found("t") };
        let again =
            |tags| [Rematched { row, version: 1, matches: vec![tagged(tags)], deferred_topics: [].into() }];
        bench.store.rematch(&bench.versions("t").await, &again(&["шағым", "b"]), at(5)).await.unwrap();
        let of = async |tag: &str| {
            let query = MaterialQuery { tag: Some(name(tag)), limit: 9, ..MaterialQuery::default() };
            let found = bench.store.materials(&query).await.unwrap();
            found.into_iter().map(|one| one.found.tags).collect::<Vec<_>>()
        };
        assert_eq!(of("шағым").await, [vec![name("шағым"), name("b")]]);
        assert_eq!(of("b").await.len(), 1);
        assert_eq!(of("шағы").await.len(), 0);
        let id = bench.store.items(0, 1).await.unwrap()[0].id.clone();
        let (_, matches) = bench.store.item(&id).await.unwrap().unwrap();
        assert_eq!(matches.iter().map(|one| one.found.tags.len()).collect::<Vec<_>>(), [2, 0]);
        bench.store.rematch(&bench.versions("t").await, &again(&[]), at(6)).await.unwrap();
        assert_eq!(of("b").await.len(), 0);
    }
}

#[tokio::test]
async fn matching_again_goes_on_where_it_ended() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let record = async || store.topics().await.unwrap().remove(0);
        let version = record().await.version;
        store.set_rematched(&[(name("t"), version)], 7).await.unwrap();
        assert_eq!((record().await.rematched, record().await.is_matched), (7, false));
        store.set_matched(&[(name("t"), version)]).await.unwrap();
        assert!(record().await.is_matched);
        let before = store.objects_version().await.unwrap();
        store.set_unmatched(&[name("t")]).await.unwrap();
        assert_eq!((record().await.rematched, record().await.is_matched), (0, false));
        assert!(store.objects_version().await.unwrap() > before, "nodes are told");
        // What is told of an earlier version says nothing of this one.
        store.set_rematched(&[(name("t"), version)], 7).await.unwrap();
        store.set_matched(&[(name("t"), version)]).await.unwrap();
        assert_eq!((record().await.rematched, record().await.is_matched), (0, false));
        store.declare(&objects(vec![], vec![topic("t", "жаңа")]), false, at(1)).await.unwrap();
        assert_eq!((record().await.rematched, record().await.is_matched), (0, false));
        // Nor of an earlier topic of the name.
        let last = record().await.version;
        let gone = ObjectNames { topics: vec![name("t")], ..ObjectNames::default() };
        store.undeclare(&gone).await.unwrap();
        store.declare(&objects(vec![], vec![topic("t", "жаңа")]), false, at(1)).await.unwrap();
        assert!(record().await.version > last);
    }
}
