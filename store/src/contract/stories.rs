//! Which items are reprints of which.

use model::Originality;

use super::*;
use crate::{StoreError, StoredItem};

/// What is stored waits to be looked at beside others; then it belongs to a story, for as long as it is stored.
#[tokio::test]
async fn reprints_are_linked_and_go_with_their_items() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let all = ["1", "2", "3"].map(|id| {
            let mut one = finding(id, &format!("сөз {id}"), DAY1, &[]);
            (one.item.url, one.item.canonical_url) = (None, None);
            one
        });
        bench.save(&[harvest(1, all.to_vec())]).await;
        let waiting = store.unlinked(10).await.unwrap();
        let rows: Vec<i64> = waiting.iter().map(|stored| stored.row).collect();
        assert_eq!(rows.len(), 3);
        let known_by = |exact, keys: &[i64]| Sketch {
            exact: Some(exact),
            title: None,
            sketch: vec![1, 2],
            keys: keys.to_vec(),
        };
        let near = Similarity { how: SimilarityKind::Near, share: 0.75 };
        let link = |place: usize, story: usize, similarity, sketch| Linked {
            row: rows[place],
            version: 1,
            source: name("s"),
            at: at(place as i64),
            story: rows[story],
            similarity,
            sketch,
        };
        let linked = [link(0, 0, None, known_by(7, &[1, -2])), link(1, 0, Some(near), known_by(8, &[-2]))];
        store.link(&linked, at(0), store.objects_version().await.unwrap()).await.unwrap();
        store.link(&linked, at(0), store.objects_version().await.unwrap()).await.unwrap();
        let left: Vec<i64> = store.unlinked(10).await.unwrap().iter().map(|stored| stored.row).collect();
        assert_eq!(left, rows[2..]);
        let candidates = async |keys: &[i64], since| {
            let mut found = store.candidates(keys, at(since)).await.unwrap();
            found.sort_by_key(|candidates| candidates.row);
            found
                .into_iter()
                .map(|candidates| (candidates.row, candidates.story, candidates.sketch))
                .collect::<Vec<_>>()
        };
        let both = [(rows[0], rows[0], known_by(7, &[-2])), (rows[1], rows[0], known_by(8, &[-2]))];
        assert_eq!(candidates(&[-2, 5], -1).await, both);
        assert_eq!(candidates(&[-2], 0).await, both[1..], "what was seen before is not asked for");
        let story = async |row: i64| {
            let found = store.story(row, 10).await.unwrap();
            found.into_iter().map(|one| (one.item.row, one.similarity)).collect::<Vec<_>>()
        };
        assert_eq!(story(rows[1]).await, [(rows[0], None), (rows[1], Some(near))]);
        assert!(story(rows[2]).await.is_empty());
        store.link(&[], at(1), store.objects_version().await.unwrap()).await.unwrap();
        assert_eq!(candidates(&[1, -2], -1).await, both[1..], "old keys are forgotten");
        store.take_down(&rows[..1], at(9)).await.unwrap();
        assert_eq!(story(rows[1]).await, [(rows[1], Some(near))]);
        store.take_down(&rows[2..], at(9)).await.unwrap();
        assert!(store.unlinked(10).await.unwrap().is_empty());
        store
            .link(&[link(2, 2, None, known_by(9, &[3]))], at(0), store.objects_version().await.unwrap())
            .await
            .unwrap();
        assert!(candidates(&[3], -1).await.is_empty(), "of what was removed meanwhile nothing is kept");
    }
}

