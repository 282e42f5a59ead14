//! Contract of declared objects.

use super::*;

#[tokio::test]
async fn declaring_is_idempotent_and_prunes_only_on_request() {
    for bench in each().await {
        println!("on {}", bench.name);
        let version = bench.store.objects_version().await.unwrap();
        let repetition = bench
            .store
            .declare(&objects(vec![source("s")], vec![topic("t", "сөз")]), false, at(1))
            .await
            .unwrap();
        assert_eq!(
            (repetition, bench.store.objects_version().await.unwrap()),
            (crate::AppliedChanges::default(), version)
        );
        let edit = bench
            .store
            .declare(&objects(vec![], vec![topic("t", "сөз OR тағы")]), false, at(1))
            .await
            .unwrap();
        assert_eq!(edit.edited, ["Topic/t"]);
        assert!(!bench.store.topics().await.unwrap()[0].is_matched);
        let prune = bench.store.declare(&objects(vec![source("s")], vec![]), true, at(1)).await.unwrap();
        assert_eq!(prune.removed, ["Topic/t", "Topic/u"]);
    }
}

#[tokio::test]
async fn an_edited_list_restarts_matching_of_its_topics() {
    let list = |value: &str| model::List { name: name("media"), values: vec![value.to_owned()] };
    let list_objects =
        |value, affected_topics| Objects { lists: vec![list(value)], affected_topics, ..Objects::default() };
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let topics = objects(vec![], vec![topic("t", "банк"), topic("u", "банк")]);
        store.declare(&topics, false, at(1)).await.unwrap();
        assert_eq!(
            store.declare(&list_objects("a.kz", vec![]), false, at(1)).await.unwrap().added,
            ["List/media"]
        );
        let all = store.topics().await.unwrap();
        let versions: Vec<_> = all.iter().map(|one| (one.topic.name.clone(), one.version)).collect();
        store.mark_matched(&versions).await.unwrap();
        let version = store.objects_version().await.unwrap();
        let stale_edit = Objects { expected_version: Some(version - 1), ..list_objects("c.kz", vec![]) };
        let error = store.declare(&stale_edit, false, at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::StaleObjects), "{error}");
        let edit = Objects { expected_version: Some(version), ..list_objects("b.kz", vec![name("t")]) };
        let changes = store.declare(&edit, false, at(1)).await.unwrap();
        assert_eq!(changes.edited, ["List/media"]);
        assert_eq!(store.lists().await.unwrap(), [list("b.kz")]);
        assert!(store.objects_version().await.unwrap() > version, "the version increases");
        let are_matched: Vec<bool> = store.topics().await.unwrap().iter().map(|one| one.is_matched).collect();
        assert_eq!(are_matched, [false, true]);
        let names = ObjectNames { lists: vec![name("media")], ..ObjectNames::default() };
        assert_eq!(store.undeclare(&names).await.unwrap().removed, ["List/media"]);
        assert!(store.lists().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn clients_are_declared_edited_and_removed() {
    let client = |weight| Client { name: name("acme"), weight, searches: None };
    let client_objects = |weight| Objects { clients: vec![client(weight)], ..Objects::default() };
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let version = store.objects_version().await.unwrap();
        assert_eq!(store.declare(&client_objects(3), false, at(1)).await.unwrap().added, ["Client/acme"]);
        assert_eq!(store.declare(&client_objects(5), false, at(1)).await.unwrap().edited, ["Client/acme"]);
        let repetition = store.declare(&client_objects(5), false, at(1)).await.unwrap();
        assert_eq!(repetition, crate::AppliedChanges::default());
        assert_eq!(store.clients().await.unwrap(), [client(5)]);
        assert!(store.objects_version().await.unwrap() > version, "the version increases");
        let names = ObjectNames { clients: vec![name("acme"), name("unknown")], ..ObjectNames::default() };
        assert_eq!(store.undeclare(&names).await.unwrap().removed, ["Client/acme"]);
        store.declare(&client_objects(3), false, at(1)).await.unwrap();
        let prune = store.declare(&objects(vec![source("s")], Vec::new()), true, at(1)).await.unwrap();
        assert_eq!(prune.removed, ["Topic/t", "Topic/u", "Client/acme"]);
    }
}

/// Returns the names of the changed objects since a version, each with `+` if it exists and `-` if it was removed.
async fn changes(store: &dyn Store, version: i64) -> Option<Vec<String>> {
    fn signed<T>(kind: &'static str, changes: &[(Name, Option<T>)]) -> Vec<String> {
        let sign = |object: &Option<T>| if object.is_some() { "+" } else { "-" };
        changes.iter().map(|(name, object)| format!("{}{kind}/{name}", sign(object))).collect()
    }
    let changes = store.changes_since(version).await.unwrap()?;
    assert_eq!(changes.version, store.objects_version().await.unwrap());
    let mut names = signed("source", &changes.sources);
    names.extend(signed("topic", &changes.topics));
    names.extend(signed("client", &changes.clients));
    names.extend(signed("list", &changes.lists));
    names.sort();
    Some(names)
}

