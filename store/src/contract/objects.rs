//! Contract of declared objects.

use super::*;

#[tokio::test]
async fn declaring_is_idempotent_and_prunes_only_when_told() {
    for bench in each().await {
        println!("on {}", bench.name);
        let version = bench.store.objects_version().await.unwrap();
        let again = bench
            .store
            .declare(&objects(vec![source("s")], vec![topic("t", "сөз")]), false, at(1))
            .await
            .unwrap();
        assert_eq!(
            (again, bench.store.objects_version().await.unwrap()),
            (crate::Applied::default(), version)
        );
        let edited = bench
            .store
            .declare(&objects(vec![], vec![topic("t", "сөз OR тағы")]), false, at(1))
            .await
            .unwrap();
        assert_eq!(edited.edited, ["Topic/t"]);
        assert!(!bench.store.topics().await.unwrap()[0].is_matched);
        let pruned = bench.store.declare(&objects(vec![source("s")], vec![]), true, at(1)).await.unwrap();
        assert_eq!(pruned.removed, ["Topic/t", "Topic/u"]);
    }
}

#[tokio::test]
async fn an_edited_list_makes_topics_that_name_it_see_what_is_stored() {
    let list = |value: &str| model::List { name: name("media"), values: vec![value.to_owned()] };
    let only = |value, touched| Objects { lists: vec![list(value)], touched, ..Objects::default() };
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let topics = objects(vec![], vec![topic("t", "банк"), topic("u", "банк")]);
        store.declare(&topics, false, at(1)).await.unwrap();
        assert_eq!(store.declare(&only("a.kz", vec![]), false, at(1)).await.unwrap().added, ["List/media"]);
        let all = store.topics().await.unwrap();
        let versions: Vec<_> = all.iter().map(|one| (one.topic.name.clone(), one.version)).collect();
        store.set_matched(&versions).await.unwrap();
        let version = store.objects_version().await.unwrap();
        let stale = Objects { seen: Some(version - 1), ..only("c.kz", vec![]) };
        let refused = store.declare(&stale, false, at(1)).await.unwrap_err();
        assert!(matches!(refused, StoreError::StaleObjects), "{refused}");
        let edited = Objects { seen: Some(version), ..only("b.kz", vec![name("t")]) };
        let edited = store.declare(&edited, false, at(1)).await.unwrap();
        assert_eq!(edited.edited, ["List/media"]);
        assert_eq!(store.lists().await.unwrap(), [list("b.kz")]);
        assert!(store.objects_version().await.unwrap() > version, "nodes are told");
        let are_matched: Vec<bool> = store.topics().await.unwrap().iter().map(|one| one.is_matched).collect();
        assert_eq!(are_matched, [false, true]);
        let gone = ObjectNames { lists: vec![name("media")], ..ObjectNames::default() };
        assert_eq!(store.undeclare(&gone).await.unwrap().removed, ["List/media"]);
        assert!(store.lists().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn clients_are_declared_like_anything_else() {
    let client = |weight| Client { name: name("acme"), weight, searches: None };
    let only = |weight| Objects { clients: vec![client(weight)], ..Objects::default() };
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let version = store.objects_version().await.unwrap();
        assert_eq!(store.declare(&only(3), false, at(1)).await.unwrap().added, ["Client/acme"]);
        assert_eq!(store.declare(&only(5), false, at(1)).await.unwrap().edited, ["Client/acme"]);
        assert_eq!(store.declare(&only(5), false, at(1)).await.unwrap(), crate::Applied::default());
        assert_eq!(store.clients().await.unwrap(), [client(5)]);
        assert!(store.objects_version().await.unwrap() > version, "nodes are told");
        let gone = ObjectNames { clients: vec![name("acme"), name("nobody")], ..ObjectNames::default() };
        assert_eq!(store.undeclare(&gone).await.unwrap().removed, ["Client/acme"]);
        store.declare(&only(3), false, at(1)).await.unwrap();
        let pruned = store.declare(&objects(vec![source("s")], Vec::new()), true, at(1)).await.unwrap();
        assert_eq!(pruned.removed, ["Topic/t", "Topic/u", "Client/acme"]);
    }
}