/// Topics that are decided only when an item was looked at beside others keep what they matched through an edit, after which
/// it waits to be looked at once more; other topics do not, and where there are none nothing waits.
#[tokio::test]
async fn an_edit_takes_nothing_from_topics_that_are_decided_later() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let said = |text: &str, date: &str, topics: &[&str]| {
            let mut one = finding("1", text, date, topics);
            (one.item.url, one.item.canonical_url) = (None, None);
            one
        };
        let deferred_topics = |token: u64, one: Finding, topics: &[&str]| Harvest {
            deferred_topics: topics.iter().map(|topic| name(topic)).collect(),
            ..harvest(token, vec![one])
        };
        let waiting = async || store.unlinked(10).await.unwrap();
        let link = async |stored: &StoredItem| {
            let near = Similarity { how: SimilarityKind::Near, share: 0.75 };
            let linked = Linked {
                row: stored.row,
                version: stored.version,
                source: name("s"),
                at: at(0),
                story: stored.row,
                similarity: Some(near),
                sketch: Sketch::default(),
            };
            store.link(&[linked], at(0), store.objects_version().await.unwrap()).await.unwrap();
        };
        let matched = async |id: &str| {
            let (stored, matches) = store.item(id).await.unwrap().unwrap();
            let topics: Vec<(String, i64)> =
                matches.iter().map(|one| (one.found.topic.to_string(), one.seq)).collect();
            (stored.originality, topics)
        };
        bench.save(&[deferred_topics(1, said("бір", DAY1, &["t", "u"]), &["t"])]).await;
        let first = waiting().await.remove(0);
        assert_eq!(first.originality, None);
        link(&first).await;
        let (originality, before) = matched(&first.id).await;
        assert_eq!((originality, before.len()), (Some(Originality::Reprint), 2));
        let stale = store.link(&[], at(0), store.objects_version().await.unwrap() - 1).await;
        assert!(matches!(stale, Err(StoreError::StaleObjects)));

        bench.save(&[deferred_topics(2, said("екі", DAY1, &[]), &["t"])]).await;
        assert_eq!(matched(&first.id).await.1, before[..1], "it keeps its place in the order as well");
        let edited = waiting().await.remove(0);
        assert_eq!((edited.row, edited.originality), (first.row, Some(Originality::Reprint)));
        link(&first).await;
        assert_eq!(waiting().await.len(), 1, "what was looked at is not what it says now");
        link(&edited).await;
        assert!(waiting().await.is_empty());

        bench.save(&[harvest(3, vec![said("үш", DAY1, &[])])]).await;
        assert_eq!((matched(&first.id).await.1, waiting().await.len()), (Vec::new(), 0));
    }
}

/// Of each story the first is listed, and stories are counted, among what matched a topic.
#[tokio::test]
async fn stories_are_listed_and_counted_once() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        // The second and the fourth are reprints of the first; the third is like nothing, the fifth was not looked at.
        let all = ["1", "2", "3", "4", "5"].map(|id| {
            let mut one =
                finding(id, &format!("сөз {id}"), DAY1, if id == "1" { &["u"] } else { &["t", "u"] });
            (one.item.url, one.item.canonical_url) = (None, None);
            one
        });
        for (token, one) in all.into_iter().enumerate() {
            bench.save(&[harvest(token as u64 + 1, vec![one])]).await;
        }
        let rows: Vec<i64> = store.unlinked(10).await.unwrap().iter().map(|stored| stored.row).collect();
        let link = |place: usize, story: usize, source: &str| Linked {
            row: rows[place],
            version: 1,
            source: name(source),
            at: at(place as i64),
            story: rows[story],
            similarity: None,
            sketch: Sketch { exact: None, title: None, sketch: vec![1], keys: Vec::new() },
        };
        let linked = [link(0, 0, "s"), link(1, 0, "s"), link(2, 2, "s"), link(3, 0, "s")];
        store.link(&linked, at(0), store.objects_version().await.unwrap()).await.unwrap();
        let listed = async |topic: &str, source: Option<&str>, one_of_each_story| {
            let query = MaterialQuery {
                topic: Some(name(topic)),
                source: source.map(name),
                one_of_each_story,
                limit: 10,
                ..MaterialQuery::default()
            };
            let found = store.materials(&query).await.unwrap();
            found
                .iter()
                .map(|one| rows.iter().position(|row| *row == one.item.row).unwrap() + 1)
                .collect::<Vec<_>>()
        };
        assert_eq!(listed("u", None, false).await, [1, 2, 3, 4, 5]);
        assert_eq!(listed("u", None, true).await, [1, 3, 5]);
        assert_eq!(listed("t", None, true).await, [2, 3, 5], "the first did not match");
        assert_eq!(listed("u", Some("s"), true).await, [1, 3, 5]);
        let counted =
            (store.story_count(&name("u")).await.unwrap(), store.story_count(&name("t")).await.unwrap());
        assert_eq!(counted, (3, 3));
        assert_eq!(store.story_count(&name("nobody")).await.unwrap(), 0);
    }
}