/// Triggers log changes, so no code that changes an object can omit the log.
#[tokio::test]
async fn changes_of_objects_are_logged() {
    for bench in each().await.into_iter().filter(|bench| bench.name != "postgres on the previous schema") {
        println!("on {}", bench.name);
        let store = &*bench.store;
        let start = store.objects_version().await.unwrap();
        assert_eq!(changes(store, start).await.unwrap(), Vec::<String>::new());
        assert!(changes(store, start + 1).await.is_none(), "a version of another database");
        let list = model::List { name: name("media"), values: vec!["a.kz".to_owned()] };
        let client = Client { name: name("c"), weight: 1, searches: None };
        let edit =
            Objects {
                lists: vec![list], clients: vec![client], ..objects(vec![], vec![topic("t", "жаңа")])
            };
        store.declare(&edit, false, at(1)).await.unwrap();
        let edit_version = store.objects_version().await.unwrap();
        assert_eq!(changes(store, start).await.unwrap(), ["+client/c", "+list/media", "+topic/t"]);
        // A declaration that is equal to the stored object is not a change.
        store.declare(&edit, false, at(1)).await.unwrap();
        assert_eq!(changes(store, edit_version).await.unwrap(), Vec::<String>::new());
        store.watch(&name("s"), Watch::Paused, at(2)).await.unwrap();
        let names = ObjectNames { topics: vec![name("u")], ..ObjectNames::default() };
        store.undeclare(&names).await.unwrap();
        assert_eq!(changes(store, edit_version).await.unwrap(), ["+source/s", "-topic/u"]);
        let later_changes = store.changes_since(edit_version).await.unwrap().unwrap();
        assert_eq!(later_changes.sources[0].1.as_ref().unwrap().state, SourceState::Paused);
        let restart_version = store.objects_version().await.unwrap();
        store.restart_matching(&[name("t")]).await.unwrap();
        let restart_changes = store.changes_since(restart_version).await.unwrap().unwrap();
        let topics = store.topics_named(&[name("t"), name("unknown")]).await.unwrap();
        assert_eq!(restart_changes.topics[0].1.as_ref().unwrap().version, topics[0].version);
        assert_eq!(topics.len(), 1);
    }
}

/// Changes since a version that the log no longer has are reported as unknown, so that nodes miss none.
#[tokio::test]
async fn a_trimmed_log_is_reported() {
    for bench in each().await.into_iter().filter(|bench| bench.name != "postgres on the previous schema") {
        println!("on {}", bench.name);
        let store = &*bench.store;
        let start = store.objects_version().await.unwrap();
        for round in 0..=crate::objects::LOGGED_VERSIONS {
            let edit = objects(vec![], vec![topic("t", &format!("сөз{round}"))]);
            store.declare(&edit, false, at(1)).await.unwrap();
        }
        assert!(changes(store, start).await.is_none());
        assert_eq!(changes(store, start + 1).await.unwrap(), ["+topic/t"]);
    }
}

/// The previous schema has no log, so nodes load all objects.
#[tokio::test]
async fn without_a_log_everything_is_loaded() {
    for bench in each().await.into_iter().filter(|bench| bench.name == "postgres on the previous schema") {
        let store = &*bench.store;
        assert!(changes(store, store.objects_version().await.unwrap()).await.is_none());
        assert_eq!(store.topics_without_references().await.unwrap().len(), 2);
        assert_eq!(store.topics_referencing(&[ObjectReference::List("l".to_owned())]).await.unwrap(), []);
    }
}

/// References are recorded for a version of a topic. A topic that was declared without them counts as unknown.
#[tokio::test]
async fn references_lead_to_topics() {
    for bench in each().await.into_iter().filter(|bench| bench.name != "postgres on the previous schema") {
        println!("on {}", bench.name);
        let store = &*bench.store;
        let names = |topics: Vec<Topic>| -> Vec<String> {
            let mut names: Vec<String> = topics.into_iter().map(|topic| topic.name.to_string()).collect();
            names.sort();
            names
        };
        let media = ObjectReference::List("media".to_owned());
        let bank = ObjectReference::Topic("bank".to_owned());
        assert_eq!(names(store.topics_without_references().await.unwrap()), ["t", "u"]);
        let mut edit = objects(vec![], vec![topic("t", "site:@media topic:bank")]);
        edit.references = vec![(name("t"), vec![media.clone(), bank.clone()]), (name("u"), vec![])];
        store.declare(&edit, false, at(1)).await.unwrap();
        assert_eq!(names(store.topics_without_references().await.unwrap()), [""; 0]);
        for reference in [&media, &bank] {
            let topics = store.topics_referencing(std::slice::from_ref(reference)).await.unwrap();
            assert_eq!(names(topics), ["t"], "{reference:?}");
        }
        // A restart of matching keeps references. An edit by a build that records none does not.
        let restart =
            Objects { affected_topics: vec![name("t")], ..objects(vec![], vec![topic("v", "сөз")]) };
        store.declare(&restart, false, at(1)).await.unwrap();
        store.restart_matching(&[name("t")]).await.unwrap();
        assert_eq!(names(store.topics_without_references().await.unwrap()), ["v"]);
        store.declare(&objects(vec![], vec![topic("t", "басқа")]), false, at(1)).await.unwrap();
        assert_eq!(names(store.topics_without_references().await.unwrap()), ["t", "v"]);
        // The references of a removed topic are removed.
        let topic_names = ObjectNames { topics: vec![name("t")], ..ObjectNames::default() };
        store.undeclare(&topic_names).await.unwrap();
        assert_eq!(names(store.topics_referencing(&[media]).await.unwrap()), [""; 0]);
    }
}

/// Only topics that were not matched against all stored items are returned for matching.
#[tokio::test]
async fn unmatched_topics_are_found() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &*bench.store;
        let unmatched = async || -> Vec<String> {
            store
                .unmatched_topics()
                .await
                .unwrap()
                .into_iter()
                .map(|one| one.topic.name.to_string())
                .collect()
        };
        assert_eq!(unmatched().await, ["t", "u"]);
        let versions = bench.versions("t").await;
        store.mark_matched(&versions).await.unwrap();
        assert_eq!(unmatched().await, ["u"]);
        store.declare(&objects(vec![], vec![topic("t", "жаңа")]), false, at(1)).await.unwrap();
        assert_eq!(unmatched().await, ["t", "u"]);
    }
}
